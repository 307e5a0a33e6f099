//! A long-running program on a host, started from outside.

use crate::command::Output;
use crate::error::Error;
use crate::processes;
use crate::wait::wait_until;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// A program that runs on a host. It is killed when this is dropped, and when its host loses its power.
#[derive(Debug)]
pub struct Job {
    /// `nsenter`, which waits for the program and ends as it does.
    child: Child,
    log: PathBuf,
}

impl Job {
    pub(crate) fn new(child: Child, log: PathBuf) -> Self {
        Self { child, log }
    }

    /// The program's process number, as the world sees it.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it has ended.
    pub fn pid(&self) -> Result<Pid, Error> {
        let parent = processes::pid_of(&self.child);
        let mut pid = None;
        wait_until("the job has a process", Duration::from_secs(5), || {
            pid = processes::children(parent).first().copied();
            pid.is_some()
        })?;
        pid.ok_or(Error::Timeout { what: "the job has a process".to_owned(), limit: Duration::ZERO })
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        kill(self.pid()?, signal).map_err(Error::io(format!("send {signal}")))
    }

    /// How the program ended; `None` while it runs.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(Error::io("wait for a job"))
    }

    /// Waits for the program's end, and gives all that it has said: both streams, as standard output.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it runs on.
    pub fn wait(mut self, limit: Duration) -> Result<Output, Error> {
        let mut status = None;
        wait_until("the job has ended", limit, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        })?;
        match status {
            Some(status) => Ok(Output { status, stdout: self.said(), stderr: String::new() }),
            None => Err(Error::Timeout { what: "the job has ended".to_owned(), limit }),
        }
    }

    /// What the program has said up to now on its standard output and standard error.
    #[must_use]
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The file that holds what it says, as the world sees it.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // The program asked the kernel to be killed when its parent is.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
