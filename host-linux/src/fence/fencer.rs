//! Tries the fencing devices of a host one after the other until one of them says that it is done.

use std::fmt;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::device;
use crate::config::FenceDevice;
use crate::resources::{Children, End, Environment, Invocation, Line, LineText, Severity, Stream, failure};

/// How long one device may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How a fencing job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A device confirmed the reset.
    Succeeded,
    /// None did. The host may or may not have been reset.
    Failed {
        /// A sentence for each device that was tried.
        reason: String,
    },
    /// The job was cancelled. The host may or may not have been reset.
    Cancelled,
}

/// Something worth a line in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A device is asked.
    Resetting {
        /// The host to be reset.
        host: String,
        /// The kind of the device.
        device: String,
    },
    /// It confirmed.
    Reset {
        /// The host that was reset.
        host: String,
    },
    /// It failed, or could not be asked.
    NotReset {
        /// The host that was to be reset.
        host: String,
        /// The kind of the device.
        device: String,
        /// A sentence for people.
        reason: String,
    },
    /// It wrote a line.
    Output {
        /// The kind of the device.
        device: String,
        /// The process id of its program.
        pid: u32,
        /// The line, at most 4096 bytes of it, without its end and without control characters.
        line: String,
        /// Whether it came on standard error.
        is_stderr: bool,
    },
    /// It wrote more than is passed on.
    OutputLeftOut {
        /// The kind of the device.
        device: String,
        /// How many lines were left out.
        lines: u64,
    },
}

impl Remark {
    /// How loud it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Resetting { .. } | Self::Reset { .. } | Self::Output { .. } => Severity::Info,
            Self::OutputLeftOut { .. } => Severity::Warning,
            Self::NotReset { .. } => Severity::Error,
        }
    }
}

/// The text without the word for the severity.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resetting { host, device } => write!(f, "Resetting node {host} with [{device}]"),
            Self::Reset { host } => write!(f, "node {host} now reset."),
            Self::NotReset { host, device, reason } => {
                write!(f, "Host {host} not reset by [{device}]: {reason}")
            }
            Self::Output { device, line, .. } => write!(f, "{device}: {line}"),
            Self::OutputLeftOut { device, lines } => {
                write!(f, "{device}: {lines} more lines of output were left out")
            }
        }
    }
}

/// The fencing jobs of this host. To be used like [`Runner`](crate::resources::Runner): nothing here blocks or reads a
/// clock, and what came of a call is fetched with `completed` and `remarks`.
#[derive(Debug)]
pub struct Fencer {
    devices: Vec<FenceDevice>,
    environment: Environment,
    limit: Duration,
    children: Children,
    jobs: Vec<Job>,
    completed: Vec<(u32, Outcome)>,
    remarks: Vec<Remark>,
}

#[derive(Debug)]
struct Job {
    number: u32,
    host: String,
    /// Those that are left, the next one first.
    devices: std::vec::IntoIter<FenceDevice>,
    /// What runs at the moment: the kind of the device and its call.
    current: Option<(String, Invocation)>,
    failures: Vec<String>,
    cancelled: bool,
}

impl Fencer {
    /// The number of tokens that are used, beginning with the first.
    pub const TOKENS: usize = Children::TOKENS;

