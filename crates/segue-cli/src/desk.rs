//! The desk: a runner on the store of the project, and what its process owes the store — whatever a dead process left
//! unfinished is taken up, and not left before it rests.

use std::sync::Arc;
use std::time::Duration;

use segue::store::{SignalKind, Store};
use segue::{Error, ErrorKind, Plan, RunHandle, RunId, RunStatus, Runner};
use segue_tools::mcp::Server;
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::naming::unread;
use crate::operator::Operator;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::{Place, Project};
use crate::secrets;
use crate::servers;
use crate::store::{self, Open};
use crate::terminal::{Screen, words};

/// How often it is looked whether somebody has left a run.
const LOOK: Duration = Duration::from_millis(500);
/// How long is waited for whoever works on a run that is cancelled.
const PATIENCE: Duration = Duration::from_secs(10);

/// A runner on the store of a project.
pub(crate) struct Desk {
    pub(crate) runner: Runner,
    pub(crate) project: Project,
    pub(crate) store: Arc<dyn Store>,
    screen: Screen,
    servers: Vec<Arc<Server>>,
}

/// The runtime of a verb that waits for something.
///
/// # Errors
/// When the system has no thread for it.
pub(crate) fn runtime() -> Result<Runtime, Problem> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(ErrorKind::Internal, format!("cannot start: {error}")))
}

/// Why a run was not taken up, and that it is still there to be.
fn left(error: Error, run: RunId) -> Problem {
    let is_busy = matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound);
    let problem = Problem::from(error);
    match is_busy {
        true => problem,
        false => problem.hint(format!(
            "{run} is left as it is; `segue resume {run}` goes on with it once that is mended"
        )),
    }
}

impl Desk {
    /// Opens the store of a project, with a runner on it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) async fn open(program: &Program, project: Project, how: Open) -> Result<Self, Problem> {
        let screen = program.screen;
        let operator = Operator::of(&project, &program.registry, &program.models)?;
        let store = store::open(&project, how, screen).await?;
        let mut builder = Runner::builder()
            .prices((*operator.prices).clone())
            .registry(operator.registry)
            .models(operator.models)
            .redactor(secrets::redactor())
            .store_in(store.clone());
        let config = &project.config;
        if let Some(runs) = config.count("limits.max_runs") {
            builder = builder.max_runs(usize::try_from(runs).unwrap_or(usize::MAX));
        }
        if let Some(attempts) = config.count("limits.max_parallel") {
            builder = builder.max_parallel(u32::try_from(attempts).unwrap_or(u32::MAX));
        }
        for budget in config.budgets()? {
            builder = builder.standing_budget(budget.standing());
        }
        if let Some(bytes) = config.count("limits.output_inline") {
            builder = builder.output_inline(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        let runner = builder.build()?;
        Ok(Self {
            runner,
            project,
            store,
            screen,
            servers: operator.servers,
        })
    }

    /// Holds the tools of MCP servers that a plan names against what is pinned of them, before a run of it starts.
    ///
    /// # Errors
    /// When one is not what was pinned, or its server may not be reached.
    pub(crate) async fn verify(&self, plan: &Plan) -> Result<(), Problem> {
        servers::verify(plan, &self.servers, &self.project, self.screen).await
    }

    /// The same desk, or one that knows more: MCP servers that a plan names and nobody has pinned yet are asked first, as
    /// they are before a run.
    ///
    /// # Errors
    /// When one is not trusted or cannot be reached.
    pub(crate) async fn knowing(self, plan: Option<&Plan>, program: &Program) -> Result<Self, Problem> {
        match plan {
            Some(plan) if servers::pin_first(plan, &self.project, program).await? => {
                Self::open(program, self.project, Open::ToRead).await
            }
            _ => Ok(self),
        }
    }

    /// Takes up a run that nobody works on.
    ///
    /// # Errors
    /// When somebody works on it; when this process cannot, or does not reach what the run still has to call: then it is
    /// left as it is.
    pub(crate) async fn take_up(&self, run: RunId) -> Result<RunHandle<Json>, Problem> {
        self.runner.resume(run).await.map_err(|error| left(error, run))
    }

    /// What a run was told that nobody who works on it has heard yet.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(crate) async fn unheard(&self, run: RunId) -> Result<Vec<SignalKind>, Problem> {
        let signals = self.store.signals(run).await.map_err(unread)?;
        let kinds = signals.into_iter().map(|signal| signal.kind);
        Ok(kinds
            .filter(|kind| !matches!(kind, SignalKind::Refused { .. }))
            .collect())
    }

    /// Takes up a run whose owner says nothing, when the lease is over.
    ///
    /// # Errors
    /// When somebody works on it, or this program cannot.
    pub(crate) async fn take_over(&self, run: RunId) -> Result<RunHandle<Json>, Problem> {
        loop {
            let silent = self.runner.recover().await?.silent;
            match self.runner.resume(run).await {
                Err(error) if error.kind() == ErrorKind::Conflict && silent > 0 => {
                    tokio::time::sleep(LOOK).await;
                }
                resumed => return resumed.map_err(|error| left(error, run)),
            }
        }
    }

    /// Where a run stands once it is over, or after some seconds when whoever works on it lets it wait.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn rests(&self, run: RunId) -> Result<RunStatus, Problem> {
        let handle = self.runner.attach(run).await?;
        let _ = tokio::time::timeout(PATIENCE, handle.done()).await;
        handle.refresh().await?;
        Ok(handle.view().status())
    }

    /// Takes up what dead processes have left, again and again, for as long as this is polled.
    pub(crate) async fn keep_recovering(&self) {
        let mut left = Vec::new();
        loop {
            self.recover(&mut left).await;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Works until nothing is left to do here, and ends the servers that were started for it.
    pub(crate) async fn finish(&self) {
        self.rest().await;
        servers::close(&self.servers).await;
    }

    /// Leaves everything as it is: the servers have no time to end by themselves.
    pub(crate) fn abandon(&self) {
        for server in &self.servers {
            server.kill();
        }
    }

    /// Works until nothing is left that this process has taken up, or that somebody may have left who has said nothing yet.
    async fn rest(&self) {
        if self.project.place() == Place::Memory {
            return;
        }
        let mut left = Vec::new();
        loop {
            let silent = self.recover(&mut left).await;
            self.runner.idle().await;
            if silent == 0 {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        // What could not be said now is found out at the end of the lease.
        let _ = self.runner.close().await;
    }

    /// Takes up what there is; gives how many owners may be dead.
    async fn recover(&self, told: &mut Vec<RunId>) -> usize {
        let style = self.screen.style();
        let recovered = match self.runner.recover().await {
            Ok(recovered) => recovered,
            Err(error) => {
                let message = words::one_line(&error.failure().message);
                self.screen.progress(&format!(
                    "{} unfinished runs cannot be looked for: {message}",
                    style.yellow("warning:")
                ));
                return 0;
            }
        };
        for run in &recovered.taken {
            let view = run.view();
            let name = words::one_line(view.pipeline());
            self.screen.progress(&style.dim(&format!(
                "going on with {} {name}, which its process left",
                run.id()
            )));
        }
        for (run, why) in &recovered.left {
            if !told.contains(run) {
                told.push(*run);
                let message = words::one_line(&why.message);
                self.screen.progress(&format!(
                    "{} {run} is left as it is: {message}",
                    style.yellow("warning:")
                ));
                for hint in &why.hints {
                    let hint = words::one_line(hint);
                    self.screen.progress(&format!("{} {hint}", style.cyan("hint:")));
                }
            }
        }
        recovered.silent
    }
}
