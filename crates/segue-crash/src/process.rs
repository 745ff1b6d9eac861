//! Processes: workers that are started, watched, killed, stopped and continued.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

/// A worker under way.
pub struct Process {
    child: Child,
    lines: io::Lines<BufReader<ChildStdout>>,
    stdout: Vec<String>,
    stderr: thread::JoinHandle<String>,
}

/// A worker that is gone.
#[derive(Debug)]
pub struct Gone {
    /// Its exit code; none where a signal has ended it.
    pub code: Option<i32>,
    /// What it said, line by line.
    pub stdout: Vec<String>,
    /// What it said of that.
    pub stderr: String,
}

impl Process {
    /// Starts one.
    ///
    /// # Errors
    /// When the system does not.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("its output is not to be had"));
        };
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
            stdout: Vec::new(),
            stderr: thread::spawn(move || everything(stderr)),
        })
    }

    /// Its next line; none when it says no more.
    pub fn line(&mut self) -> Option<&str> {
        let line = self.lines.next()?.ok()?;
        self.stdout.push(line);
        self.stdout.last().map(String::as_str)
    }

    /// Ends it as the system does: without a word.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal. One that is gone gets none.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It is this process that waits for it, so its number belongs to nobody else.
            let _ = kill_process(pid, signal);
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn gone(mut self) -> io::Result<Gone> {
        while self.line().is_some() {}
        let status = self.child.wait()?;
        Ok(Gone {
            code: status.code(),
            stdout: self.stdout,
            stderr: self.stderr.join().unwrap_or_default(),
        })
    }
}

fn everything(mut stderr: ChildStderr) -> String {
    let mut bytes = Vec::new();
    // What was said before it broke off is all there is.
    let _ = stderr.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Gone {
    /// Whether a signal has ended it.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        self.code.is_none()
    }
}
