//! The next life of this process with the services kept: the program as it is installed takes this one's place, under the
//! same process id. If it cannot be run, this life goes on.

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use heartline_core::Input;
use heartline_core::ids::JobId;
use heartline_core::input::{JobFailure, Outcome};
use nix::errno::Errno;
use nix::sys::signal::SigSet;

use super::{Daemon, Options};
use crate::log::Level;

/// How long clients, hooks and children of the host's own, which the core does not know, may take to end. Heartbeats go on.
const CHILDREN_LIMIT: Duration = Duration::from_secs(12);

/// How this process begins its next life.
pub(super) struct NextLife {
    program: CString,
    words: Vec<CString>,
    /// The core's job that asks for it, and until when to wait for children.
    asked: Option<(JobId, Instant)>,
}

impl NextLife {
    /// With the options of this life. A path with a zero byte in it does not exist.
    pub(super) fn new(program: &Path, options: &Options) -> Self {
        let word = |text: &OsStr| CString::new(text.as_bytes()).unwrap_or_default();
        let directory = |option: &str, path: &Path| [word(option.as_ref()), word(path.as_os_str())];
        let mut words = vec![word("heartline".as_ref()), word("daemon".as_ref()), word("--resumed".as_ref())];
        words.extend(directory("--config-dir", &options.config_dir));
        words.extend(directory("--state-dir", &options.state_dir));
        words.extend(directory("--run-dir", &options.run_dir));
        words.extend((0..options.debug).map(|_| word("--debug".as_ref())));
        if !options.realtime {
            words.push(word("--no-realtime".as_ref()));
        }
        if !options.foreground {
            words.push(word("--background".as_ref()));
        }
        Self { program: word(program.as_os_str()), words, asked: None }
    }

    pub(super) const fn next_deadline(&self) -> Option<Instant> {
        match self.asked {
            Some((_, until)) => Some(until),
            None => None,
        }
    }

    fn begin(&self) -> Errno {
        // A signal that comes before the next life listens waits for it, instead of ending it.
        let before = SigSet::thread_get_mask();
        let _ = SigSet::all().thread_block();
        let Err(cause): Result<Infallible, Errno> = nix::unistd::execv(&self.program, &self.words);
        let _ = before.unwrap_or_else(|_| SigSet::empty()).thread_set_mask();
        cause
    }
}

impl Daemon {
    /// The core wants the next life to begin.
    pub(super) fn ask_for_next_life(&mut self, job: JobId, now: Instant) {
        self.next_life.asked = Some((job, now + CHILDREN_LIMIT));
        self.programs.clients.leave(now);
    }

    /// Begins it, if it was asked for and no child is left, or one takes too long. Comes back only if that was not so or
    /// failed.
    pub(super) fn begin_next_life(&mut self, now: Instant) {
        let Some((job, until)) = self.next_life.asked else { return };
        let programs_ended = self.programs.clients.are_gone() && self.programs.hooks.are_idle();
        if now < until && !(self.runner.idle() && self.fencer.idle() && programs_ended) {
            return;
        }
        self.next_life.asked = None;
        let program = self.next_life.program.to_string_lossy().into_owned();
        self.log.write(Level::Info, &format!("Performing heartbeat restart exec of {program}."));
        // What is lost of the record is no reason to stay.
        let _ = self.flight.sync();
        let cause = self.next_life.begin();
        self.programs.clients.come_back(now);
        self.log
            .write(Level::Error, &format!("Cannot run {program}: {}. This daemon goes on.", cause.desc()));
        self.step(Input::JobEnded { job, outcome: Outcome::Failed(JobFailure::NotRun) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn options(foreground: bool, realtime: bool) -> Options {
        Options {
            config_dir: PathBuf::from("/etc/ha.d"),
            state_dir: PathBuf::from("/var/lib/heartbeat"),
            run_dir: PathBuf::from("/run"),
            foreground,
            debug: 2,
            realtime,
            ready: None,
            resumed: false,
        }
    }

    fn line(options: &Options) -> String {
        let next = NextLife::new(Path::new("/usr/sbin/heartline"), options);
        let words: Vec<_> = next.words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn the_next_life_has_the_options_of_this_one() {
        let places = "--config-dir /etc/ha.d --state-dir /var/lib/heartbeat --run-dir /run --debug --debug";
        assert_eq!(line(&options(true, true)), format!("heartline daemon --resumed {places}"));
        assert_eq!(
            line(&options(false, false)),
            format!("heartline daemon --resumed {places} --no-realtime --background")
        );
    }

    #[test]
    fn a_program_that_is_not_there_leaves_everything_as_it_was() {
        let next = NextLife::new(Path::new("/nonexistent/heartline"), &options(true, true));
        let before = SigSet::thread_get_mask().unwrap();
        assert_eq!(next.begin(), Errno::ENOENT);
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
