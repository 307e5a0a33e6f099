//! The order of calls that makes up a job: pure, so that it can be read and tested as a table.
//! It runs nothing and measures no time; `runner.rs` asks for the next step and reports how it went.

mod care;

use std::fmt;
use std::time::Duration;

use super::locate::Agent;
use super::remark::Remark;
use super::status::Status;
use crate::config::{Group, Resource};

/// So often a failing stop is tried before its resource is asked whether it still runs.
const STOP_ATTEMPTS: u32 = 3;
/// The pause between these attempts.
const STOP_PAUSE: Duration = Duration::from_secs(1);

/// What is to be done with a whole group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Find out which of its resources run.
    Probe,
    /// Start it, from left to right.
    Start,
    /// Stop it, from right to left.
    Stop,
    /// Ask those of its resources whose turn it is whether they still run.
    Monitor,
    /// Put back its addresses that are gone.
    Repair,
    /// Make its addresses known to the neighbours again.
    Announce,
}

/// What is asked of one agent; as text, the last argument of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Does it run?
    Status,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Make its address known to the neighbours.
    Announce,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status => "status",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Announce => "announce",
        })
    }
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Probe: all resources of the group run. Monitor: all that were asked.
    Running,
    /// Probe: none of them runs.
    NotRunning,
    /// Probe: some run, or for some it is unclear.
    Partial,
    /// Start, stop, repair, announce: done.
    Succeeded,
    /// Monitor: this resource does not run any more.
    Lost {
        /// The resource as written.
        resource: String,
        /// A sentence for people.
        reason: String,
        /// Whether nothing but addresses is gone, which can be put back.
        repairable: bool,
    },
    /// Monitor: this resource had no clear answer; nothing is known to be gone.
    Unclear {
        /// The resource as written.
        resource: String,
        /// A sentence for people.
        reason: String,
    },
    /// Monitor: this resource could not be asked; nothing is known to be gone.
    NotRun {
        /// The resource as written.
        resource: String,
        /// A sentence for people.
        reason: String,
    },
    /// Not done; nothing was undone.
    Failed {
        /// The resource as written.
        resource: String,
        /// A sentence for people.
        reason: String,
    },
    /// A call took longer than its limit and was killed; nothing was undone.
    TimedOut {
        /// The resource as written.
        resource: String,
        /// What it was asked to do.
        operation: Action,
    },
    /// The job was cancelled and its process is gone.
    Cancelled,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Call the agent of this resource, then tell how it went.
    Call { resource: usize, action: Action },
    /// Wait, then go on.
    Pause(Duration),
    /// Nothing any more.
    Finished(Outcome),
}

/// How the last step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// There was none, or it was a pause.
    Begin,
    /// The agent's answer to `status`, and its call in a sentence.
    Status(Status, String),
    /// Exit status 0.
    Succeeded,
    /// Something else, told in a sentence.
    Failed(String),
    /// Killed at its limit.
    TimedOut,
    /// There is no such agent, or none that can be run, told in a sentence. To the original this is a script that fails and a resource that
    /// does not run, so a misspelt name fails the start but never the stop.
    Missing(String),
}

/// One job on its way.
#[derive(Debug)]
pub(super) struct Sequence {
    operation: Operation,
    group: Group,
    /// How many resources are done.
    done: usize,
    /// What was called last for the resource at hand.
    last: Option<Action>,
    /// How often its stop has failed, and how it failed last.
    failed_stops: u32,
    failure: Option<Answer>,
    /// Probe: how many run, and for how many it is unclear. Announce: the first failure.
    running: usize,
    unclear: usize,
    not_announced: Option<Outcome>,
    /// Monitor: whose turn it is, by resource, and what was said.
    asks: Vec<bool>,
    findings: care::Findings,
}

impl Sequence {
    pub(super) fn new(operation: Operation, group: Group) -> Self {
        Self {
            operation,
            group,
            done: 0,
            last: None,
            failed_stops: 0,
            failure: None,
            running: 0,
            unclear: 0,
            not_announced: None,
            asks: Vec::new(),
            findings: care::Findings::default(),
        }
    }

    /// A round in which these resources are asked, by their place in the group.
    pub(super) fn monitoring(group: Group, asks: Vec<bool>) -> Self {
        Self { asks, ..Self::new(Operation::Monitor, group) }
    }

    pub(super) fn operation(&self) -> Operation {
        self.operation
    }

    pub(super) fn resource(&self, index: usize) -> Option<&Resource> {
        self.group.resources.get(index)
    }

    /// Takes how the last step went and tells the next one.
    pub(super) fn advance(&mut self, answer: Answer, mut remark: impl FnMut(Remark)) -> Step {
        match self.operation {
            Operation::Probe => self.probe(&answer),
            Operation::Start => self.start(answer, &mut remark),
            Operation::Stop => self.stop(answer, &mut remark),
            Operation::Monitor => self.monitor(answer),
            Operation::Repair => self.repair(answer),
            Operation::Announce => self.announce(answer),
        }
    }

