//! Starting: what flags say about a run, checked against the pipeline before anything runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgMatches;
use segue::budget::OnExceed;
use segue::fault::{Faults, quote};
use segue::file::scalar::duration_text;
use segue::file::suggest::Nearest;
use segue::{Budget, Launch, Plan};
use serde_json::{Map, Value as Json};

use crate::arguments::{Exceed, MarkArgs, StartArgs, TermsArgs};
use crate::operator::Operator;
use crate::problem::Problem;
use crate::{flags, inputs, pipelines};

/// A pipeline with everything said about its run.
#[derive(Debug)]
pub(crate) struct Start {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its plan.
    pub(crate) plan: Arc<Plan>,
    /// What is probably not meant as it is written.
    pub(crate) warnings: Faults,
    /// Models by alias or agent; by no name for all agents.
    pub(crate) models: Vec<(Option<String>, String)>,
    /// The run's total, where it is not the pipeline's.
    budget: Option<Option<Budget>>,
    /// The run's deadline, where it is not the pipeline's.
    pub(crate) timeout: Option<Option<Duration>>,
    /// Most attempts at once, where it is not the pipeline's.
    pub(crate) max_parallel: Option<u32>,
    /// The arguments of `--input`, with their places.
    inputs: Vec<(usize, String)>,
    /// Inputs by flags of their own, with their places.
    own: Vec<(usize, String, String)>,
}

impl Start {
    /// Reads what flags say.
    ///
    /// # Errors
    /// A flag that does not fit the pipeline.
    pub(crate) fn read(
        (path, loaded): (PathBuf, segue::file::Loaded),
        arguments: StartArgs,
        matches: &ArgMatches,
    ) -> Result<Self, Problem> {
        let places = matches.indices_of("inputs").into_iter().flatten();
        Ok(Self {
            inputs: places.zip(arguments.inputs).collect(),
            own: flags::given(matches, &loaded.plan),
            ..Self::of((path, loaded), &arguments.terms)?
        })
    }

    /// The same for a pipeline that takes no inputs from flags.
    ///
    /// # Errors
    /// A flag that does not fit the pipeline.
    pub(crate) fn of(
        (path, loaded): (PathBuf, segue::file::Loaded),
        terms: &TermsArgs,
    ) -> Result<Self, Problem> {
        let plan = loaded.plan;
        let models = terms.models.iter().map(|text| model(text, &plan));
        Ok(Self {
            models: models.collect::<Result<_, _>>()?,
            budget: total(terms.budget.as_deref(), terms.on_exceed, &plan)?,
            timeout: terms.timeout.as_deref().map(timeout).transpose()?,
            max_parallel: terms.max_parallel,
            inputs: Vec::new(),
            own: Vec::new(),
            warnings: loaded.warnings,
            path,
            plan,
        })
    }

    /// Reads the file again, with what has come to be known of the tools it names.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read_again(&mut self, operator: &Operator) -> Result<(), Problem> {
        let loaded = pipelines::load(&self.path, operator, false)?;
        self.plan = loaded.plan;
        self.warnings = loaded.warnings;
        Ok(())
    }

    /// The inputs, checked; where not all of them have to be given, those that are.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub(crate) fn inputs(&mut self, some_are_enough: bool) -> Result<Json, Problem> {
        inputs::read(
            &self.plan,
            some_are_enough,
            std::mem::take(&mut self.inputs),
            std::mem::take(&mut self.own),
        )
    }

    /// The declared defaults, for a look at the plan without inputs.
    pub(crate) fn defaults(&self) -> Map<String, Json> {
        let declared = flags::named(&self.plan);
        declared
            .iter()
            .filter_map(|(name, schema)| Some((name.clone(), schema.default_value()?.clone())))
            .collect()
    }

    /// Whether any input was given.
    pub(crate) fn has_inputs(&self) -> bool {
        !self.inputs.is_empty() || !self.own.is_empty()
    }

    /// The total that holds for the run.
    pub(crate) fn total(&self) -> Option<Budget> {
        self.budget.unwrap_or(self.plan.run.budget)
    }

    /// Says all of it to a run about to start.
    pub(crate) fn apply(&self, mut launch: Launch<Json, Json>) -> Launch<Json, Json> {
        for (name, model) in &self.models {
            launch = match name {
                Some(name) => launch.model_of(name, model),
                None => launch.model(model),
            };
        }
        if let Some(budget) = self.budget {
            launch = launch.budget(budget);
        }
        if let Some(timeout) = self.timeout {
            launch = launch.timeout(timeout);
        }
        if let Some(attempts) = self.max_parallel {
            launch = launch.max_parallel(attempts);
        }
        launch.trigger("cli")
    }
}

