//! History: what the runs of a pipeline that are kept have used, step by step. Only read; where there is no store, none is
//! made.

use std::collections::{BTreeMap, BTreeSet};

use segue::plan::Kind;
use segue::price::PriceBook;
use segue::store::RunQuery;
use segue::view::{CallStatus, SkipWhy};
use segue::{Nanousd, RunStatus, RunView, Usage};

use crate::bounds;
use crate::desk::{self, Desk};
use crate::problem::Problem;
use crate::program::Program;
use crate::project::{Place, Project};
use crate::store::Open;

/// How many of the newest runs are looked at.
const RUNS: usize = 20;

/// What runs of a pipeline have used.
#[derive(Debug, Default)]
pub(crate) struct History {
    runs: Vec<Past>,
}

/// What one run has used: by path of the step, without the numbers of items and rounds. A step that was skipped is there
/// and has no calls.
#[derive(Debug, Default)]
struct Past {
    steps: BTreeMap<String, Vec<Call>>,
}

#[derive(Debug)]
struct Call {
    model: String,
    usage: Usage,
    /// Whether it is the first of its step, item or round.
    is_first: bool,
}

/// Three figures from several runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen<T> {
    pub(crate) least: T,
    pub(crate) middle: T,
}

impl History {
    /// What the store of a project keeps of a pipeline's runs that succeeded as a whole.
    ///
    /// # Errors
    /// When there is a store that cannot be read.
    pub(crate) fn read(program: &Program, project: Project, pipeline: &str) -> Result<Self, Problem> {
        match project.place() {
            Place::Memory => return Ok(Self::default()),
            Place::File(path) if !path.exists() => return Ok(Self::default()),
            Place::File(_) | Place::Server(_) => {}
        }
        let runtime = desk::runtime()?;
        let runs = runtime.block_on(async {
            let desk = Desk::open(program, project, Open::ToRead).await?;
            let query = RunQuery {
                status: vec![RunStatus::Succeeded],
                pipeline: Some(pipeline.to_owned()),
                ..RunQuery::newest(RUNS)
            };
            let heads = desk.store.runs(query).await.map_err(crate::naming::unread)?;
            let mut runs = Vec::new();
            for head in heads.items {
                let run = desk.runner.attach(head.id).await?;
                runs.extend(Past::of(&run.view()));
            }
            Ok::<_, Problem>(runs)
        });
        runtime.shutdown_background();
        Ok(Self { runs: runs? })
    }

    /// What a step has cost, at the prices that hold now, in runs that asked none but these models.
    pub(crate) fn cost(&self, step: &str, models: &[&str], prices: &PriceBook) -> Option<Seen<Nanousd>> {
        let cost = |calls: &Vec<Call>| {
            calls.iter().try_fold(Nanousd::ZERO, |sum, call| {
                let price = bounds::price_of(&call.model, prices)?;
                sum.checked_add(price.cost_of(&call.usage).ok()?)
            })
        };
        seen(self.of(step, models).filter_map(cost).collect())
    }

    /// How many tokens the first request of a step had.
    pub(crate) fn tokens(&self, step: &str, models: &[&str]) -> Option<Seen<u64>> {
        let firsts = self.of(step, models).flatten().filter(|call| call.is_first);
        seen(firsts.map(|call| call.usage.input_tokens).collect())
    }

    fn of(&self, step: &str, models: &[&str]) -> impl Iterator<Item = &Vec<Call>> {
        let past = self.runs.iter().filter_map(|run| run.steps.get(step));
        past.filter(|calls| calls.iter().all(|call| models.contains(&call.model.as_str())))
    }
}

impl Past {
    /// Nothing of a run that took results over or ran in part: it says less than a whole one costs.
    fn of(view: &RunView) -> Option<Self> {
        let mut past = Self::default();
        let numbered = numbered(view);
        let plain = |path: &str| plain(&unnumbered(path, &numbered));
        for step in view.all_steps() {
            let not_selected = step
                .skipped
                .as_ref()
                .is_some_and(|skipped| skipped.reason == SkipWhy::NotSelected);
            if step.reused_from.is_some() || step.cached || not_selected {
                return None;
            }
            past.steps.entry(plain(&step.path)).or_default();
        }
        let mut begun = BTreeSet::new();
        for call in view.calls().filter(|call| call.status != CallStatus::Refused) {
            let (Some(provider), Some(model)) = (&call.provider, &call.model) else {
                continue;
            };
            past.steps.entry(plain(&call.step)).or_default().push(Call {
                model: format!("{provider}/{model}"),
                usage: call.usage,
                is_first: begun.insert(call.step.clone()),
            });
        }
        Some(past)
    }
}

/// Further calls of pipelines that agents have as tools, each by the path of its first: `ask/find_2` by `ask/find`.
fn numbered(view: &RunView) -> BTreeMap<String, String> {
    let mut numbered = BTreeMap::new();
    for step in view.all_steps().filter(|step| step.kind == Some(Kind::Pipeline)) {
        let Some((around, _)) = step.path.rsplit_once('/') else {
            continue;
        };
        let calls = view.step(around).and_then(|around| around.kind);
        let Some((first, number)) = step.path.rsplit_once('_') else {
            continue;
        };
        let is_call = matches!(calls, Some(Kind::Agent | Kind::Function | Kind::Route));
        if is_call && number.bytes().all(|byte| byte.is_ascii_digit()) && view.step(first).is_some() {
            numbered.insert(step.path.clone(), first.to_owned());
        }
    }
    numbered
}

/// A path in which further calls of a pipeline are the first.
fn unnumbered(path: &str, numbered: &BTreeMap<String, String>) -> String {
    let mut path = path.to_owned();
    // The innermost first: what is around it is renamed with the rest.
    for (call, first) in numbered.iter().rev() {
        if let Some(rest) = path.strip_prefix(call.as_str())
            && (rest.is_empty() || rest.starts_with(['/', '[']))
        {
            path = format!("{first}{rest}");
        }
    }
    path
}

/// A path without the numbers of items and rounds.
fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut is_number = false;
    for c in path.chars() {
        match c {
            '[' => is_number = true,
            ']' => is_number = false,
            c if !is_number => plain.push(c),
            _ => {}
        }
    }
    plain
}

fn seen<T: Ord + Copy>(mut figures: Vec<T>) -> Option<Seen<T>> {
    figures.sort_unstable();
    Some(Seen {
        least: *figures.first()?,
        middle: *figures.get(figures.len() / 2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_rounds_are_those_of_their_step() {
        assert_eq!(plain("collect[2]/extract[0]"), "collect/extract");
        assert_eq!(plain("draft"), "draft");
    }

    #[test]
    fn the_middle_of_several() {
        assert_eq!(seen(vec![5, 1, 3]), Some(Seen { least: 1, middle: 3 }));
        assert_eq!(seen::<u64>(Vec::new()), None);
    }
}
