//! What the command line tells the daemon, and how the daemon tells the command line that it is up.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// How the daemon is to run.
#[derive(Debug)]
pub struct Options {
    /// Where `ha.cf`, `authkeys` and `haresources` are (`/etc/ha.d`).
    pub config_dir: PathBuf,
    /// Where the generation is kept, and what people said (`/var/lib/heartbeat`).
    pub state_dir: PathBuf,
    /// Where `heartbeat.pid` and `heartbeat/control` are (`/run`).
    pub run_dir: PathBuf,
    /// Whether standard error stays a sink of the log.
    pub foreground: bool,
    /// Debug levels to add to the configuration's.
    pub debug: u8,
    /// Whether real-time scheduling and locked memory may be used at all (`-l` forbids them).
    pub realtime: bool,
    /// Whether this is the next life of a process that kept its services running.
    pub resumed: bool,
    /// Where a waiting parent wants to hear that the daemon is up; see [`Options::report_up`].
    pub ready: Option<OwnedFd>,
}

impl Options {
    /// Tells a waiting parent, if there is one, that the daemon is up, and lets go of its terminal. To be called
    /// once, when nothing of the start can fail any more; after a failed start the exit code speaks.
    ///
    /// # Errors
    /// When the terminal cannot be let go of. The parent has heard, and the daemon may go on.
    pub fn report_up(&mut self) -> io::Result<()> {
        let Some(ready) = self.ready.take() else { return Ok(()) };
        // A parent that was killed meanwhile needs no answer.
        let _ = File::from(ready).write_all(&[0]);
        let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
        nix::unistd::dup2_stderr(&nowhere)?;
        Ok(())
    }
}
