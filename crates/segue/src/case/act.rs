//! Acts: a case is started, answered, killed and taken up as its file says, until it rests; then it is looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::got::{Came, Got};
use super::report::{Report, Unmet};
use super::stage::Stage;
use super::{Bench, Case, Does, Expectation, Of, Suite, What};
use crate::artifact::Media;
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Failure};
use crate::fault::quote;
use crate::file::Loaded;
use crate::file::suggest::Nearest;
use crate::id::RunId;
use crate::matcher::Condition;
use crate::model::cassette::Recording;
use crate::model::script;
use crate::plan::{Input, Plan};
use crate::question::{Question, QuestionKind};
use crate::runner::{Outcome, Rerun, RunHandle};
use crate::schema::Schema;

/// More answers than this are not given in one act: the pipeline asks for ever.
const MOST_ANSWERS: usize = 1000;

impl Suite {
    /// Runs a case, with its own models instead of the cassette's where it is recorded.
    ///
    /// Waits on the clock of the runtime: where [`Suite::is_simulated`], run it on one of its own whose time is paused.
    pub async fn run(
        &self,
        case: &Case,
        loaded: &Loaded,
        bench: &Bench,
        recording: Option<&Recording>,
    ) -> Report {
        let plan = match case.plan(loaded) {
            Ok(plan) => plan,
            Err(message) => return Report::of(None, Vec::new(), None, vec![message]),
        };
        match Stage::new(self, case, plan, bench, recording) {
            Ok(stage) => Play::new(stage, case, recording).whole().await,
            Err(failure) => Report::of(None, Vec::new(), None, vec![failure.message]),
        }
    }

    /// What a case whose pipeline has faults came to: it may expect one of their codes.
    #[must_use]
    pub fn refused(&self, case: &Case, codes: &[String]) -> Report {
        let came = Came::Refused {
            codes: codes.to_vec(),
            failure: Box::new(Failure::new(
                ErrorKind::InvalidDefinition,
                "the pipeline has faults",
            )),
        };
        let got = Got::refused(&came);
        let (mut unmet, mut errors) = (Vec::new(), Vec::new());
        for expectation in &case.expect {
            unmet.extend(judged("", expectation, &got.of(expectation)));
        }
        if !expects_refusal(&case.expect) {
            errors.push("the pipeline has faults".to_owned());
        }
        Report::of(None, unmet, None, errors)
    }
}

impl Case {
    /// The plan it runs: that of the file, or of the pattern it asks for.
    ///
    /// # Errors
    /// That there is no such pattern.
    fn plan<'l>(&self, loaded: &'l Loaded) -> Result<&'l Arc<Plan>, String> {
        let Some(pattern) = &self.pattern else {
            return Ok(&loaded.plan);
        };
        loaded.patterns.get(pattern).ok_or_else(|| {
            let known = loaded.patterns.keys().map(String::as_str);
            let hint = Nearest::of(pattern, known, "patterns").hint.unwrap_or_default();
            let name = quote(&loaded.plan.name);
            format!("pipeline {name} has no pattern {} ({hint})", quote(pattern))
        })
    }
}

/// A case under way.
struct Play<'a> {
    stage: Stage<'a>,
    case: &'a Case,
    recording: Option<&'a Recording>,
    run: Option<RunId>,
    last: Option<RunHandle<Json>>,
    /// The workspace its runs share.
    key: Option<String>,
    unmet: Vec<Unmet>,
    errors: Vec<String>,
    /// What was answered, approved and rejected.
    used: BTreeSet<String>,
}

impl<'a> Play<'a> {
    fn new(stage: Stage<'a>, case: &'a Case, recording: Option<&'a Recording>) -> Self {
        Self {
            stage,
            case,
            recording,
            run: None,
            last: None,
            key: case.key.clone(),
            unmet: Vec::new(),
            errors: Vec::new(),
            used: BTreeSet::new(),
        }
    }

    async fn whole(mut self) -> Report {
        let came = self.first().await;
        self.look("", &came, &self.case.expect).await;
        for (at, act) in self.case.then.iter().enumerate() {
            if !self.errors.is_empty() {
                break;
            }
            let came = self.further(&act.does).await;
            self.look(&format!("then[{at}]."), &came, &act.expect).await;
        }
        self.never_happened();
        let watch = &self.stage.watch;
        self.errors.extend(watch.what_was_refused());
        let rules = self.stage.rules();
        Report {
            rules,
            ..Report::of(self.run, self.unmet, watch.miss(), self.errors)
        }
    }

    async fn first(&mut self) -> Came {
        let what = self.case.run.clone();
        self.begin(what).await
    }

