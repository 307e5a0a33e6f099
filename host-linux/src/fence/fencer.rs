//! Tries the fencing devices of a host one after the other until one of them has fenced it, by its word and, where that
//! can be asked for, by the host's power.

use std::time::{Duration, Instant};

use heartline_core::witness::ReadBack;
use mio::{Registry, Token};

use super::checks::{Checks, Condition};
use super::device::{self, Call, Method, READS_OFF};
use super::remark::Remark;
use crate::config::{FenceDevice, FenceParameters};
use crate::resources::{Children, End, Ended, Environment, Invocation, Line, LineText, Stream, failure};

/// How long one call of a device may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a witness may take to hear the request, to pull the line, and to say so.
const WITNESS_LIMIT: Duration = Duration::from_secs(30);
/// How often the power is read after a device said that it is off, and the pause before each further look: some report
/// what was a moment ago.
const READINGS: u8 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// How a fencing job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The host is fenced.
    Succeeded {
        /// The number of the device that did it in the order of `ha.cf`, from 1.
        device: u8,
        /// Its kind.
        kind: String,
    },
    /// No device did it. The host may or may not have been reset.
    Failed {
        /// A sentence for each device that was tried.
        reason: String,
    },
    /// The job was cancelled. The host may or may not have been reset.
    Cancelled,
}

/// What the core is to tell the witness, or not to tell it any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForWitness {
    /// Reset this host, as part of this job; to be answered by [`Fencer::witness_answered`].
    Reset {
        /// The job.
        job: u32,
        /// The host.
        host: String,
    },
    /// Nobody waits for the answer any more.
    Withdraw {
        /// The job.
        job: u32,
    },
}

/// The fencing jobs of this host. To be used like [`Runner`](crate::resources::Runner): nothing here blocks or reads a
/// clock, and what came of a call is fetched with `completed` and `remarks`.
#[derive(Debug)]
pub struct Fencer {
    devices: Vec<FenceDevice>,
    environment: Environment,
    children: Children,
    checks: Checks,
    jobs: Vec<Job>,
    completed: Vec<(u32, Outcome)>,
    for_witness: Vec<ForWitness>,
    remarks: Vec<Remark>,
}

#[derive(Debug)]
struct Job {
    number: u32,
    host: String,
    /// Those that are left, the next one first, by their places.
    devices: std::vec::IntoIter<(usize, FenceDevice)>,
    current: Option<Current>,
    failures: Vec<String>,
    cancelled: bool,
}

/// The device that is at work.
#[derive(Debug)]
struct Current {
    place: usize,
    device: FenceDevice,
    method: Method,
    step: Step,
    /// What runs at the moment; nothing during a pause.
    call: Option<Invocation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The device is to do it.
    Fencing,
    /// The witness was asked to do it, and is not waited for any longer then.
    AtWitness { until: Instant },
    /// It said that it is done: so many more looks at the host's power.
    Reading { left: u8 },
    /// The next look is due then.
    Pausing { until: Instant, left: u8 },
    /// It is done and said to be; the host gets its power back.
    PoweringOn,
}

impl Fencer {
    /// The number of tokens that are used, beginning with the first.
    pub const TOKENS: usize = 2 * Children::TOKENS;

