//! Programs as tools: an argument vector the operator wrote, JSON in, JSON out.
//!
//! What a model says never becomes part of a command line: its arguments are one JSON object on the program's stdin, so
//! that there is nothing to inject a flag or a shell's word into. A value that begins with `-` is a value.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use segue::plan::ToolLimits;
use segue::schema::Schema;
use segue::{ErrorKind, Failure, StepError, Tool, ToolClass, ToolCx, ToolSpec};
use serde_json::Value as Json;

use crate::secrets::{Lookup, Written};

mod process;

use process::{Ended, Launch, Reaper};

/// The most a program may write, where nothing else is said.
const MOST_WRITTEN: usize = 10 * 1024 * 1024;

/// A program as a tool.
///
/// It sees `PATH` and `LANG`, what [`Program::env`] gives it, and `SEGUE_RUN`, `SEGUE_STEP`, `SEGUE_ATTEMPT` and
/// `SEGUE_IDEMPOTENCY_KEY`; nothing else of the environment. It has a process group of its own, of which nothing is left
/// when the call is over, however that comes. What leaves the group on purpose is not followed.
///
/// ```
/// use segue_tools::program::Program;
///
/// let tool = Program::new("spellcheck", ["/usr/bin/spell", "--json"])
///     .description("Find spelling mistakes")
///     .env("LEVEL", "3");
/// assert_eq!(segue::Tool::spec(&tool).name, "spellcheck");
/// ```
pub struct Program {
    spec: ToolSpec,
    limits: ToolLimits,
    command: Vec<String>,
    env: Vec<(String, Written)>,
    secrets: Lookup,
    folder: PathBuf,
    place: Option<String>,
    most_written: usize,
    unavailable: Option<Box<Failure>>,
    reaper: Reaper,
}

impl Program {
    /// A program with fixed arguments.
    pub fn new(name: impl Into<String>, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let takes_nothing = serde_json::json!({"type": "object", "properties": {}});
        Self {
            spec: ToolSpec::new(name, "", takes_nothing),
            limits: ToolLimits::default(),
            command: command.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            secrets: Arc::new(|_| None),
            folder: PathBuf::from("."),
            place: None,
            most_written: MOST_WRITTEN,
            unavailable: None,
            reaper: Reaper::default(),
        }
    }