    async fn further(&mut self, does: &Does) -> Came {
        let rerun = match (&self.key, &self.last) {
            _ if matches!(does, Does::Run(_)) => None,
            (Some(key), _) => match self.stage.runner.workspace(&self.stage.pipeline, key) {
                Ok(workspace) => Some(workspace.rerun()),
                Err(error) => return Came::refused(&error),
            },
            (None, Some(last)) => Some(self.stage.runner.rerun(last.id())),
            (None, None) => {
                let message = "there is no run to go on from";
                return Came::of(Failure::new(ErrorKind::NotFound, message));
            }
        };
        let started = match (does, rerun) {
            (Does::Run(what), _) => return self.begin(Some(what.clone())).await,
            (Does::Rerun { step, follow, note }, Some(rerun)) => {
                let rerun = match follow {
                    true => rerun.from(step),
                    false => rerun.only(step),
                };
                let rerun = self.limited(rerun);
                match note {
                    Some(note) => rerun.note(note),
                    None => rerun,
                }
            }
            (_, Some(rerun)) => self.limited(rerun.stale()),
            (_, None) => return Came::of(Failure::new(ErrorKind::NotFound, "there is no run to go on from")),
        };
        self.started(started.into_future()).await
    }

    /// Starts the pipeline with the inputs of the case.
    async fn begin(&mut self, what: Option<What>) -> Came {
        let input = Json::Object(self.inputs());
        let mut launch = self.stage.runner.start(&self.stage.pipeline, input);
        for (name, asked) in self.stage.meant() {
            launch = launch.model_of(name, asked);
        }
        if let Some(budget) = self.budget() {
            launch = launch.budget(budget);
        }
        if let Some(key) = &self.key {
            launch = launch.key(key);
        }
        let launch = match what {
            None => launch,
            Some(What::All) => launch.all(),
            Some(What::Step(step)) => launch.only(step),
        };
        self.started(launch.into_future()).await
    }

    /// The inputs of the case; the text of a file is one where the pipeline takes files.
    fn inputs(&self) -> Map<String, Json> {
        let mut inputs = self.case.inputs.clone();
        let Input::Named(declared) = &self.stage.pipeline.plan().input else {
            return inputs;
        };
        for (name, path) in &self.case.files {
            let is_file = declared.get(name).is_some_and(Schema::is_file);
            if let Some(value) = inputs.get_mut(name).filter(|_| is_file) {
                let file = path.rsplit('/').next().unwrap_or(path);
                let bytes = value.as_str().map_or(0, str::len);
                let media_type = Media::of_name(file).media_type();
                *value = json!({"name": file, "media_type": media_type, "bytes": bytes, "artifact": null, "text": *value});
            }
        }
        inputs
    }

    /// The total of the next run: the case's, and what is left of the recording's.
    fn budget(&self) -> Option<Budget> {
        let left = self.recording.and_then(Recording::left);
        let Some(left) = left else { return self.case.budget };
        let mut budget = self.case.budget.unwrap_or(Budget::UNLIMITED);
        budget.usd = Some(budget.usd.map_or(left, |usd| usd.min(left)));
        Some(budget)
    }

    /// A re-run under what the case and the recording leave.
    fn limited(&self, rerun: Rerun) -> Rerun {
        match self.budget() {
            Some(budget) => rerun.budget(budget),
            None => rerun,
        }
    }

    /// Waits until a run is there, or its process is lost with its start.
    async fn started(&mut self, starting: impl Future<Output = Result<RunHandle<Json>, Error>>) -> Came {
        let process = self.stage.process.clone();
        let started = tokio::select! {
            started = starting => Some(started),
            () = process.died() => None,
        };
        let handle = match started {
            Some(Ok(handle)) => handle,
            Some(Err(error)) => return Came::refused(&error),
            None => match self.stage.take_up(None).await {
                Ok(handle) => handle,
                Err(failure) => {
                    self.errors.push(failure.message.clone());
                    return Came::of(failure);
                }
            },
        };
        self.run.get_or_insert(handle.id());
        match self.rests(handle).await {
            Ok(handle) => {
                let view = handle.view();
                let refused = view.error().is_some_and(|error| error.kind == ErrorKind::Budget);
                if refused && self.recording.and_then(Recording::left).is_some() && self.case.budget.is_none()
                {
                    self.errors
                        .push("the budget of the recording is used up".to_owned());
                }
                if self.key.is_none() {
                    self.key = view.record().key;
                }
                self.last = Some(handle);
                Came::Rests
            }
            Err(failure) => {
                self.errors.push(failure.message.clone());
                Came::of(failure)
            }
        }
    }

