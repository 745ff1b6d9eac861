//! Attending: a run that this program started or goes on with is followed until it rests, and written out.

use segue::view::RunRecord;
use segue::{Budget, ErrorKind, Listen, RunHandle, RunStatus, RunView};
use serde_json::Value as Json;

use crate::arguments::{FollowArgs, Form};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::follow::{Followed, Following};
use crate::output::Output;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Place;
use crate::retain;
use crate::verb::run::is_somebody_there;

/// How a run is attended.
#[derive(Default)]
pub(crate) struct Attend {
    /// Whether a person may be asked.
    pub(crate) may_ask: bool,
    /// Whether stdout gets events instead of the output.
    pub(crate) events: bool,
    /// Who has heard what models write since before the run was there, where that is shown.
    pub(crate) deltas: Option<Listen>,
    /// The run's total.
    pub(crate) total: Option<Budget>,
    /// Whether what has happened so far is history: known, and not shown.
    pub(crate) from_here: bool,
    /// The same, up to this event.
    pub(crate) from: u64,
}

impl Attend {
    /// As flags say. Models are listened to from here on.
    pub(crate) fn as_said(follow: &FollowArgs, desk: &Desk) -> Self {
        Self {
            may_ask: !follow.no_input && is_somebody_there(),
            events: follow.output == Form::Ndjson,
            deltas: follow.deltas.then(|| desk.runner.listen()),
            ..Self::default()
        }
    }

    /// Follows a run until it rests; meanwhile this process takes up what others have left, and it does not leave that
    /// before it rests too. Writes what the run came to.
    ///
    /// # Errors
    /// When the process cannot listen for signals.
    pub(crate) async fn follow(
        self,
        desk: &Desk,
        run: RunHandle<Json>,
        program: &mut Program,
    ) -> Result<Exit, Problem> {
        let is_events = self.events;
        let Followed { view, exit, left } = self.attend(desk, &run, program).await?;
        if program.common.json {
            program.output.object(&view.record());
        } else if !is_events && view.status() == RunStatus::Succeeded {
            if program.screen.is_live() && program.output.is_terminal() {
                program.screen.line("");
            }
            let output = output_of(&run, &view).await?;
            program.output.value(&output);
        }
        match left {
            true => desk.abandon(),
            false => {
                desk.finish().await;
                retain::after_a_run(desk, program).await;
            }
        }
        Ok(exit)
    }
}

impl Attend {
    /// Follows a run until it rests, and writes nothing.
    ///
    /// # Errors
    /// When it cannot be followed.
    pub(crate) async fn quietly(
        self,
        desk: &Desk,
        run: RunHandle<Json>,
        program: &mut Program,
    ) -> Result<(Exit, RunRecord), Problem> {
        let exit = self.attend(desk, &run, program).await?;
        let Followed { view, exit, left } = exit;
        match left {
            true => desk.abandon(),
            false => {
                desk.finish().await;
                retain::after_a_run(desk, program).await;
            }
        }
        Ok((exit, view.record()))
    }
}

impl Attend {
    async fn attend(
        self,
        desk: &Desk,
        run: &RunHandle<Json>,
        program: &mut Program,
    ) -> Result<Followed, Problem> {
        let known = run.view();
        let following = Following {
            plan: known.plan().cloned(),
            run: run.untyped(),
            budget: match self.from_here || self.from > 0 {
                true => known.plan().and_then(|plan| plan.run.budget),
                false => self.total,
            },
            screen: program.screen,
            events: self.events.then_some(&mut program.output),
            deltas: self.deltas,
            may_ask: self.may_ask,
            is_waiting: self.from_here,
            from: if self.from_here {
                known.last_seq()
            } else {
                self.from
            },
            store_flag: (desk.project.place() != Place::Memory).then(|| desk.project.store_flag()),
        };
        let followed = tokio::select! {
            followed = following.follow() => followed,
            () = desk.keep_recovering() => unreachable!("it goes on for as long as it is waited for"),
        };
        followed
            .map_err(|error| Problem::new(ErrorKind::Internal, format!("cannot listen for signals: {error}")))
    }
}

/// The output of a run that succeeded, also one that is kept beside its log.
async fn output_of(run: &RunHandle<Json>, view: &RunView) -> Result<Json, Problem> {
    if let Some(output) = view.output()
        && let Ok(json) = output.to_json()
        && !json.is_null()
    {
        return Ok(Json::clone(&json));
    }
    Ok(run.done().await?.output)
}

impl Output {
    /// What a run that is over came to.
    ///
    /// # Errors
    /// When its output cannot be read.
    pub(crate) async fn ended(&mut self, run: &RunHandle<Json>, as_json: bool) -> Result<Exit, Problem> {
        let view = run.view();
        if as_json {
            self.object(&view.record());
        } else if view.status() == RunStatus::Succeeded {
            let output = output_of(run, &view).await?;
            self.value(&output);
        }
        Ok(Exit::of_run(&view))
    }
}
