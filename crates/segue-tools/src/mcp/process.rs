//! The process of a server that is reached over its pipes: what it is started with, what it says on its stderr, and that
//! nothing of it is left behind.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use segue::Secret;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;

/// What a server sees of the environment beside what the operator declares: where programs are, where a user's files are
/// (package runners keep what they start there), the language, where temporary files go, and that Segue is offline. No key
/// of a provider, no token, no proxy with a password in it.
const VISIBLE: [&str; 5] = ["PATH", "HOME", "LANG", "TMPDIR", "SEGUE_OFFLINE"];
/// The end of its stderr that is kept for an error.
const TAIL: usize = 4096;
/// How long a server may take to end by itself after its stdin is closed, and again after it was asked to end.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How long the end of a process may lag behind the end of its output.
const LAG: Duration = Duration::from_secs(1);

/// A program the operator named, with everything it is started with. No shell is involved.
#[derive(Clone)]
pub struct Program {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    env: BTreeMap<String, Secret>,
}

/// The process of a server, leader of a group of its own.
pub(super) struct Process {
    child: Child,
    group: Arc<Group>,
    said: Arc<Tail>,
    drain: JoinSet<()>,
}

/// The processes of a server, until they were killed.
pub(super) struct Group(Mutex<Option<Pid>>);

/// The end of what a process has said on its stderr.
#[derive(Default)]
pub(super) struct Tail(Mutex<VecDeque<u8>>);

impl Program {
    /// A program and its fixed arguments, started in a folder. A name with a slash in it is a path from that folder, one
    /// without is looked for in `PATH`.
    #[must_use]
    pub fn new(program: &str, arguments: impl IntoIterator<Item = String>, folder: &Path) -> Self {
        // Absolute: what a relative path means once the folder has changed differs between systems.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let program = if program.contains('/') {
            folder.join(program)
        } else {
            PathBuf::from(program)
        };
        Self {
            program,
            arguments: arguments.into_iter().collect(),
            folder,
            env: BTreeMap::new(),
        }
    }

    /// A variable of its environment, beside the few that every server sees.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: Secret) -> Self {
        self.env.insert(name.into(), value);
        self
    }

    /// The program, as it is shown.
    #[must_use]
    pub fn shown(&self) -> String {
        self.program.display().to_string()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seam: the operator named the program"
    )]
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(VISIBLE.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(self.env.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // One that is cut off is also waited for.
            .kill_on_drop(true);
        command.process_group(0);
        command
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the system cannot.
    pub(super) fn start(&self) -> std::io::Result<(Process, ChildStdin, ChildStdout)> {
        let mut child = self.command().spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(std::io::Error::other("it has no pipes"));
        };
        let said = Arc::new(Tail::default());
        let mut drain = JoinSet::new();
        drain.spawn(said.clone().fill(stderr));
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let process = Process {
            group: Arc::new(Group(Mutex::new(id.map(Pid::from_raw)))),
            child,
            said,
            drain,
        };
        Ok((process, stdin, stdout))
    }
}

impl Process {
    /// What it has said on its stderr, the end of it.
    pub(super) fn said(&self) -> Arc<Tail> {
        self.said.clone()
    }

    /// It and whatever it starts.
    pub(super) fn group(&self) -> Arc<Group> {
        self.group.clone()
    }

    /// How it ended, once its output has; none when it only closed that. Can be asked again when nobody waited for the answer.
    pub(super) async fn ended(&mut self) -> Option<ExitStatus> {
        let ended = tokio::time::timeout(LAG, self.child.wait()).await;
        // What it said last is the reason, as a rule. Its children may hold the pipe open.
        let _ = tokio::time::timeout(LAG, self.drain.join_next()).await;
        ended.ok()?.ok()
    }

    /// Lets it end by itself, as its stdin is closed; asks it to; kills it, and whatever it has started.
    pub(super) async fn close(&mut self) {
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            self.group.signal(Signal::SIGTERM);
            let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        }
        self.group.kill();
        let _ = self.child.wait().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.kill();
    }
}

impl Group {
    /// Kills them. Their number is not used again: it may be somebody else's by then.
    pub(super) fn kill(&self) {
        self.signal(Signal::SIGKILL);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody is left in it: that is what was wanted.
            let _ = killpg(group, signal);
        }
    }
}

impl Tail {
    async fn fill(self: Arc<Self>, mut stderr: ChildStderr) {
        let mut some = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut some).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&some[..read]);
            let over = kept.len().saturating_sub(TAIL);
            kept.drain(..over);
        }
    }

    /// The text of it; none when there is nothing to read.
    pub(super) fn text(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        drop(kept);
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}
