//! Asking programs of this machine something that changes nothing: all at once, for a bounded time, with a bounded
//! answer. What is asked and what the answers mean is the business of `agents`.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::system::SYSTEM_PATH;
use crate::clock;

/// No answer is longer, in bytes: those of real agents are 20 kB at most.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A program and how it is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// Its full path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment besides `PATH`.
    pub variables: Vec<(String, String)>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// The program could not be run, or read from.
    #[error("it cannot be run: {0}")]
    NotRun(String),
    /// It took too long, and was killed.
    #[error("it did not answer in time")]
    TookTooLong,
    /// It wrote too much, and was killed.
    #[error("its answer is longer than {} KiB", ANSWER_BYTES_MAX / 1024)]
    SaidTooMuch,
}

/// What a program wrote to its standard output.
pub type Answer = Result<Vec<u8>, Silence>;

/// Asks all questions at once; the answers are in their order. `limit` is for all together.
#[must_use]
pub(super) fn ask_all(questions: &[Question], limit: Duration) -> Vec<Answer> {
    let until = clock::monotonic() + limit;
    let waiting: Vec<_> = questions.iter().map(|question| begin(question.clone(), until)).collect();
    waiting
        .into_iter()
        .map(|answer| {
            // Whoever cannot be killed is left to its thread.
            let left = until.saturating_duration_since(clock::monotonic()) + Duration::from_secs(1);
            answer?.recv_timeout(left).unwrap_or(Err(Silence::TookTooLong))
        })
        .collect()
}

fn begin(question: Question, until: Instant) -> Result<mpsc::Receiver<Answer>, Silence> {
    let (sender, answer) = mpsc::channel();
    let ask = move || {
        // Nobody waits any more for one that is late.
        let _ = sender.send(ask(&question, until));
    };
    thread::Builder::new().name("question".into()).spawn(ask).map_err(not_run)?;
    Ok(answer)
}

fn ask(question: &Question, until: Instant) -> Answer {
    let mut child = Command::new(&question.program)
        .args(&question.arguments)
        .env_clear()
        .env("PATH", SYSTEM_PATH)
        .env("LC_ALL", "C")
        .envs(question.variables.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(not_run)?;
    let answer = read(&mut child, until);
    // It has said all, or must not say more; its children go with it.
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = child.wait();
    answer
}

fn read(child: &mut Child, until: Instant) -> Answer {
    let Some(mut output) = child.stdout.take() else { return Ok(Vec::new()) };
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = until.saturating_duration_since(clock::monotonic());
        let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => return Err(Silence::TookTooLong),
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(Silence::NotRun(error.to_string())),
        }
        match output.read(&mut buffer) {
            Ok(0) => return Ok(answer),
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(not_run(error)),
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(Silence::SaidTooMuch);
        }
    }
}

fn not_run(error: io::Error) -> Silence {
    Silence::NotRun(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Question {
        Question {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            variables: vec![("OCF_ROOT".into(), "/usr/lib/ocf".into())],
        }
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let nobody = Question { program: "/no/such/agent".into(), ..shell("") };
        let answers =
            ask_all(&[shell("sleep 0.1; echo $OCF_ROOT"), nobody, shell("echo two >&2; exit 1")], PATIENCE);
        assert_eq!(answers[0], Ok(b"/usr/lib/ocf\n".to_vec()));
        assert!(matches!(&answers[1], Err(Silence::NotRun(why)) if why.contains("No such file")));
        assert_eq!(answers[2], Ok(Vec::new()));
    }

    #[test]
    fn who_hangs_is_ended_with_all_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let hangs = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", pid.display());
        let answers = ask_all(&[shell(&hangs)], Duration::from_secs(2));
        assert_eq!(answers, [Err(Silence::TookTooLong)]);
        let sleeper = std::fs::read_to_string(pid).unwrap();
        let stat = format!("/proc/{}/stat", sleeper.trim());
        // Gone, or on its way: whoever is process 1 here may not have reaped it.
        let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        assert!((0..10_000).any(|_| gone()), "{stat}");
    }

    #[test]
    fn who_says_too_much_is_ended() {
        assert_eq!(ask_all(&[shell("exec yes")], PATIENCE), [Err(Silence::SaidTooMuch)]);
    }
}
