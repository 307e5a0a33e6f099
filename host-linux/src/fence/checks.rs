//! Looks after the fencing devices while nothing has to be fenced: one after the other, at the start and every hour. A
//! device that fails is told about, nothing else follows from it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::device::{self, Call, Method, READS_OFF};
use super::remark::Remark;
use crate::config::{FenceDevice, FenceParameters};
use crate::resources::{Children, End, Ended, Environment, Invocation, failure};

/// As the original.
const INTERVAL: Duration = Duration::from_secs(3_600);
/// A device that was repaired is soon known to be.
const INTERVAL_AFTER_FAILURE: Duration = Duration::from_secs(300);
const LIMIT: Duration = Duration::from_secs(60);

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its kind.
    pub kind: String,
    /// When it last answered or failed to.
    pub checked: Option<Instant>,
    /// Why it does not work; nothing while it does, as far as is known.
    pub problem: Option<String>,
}

/// The checks of all devices.
#[derive(Debug)]
pub(super) struct Checks {
    children: Children,
    conditions: Vec<Condition>,
    devices: Vec<FenceDevice>,
    /// The other hosts of the cluster.
    hosts: Vec<String>,
    /// Those that are still to be asked in this round, by their places.
    queue: VecDeque<usize>,
    current: Option<(usize, Invocation)>,
    next_round: Option<Instant>,
}

impl Checks {
    /// The first round is due at once.
    pub(super) fn new(
        devices: Vec<FenceDevice>,
        hosts: Vec<String>,
        registry: Registry,
        first_token: usize,
        now: Instant,
    ) -> Self {
        let mut checks = Self {
            children: Children::new(registry, first_token, None),
            conditions: Vec::new(),
            devices: Vec::new(),
            hosts: Vec::new(),
            queue: VecDeque::new(),
            current: None,
            next_round: None,
        };
        checks.configure(devices, hosts, now);
        checks
    }

    /// Takes over a changed configuration. What is known of a device that was there before stays known.
    pub(super) fn configure(&mut self, devices: Vec<FenceDevice>, hosts: Vec<String>, now: Instant) {
        if devices == self.devices && hosts == self.hosts {
            return;
        }
        self.interrupt(now);
        let known = |device: &FenceDevice| {
            let at = self.devices.iter().position(|old| old == device)?;
            self.conditions.get(at).cloned()
        };
        let fresh =
            |device: &FenceDevice| Condition { kind: device.kind.clone(), checked: None, problem: None };
        self.conditions =
            devices.iter().map(|device| known(device).unwrap_or_else(|| fresh(device))).collect();
        self.next_round = (!devices.is_empty()).then_some(now);
        (self.devices, self.hosts) = (devices, hosts);
    }

    pub(super) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// A device was used for what it is there for.
    pub(super) fn used(&mut self, at: usize, problem: Option<&str>, now: Instant) {
        if let Some(condition) = self.conditions.get_mut(at) {
            (condition.checked, condition.problem) = (Some(now), problem.map(str::to_owned));
        }
    }

    /// Nothing must be in the way of a fence: many devices have one session only.
    pub(super) fn interrupt(&mut self, now: Instant) {
        self.queue.clear();
        if let Some((at, _)) = self.current.take() {
            self.children.cancel(owner(at), now);
        }
        if self.next_round.is_some() {
            self.next_round = Some(now + INTERVAL_AFTER_FAILURE);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        [self.next_round, self.children.next_deadline()].into_iter().flatten().min()
    }

    pub(super) fn child_exited(&mut self, now: Instant) {
        self.children.reap(now);
    }

    pub(super) fn ready(&mut self, token: Token, now: Instant) -> bool {
        self.children.ready(token, now)
    }

    /// `may_begin`: nothing is being fenced.
    pub(super) fn settle(
        &mut self,
        may_begin: bool,
        environment: &Environment,
        remarks: &mut Vec<Remark>,
        now: Instant,
    ) {
        self.children.tick(now);
        // What it says otherwise is the device's own affair; its last complaint is kept.
        self.children.take_lines();
        for ended in self.children.take_ended() {
            if let Some((at, invocation)) = self.current.take_if(|(at, _)| owner(*at) == ended.owner) {
                self.note(at, self.verdict(at, &invocation, &ended), remarks, now);
            }
        }
        if may_begin && self.next_round.is_some_and(|due| now >= due) {
            self.queue = (0..self.devices.len()).collect();
            self.next_round = Some(now + INTERVAL);
        }
        while self.current.is_none()
            && let Some(at) = self.queue.pop_front()
        {
            self.begin(at, environment, remarks, now);
        }
    }

    fn begin(&mut self, at: usize, environment: &Environment, remarks: &mut Vec<Remark>, now: Instant) {
        let Some(device) = self.devices.get(at) else { return };
        if let FenceParameters::Witness(_) = device.parameters {
            // It tells without being asked.
            return;
        }
        remarks.push(Remark::Checking { device: device.kind.clone() });
        let begun = self
            .call(device)
            .and_then(|call| device::invocation(device, call, LIMIT, environment))
            .map_err(|error| error.to_string())
            .and_then(|invocation| match self.children.spawn(owner(at), &invocation, environment, now) {
                Ok(()) => Ok(invocation),
                Err(error) => Err(format!("{} cannot be run: {error}", invocation.program.display())),
            });
        match begun {
            Ok(invocation) => self.current = Some((at, invocation)),
            Err(reason) => self.note(at, Some(reason), remarks, now),
        }
    }

    /// A device that is read back after a fence is asked for its only host's power, every other for its own state.
    fn call(&self, device: &FenceDevice) -> Result<Call<'_>, device::DeviceError> {
        Ok(match (device::method(device)?, self.hosts.as_slice()) {
            (Method::Off { .. }, [host]) => Call::Read(host),
            (Method::Off { .. } | Method::Reset, _) => Call::Check,
        })
    }

    /// Why a device does not work; nothing if it does.
    fn verdict(&self, at: usize, invocation: &Invocation, ended: &Ended) -> Option<String> {
        let device = self.devices.get(at)?;
        match (self.call(device), ended.end) {
            (Ok(Call::Read(_)), End::Exited(0 | READS_OFF)) => None,
            (Ok(Call::Check), End::Exited(0)) => self.does_not_know(device, &ended.output),
            _ => Some(failure(invocation, ended)),
        }
    }

    /// `stonith -l` names the hosts that a device controls, and `stonith -T reset` does not look there.
    fn does_not_know(&self, device: &FenceDevice, output: &[u8]) -> Option<String> {
        let ([host], false) = (self.hosts.as_slice(), device.kind.starts_with("fence_")) else { return None };
        let output = String::from_utf8_lossy(output);
        let mut listed = output.split_whitespace().peekable();
        listed.peek()?;
        let knows = listed.any(|name| name.eq_ignore_ascii_case(host));
        (!knows).then(|| format!("it does not control {host}: `stonith -l` does not list it"))
    }

    fn note(&mut self, at: usize, problem: Option<String>, remarks: &mut Vec<Remark>, now: Instant) {
        let Some(condition) = self.conditions.get_mut(at) else { return };
        let device = condition.kind.clone();
        if let Some(reason) = &problem {
            let soon = now + INTERVAL_AFTER_FAILURE;
            self.next_round = Some(self.next_round.map_or(soon, |due| due.min(soon)));
            if condition.problem != problem {
                remarks.push(Remark::NotOperational { device, reason: reason.clone() });
            }
        } else if condition.problem.is_some() {
            remarks.push(Remark::Operational { device });
        }
        (condition.checked, condition.problem) = (Some(now), problem);
    }
}

fn owner(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
