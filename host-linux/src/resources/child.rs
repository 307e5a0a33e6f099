//! One child process: how it is started, what it writes, how long it may live, how it ends.
//! What it is for is known to those who start it; which children there are, to `children.rs`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::unix::pipe::Receiver;
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::environment::Environment;
use super::output::{Allowance, Lines};

/// Between SIGTERM and SIGKILL where nobody wants it longer, and then once more until the process is given up as
/// unkillable.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// So much is read from one stream in one turn of the loop; then the heartbeats have their turn.
const TURN_BYTES_MAX: usize = 64 * 1024;
/// So long a stream that used up its turn has to wait for the next; its writer waits with it.
const TURN_PAUSE: Duration = Duration::from_millis(10);
/// So much of captured standard output is kept, from its beginning.
const CAPTURE_BYTES_MAX: usize = 64 * 1024;

/// What a child finds on its standard input.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// `/dev/null`.
    Nothing,
    /// This text.
    Text(String),
    /// A descriptor of ours that it may use.
    Lent(Rc<OwnedFd>),
}

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    /// A full path.
    pub(crate) program: PathBuf,
    /// The name under which it is called, where that is not its path.
    pub(crate) name: Option<&'static str>,
    /// The arguments, without the program's name.
    pub(crate) arguments: Vec<String>,
    /// Variables that only this call gets, over the environment.
    pub(crate) variables: Vec<(String, String)>,
    /// What the child finds on its standard input.
    pub(crate) input: Input,
    /// What becomes of its standard output. Its standard error always goes line by line.
    pub(crate) stdout: Destination,
    /// How long it may take.
    pub(crate) limit: Duration,
}

impl Invocation {
    /// The time limit of what may run as long as it likes: a hundred years.
    pub(crate) const UNLIMITED: Duration = Duration::from_secs(100 * 365 * 86_400);
}

/// What becomes of a child's standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Passed on line by line.
    Lines,
    /// Kept until the end.
    Captured,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this exit status.
    Exited(i32),
    /// By this signal, which did not come from here.
    Signalled(i32),
    /// Its time was up. It may still be there if not even SIGKILL ended it (a process in uninterruptible sleep).
    TimedOut,
    /// It was told to go.
    Cancelled,
}

/// One of the two streams of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    const BOTH: [Self; 2] = [Self::Stdout, Self::Stderr];
}

/// A child process, leader of a process group of its own.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    group: Pid,
    stage: Stage,
    /// By stream.
    pipes: [Option<Pipe>; 2],
    destination: Destination,
    allowance: Allowance,
    captured: Vec<u8>,
    complaint: String,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Running { until: Instant },
    Terminating { until: Instant, end: End },
    Killed { until: Instant, end: End },
}

#[derive(Debug)]
struct Pipe {
    receiver: Receiver,
    lines: Lines,
    /// Set while the stream has used up its turn.
    resume: Option<Instant>,
}

impl Child {
    /// Starts it. The two tokens are those of its standard output and standard error.
    pub(crate) fn spawn(
        invocation: &Invocation,
        environment: &Environment,
        registry: &Registry,
        tokens: [Token; 2],
        now: Instant,
    ) -> io::Result<Self> {
        let mut process = match start(invocation, environment, None) {
            // A script without `#!`: a shell takes it for a shell script, and so the original did.
            Err(error) if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => {
                start(invocation, environment, Some("/bin/sh"))?
            }
            other => other?,
        };
        spare_no_child(process.id());
        let group = Pid::from_raw(i32::try_from(process.id()).map_err(io::Error::other)?);
        let receivers =
            [process.stdout.take().map(Receiver::from), process.stderr.take().map(Receiver::from)];
        let mut child = Self {
            pipes: receivers.map(|receiver| receiver.map(Pipe::new)),
            process,
            group,
            stage: Stage::Running { until: now + invocation.limit },
            destination: invocation.stdout,
            allowance: Allowance::new(now),
            captured: Vec::new(),
            complaint: String::new(),
        };
        for (pipe, token) in child.pipes.iter_mut().zip(tokens) {
            let Some(open) = pipe else { continue };
            // A stream that cannot be watched is closed; the child itself goes on.
            if open.receiver.set_nonblocking(true).is_err()
                || registry.register(&mut open.receiver, token, Interest::READABLE).is_err()
            {
                *pipe = None;
            }
        }
        Ok(child)
    }

