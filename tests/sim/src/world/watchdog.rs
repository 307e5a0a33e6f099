//! Hardware watchdogs: a timer that the daemon feeds, and that resets the machine when it is not fed for its time-out,
//! whatever the machine is doing: also while the daemon is stalled or gone, and while the machine is paused. (A timer that
//! stands still together with a paused virtual machine protects from nothing, and is not simulated.) The first feed arms
//! it; only a daemon that leaves in good order disarms it.

use heartline_core::Input;
use heartline_core::time::Duration;

use super::queue::Event;
use super::reset_lines::Supply;
use super::{World, a_moment, small};
use crate::plan::{Micros, SECOND};

/// How wrong a watchdog's own clock may be, in parts of its time-out.
const INACCURACY: u64 = 100;

impl World {
    pub(super) fn feed_watchdog(&mut self, host: usize) {
        let Some(timeout) = self.plan.settings.watchdog else { return };
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        let error = timeout / INACCURACY;
        let ends = self.now + timeout - error + here.dice.between(0, 2 * error);
        if here.watchdog.replace(ends).is_none() {
            self.queue.push(ends, Event::WatchdogEnds { host: small(host), power: here.power });
        }
        if !std::mem::replace(&mut daemon.opened_watchdog, true) {
            let (host, life) = (small(host), daemon.life);
            self.queue.push(self.now + a_moment(&mut here.dice), Event::WatchdogOpen { host, life });
        }
    }

    /// The device told the daemon its time-out.
    pub(super) fn watchdog_open(&mut self, host: usize, life: u32) {
        let here = &mut self.hosts[host];
        if here.daemon.as_ref().is_none_or(|daemon| daemon.life != life) {
            return;
        }
        if here.is_frozen(self.now) {
            self.queue.push(self.now + SECOND, Event::WatchdogOpen { host: small(host), life });
            return;
        }
        let timeout = self.plan.settings.watchdog.map(Duration::from_micros);
        self.step(host, Input::Watchdog(timeout));
        self.carry_out(host);
    }

    pub(super) fn watchdog_ends(&mut self, host: usize, power: u32) {
        let here = &self.hosts[host];
        let Some(ends) = here.watchdog.filter(|_| here.power == power) else { return };
        if self.now < ends {
            self.queue.push(ends, Event::WatchdogEnds { host: small(host), power });
        } else {
            self.reset(host);
        }
    }

    /// The watchdog resets the machine. Gives false if it is not armed.
    pub(super) fn reset(&mut self, host: usize) -> bool {
        if self.hosts[host].watchdog.is_none() {
            return false;
        }
        self.tell(host, || "is reset by its watchdog".to_owned());
        self.statistics.resets += 1;
        self.disturb(SECOND);
        let off: Micros = self.hosts[host].dice.between(SECOND, 5 * SECOND);
        self.take_down(host, off, Supply::Stays);
        true
    }
}
