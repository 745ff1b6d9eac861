//! The process of one call, and everything it starts: one group, of which nothing is left when the call is over. A server
//! that stays for many calls has a process of its own kind, in `mcp/process`.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use segue::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;

/// How long a group that was told to end may take for it.
const GRACE: Duration = Duration::from_secs(2);
/// How long the pipes of a group that was killed are read on. Only who left the group still has them.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How much of stderr is kept: its end.
const MOST_SAID: usize = 4 * 1024;

/// What is started.
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) env: Vec<(String, Secret)>,
    pub(super) folder: PathBuf,
    pub(super) most_written: usize,
}

/// How a program ended, and what it left.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) written: Vec<u8>,
    /// The end of stderr.
    pub(super) said: Vec<u8>,
    /// It was ended because it wrote too much.
    pub(super) too_much: bool,
}

/// Sees groups to their end whose calls were cut off. A reaper that is dropped kills what is left at once.
#[derive(Clone, Default)]
pub(super) struct Reaper(Arc<Mutex<Leaving>>);

/// Groups that were told to end.
#[derive(Default)]
struct Leaving {
    /// Those who wait for it.
    waiting: JoinSet<()>,
    groups: Vec<Weak<Leader>>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        // Those who wait may never be asked again when a runtime comes to its end.
        for group in self.groups.iter().filter_map(Weak::upgrade) {
            group.tell(Signal::SIGKILL);
        }
    }
}

/// A process group at work.
pub(super) struct Group {
    child: Option<Child>,
    leader: Leader,
    reaper: Reaper,
}

/// The number of a group; what is left of it is killed when this is dropped.
struct Leader(Option<Pid>);

impl Leader {
    fn tell(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Nobody may be left of it, which is as good.
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.tell(Signal::SIGKILL);
    }
}

impl Reaper {
    /// Starts a program in a group of its own.
    ///
    /// # Errors
    /// When the system cannot start it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seam for the programs of tools, which the operator has named"
    )]
    pub(super) fn start(&self, launch: &Launch) -> io::Result<Group> {
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
            .env_clear()
            .envs(launch.env.iter().map(|(name, value)| (name, value.expose())))
            .current_dir(&launch.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn()?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Group {
            leader: Leader(leader.map(Pid::from_raw)),
            child: Some(child),
            reaper: self.clone(),
        })
    }

    /// Lets a group end in its own time, within limits.
    fn see_off(&self, mut child: Child, leader: Leader) {
        leader.tell(Signal::SIGTERM);
        let leader = Arc::new(leader);
        let mut leaving = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while leaving.waiting.try_join_next().is_some() {}
        leaving.groups.retain(|group| group.strong_count() > 0);
        // Without a runtime nobody waits: what is dropped here is killed.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            leaving.groups.push(Arc::downgrade(&leader));
            let last = async move {
                let _ = tokio::time::timeout(GRACE, child.wait()).await;
                drop(leader);
                let _ = child.wait().await;
            };
            leaving.waiting.spawn_on(last, &runtime);
        }
    }
}

impl Group {
    /// Gives the program its input, reads what it writes, and waits for its end. What it has started ends with it.
    ///
    /// # Errors
    /// When the system does not tell how it ended.
    pub(super) async fn run(mut self, input: Vec<u8>, launch: &Launch) -> io::Result<Ended> {
        let child = self.child.as_mut();
        let child = child.ok_or_else(|| io::Error::other("it is over"))?;
        let (mut written, mut said) = (Vec::new(), Vec::new());
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut too_much = false;
        let status = {
            let pipes = async {
                let reading = read(stdout, &mut written, launch.most_written);
                let telling = async {
                    tail(stderr, &mut said).await;
                    Ok(())
                };
                let feeding = async {
                    feed(stdin, &input).await;
                    Ok(())
                };
                tokio::try_join!(reading, telling, feeding).map(drop)
            };
            let pipes = pipes.fuse();
            tokio::pin!(pipes);
            tokio::select! {
                // What was written before the end is read before the end is seen.
                biased;
                over = &mut pipes => {
                    if over.is_err() {
                        too_much = true;
                        self.leader.tell(Signal::SIGKILL);
                    }
                    child.wait().await?
                }
                status = child.wait() => {
                    // The leader is gone; whom it has started holds the pipes open, and goes too.
                    self.leader.tell(Signal::SIGKILL);
                    if let Ok(Err(TooMuch)) = tokio::time::timeout(LAST_WORDS, &mut pipes).await {
                        too_much = true;
                    }
                    status?
                }
            }
        };
        self.leader.tell(Signal::SIGKILL);
        self.child = None;
        Ok(Ended {
            status,
            written,
            said,
            too_much,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let leader = std::mem::replace(&mut self.leader, Leader(None));
        match self.child.take() {
            Some(child) => self.reaper.see_off(child, leader),
            // It was waited for: its number may be another's by now.
            None => std::mem::forget(leader),
        }
    }
}

/// More was written than may be.
struct TooMuch;

/// Gives a program its input and closes it. One that does not read it does not have to.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(input).await;
        let _ = stdin.shutdown().await;
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>, most: usize) -> Result<(), TooMuch> {
    let Some(pipe) = pipe else { return Ok(()) };
    let mut limited = pipe.take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1));
    // A pipe that breaks has ended.
    let _ = limited.read_to_end(into).await;
    match into.len() > most {
        true => Err(TooMuch),
        false => Ok(()),
    }
}

/// Reads everything and keeps the end of it.
async fn tail(pipe: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut part = [0; 4096];
    while let Ok(length) = pipe.read(&mut part).await {
        if length == 0 {
            break;
        }
        into.extend_from_slice(&part[..length]);
        let beyond = into.len().saturating_sub(MOST_SAID);
        into.drain(..beyond);
    }
}
