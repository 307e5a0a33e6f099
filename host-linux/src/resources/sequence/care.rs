//! The calls for a group that runs: asking its resources how they are, and putting back addresses that are gone.

use super::{Action, Answer, Outcome, Sequence, Step};
use crate::config::{Resource, floating_address};
use crate::resources::status::Status;

/// What the resources have said, as far as it is not that they run.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The first that is gone, all such being addresses.
    lost: Option<Outcome>,
    /// The first whose answer was neither.
    unclear: Option<Outcome>,
    /// The first that could not be asked.
    unasked: Option<Outcome>,
}

impl Sequence {
    /// Asks those of its resources whose turn it is. Whatever must be restarted ends the round; what is graver counts,
    /// whoever said it first.
    pub(super) fn monitor(&mut self, answer: Answer) -> Step {
        let resource = self.text();
        match answer {
            Answer::Begin => {}
            Answer::TimedOut => return self.timed_out(),
            Answer::Status(Status::Running, _) | Answer::Succeeded => self.next_resource(),
            Answer::Status(Status::NotRunning, said) => {
                let is_address = self.at_hand().is_some_and(is_address);
                let lost = Outcome::Lost { resource, reason: said, repairable: is_address };
                if !is_address {
                    return Step::Finished(lost);
                }
                self.findings.lost.get_or_insert(lost);
                self.next_resource();
            }
            Answer::Status(Status::Unclear, reason) => {
                self.findings.unclear.get_or_insert(Outcome::Unclear { resource, reason });
                self.next_resource();
            }
            Answer::Missing(reason) | Answer::Failed(reason) => {
                self.findings.unasked.get_or_insert(Outcome::NotRun { resource, reason });
                self.next_resource();
            }
        }
        while self.at_hand().is_some() && !self.asks.get(self.done).is_some_and(|asks| *asks) {
            self.next_resource();
        }
        if self.at_hand().is_some() {
            return self.call(Action::Status);
        }
        let Findings { lost, unclear, unasked } = std::mem::take(&mut self.findings);
        Step::Finished(lost.or(unclear).or(unasked).unwrap_or(Outcome::Running))
    }

    /// Starts the addresses that are not there, beside all that runs.
    pub(super) fn repair(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Begin => {}
            Answer::TimedOut => return self.timed_out(),
            Answer::Failed(reason) | Answer::Missing(reason) => return self.failed(reason),
            Answer::Status(Status::NotRunning | Status::Unclear, _) => return self.call(Action::Start),
            Answer::Status(Status::Running, _) | Answer::Succeeded => self.next_resource(),
        }
        while self.at_hand().is_some_and(|resource| !is_address(resource)) {
            self.next_resource();
        }
        match self.at_hand() {
            None => Step::Finished(Outcome::Succeeded),
            Some(_) => self.call(Action::Status),
        }
    }
}

/// Whether it can be put back beside what runs. The agents of Debian's package can be started as often as the built-in
/// ones.
fn is_address(resource: &Resource) -> bool {
    floating_address(resource).is_some()
}