    /// Goes along with a run, answers it and takes it up again, until it is over or nobody answers.
    async fn rests(&mut self, mut handle: RunHandle<Json>) -> Result<RunHandle<Json>, Failure> {
        let failed = |error: Error| error.failure().clone();
        for _ in 0..MOST_ANSWERS {
            let process = self.stage.process.clone();
            let outcome = tokio::select! {
                outcome = handle.outcome() => outcome,
                () = process.died() => {
                    handle = self.stage.take_up(Some(handle.id())).await?;
                    continue;
                }
            };
            // An error is how it ended, and is looked at like any other end.
            let waits = matches!(outcome, Ok(Outcome::Waiting(_)));
            handle.refresh().await.map_err(failed)?;
            if !waits {
                return Ok(handle);
            }
            let open = handle.questions();
            let Some((question, answer)) = open.iter().find_map(|open| Some((open, self.answer(open)?)))
            else {
                return Ok(handle);
            };
            let process = self.stage.process.clone();
            tokio::select! {
                answered = handle.answer(question.id, answer, "test") => {
                    answered.map_err(|error| {
                        let message = format!("the answer to {}: {}", quote(&question.title), error.failure().message);
                        Failure::new(error.kind(), message)
                    })?;
                }
                () = process.died() => handle = self.stage.take_up(Some(handle.id())).await?,
            }
        }
        let message = format!("the pipeline still asks after {MOST_ANSWERS} answers");
        Err(Failure::new(ErrorKind::NoProgress, message))
    }

    /// What the case answers to a question, if anything.
    fn answer(&mut self, question: &Question) -> Option<Json> {
        if question.kind == QuestionKind::Approval {
            let tool = question
                .approval
                .as_ref()
                .map(|approval| approval.tool.as_str())?;
            let has = |tools: &[String]| tools.iter().any(|name| name == tool);
            if has(&self.case.approve) {
                self.used.insert(format!("approve {tool}"));
                return Some(json!({"approved": true}));
            }
            if has(&self.case.reject) {
                self.used.insert(format!("reject {tool}"));
                return Some(json!({"approved": false, "reason": "the test rejects it"}));
            }
        }
        let mut answers = self.case.answers.iter();
        let (step, answer) = answers.find(|(step, _)| script::is_step(step, &question.step))?;
        self.used.insert(format!("answers {step}"));
        Some(answer.clone())
    }

    async fn look(&mut self, before: &str, came: &Came, expect: &[Expectation]) {
        if let Came::Refused { failure, .. } = came
            && self.errors.is_empty()
            && !expects_refusal(expect)
        {
            self.errors
                .push(format!("the run was refused: {}", failure.message));
            return;
        }
        let got = match came {
            Came::Refused { .. } => Got::refused(came),
            Came::Rests => {
                match Got::of_run(&self.stage, self.last.as_ref(), self.key.as_deref(), expect).await {
                    Ok(got) => got,
                    Err(failure) => {
                        self.errors.push(failure.message);
                        return;
                    }
                }
            }
        };
        for expectation in expect {
            self.unmet
                .extend(judged(before, expectation, &got.of(expectation)));
        }
    }

    /// What the file says and what never happened: a test of that would prove nothing.
    fn never_happened(&mut self) {
        if !self.errors.is_empty() {
            return;
        }
        let mut never = |expect: String, want: &str| {
            self.unmet.push(Unmet {
                expect,
                want: want.into(),
                got: "never".into(),
                is_condition: true,
                plain: None,
            });
        };
        for number in self.stage.watch.unmet() {
            never(format!("faults[{}]", number - 1), "met");
        }
        let said = [("approve", &self.case.approve), ("reject", &self.case.reject)];
        for (word, tools) in said {
            for tool in tools
                .iter()
                .filter(|tool| !self.used.contains(&format!("{word} {tool}")))
            {
                never(format!("{word}.{tool}"), "asked");
            }
        }
        for step in self.case.answers.keys() {
            if !self.used.contains(&format!("answers {step}")) {
                never(format!("answers.{step}"), "asked");
            }
        }
    }
}

fn expects_refusal(expect: &[Expectation]) -> bool {
    expect.iter().any(|expectation| expectation.of == Of::Refused)
}

/// What is not as expected.
fn judged(before: &str, expectation: &Expectation, got: &Json) -> Option<Unmet> {
    let unmet = expectation.matcher.unmet(got)?;
    Some(Unmet {
        expect: format!("{before}{}", expectation.path),
        want: expectation.matcher.wanted(unmet),
        got: got.clone(),
        is_condition: !matches!(unmet, Condition::Equals(_)),
        plain: expectation.plain,
    })
}
