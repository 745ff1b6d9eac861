//! Processes: workers that are started, watched, killed, stopped and continued.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

/// A worker under way.
pub struct Process {
    child: Child,
    /// What it says; none once somebody else listens.
    lines: Option<Teller>,
    stdout: Vec<String>,
    stderr: Option<thread::JoinHandle<String>>,
}

/// What a worker says, line by line.
pub struct Teller(io::Lines<BufReader<ChildStdout>>);

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

impl Iterator for Teller {
    type Item = String;

    /// The next line; none when it says no more. A line that was broken off is none.
    fn next(&mut self) -> Option<String> {
        self.0.next()?.ok()
    }
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
            lines: Some(Teller(BufReader::new(stdout).lines())),
            stdout: Vec::new(),
            stderr: Some(thread::spawn(move || everything(stderr))),
        })
    }

    /// Its next line; none when it says no more.
    pub fn line(&mut self) -> Option<&str> {
        let line = self.lines.as_mut()?.next()?;
        self.stdout.push(line);
        self.stdout.last().map(String::as_str)
    }

    /// Gives away what it says.
    ///
    /// # Panics
    /// When that was given away already.
    pub fn lines(&mut self) -> Teller {
        self.lines.take().expect("only one can listen")
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
    pub fn wait(&mut self) -> io::Result<Gone> {
        while self.line().is_some() {}
        let status = self.child.wait()?;
        let stderr = self.stderr.take().and_then(|stderr| stderr.join().ok());
        Ok(Gone {
            code: status.code(),
            stdout: std::mem::take(&mut self.stdout),
            stderr: stderr.unwrap_or_default(),
        })
    }

    /// The same, of one that nobody needs any more.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn gone(mut self) -> io::Result<Gone> {
        self.wait()
    }
}

impl Drop for Process {
    /// Nobody leaves a worker behind, least of all one that was stopped.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
            let _ = self.child.wait();
        }
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