    /// Its process id, which is also that of its process group.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// When `tick` has something to do at the latest.
    pub(crate) fn deadline(&self) -> Instant {
        let (Stage::Running { until } | Stage::Terminating { until, .. } | Stage::Killed { until, .. }) =
            self.stage;
        self.pipes.iter().flatten().filter_map(|pipe| pipe.resume).fold(until, Instant::min)
    }

    /// Reads what is there on a stream. `line` gets the lines, as far as they are passed on.
    pub(crate) fn read(
        &mut self,
        stream: Stream,
        registry: &Registry,
        now: Instant,
        mut line: impl FnMut(Stream, String),
    ) {
        let pipe = &mut self.pipes[stream as usize];
        let Some(open) = pipe else { return };
        if open.resume.is_some_and(|resume| now < resume) {
            return;
        }
        open.resume = None;
        let capture = stream == Stream::Stdout && self.destination == Destination::Captured;
        let mut accept = |text: String| {
            if stream == Stream::Stderr && !text.trim().is_empty() {
                complain(&mut self.complaint, &text);
            }
            if self.allowance.admit(now) {
                line(stream, text);
            }
        };
        let mut buffer = [0; 4096];
        let mut taken = 0;
        while taken < TURN_BYTES_MAX {
            match open.receiver.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    taken += count;
                    if capture {
                        let room = CAPTURE_BYTES_MAX - self.captured.len();
                        self.captured.extend_from_slice(&buffer[..count.min(room)]);
                    } else {
                        open.lines.push(&buffer[..count], &mut accept);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => {
                    open.lines.finish().map(&mut accept);
                    // Fails only for a descriptor that is not registered.
                    let _ = registry.deregister(&mut open.receiver);
                    *pipe = None;
                    return;
                }
            }
        }
        open.resume = Some(now + TURN_PAUSE);
    }

    /// Reads what the child left behind, and gives up the streams, whoever else may still hold their other ends:
    /// services that go into the background are no reason to wait. Those that somebody holds are returned.
    #[must_use]
    pub(crate) fn close(
        &mut self,
        registry: &Registry,
        now: Instant,
        mut line: impl FnMut(Stream, String),
    ) -> Vec<Receiver> {
        let mut held = Vec::new();
        for stream in Stream::BOTH {
            // A pipe holds no more than one turn takes, so that this reads all that the child itself wrote.
            if let Some(open) = &mut self.pipes[stream as usize] {
                open.resume = None;
            }
            self.read(stream, registry, now, &mut line);
            if let Some(mut open) = self.pipes[stream as usize].take() {
                let _ = registry.deregister(&mut open.receiver);
                if let Some(rest) = open.lines.finish() {
                    if stream == Stream::Stderr {
                        complain(&mut self.complaint, &rest);
                    }
                    line(stream, rest);
                }
                held.push(open.receiver);
            }
        }
        held
    }

    /// The streams that waited for their next turn and may be read again.
    pub(crate) fn resumable(&self, now: Instant) -> impl Iterator<Item = Stream> + use<> {
        let due = self
            .pipes
            .each_ref()
            .map(|pipe| pipe.as_ref().and_then(|open| open.resume).is_some_and(|at| at <= now));
        Stream::BOTH.into_iter().filter(move |stream| due[*stream as usize])
    }

    /// Sends it away: SIGTERM for its process group now, SIGKILL after this grace.
    pub(crate) fn cancel(&mut self, grace: Duration, now: Instant) {
        if matches!(self.stage, Stage::Running { .. }) {
            self.terminate(End::Cancelled, grace, now);
        }
    }

