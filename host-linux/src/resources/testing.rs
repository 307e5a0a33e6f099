//! A small main loop and real scripts, for the tests of those who run children.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Registry, Token};
use signal_hook_mio::v1_0::Signals;
use tempfile::TempDir;

use crate::clock;

/// Far more than any test needs; reached only by one that fails.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGCHLD: Token = Token(0);
/// The first token of what is tested.
pub(crate) const FIRST_TOKEN: usize = 10;

/// What the loop drives.
pub(crate) trait Driven {
    fn ready(&mut self, token: Token, now: Instant) -> bool;
    fn child_exited(&mut self, now: Instant);
    fn tick(&mut self, now: Instant);
    fn next_deadline(&self) -> Option<Instant>;
}

/// A main loop whose clock may be put forward.
pub(crate) struct Loop {
    poll: Poll,
    signals: Signals,
    ahead: Duration,
    /// Deadlines that are no further away than this are not waited for: the clock is put forward.
    pub(crate) skip: Duration,
}

impl Loop {
    pub(crate) fn new() -> Self {
        let poll = Poll::new().unwrap();
        let mut signals = Signals::new([nix::sys::signal::Signal::SIGCHLD as i32]).unwrap();
        poll.registry().register(&mut signals, SIGCHLD, Interest::READABLE).unwrap();
        Self { poll, signals, ahead: Duration::ZERO, skip: Duration::ZERO }
    }

    pub(crate) fn registry(&self) -> Registry {
        self.poll.registry().try_clone().unwrap()
    }

    pub(crate) fn now(&self) -> Instant {
        clock::monotonic() + self.ahead
    }

    pub(crate) fn put_forward(&mut self, time: Duration) {
        self.ahead += time;
    }

    /// Drives until `done` returns something.
    pub(crate) fn until<D: Driven, T>(
        &mut self,
        driven: &mut D,
        mut done: impl FnMut(&mut D) -> Option<T>,
    ) -> T {
        let give_up = clock::monotonic() + PATIENCE;
        let mut events = Events::with_capacity(64);
        loop {
            if let Some(result) = done(driven) {
                return result;
            }
            assert!(clock::monotonic() < give_up, "nothing more happens");
            let left = driven.next_deadline().map(|at| at.saturating_duration_since(self.now()));
            let wait = match left {
                Some(left) if left <= self.skip => {
                    self.ahead += left;
                    Duration::ZERO
                }
                left => left.unwrap_or(PATIENCE).min(PATIENCE),
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other.unwrap(),
            }
            let now = self.now();
            for event in &events {
                if event.token() == SIGCHLD {
                    self.signals.pending().for_each(drop);
                    driven.child_exited(now);
                } else {
                    assert!(driven.ready(event.token(), now));
                }
            }
            driven.tick(now);
        }
    }
}

/// A directory with scripts.
pub(crate) struct Scripts {
    directory: TempDir,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a shell script; in its text, `@` stands for this directory. Another process writes it: a file that this
    /// one has open for writing might be inherited by a child of another test just then, and could not be run.
    pub(crate) fn install(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let here = self.directory.path().display().to_string();
        let mut process = Command::new("install")
            .args(["-m", "755", "/dev/stdin"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!("#!/bin/sh\n{}\n", text.replace('@', &here));
        process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(process.wait().unwrap().success());
    }

    /// The lines of a file that scripts wrote to.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Makes a named pipe for a script to hang on: it is read from as soon as somebody writes to it.
    pub(crate) fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        path
    }
}

/// Waits until every writer of a named pipe is gone.
pub(crate) fn wait_for_end(pipe: &fs::File) {
    use nix::poll::{PollFd, PollFlags, PollTimeout};
    use std::os::fd::AsFd;
    let mut wait = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    let events = loop {
        match nix::poll::poll(&mut wait, PollTimeout::from(60_000_u16)) {
            // The end of some other test's child.
            Err(nix::errno::Errno::EINTR) => {}
            other => break other.unwrap(),
        }
    };
    assert_eq!(events, 1, "somebody still holds the pipe");
    assert!(wait[0].revents().unwrap().contains(PollFlags::POLLHUP));
}

/// Opens a named pipe for reading without waiting for a writer.
pub(crate) fn open_fifo(path: &Path) -> fs::File {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path).unwrap()
}
