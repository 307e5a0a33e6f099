//! What people do: orders, changed files, and the visits after the storm in which they clean up and judge.

use heartline_core::Input;
use heartline_core::effect::Answer;
use heartline_core::ids::OrderId;
use heartline_core::input::Command;

use super::queue::Event;
use super::{World, small};
use crate::host::Machine;
use crate::plan::{Micros, SECOND, Words};
use crate::truth::{self, Promise};

/// How often somebody comes after the storm: twice to clean up, once to judge, and once more to see that nothing moved.
pub(super) const VISITS: usize = 4;

/// Every so many seeds, one is played to the end of its visits even though all is at rest.
const FULL_LENGTH: u64 = 8;

impl World {
    /// When: first when every host has had the time to boot and to be heard, also after a last shot; then when what was
    /// left undone must be done.
    pub(super) fn visits(&self) -> [Micros; VISITS] {
        let settings = &self.plan.settings;
        let times = &settings.times;
        let deadtime = 3 * settings.longest(|intervals| intervals.deadtime);
        let initdead = settings.longest(|intervals| intervals.initdead);
        let keepalive = 3 * settings.longest(|intervals| intervals.keepalive);
        // What the witness watches over may be reset once more.
        let watched = settings.policy.witness_watchdog.map_or(0, |after| 3 * after.micros());
        let watched = watched + 2 * settings.longest_pull();
        // Nor is a watchdog that is going to end what could not be stopped.
        let watchdog = settings.watchdog.map_or(0, |timeout| timeout + timeout / 8 + times.boot);
        let stops_and_starts =
            times.probe.max(times.limit) + 2 * times.start.max(times.limit) + 2 * times.stop.max(times.limit);
        // What died at the end of the storm is to be noticed, and may have to move for that.
        let monitor =
            settings.monitors.iter().max().map_or(0, |every| every + times.limit + stops_and_starts);
        // A fence may have been ordered just before the end, and shoot after that.
        let first = self.plan.storm
            + settings.longest_fence().max(times.limit)
            + times.boot
            + initdead
            + deadtime
            + watchdog
            + watched
            + monitor
            + stops_and_starts
            + 10 * SECOND;
        let second = first
            + settings.longest_fence().max(times.limit)
            + times.boot
            + initdead
            + deadtime
            + watchdog
            + watched
            + monitor
            + stops_and_starts;
        // The promise: two dead times, and the time of a probe, a stop and a start when all is well.
        let rest = second + 2 * deadtime / 3 + times.probe + times.stop + times.start + keepalive + SECOND;
        [first, second, rest, rest + 7 * keepalive]
    }

    /// Notes whether all is at rest after the storm without anybody's help.
    pub(super) fn look_for_calm(&mut self) {
        let calm = self.now >= self.plan.storm && truth::unrest(self).is_none();
        let before = self.calm.filter(|(_, moves)| *moves == self.moves);
        self.calm = calm.then(|| before.unwrap_or((self.now, self.moves)));
    }

    /// Whether there is nothing left to wait for: of most runs the visits would tell nothing more.
    pub(super) fn has_come_to_rest(&self) -> bool {
        let long = 2 * self.plan.settings.longest(|intervals| intervals.deadtime) + 10 * SECOND;
        !self.plan.seed.is_multiple_of(FULL_LENGTH)
            && self.calm.is_some_and(|(since, _)| self.now > since + long)
    }

    pub(super) fn visit(&mut self, number: u8) {
        match number {
            0 | 1 => {
                for host in 0..self.hosts.len() {
                    let power = self.hosts[host].power;
                    self.start_daemon(host, power);
                    self.reload(host);
                    self.order(host, Command::Cleanup(None));
                    if self.hosts[host].kept.is_on() {
                        self.order(host, Command::Maintenance(false));
                    }
                }
            }
            2 => {
                if let Some(what) = truth::unrest(self) {
                    self.broken(Promise::Rest, what);
                }
                self.moves_at_rest = Some(self.moves);
            }
            _ => {
                if self.moves_at_rest.is_some_and(|moves| moves != self.moves) {
                    self.broken(Promise::Rest, "groups move although nothing happens".to_owned());
                }
            }
        }
    }