    /// What it is for, as a model reads it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.spec.description = description.into();
        self
    }

    /// What it takes: a schema of an object. Without this it takes no arguments.
    #[must_use]
    pub fn input(mut self, input: &Schema) -> Self {
        self.spec.parameters = input.as_json().clone();
        self
    }

    /// What calling it twice means.
    #[must_use]
    pub fn class(mut self, class: ToolClass) -> Self {
        self.spec.class = Some(class);
        self
    }

    /// Limits that files can narrow and not widen.
    #[must_use]
    pub fn limits(mut self, limits: ToolLimits) -> Self {
        self.limits = limits;
        self
    }

    /// A variable of its environment; `secret://NAME` in it is filled in when it starts.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: &str) -> Self {
        self.env.push((name.into(), Written::new(value)));
        self
    }

    /// Where secrets are found; without this there are none.
    #[must_use]
    pub fn secrets(mut self, secrets: Lookup) -> Self {
        self.secrets = secrets;
        self
    }

    /// The folder it works in, from which a relative path of a program is meant too; the working directory without this.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Where it was declared, for messages: `segue.toml:12`.
    #[must_use]
    pub fn declared_at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The most bytes it may write; 10 MB without this. Beyond that it is ended.
    #[must_use]
    pub fn most_written(mut self, bytes: usize) -> Self {
        self.most_written = bytes;
        self
    }

    /// Cannot be called, for this reason: a run that needs it does not start.
    #[must_use]
    pub fn unavailable(mut self, why: Failure) -> Self {
        self.unavailable = Some(Box::new(why));
        self
    }

    /// The program as it is started: a path is meant from the folder, a bare name is looked for in `PATH`.
    fn program(&self) -> PathBuf {
        let program = Path::new(self.command.first().map(String::as_str).unwrap_or_default());
        match program.components().count() {
            0 | 1 => program.to_owned(),
            _ => std::path::absolute(self.folder.join(program)).unwrap_or_else(|_| program.to_owned()),
        }
    }

    fn launch(&self, cx: &ToolCx) -> Result<Launch, Failure> {
        let inherited = ["PATH", "LANG"].into_iter();
        let mut env: Vec<(String, segue::Secret)> = inherited
            .filter_map(|name| Some((name.to_owned(), segue::Secret::new(std::env::var(name).ok()?))))
            .collect();
        for (name, value) in &self.env {
            env.push((name.clone(), value.filled(&*self.secrets)?));
        }
        let own = [
            ("SEGUE_RUN", cx.run_id().to_string()),
            ("SEGUE_STEP", cx.path()),
            ("SEGUE_ATTEMPT", cx.attempt().to_string()),
            ("SEGUE_IDEMPOTENCY_KEY", cx.idempotency_key()),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), segue::Secret::new(value))));
        Ok(Launch {
            program: self.program(),
            arguments: self.command.iter().skip(1).cloned().collect(),
            env,
            folder: self.folder.clone(),
            most_written: self.most_written,
        })
    }

    async fn run(&self, cx: ToolCx, arguments: Json) -> Result<Json, Failure> {
        let launch = self.launch(&cx)?;
        let group = self
            .reaper
            .start(&launch)
            .map_err(|error| self.not_started(&launch.program, &error))?;
        let ended = group.run(arguments.to_string().into_bytes(), &launch).await;
        match ended {
            Ok(ended) => self.result(&ended),
            Err(error) => {
                let message = format!("{} is out of hand: {error}", self.called());
                Err(Failure::new(ErrorKind::Tool, message))
            }
        }
    }

    fn result(&self, ended: &Ended) -> Result<Json, Failure> {
        let called = self.called();
        if ended.too_much {
            let most = self.most_written;
            let message = format!("{called} wrote more than {most} bytes and was ended");
            let mut failure = Failure::new(ErrorKind::Tool, message).limit("output", "bytes", most);
            failure.retryable = false;
            return Err(failure.hint("let it write less: a part, or where the whole is kept"));
        }
        let said = String::from_utf8_lossy(&ended.said);
        let said = match said.trim() {
            "" => String::new(),
            said => format!(": {said}"),
        };
        if !ended.status.success() {
            let message = format!("{called} failed ({}){said}", ended.status);
            return Err(Failure::new(ErrorKind::Tool, message));
        }
        serde_json::from_slice(&ended.written).map_err(|error| {
            let message = format!("{called} wrote something else than one JSON value ({error}){said}");
            Failure::new(ErrorKind::Tool, message)
                .hint("let it print its result as one JSON value, and everything else to stderr")
        })
    }

    fn called(&self) -> String {
        format!("tool `{}`", self.spec.name)
    }

    fn not_started(&self, program: &Path, error: &std::io::Error) -> Failure {
        let program = segue::fault::quote(&program.display().to_string());
        let message = format!("{} cannot start {program}: {error}", self.called());
        let mut failure = Failure::new(ErrorKind::Tool, message);
        failure.retryable = false;
        match &self.place {
            Some(place) => failure.hint(format!(
                "look at `command` of `[tools.{}]` ({place})",
                self.spec.name
            )),
            None => failure,
        }
    }
}

impl Tool for Program {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn limits(&self) -> ToolLimits {
        self.limits.clone()
    }

    fn available(&self) -> Result<(), Failure> {
        match &self.unavailable {
            Some(why) => Err((**why).clone()),
            None => Ok(()),
        }
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            self.available()?;
            Ok(self.run(cx, arguments).await?)
        }
        .boxed()
    }
}
