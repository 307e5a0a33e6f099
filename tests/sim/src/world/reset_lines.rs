//! What the witness's reset lines and power senses have to do with the hosts.

use heartline_core::provision::Sense;
use heartline_core::witness::{ResetCause, Side};

use super::queue::Event;
use super::{World, a_moment, small};
use crate::host::Machine;
use crate::plan::{Micros, SECOND, name};
use crate::truth::{self, Promise};

/// What becomes of a machine's supply when it goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    /// It is gone as well: a power sense sees that.
    Gone,
    /// It stays, as at a reset.
    Stays,
}

impl World {
    /// The firmware pulls a line, or lets it go.
    pub(super) fn line_is(&mut self, host: usize, is_pulled: bool) {
        let effect = self.plan.settings.witness.map_or(0, |settings| settings.takes_effect);
        let Some(witness) = &mut self.witness else { return };
        let pull = &mut witness.pulls[host];
        if std::mem::replace(&mut pull.is_pulled, is_pulled) == is_pulled {
            return;
        }
        if is_pulled {
            pull.number += 1;
            let number = pull.number;
            self.queue.push(self.now + effect, Event::LineWorks { host: small(host), number });
            self.tell(host, || "its reset line is pulled".to_owned());
            self.statistics.pulls += 1;
            if let Some(what) = truth::pulled(self, host) {
                self.broken(Promise::Witness, what);
            }
            return;
        }
        let holds = std::mem::take(&mut pull.holds);
        let owes_power = std::mem::take(&mut pull.owes_power);
        if holds && self.hosts[host].machine == Machine::Off {
            let after = a_moment(&mut self.hosts[host].dice);
            let event = Event::PowerOn { host: small(host), power: self.hosts[host].power };
            if owes_power {
                self.queue.push(self.now + after, event);
            }
        }
    }

    /// A line has been pulled for as long as it takes.
    pub(super) fn line_works(&mut self, host: usize, number: u32) {
        let Some(witness) = &mut self.witness else { return };
        let pull = &mut witness.pulls[host];
        if !pull.is_pulled || pull.number != number {
            return;
        }
        if self.now < pull.broken_until {
            self.tell(host, || "its reset line does nothing".to_owned());
            if !self.takes_power(host) {
                // Nobody finds that out before it speaks again.
                self.statistics.lies += 1;
                self.hosts[host].spared = true;
            }
            return;
        }
        pull.holds = true;
        if self.hosts[host].machine == Machine::Off {
            return;
        }
        pull.took_down = true;
        self.tell(host, || "is reset by its reset line".to_owned());
        self.statistics.line_resets += 1;
        self.disturb(SECOND);
        let supply = if self.takes_power(host) { Supply::Gone } else { Supply::Stays };
        self.take_down(host, 0, supply);
    }

    /// The firmware says that it has reset a host.
    pub(super) fn reset_is_done(&mut self, victim: usize, cause: ResetCause) {
        let by = matches!(cause, ResetCause::Fence(_)).then_some(1 - victim);
        if let Some(by) = by
            && let Some(what) = truth::reset_each_other(self, victim, by)
        {
            self.broken(Promise::OneSurvives, what);
        }
        if let Some(witness) = &mut self.witness {
            witness.pulls[victim].last_asker = by;
            witness.ended[victim] = witness.ears[victim].heard().map(|(_, origin)| origin.generation);
        }
    }

    /// A machine that is held down by its line does not come up.
    pub(super) fn is_held_down(&mut self, host: usize) -> bool {
        let Some(witness) = &mut self.witness else { return false };
        let pull = &mut witness.pulls[host];
        pull.owes_power |= pull.holds;
        pull.holds
    }

    /// A machine is up again.
    pub(super) fn line_is_forgotten(&mut self, host: usize) {
        if let Some(witness) = &mut self.witness {
            witness.pulls[host].took_down = false;
        }
    }

    /// Whether the line is a relay in the supply.
    fn takes_power(&self, host: usize) -> bool {
        self.plan.settings.witness.is_some_and(|settings| settings.senses[host] == Sense::ReadBack)
    }

    /// The supply of a host comes or goes.
    pub(super) fn supply(&mut self, host: usize, on: bool) {
        if let (Some(witness), Some(side)) = (&mut self.witness, Side::ALL.get(host)) {
            witness.hardware.borrow_mut().supply(*side, on);
            witness.stirred = true;
        }
    }

    /// A host asks the witness to reset the other one, whether or not it should.
    pub(super) fn ask_fence(&mut self, host: usize) -> bool {
        let can = self.witness.is_some() && self.hosts[host].is_awake(self.now);
        if can {
            self.tell(host, || format!("asks the witness to reset {}", name(1 - host)));
            self.ask_witness(host, super::jobs::NOBODYS_JOB, 1 - host);
        }
        can
    }

    pub(super) fn line_breaks(&mut self, host: usize, until: Micros) -> bool {
        let Some(witness) = &mut self.witness else { return false };
        witness.pulls[host].broken_until = until;
        true
    }
}