/// What stays with a run, as flags say.
pub(crate) struct Marks {
    labels: Vec<(String, String)>,
    note: Option<String>,
    request_key: Option<String>,
}

impl Marks {
    /// Reads what flags say.
    ///
    /// # Errors
    /// A label that is none.
    pub(crate) fn read(marks: &MarkArgs) -> Result<Self, Problem> {
        let labels = marks.labels.iter().map(|text| label(text));
        Ok(Self {
            labels: labels.collect::<Result<_, _>>()?,
            note: marks.note.clone(),
            request_key: marks.request_key.clone(),
        })
    }

    /// Says it to a run about to start.
    pub(crate) fn apply(self, mut launch: Launch<Json, Json>) -> Launch<Json, Json> {
        for (name, value) in self.labels {
            launch = launch.label(name, value);
        }
        if let Some(note) = &self.note {
            launch = launch.note(note);
        }
        if let Some(key) = &self.request_key {
            launch = launch.request_key(key);
        }
        launch
    }
}

/// `NAME`, or `ALIAS=NAME` for a model or agent of the pipeline.
pub(crate) fn model(text: &str, plan: &Plan) -> Result<(Option<String>, String), Problem> {
    let Some((alias, name)) = text.split_once('=') else {
        return Ok((None, text.to_owned()));
    };
    if plan.models.contains_key(alias) || plan.agents.contains_key(alias) {
        return Ok((Some(alias.to_owned()), name.to_owned()));
    }
    let known = plan.models.keys().chain(plan.agents.keys()).map(String::as_str);
    let nearest = Nearest::of(alias, known, "models and agents");
    let problem = Problem::usage(format!(
        "`--model`: {} is no model or agent of `{}`",
        quote(alias),
        plan.name
    ));
    Err(match nearest.hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    })
}

/// The total that `--budget` and `--on-exceed` say; what they do not say stays the pipeline's.
pub(crate) fn total(
    budget: Option<&str>,
    on_exceed: Option<Exceed>,
    plan: &Plan,
) -> Result<Option<Option<Budget>>, Problem> {
    let on_exceed = on_exceed.map(|what| match what {
        Exceed::Fail => OnExceed::Fail,
        Exceed::Pause => OnExceed::Pause,
    });
    let given = match budget {
        None => plan.run.budget,
        Some("none") => None,
        Some(text) => {
            let total: Budget = text.parse().map_err(|error: segue::budget::BudgetError| {
                Problem::usage(format!("`--budget`: {error}"))
                    .hint("write `0.50`, `usd=0.5,tokens=20000,requests=30` or `none`")
            })?;
            let base = plan.run.budget.unwrap_or(Budget::UNLIMITED);
            Some(Budget {
                usd: total.usd,
                tokens: total.tokens,
                requests: total.requests,
                ..base
            })
        }
    };
    match (given, on_exceed) {
        (None, Some(_)) => Err(
            Problem::usage("`--on-exceed`: the run has no budget that could be exceeded")
                .hint("give one, such as `--budget 0.50`"),
        ),
        (Some(budget), Some(on_exceed)) => Ok(Some(Some(budget.on_exceed(on_exceed)))),
        (given, None) if budget.is_some() => Ok(Some(given)),
        (_, None) => Ok(None),
    }
}

/// `NAME=VALUE`.
pub(crate) fn label(text: &str) -> Result<(String, String), Problem> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(
            Problem::usage(format!("`--label`: {} is not a label", quote(text)))
                .hint("write `--label name=value`"),
        ),
    }
}

fn timeout(text: &str) -> Result<Option<Duration>, Problem> {
    if text == "none" {
        return Ok(None);
    }
    match duration_text(text) {
        Ok(limit) if !limit.is_zero() => Ok(Some(limit)),
        Ok(_) => {
            Err(Problem::usage("`--timeout` needs to be longer than zero")
                .hint("write `none` for no deadline"))
        }
        Err(flaw) => {
            let fault = flaw.into_fault("`--timeout`");
            let problem = Problem::usage(fault.message.clone());
            Err(match fault.advice() {
                Some(advice) => problem.hint(advice),
                None => problem,
            })
        }
    }
}