    fn probe(&mut self, answer: &Answer) -> Step {
        match answer {
            Answer::Begin => {}
            Answer::TimedOut => return self.timed_out(),
            Answer::Status(Status::Running, _) => self.running += 1,
            Answer::Status(Status::NotRunning, _) | Answer::Missing(_) => {}
            Answer::Status(Status::Unclear, _) | Answer::Succeeded | Answer::Failed(_) => self.unclear += 1,
        }
        if *answer != Answer::Begin {
            self.next_resource();
        }
        if self.at_hand().is_some() {
            return self.call(Action::Status);
        }
        Step::Finished(match (self.running, self.unclear) {
            (all, 0) if all == self.group.resources.len() => Outcome::Running,
            (0, 0) => Outcome::NotRunning,
            _ => Outcome::Partial,
        })
    }

    fn start(&mut self, answer: Answer, remark: &mut impl FnMut(Remark)) -> Step {
        match answer {
            Answer::Begin => remark(Remark::Acquiring { group: whole(&self.group) }),
            Answer::TimedOut => return self.timed_out(),
            Answer::Failed(reason) | Answer::Missing(reason) => return self.failed(reason),
            Answer::Status(Status::NotRunning | Status::Unclear, _) => return self.call(Action::Start),
            Answer::Status(Status::Running, _) | Answer::Succeeded => self.next_resource(),
        }
        match self.at_hand() {
            None => Step::Finished(Outcome::Succeeded),
            Some(resource) if Agent::of(resource).starts_idempotently() => self.call(Action::Start),
            Some(_) => self.call(Action::Status),
        }
    }

    fn stop(&mut self, answer: Answer, remark: &mut impl FnMut(Remark)) -> Step {
        match (self.last, answer) {
            (None, Answer::Begin) if self.done == 0 => {
                remark(Remark::Releasing { group: whole(&self.group) });
            }
            (_, Answer::Begin) => {
                // After the pause.
                remark(Remark::Retrying { resource: self.text() });
                return self.call(Action::Stop);
            }
            (_, Answer::Succeeded) => self.next_resource(),
            (_, Answer::Missing(reason)) => {
                remark(Remark::CannotLocate { reason });
                self.next_resource();
            }
            (Some(Action::Status), Answer::Status(Status::NotRunning, _)) => {
                remark(Remark::StoppedInSpiteOfFailure { resource: self.text() });
                self.next_resource();
            }
            (Some(Action::Status), _) => return self.still_there(),
            (_, failure) => {
                self.failed_stops += 1;
                // Whoever hung until its limit would only hang again.
                let again = self.failed_stops < STOP_ATTEMPTS && failure != Answer::TimedOut;
                self.failure = Some(failure);
                return if again { Step::Pause(STOP_PAUSE) } else { self.call(Action::Status) };
            }
        }
        match self.at_hand() {
            None => Step::Finished(Outcome::Succeeded),
            Some(_) => self.call(Action::Stop),
        }
    }

    /// The stop did not succeed, and nobody could say that the resource does not run.
    fn still_there(&mut self) -> Step {
        match self.failure.take() {
            Some(Answer::Failed(reason)) => self.failed(reason),
            _ => {
                self.last = Some(Action::Stop);
                self.timed_out()
            }
        }
    }

    fn announce(&mut self, answer: Answer) -> Step {
        let failure = match answer {
            Answer::Begin | Answer::Succeeded | Answer::Status(..) => None,
            Answer::TimedOut => Some(self.timed_out()),
            Answer::Failed(reason) | Answer::Missing(reason) => Some(self.failed(reason)),
        };
        if let (Some(Step::Finished(outcome)), None) = (failure, &self.not_announced) {
            self.not_announced = Some(outcome);
        }
        if self.last.is_some() {
            self.next_resource();
        }
        // The neighbours need every address, also those after one that failed.
        while let Some(resource) = self.at_hand() {
            if Agent::of(resource).announces() {
                return self.call(Action::Announce);
            }
            self.next_resource();
        }
        Step::Finished(self.not_announced.take().unwrap_or(Outcome::Succeeded))
    }

    fn call(&mut self, action: Action) -> Step {
        self.last = Some(action);
        Step::Call { resource: self.index(), action }
    }

    fn failed(&self, reason: String) -> Step {
        Step::Finished(Outcome::Failed { resource: self.text(), reason })
    }

    fn timed_out(&self) -> Step {
        let operation = self.last.unwrap_or(Action::Status);
        Step::Finished(Outcome::TimedOut { resource: self.text(), operation })
    }

    fn next_resource(&mut self) {
        self.done += 1;
        self.last = None;
        self.failed_stops = 0;
        self.failure = None;
    }

    fn at_hand(&self) -> Option<&Resource> {
        if self.done < self.group.resources.len() { self.group.resources.get(self.index()) } else { None }
    }

    /// Stops go from right to left.
    fn index(&self) -> usize {
        match self.operation {
            Operation::Stop => self.group.resources.len().saturating_sub(self.done + 1),
            Operation::Probe
            | Operation::Start
            | Operation::Monitor
            | Operation::Repair
            | Operation::Announce => self.done,
        }
    }

    fn text(&self) -> String {
        self.at_hand().map(|resource| resource.text.clone()).unwrap_or_default()
    }
}

/// A group as the original names it in its log: its node and all its resources.
fn whole(group: &Group) -> String {
    let words: Vec<&str> = group.resources.iter().map(|resource| resource.text.as_str()).collect();
    format!("{} {}", group.preferred, words.join(" "))
}