    /// `devices` are tried in their order. Each has one minute. The tokens from `first_token` on, [`Self::TOKENS`] of
    /// them, must not be used by anybody else.
    #[must_use]
    pub fn new(
        devices: Vec<FenceDevice>,
        environment: Environment,
        registry: Registry,
        first_token: usize,
    ) -> Self {
        Self {
            devices,
            environment,
            limit: LIMIT,
            children: Children::new(registry, first_token, None),
            jobs: Vec::new(),
            completed: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Takes over a changed configuration. Jobs on their way go on with the devices that they began with.
    pub fn configure(&mut self, devices: Vec<FenceDevice>, environment: Environment) {
        self.devices = devices;
        self.environment = environment;
    }

    /// Begins to fence a host. `job` is a number that no other fencing job has at the moment.
    pub fn fence(&mut self, job: u32, host: &str, now: Instant) {
        let devices = self.devices.clone().into_iter();
        let host = host.to_owned();
        self.jobs.push(Job {
            number: job,
            host,
            devices,
            current: None,
            failures: Vec::new(),
            cancelled: false,
        });
        self.try_next(job, now);
    }

    /// Ends a job early. Its outcome is [`Outcome::Cancelled`] once the process is gone.
    pub fn cancel(&mut self, job: u32, now: Instant) {
        if let Some(known) = self.jobs.iter_mut().find(|known| known.number == job) {
            known.cancelled = true;
            self.children.cancel(job, now);
        }
    }

    /// To be called on SIGCHLD. Reaps only the children that this fencer has started.
    pub fn child_exited(&mut self, now: Instant) {
        self.children.reap(now);
        self.settle(now);
    }

    /// To be called for an event of the main loop. False if the token is none of this fencer's.
    pub fn ready(&mut self, token: Token, now: Instant) -> bool {
        let ours = self.children.ready(token, now);
        self.settle(now);
        ours
    }

    /// To be called when time has passed, at the latest at [`Self::next_deadline`].
    pub fn tick(&mut self, now: Instant) {
        self.children.tick(now);
        self.settle(now);
    }

    /// When `tick` is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.children.next_deadline()
    }

    /// The jobs that ended since the last question.
    pub fn completed(&mut self) -> impl Iterator<Item = (u32, Outcome)> + use<> {
        std::mem::take(&mut self.completed).into_iter()
    }

    /// What is worth saying since the last question.
    pub fn remarks(&mut self) -> impl Iterator<Item = Remark> + use<> {
        std::mem::take(&mut self.remarks).into_iter()
    }

    /// Whether no job is on its way.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.jobs.is_empty()
    }

    fn settle(&mut self, now: Instant) {
        for line in self.children.take_lines() {
            self.pass_on(line);
        }
        for ended in self.children.take_ended() {
            let Some(index) = self.jobs.iter().position(|job| job.number == ended.owner) else { continue };
            let job = &mut self.jobs[index];
            let Some((device, invocation)) = job.current.take() else { continue };
            if ended.end == End::Exited(0) {
                self.remarks.push(Remark::Reset { host: job.host.clone() });
                self.finish(index, Outcome::Succeeded);
            } else if job.cancelled {
                self.finish(index, Outcome::Cancelled);
            } else {
                let reason = failure(&invocation, &ended);
                note_failure(job, &mut self.remarks, device, reason);
                self.try_next(ended.owner, now);
            }
        }
    }

    fn pass_on(&mut self, line: Line) {
        let job = self.jobs.iter().find(|job| job.number == line.owner);
        let Some((device, _)) = job.and_then(|job| job.current.clone()) else { return };
        self.remarks.push(match line.text {
            LineText::LeftOut(lines) => Remark::OutputLeftOut { device, lines },
            LineText::Written(stream, text) => {
                Remark::Output { device, pid: line.pid, line: text, is_stderr: stream == Stream::Stderr }
            }
        });
    }

    /// Asks the next device that can be asked.
    fn try_next(&mut self, number: u32, now: Instant) {
        let Some(index) = self.jobs.iter().position(|job| job.number == number) else { return };
        let job = &mut self.jobs[index];
        while let Some(device) = job.devices.next() {
            self.remarks.push(Remark::Resetting { host: job.host.clone(), device: device.kind.clone() });
            let called = device::invocation(&device, &job.host, self.limit, &self.environment)
                .map_err(|error| error.to_string())
                .and_then(|call| match self.children.spawn(number, &call, &self.environment, now) {
                    Ok(()) => Ok(call),
                    Err(error) => Err(format!("{} cannot be run: {error}", call.program.display())),
                });
            match called {
                Ok(invocation) => {
                    job.current = Some((device.kind, invocation));
                    return;
                }
                Err(reason) => note_failure(job, &mut self.remarks, device.kind, reason),
            }
        }
        let reason = match job.failures.as_slice() {
            [] => format!("no fencing device is configured for {}", job.host),
            failures => failures.join("; "),
        };
        self.finish(index, Outcome::Failed { reason });
    }

    fn finish(&mut self, index: usize, outcome: Outcome) {
        let job = self.jobs.swap_remove(index);
        self.completed.push((job.number, outcome));
    }
}

fn note_failure(job: &mut Job, remarks: &mut Vec<Remark>, device: String, reason: String) {
    job.failures.push(format!("{device}: {reason}"));
    remarks.push(Remark::NotReset { host: job.host.clone(), device, reason });
}
