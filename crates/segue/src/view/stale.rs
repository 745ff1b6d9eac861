//! Staleness: which results were made from something that has changed since.
//!
//! A result is stale when a result it was built on is another one now, or is stale itself. Equal content changes
//! nothing. The same fold serves a run that took results over and a keyed workspace, where each step has a result of its
//! own age.

use indexmap::IndexMap;

use crate::plan::{NeedKind, Plan};

/// What is known of the result of a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Built {
    /// Content hash; none for one that was skipped.
    pub(crate) hash: Option<String>,
    /// Hashes of what it was built on, by step; steps that are not named count as unchanged.
    pub(crate) on: IndexMap<String, Option<String>>,
}

/// The stale steps of a plan in declaration order, each with the steps whose changed results are to blame. Steps without
/// a result are not stale.
pub(crate) fn stale(plan: &Plan, results: &IndexMap<String, Built>) -> IndexMap<String, Vec<String>> {
    let mut blame: Vec<Option<Vec<String>>> = vec![None; plan.steps.len()];
    // A step may need one that is declared after it; a plan has no cycle, so this ends.
    let mut open: Vec<u32> = (0..plan.steps.len() as u32).rev().collect();
    while let Some(at) = open.pop() {
        if blame[at as usize].is_some() {
            continue;
        }
        let step = &plan.steps[at as usize];
        let reads = step.needs.iter().filter(|need| need.kind != NeedKind::Settled);
        let unknown: Vec<u32> = reads
            .clone()
            .map(|need| need.step)
            .filter(|need| blame[*need as usize].is_none())
            .collect();
        if !unknown.is_empty() {
            open.push(at);
            open.extend(unknown);
            continue;
        }
        let mut because = Vec::new();
        if let Some(own) = results.get(&step.name) {
            for need in reads {
                let name = &plan.steps[need.step as usize].name;
                let Some(now) = results.get(name) else { continue };
                let inherited = blame[need.step as usize].clone().unwrap_or_default();
                let changed = own
                    .on
                    .get(name)
                    .is_some_and(|then| *then != now.hash)
                    .then(|| name.clone());
                for blamed in changed.into_iter().chain(inherited) {
                    if !because.contains(&blamed) {
                        because.push(blamed);
                    }
                }
            }
        }
        blame[at as usize] = Some(because);
    }
    let steps = plan.steps.iter().zip(blame);
    steps
        .filter_map(|(step, because)| {
            Some((step.name.clone(), because.filter(|because| !because.is_empty())?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cx, Pipeline, Result};

    async fn one(_cx: Cx, n: u64) -> Result<u64> {
        Ok(n)
    }

    async fn two(_cx: Cx, a: u64, b: u64) -> Result<u64> {
        Ok(a + b)
    }

    fn plan() -> std::sync::Arc<Plan> {
        let pipeline = Pipeline::define("p", |p, n| {
            let a = p.step("a", one, n);
            let b = p.step("b", one, a);
            let c = p.step("c", one, n);
            p.step("d", two, (b, c))
        });
        pipeline.expect("the plan is good").plan().clone()
    }

    /// Step, hash, and the hashes it was built on.
    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

    fn results(of: &[Row<'_>]) -> IndexMap<String, Built> {
        let built = |(name, hash, on): &Row<'_>| {
            let on = on
                .iter()
                .map(|(step, hash)| ((*step).to_owned(), Some((*hash).to_owned())))
                .collect();
            (
                (*name).to_owned(),
                Built {
                    hash: Some((*hash).to_owned()),
                    on,
                },
            )
        };
        of.iter().map(built).collect()
    }

    fn names(stale: &IndexMap<String, Vec<String>>) -> Vec<(&str, Vec<&str>)> {
        stale
            .iter()
            .map(|(step, because)| (step.as_str(), because.iter().map(String::as_str).collect()))
            .collect()
    }

    #[test]
    fn exactly_what_follows_from_a_changed_result_is_stale() {
        let plan = plan();
        let fresh = results(&[
            ("a", "1", &[]),
            ("b", "2", &[("a", "1")]),
            ("c", "3", &[]),
            ("d", "4", &[("b", "2"), ("c", "3")]),
        ]);
        assert!(stale(&plan, &fresh).is_empty());
        let mut changed = fresh.clone();
        changed["a"].hash = Some("other".into());
        assert_eq!(
            names(&stale(&plan, &changed)),
            [("b", vec!["a"]), ("d", vec!["a"])]
        );
        let mut beside = fresh.clone();
        beside["c"].hash = Some("other".into());
        assert_eq!(names(&stale(&plan, &beside)), [("d", vec!["c"])]);
        let mut both = changed.clone();
        both["c"].hash = None;
        assert_eq!(
            names(&stale(&plan, &both)),
            [("b", vec!["a"]), ("d", vec!["a", "c"])]
        );
    }

    #[test]
    fn a_step_without_a_result_is_not_stale_and_hides_nothing_of_others() {
        let plan = plan();
        let some = results(&[("a", "other", &[]), ("b", "2", &[("a", "1")]), ("c", "3", &[])]);
        assert_eq!(names(&stale(&plan, &some)), [("b", vec!["a"])]);
    }
}
