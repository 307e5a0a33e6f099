//! The watchdog over one host: armed and released by the host alone, fed by its signs of life, and when it fires.
//!
//! It fires only if somebody can tell that the host is silent, and not the cable. The other host's word that it hears
//! this one is a sign of life, so a broken cable resets nobody while the hosts see each other. If both fall silent at
//! once it is rather the witness that was unplugged; and if the cable was silent before the other host was, nobody can
//! tell. Then it is withheld, and begins anew once one of them is heard. Nothing is lost by that: as long as the witness
//! hears nobody, nobody can take anything over.

use heartline_core::ids::Generation;
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{Power, ResetCause, WatchState};

use crate::host::Host;

#[derive(Debug, Clone, Default)]
pub(crate) struct Watchdog {
    state: WatchState,
    /// When it was armed, or began anew.
    since: Instant,
    /// The life of the host that it, or a fence, has ended. That cannot arm it again.
    spent: Option<Generation>,
}

/// What the watchdog does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Rest,
    Withhold,
    Fire(ResetCause),
}

impl Watchdog {
    pub(crate) const fn state(&self) -> WatchState {
        self.state
    }

    const fn time(&self) -> Option<Duration> {
        match self.state {
            WatchState::Off => None,
            WatchState::Armed(after) | WatchState::Withheld(after) => Some(after),
        }
    }

    /// Arms it, or changes its time. Gives whether anything changed.
    pub(crate) fn arm(&mut self, now: Instant, after: Duration, host: &Host) -> bool {
        // Two heartbeats may be lost on the way.
        let after = after.max(host.keepalive.times(3));
        if self.spent == Some(host.generation()) || self.time() == Some(after) {
            return false;
        }
        self.state = WatchState::Armed(after);
        self.since = now;
        true
    }

    /// Gives whether it was armed.
    pub(crate) fn release(&mut self) -> bool {
        core::mem::take(&mut self.state) != WatchState::Off
    }

    /// The host is reset: this life of it needs no watchdog any more.
    pub(crate) fn spend(&mut self, generation: Generation) {
        self.state = WatchState::Off;
        self.spent = Some(generation);
    }

    /// Somebody is heard again.
    pub(crate) fn begin_anew(&mut self, now: Instant) {
        if let WatchState::Withheld(after) = self.state {
            self.state = WatchState::Armed(after);
            self.since = now;
        }
    }

    pub(crate) fn withhold(&mut self) {
        if let WatchState::Armed(after) = self.state {
            self.state = WatchState::Withheld(after);
        }
    }

    fn last_sign(&self, host: &Host) -> Instant {
        host.alive_at.unwrap_or(Instant::ZERO).max(self.since)
    }

    pub(crate) fn judge(
        &self,
        now: Instant,
        host: &Host,
        power: Power,
        (other, others): (&Host, &Self),
    ) -> Judgement {
        let WatchState::Armed(after) = self.state else { return Judgement::Rest };
        let last_sign = self.last_sign(host);
        let silence = now.since(last_sign);
        if power == Power::Off && silence >= host.keepalive.times(2) {
            return Judgement::Fire(ResetCause::PowerLost);
        }
        if silence < after {
            return Judgement::Rest;
        }
        let slack = host.keepalive.max(other.keepalive).times(2);
        let others_last_sign = others.last_sign(other);
        // One that is not armed may be cut off as well.
        let together = other.alive_at.is_some()
            && last_sign.since(others_last_sign) <= slack
            && others_last_sign.since(last_sign) <= slack;
        let cable_worked = host.heard.is_some_and(|heard| heard.max(self.since) + slack >= last_sign);
        let unplugged = together || !(cable_worked || other.is_heard(now, Power::NotSensed));
        if unplugged && !planted!(WitnessUnpluggedFires) {
            Judgement::Withhold
        } else {
            Judgement::Fire(ResetCause::Watchdog(after))
        }
    }

    /// When it is to be judged next.
    pub(crate) fn deadline(&self, host: &Host, power: Power) -> Option<Instant> {
        let WatchState::Armed(after) = self.state else { return None };
        let patience = if power == Power::Off { after.min(host.keepalive.times(2)) } else { after };
        Some(self.last_sign(host) + patience)
    }
}