    /// Acts on its time limits. An end is returned for a child that outlived SIGKILL.
    pub(crate) fn enforce_limits(&mut self, now: Instant) -> Option<End> {
        match self.stage {
            Stage::Running { until } if until <= now => self.terminate(End::TimedOut, GRACE, now),
            Stage::Terminating { until, end } if until <= now => {
                self.signal(Signal::SIGKILL);
                self.stage = Stage::Killed { until: now + GRACE, end };
            }
            Stage::Killed { until, end } if until <= now => return Some(end),
            _ => {}
        }
        None
    }

    /// Reaps it if it has ended. Touches no other child.
    pub(crate) fn reap(&mut self) -> io::Result<Option<End>> {
        let ordered = match self.stage {
            Stage::Running { .. } => None,
            Stage::Terminating { end, .. } | Stage::Killed { end, .. } => Some(end),
        };
        if ordered.is_some() {
            // As long as the leader is not reaped its number, and so that of its group, belongs to nobody else:
            // the last moment to end what it has left behind.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            if waitid(Id::Pid(self.group), flags)? == WaitStatus::StillAlive {
                return Ok(None);
            }
            self.signal(Signal::SIGKILL);
        }
        Ok(self.process.try_wait()?.map(|status| ordered.unwrap_or_else(|| natural_end(status))))
    }

    /// How many lines were not passed on since the last question.
    pub(crate) fn dropped_lines(&mut self) -> u64 {
        self.allowance.dropped()
    }

    /// What it wrote, if that was captured, and the last line of its standard error, or nothing.
    pub(crate) fn into_words(self) -> (std::process::Child, Vec<u8>, String) {
        (self.process, self.captured, self.complaint)
    }

    fn terminate(&mut self, end: End, grace: Duration, now: Instant) {
        self.signal(Signal::SIGTERM);
        self.stage = Stage::Terminating { until: now + grace, end };
    }

    fn signal(&self, signal: Signal) {
        // Fails only if nobody is left in the group, which is as good.
        let _ = killpg(self.group, signal);
    }
}

/// Keeps the last line of standard error; what an OCF agent calls its reason is worth more than what follows it.
fn complain(complaint: &mut String, line: &str) {
    const REASON: &str = "ocf-exit-reason:";
    let line = line.trim();
    if line.starts_with(REASON) || !complaint.starts_with(REASON) {
        line.clone_into(complaint);
    }
}

impl Pipe {
    fn new(receiver: Receiver) -> Self {
        Self { receiver, lines: Lines::default(), resume: None }
    }
}

fn natural_end(status: ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

/// The kernel spares the daemon when memory runs out. A service that was started by it is killed like any other.
fn spare_no_child(pid: u32) {
    let path = |process: &str| format!("/proc/{process}/oom_score_adj");
    let inherited = fs::read_to_string(path("self")).unwrap_or_default();
    if inherited.starts_with('-') {
        // It may have ended already.
        let _ = fs::write(path(&pid.to_string()), "0");
    }
}

/// The standard library starts a child with `posix_spawn` as long as nothing else is asked of it: fast also for a
/// process whose memory is locked. The child gets this thread's signal mask, which the daemon keeps empty, and the
/// default action for SIGPIPE and for every signal that is caught here.
fn start(
    invocation: &Invocation,
    environment: &Environment,
    interpreter: Option<&str>,
) -> io::Result<std::process::Child> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(interpreter.map_or(invocation.program.clone().into(), OsString::from));
    if interpreter.is_some() {
        command.arg(&invocation.program);
    }
    if let Some(name) = invocation.name {
        command.arg0(name);
    }
    let stdin = match &invocation.input {
        Input::Nothing => Stdio::null(),
        Input::Text(text) => Stdio::from(in_memory(text)?),
        Input::Lent(descriptor) => Stdio::from(descriptor.try_clone()?),
    };
    command
        .args(&invocation.arguments)
        .env_clear()
        .envs(environment.variables())
        .envs(invocation.variables.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .process_group(0)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn()
}

/// A file in memory, at its beginning: unlike a pipe it never blocks the writer, unlike an argument nobody sees it.
fn in_memory(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create("input", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