    /// Gives an order to a daemon; one that does not run or is stalled takes none.
    pub(super) fn order(&mut self, host: usize, command: Command) -> bool {
        if !self.hosts[host].is_awake(self.now) {
            return false;
        }
        self.next_order += 1;
        let id = OrderId(self.next_order);
        self.tell(host, || format!("is told: {command:?}"));
        if let (Command::Cleanup(_) | Command::Takeover(_), Some(daemon)) =
            (command, &mut self.hosts[host].daemon)
        {
            daemon.conduct.forgive();
        }
        self.orders_given |= matches!(command, Command::Standby(_) | Command::Takeover(_));
        self.step(host, Input::Order { id, command });
        self.carry_out(host);
        true
    }

    pub(super) fn answered(&mut self, host: usize, id: OrderId, answer: Answer) {
        self.coverage.answer(&answer);
        self.tell(host, || format!("answers: {answer:?}"));
        let Some(daemon) = &mut self.hosts[host].daemon else { return };
        let Some((_, words)) = daemon.pending.take_if(|(order, _)| *order == id) else { return };
        if answer == Answer::Done {
            self.apply(host, words);
        } else {
            self.try_again(host);
        }
    }

    /// The files changed: takes them, or has stopped first what they do not have any more.
    pub(super) fn reload(&mut self, host: usize) {
        let here = &self.hosts[host];
        let words = here.words;
        let Some(daemon) = here.daemon.as_ref().filter(|daemon| daemon.in_force != words) else { return };
        if daemon.pending.is_some() {
            return;
        }
        if here.is_frozen(self.now) {
            self.try_again(host);
            return;
        }
        let Ok(config) = self.plan.settings.config(host, words) else { return };
        let in_the_way = daemon.node.groups_in_the_way(&config);
        if in_the_way == 0 {
            self.apply(host, words);
            return;
        }
        self.next_order += 1;
        let id = OrderId(self.next_order);
        self.tell(host, || format!("must first stop groups {in_the_way:#b} for its new files"));
        if let Some(daemon) = &mut self.hosts[host].daemon {
            daemon.pending = Some((id, words));
        }
        self.step(host, Input::Order { id, command: Command::Retire(in_the_way) });
        self.carry_out(host);
    }

    fn apply(&mut self, host: usize, words: Words) {
        let Ok(config) = self.plan.settings.config(host, words) else { return };
        let keys = self.keys.clone();
        let here = &mut self.hosts[host];
        let now = here.clock.read(self.now);
        let Some(daemon) = &mut here.daemon else { return };
        let before = daemon.node.config().intervals().deadtime.micros();
        match daemon.node.reconfigure(config, keys, now) {
            Ok(()) => {
                // A restart that the others were told of goes on, with as much more patience as before.
                let after = daemon.node.config().intervals().deadtime.micros();
                daemon.announced = daemon.announced.map(|told| (told + after).saturating_sub(before));
                daemon.in_force = words;
                daemon.conduct.forgive();
                if here.words != words {
                    // They changed again meanwhile.
                    self.try_again(host);
                }
                self.tell(host, || format!("has new files in force: {words:?}"));
                self.step(host, Input::Tick);
                self.carry_out(host);
            }
            Err(error) => {
                self.tell(host, || format!("does not take its new files: {error}"));
                self.try_again(host);
            }
        }
    }

    fn try_again(&mut self, host: usize) {
        self.queue.push(self.now + 20 * SECOND, Event::Reload { host: small(host) });
    }

    pub(super) fn restore(&mut self, host: usize) {
        self.hosts[host].words = Words::Usual;
        self.disturb(SECOND);
        self.reload(host);
    }

    /// A crash of a cluster at rest: its groups must run elsewhere now.
    pub(super) fn crash_over(&mut self, host: usize, power: u32) {
        let groups = std::mem::take(&mut self.crashed[host]);
        if self.hosts[host].power != power || self.hosts[host].machine != Machine::Off || groups == 0 {
            return;
        }
        self.statistics.crashes_judged += 1;
        if let Some(what) = truth::late(self, host, groups) {
            self.broken(Promise::InTime, what);
        }
    }
}