    /// `devices` are tried in their order, against any of `hosts`. The tokens from `first_token` on, [`Self::TOKENS`] of
    /// them, must not be used by anybody else.
    #[must_use]
    pub fn new(
        devices: Vec<FenceDevice>,
        hosts: Vec<String>,
        environment: Environment,
        [registry, checks_registry]: [Registry; 2],
        first_token: usize,
        now: Instant,
    ) -> Self {
        let checks_token = first_token + Children::TOKENS;
        Self {
            checks: Checks::new(devices.clone(), hosts, checks_registry, checks_token, now),
            devices,
            environment,
            children: Children::new(registry, first_token, None),
            jobs: Vec::new(),
            completed: Vec::new(),
            for_witness: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Takes over a changed configuration. Jobs on their way go on with the devices that they began with.
    pub fn configure(
        &mut self,
        devices: Vec<FenceDevice>,
        hosts: Vec<String>,
        environment: Environment,
        now: Instant,
    ) {
        self.checks.configure(devices.clone(), hosts, now);
        self.devices = devices;
        self.environment = environment;
    }

    /// Begins to fence a host. `job` is a number that no other fencing job has at the moment.
    pub fn fence(&mut self, job: u32, host: &str, now: Instant) {
        self.checks.interrupt(now);
        // It must not get its power back behind our back.
        for other in self.jobs.iter().filter(|other| other.host == host && other.is_powering_on()) {
            self.children.cancel(other.number, now);
        }
        let devices: Vec<_> = self.devices.iter().cloned().enumerate().collect();
        self.jobs.push(Job {
            number: job,
            host: host.to_owned(),
            devices: devices.into_iter(),
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
            self.give_up_witness(now);
        }
    }

    /// To be called on SIGCHLD. Reaps only the children that this fencer has started.
    pub fn child_exited(&mut self, now: Instant) {
        self.children.reap(now);
        self.checks.child_exited(now);
        self.settle(now);
    }

    /// To be called for an event of the main loop. False if the token is none of this fencer's.
    pub fn ready(&mut self, token: Token, now: Instant) -> bool {
        let ours = self.children.ready(token, now) || self.checks.ready(token, now);
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
        let pauses = self.jobs.iter().filter_map(|job| match job.current.as_ref()?.step {
            Step::Pausing { until, .. } | Step::AtWitness { until } => Some(until),
            Step::Fencing | Step::Reading { .. } | Step::PoweringOn => None,
        });
        // While something is fenced no check begins.
        let checks = self.checks.next_deadline().filter(|_| self.idle());
        pauses.chain(self.children.next_deadline()).chain(checks).min()
    }

    /// The jobs that ended since the last question.
    pub fn completed(&mut self) -> impl Iterator<Item = (u32, Outcome)> + use<> {
        std::mem::take(&mut self.completed).into_iter()
    }

    /// What the core is to tell the witness since the last question.
    pub fn for_witness(&mut self) -> impl Iterator<Item = ForWitness> + use<> {
        std::mem::take(&mut self.for_witness).into_iter()
    }

    /// The witness has answered what it was asked for this job: what its power sense said, or why it did not do it.
    pub fn witness_answered(&mut self, job: u32, answer: Result<ReadBack, String>, now: Instant) {
        let is_asked = |job: &Job| matches!(job.step(), Some(Step::AtWitness { .. }));
        let Some(index) = self.jobs.iter().position(|known| known.number == job && is_asked(known)) else {
            return;
        };
        match answer {
            Ok(read_back) => {
                if read_back == ReadBack::WentOff {
                    let host = self.jobs[index].host.clone();
                    self.remarks.push(Remark::PowerWent { host });
                }
                self.succeed(index, now);
            }
            Err(reason) => self.device_failed(index, reason, now),
        }
    }

    /// What is worth saying since the last question.
    pub fn remarks(&mut self) -> impl Iterator<Item = Remark> + use<> {
        std::mem::take(&mut self.remarks).into_iter()
    }

    /// What is known of each device, in the order of `ha.cf`.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        self.checks.conditions()
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
            self.call_ended(&ended, now);
        }
        self.give_up_witness(now);
        let paused_out = |job: &Job| match job.step() {
            Some(Step::Pausing { until, left }) if now >= until || job.cancelled => Some((job.number, left)),
            _ => None,
        };
        let due: Vec<_> = self.jobs.iter().filter_map(paused_out).collect();
        for (number, left) in due {
            self.read_again(number, left, now);
        }
        let idle = self.idle();
        self.checks.settle(idle, &self.environment, &mut self.remarks, now);
    }

    fn call_ended(&mut self, ended: &Ended, now: Instant) {
        let Some(index) = self.jobs.iter().position(|job| job.number == ended.owner) else { return };
        let job = &mut self.jobs[index];
        let Some(current) = job.current.as_mut() else { return };
        let Some(invocation) = current.call.take() else { return };
        let reason = || failure(&invocation, ended);
        let done = ended.end == End::Exited(0);
        match (current.step, current.method) {
            (Step::PoweringOn, _) => {
                let host = job.host.clone();
                self.remarks.push(match done {
                    true => Remark::PoweredOn { host },
                    false => Remark::StaysOff { host, device: current.device.kind.clone(), reason: reason() },
                });
                self.jobs.swap_remove(index);
            }
            (Step::Fencing, Method::Reset) if done => self.succeed(index, now),
            (Step::Fencing, Method::Off { .. }) if done && !job.cancelled => {
                current.step = Step::Reading { left: READINGS - 1 };
                self.call(index, now);
            }
            (Step::Reading { .. }, _) if ended.end == End::Exited(READS_OFF) => self.succeed(index, now),
            _ if job.cancelled => self.finish(index, Outcome::Cancelled),
            (Step::Reading { left: 0 }, _) if done => {
                let reason =
                    "it said that it had switched the host off, but the host still reads as on".to_owned();
                self.device_failed(index, reason, now);
            }
            (Step::Reading { left: 0 }, _) => {
                let reason = format!(
                    "it said that it had switched the host off, but cannot tell whether that is so ({}); if it never can, \
                     write action=reboot among its parameters",
                    reason()
                );
                self.device_failed(index, reason, now);
            }
            (Step::Reading { left }, _) => {
                current.step = Step::Pausing { until: now + PAUSE, left: left - 1 };
            }
            (Step::Fencing | Step::Pausing { .. } | Step::AtWitness { .. }, _) => {
                self.device_failed(index, reason(), now)
            }
        }
    }

    fn read_again(&mut self, number: u32, left: u8, now: Instant) {
        let Some(index) = self.jobs.iter().position(|job| job.number == number) else { return };
        if self.jobs[index].cancelled {
            self.finish(index, Outcome::Cancelled);
        } else if let Some(current) = self.jobs[index].current.as_mut() {
            current.step = Step::Reading { left };
            self.call(index, now);
        }
    }

    /// Calls the device for the step that it is at.
    fn call(&mut self, index: usize, now: Instant) {
        let job = &mut self.jobs[index];
        let Some(current) = job.current.as_mut() else { return };
        let call = match current.step {
            Step::Fencing | Step::AtWitness { .. } => Call::Fence(&job.host),
            Step::Reading { .. } | Step::Pausing { .. } => Call::Read(&job.host),
            Step::PoweringOn => Call::PowerOn(&job.host),
        };
        let begun = device::invocation(&current.device, call, LIMIT, &self.environment)
            .map_err(|error| error.to_string())
            .and_then(|call| match self.children.spawn(job.number, &call, &self.environment, now) {
                Ok(()) => Ok(call),
                Err(error) => Err(format!("{} cannot be run: {error}", call.program.display())),
            });
        match begun {
            Ok(invocation) => current.call = Some(invocation),
            Err(reason) if current.step == Step::PoweringOn => {
                let (host, device) = (job.host.clone(), current.device.kind.clone());
                self.remarks.push(Remark::StaysOff { host, device, reason });
                self.jobs.swap_remove(index);
            }
            Err(reason) => self.device_failed(index, reason, now),
        }
    }

    fn pass_on(&mut self, line: Line) {
        let job = self.jobs.iter().find(|job| job.number == line.owner);
        let Some(current) = job.and_then(|job| job.current.as_ref()) else { return };
        let device = current.device.kind.clone();
        self.remarks.push(match line.text {
            LineText::LeftOut(lines) => Remark::OutputLeftOut { device, lines },
            LineText::Written(stream, text) => {
                Remark::Output { device, pid: line.pid, line: text, is_stderr: stream == Stream::Stderr }
            }
        });
    }

    /// Asks the next device.
    fn try_next(&mut self, number: u32, now: Instant) {
        let Some(index) = self.jobs.iter().position(|job| job.number == number) else { return };
        let job = &mut self.jobs[index];
        let Some((place, device)) = job.devices.next() else {
            let reason = match job.failures.as_slice() {
                [] => format!("no fencing device is configured for {}", job.host),
                failures => failures.join("; "),
            };
            self.finish(index, Outcome::Failed { reason });
            return;
        };
        self.remarks.push(Remark::Resetting { host: job.host.clone(), device: device.kind.clone() });
        if let FenceParameters::Witness(_) = &device.parameters {
            let step = Step::AtWitness { until: now + WITNESS_LIMIT };
            self.for_witness.push(ForWitness::Reset { job: number, host: job.host.clone() });
            job.current = Some(Current { place, device, method: Method::Reset, step, call: None });
            return;
        }
        let (method, unfit) = match device::method(&device) {
            Ok(method) => (method, None),
            Err(error) => (Method::Reset, Some(error.to_string())),
        };
        job.current = Some(Current { place, device, method, step: Step::Fencing, call: None });
        match unfit {
            None => self.call(index, now),
            Some(reason) => self.device_failed(index, reason, now),
        }
    }

    /// Ends what waits for the witness in vain.
    fn give_up_witness(&mut self, now: Instant) {
        let vain = |job: &Job| match job.step() {
            Some(Step::AtWitness { until }) => job.cancelled || now >= until,
            _ => false,
        };
        while let Some(index) = self.jobs.iter().position(vain) {
            self.for_witness.push(ForWitness::Withdraw { job: self.jobs[index].number });
            if self.jobs[index].cancelled {
                self.finish(index, Outcome::Cancelled);
            } else {
                let reason = format!("it has not answered within {} s", WITNESS_LIMIT.as_secs());
                self.device_failed(index, reason, now);
            }
        }
    }

    /// The device that is at work cannot do it: the next one may.
    fn device_failed(&mut self, index: usize, reason: String, now: Instant) {
        let job = &mut self.jobs[index];
        let Some(Current { place, device, .. }) = job.current.take() else { return };
        self.checks.used(place, Some(&reason), now);
        job.failures.push(format!("{}: {reason}", device.kind));
        self.remarks.push(Remark::NotReset { host: job.host.clone(), device: device.kind, reason });
        let number = job.number;
        self.try_next(number, now);
    }

    /// The host is fenced; what follows is only for its return.
    fn succeed(&mut self, index: usize, now: Instant) {
        let job = &mut self.jobs[index];
        let Some(current) = job.current.as_mut() else { return };
        self.remarks.push(Remark::Reset { host: job.host.clone() });
        self.checks.used(current.place, None, now);
        let device = u8::try_from(current.place + 1).unwrap_or(0);
        let outcome = Outcome::Succeeded { device, kind: current.device.kind.clone() };
        if current.method == (Method::Off { back_on: true }) {
            self.completed.push((job.number, outcome));
            current.step = Step::PoweringOn;
            self.call(index, now);
        } else {
            self.finish(index, outcome);
        }
    }

    fn finish(&mut self, index: usize, outcome: Outcome) {
        let job = self.jobs.swap_remove(index);
        self.completed.push((job.number, outcome));
    }
}

impl Job {
    fn step(&self) -> Option<Step> {
        self.current.as_ref().map(|current| current.step)
    }

    fn is_powering_on(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.step == Step::PoweringOn)
    }
}
