//! What each fault does to the world.

use heartline_core::Input;
use heartline_core::ids::GroupIndex;
use heartline_core::input::Command;
use heartline_core::message::GroupState;

use super::queue::Event;
use super::{World, small};
use crate::host::{Machine, NextLife, Presence, Trouble};
use crate::plan::{Fault, Micros, SECOND, Words};
use crate::truth;
use crate::wire::{Noise, Weather};

impl World {
    /// Lets a fault of the plan happen, if it can as things are.
    pub(super) fn strike(&mut self, at: usize) {
        let fault = self.plan.faults[at].fault;
        self.timeline.tell(self.now, None, || format!("FAULT {fault}"));
        let judged = self.crash_to_judge(at);
        if self.let_happen(fault) {
            self.statistics.faults.count(fault.kind());
            self.disturb(SECOND);
        }
        if let (Some((host, groups)), Fault::PowerLoss { .. }) = (judged, fault) {
            self.crashed[host] = groups;
            let power = self.hosts[host].power;
            let when = self.now + truth::time_allowed(self, host);
            self.queue.push(when, Event::CrashOver { host: small(host), power });
        }
    }

    fn let_happen(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Cut { link, from, to, lasts } => {
                let until = self.lasting(lasts);
                let to = self.next_end(link, to);
                self.direction_mut(link, from, to).cut(until);
                true
            }
            Fault::Sever { link, lasts } => {
                let until = self.lasting(lasts);
                self.each_direction(|at, _, _| at == link, |direction| direction.cut(until))
            }
            Fault::Isolate { host, lasts } => {
                let until = self.lasting(lasts);
                self.each_direction(
                    |_, from, to| from == host || to == host,
                    |direction| direction.cut(until),
                )
            }
            Fault::Part { hosts: [one, other], lasts } => {
                let until = self.lasting(lasts);
                let between = |_, from, to| (from, to) == (one, other) || (from, to) == (other, one);
                self.each_direction(between, |direction| direction.cut(until))
            }
            Fault::OneWay { from, to, lasts } => {
                let until = self.lasting(lasts);
                self.each_direction(|_, a, b| (a, b) == (from, to), |direction| direction.cut(until))
            }
            Fault::Flap { link, period, lasts } => {
                let (now, until) = (self.now, self.lasting(lasts));
                self.each_direction(|at, _, _| at == link, |direction| direction.flap(now, period, until))
            }
            Fault::Weather { link, loss, twice, delay, corrupt, lasts } => {
                let until = self.lasting(lasts);
                self.disturb(lasts + delay);
                let weather = Weather { loss, twice, delay, corrupt };
                self.each_direction(|at, _, _| at == link, |direction| direction.weather(weather, until))
            }
            Fault::Noise { link, loss, flips, garbage, breaks, lasts } => {
                let until = self.lasting(lasts);
                let noise = Noise { loss, flips, garbage, breaks };
                self.each_direction(|at, _, _| at == link, |direction| direction.noise(noise, until))
            }
            Fault::Forge { link, to, forgery } => self.forge(link, to, forgery),
            Fault::PowerLoss { host, off } => self.crash(host, off),
            Fault::RebootLoop { host, times, up } => {
                self.hosts[host].reboot_loop = (times, up);
                self.crash(host, SECOND)
            }
            Fault::KillDaemon { host, children_die, back } => self.kill_daemon(host, children_die, back),
            Fault::StallDaemon { host, lasts } => {
                let can = self.hosts[host].is_awake(self.now);
                if can {
                    let until = self.lasting(lasts);
                    self.stall(host, until);
                }
                can
            }
            Fault::PauseHost { host, clock_stops, lasts } => {
                let here = &self.hosts[host];
                let can = here.machine == Machine::Up && here.paused.is_none() && !here.starting;
                if can {
                    let until = self.lasting(lasts);
                    self.pause(host, until, clock_stops);
                }
                can
            }
            Fault::Agent { host, group, task, behaviour, lasts } => {
                let until = self.lasting(lasts);
                *self.hosts[host].services[group].trouble(task) = Trouble { behaviour, until };
                true
            }
            Fault::ServiceDies { host, group } => self.service_dies(host, group),
            Fault::PartGone { host, group, told } => self.part_goes(host, group, told),
            Fault::RunsAtBoot { host, group } => {
                self.hosts[host].services[group].runs_at_boot = true;
                true
            }
            Fault::Device { host, behaviour, lasts } => {
                self.hosts[host].device = Trouble { behaviour, until: self.lasting(lasts) };
                true
            }
            Fault::Watchdog { host } => self.reset(host),
            Fault::Order { host, command, times } => {
                (0..times).filter(|_| self.order(host, command)).count() > 0
            }
            Fault::Stop { host, back } => self.stop_daemon(host, back),
            Fault::Shutdown { back } => {
                (0..self.hosts.len()).filter(|host| self.stop_daemon(*host, back)).count() > 0
            }
            Fault::Reload { host, words, lasts } => {
                let until = self.lasting(lasts);
                self.hosts[host].words = words;
                self.queue.push(until, Event::Restore { host: small(host) });
                self.reload(host);
                true
            }
            Fault::Maintenance { host, lasts } => {
                let until = self.lasting(lasts);
                self.begin_maintenance(host, until)
            }
            Fault::ByHand { host, group } => self.move_by_hand(host, group),
            Fault::Restart { host, takes, runs } => {
                let takes = self.lasting(takes) - self.now;
                self.hosts[host].next_life = if runs { NextLife::After(takes) } else { NextLife::None };
                self.order(host, Command::Restart)
            }
            Fault::ConfirmDown { host, about, truthful } => self.confirm_down(host, about, truthful),
            Fault::WitnessOff { off } => {
                let off = self.lasting(off) - self.now;
                self.witness_loses_power(off)
            }
            Fault::WitnessReset { by } => self.strike_witness(by),
            Fault::WitnessHangs => self.witness_hangs(),
            Fault::Unplug { host, lasts } => {
                let until = self.lasting(lasts);
                self.each_half(host, [true, true], |direction| direction.cut(until))
            }
            Fault::HalfCut { host, outward, lasts } => {
                let until = self.lasting(lasts);
                self.each_half(host, [outward, !outward], |direction| direction.cut(until))
            }
            Fault::HalfNoise { host, loss, flips, garbage, breaks, lasts } => {
                let until = self.lasting(lasts);
                let noise = Noise { loss, flips, garbage, breaks };
                self.each_half(host, [true, true], |direction| direction.noise(noise, until))
            }
            Fault::AskFence { host } => self.ask_fence(host),
            Fault::Blackout { off, witness } => {
                let until = self.until(off) - self.now;
                let hosts = (0..self.hosts.len()).filter(|host| self.crash(*host, off)).count();
                (witness && self.witness_loses_power(until)) || hosts > 0
            }
            Fault::ForgeToWitness { host, forgery } => self.forge_to_witness(host, forgery),
            Fault::LineBroken { host, lasts } => {
                let until = self.lasting(lasts);
                self.line_breaks(host, until)
            }
            Fault::Lie { host, lie, lasts } => {
                let until = self.lasting(lasts);
                self.hosts[host].lie = Some((lie, until));
                true
            }
            Fault::PingLost { host, ping, lasts } => {
                self.hosts[host].ping_lost_until[ping] = self.lasting(lasts);
                true
            }
        }
    }

    /// The end of a fault that lasts; until then nothing is at rest.
    fn lasting(&mut self, lasts: Micros) -> Micros {
        let until = self.until(lasts);
        self.disturbed_until = self.disturbed_until.max(until + SECOND);
        until
    }

    /// The directions from a host to the witness, and from the witness to the host.
    fn each_half(
        &mut self,
        host: usize,
        which: [bool; 2],
        mut what: impl FnMut(&mut crate::wire::Direction),
    ) -> bool {
        let (Some((link, _)), witness) = (self.plan.settings.witnessed_link(), self.hosts.len()) else {
            return false;
        };
        for (from, to) in [(host, witness), (witness, host)]
            .into_iter()
            .zip(which)
            .filter(|(_, it)| *it)
            .map(|(ends, _)| ends)
        {
            what(self.direction_mut(link, from, to));
        }
        true
    }

    fn each_direction(
        &mut self,
        which: impl Fn(usize, usize, usize) -> bool,
        mut what: impl FnMut(&mut crate::wire::Direction),
    ) -> bool {
        let number = self.plan.settings.members();
        for (at, direction) in self.directions.iter_mut().enumerate() {
            let (link, from, to) = (at / number / number, at / number % number, at % number);
            if from != to && which(link, from, to) {
                what(direction);
            }
        }
        true
    }

    fn crash(&mut self, host: usize, off: Micros) -> bool {
        if self.hosts[host].machine == Machine::Off {
            return false;
        }
        self.statistics.crashes += 1;
        let off = self.until(off) - self.now;
        self.lose_power(host, off);
        true
    }

    fn stop_daemon(&mut self, host: usize, back: Micros) -> bool {
        let told = self.order(host, Command::Leave);
        if told {
            let (when, power) = (self.lasting(back), self.hosts[host].power);
            self.queue.push(when, Event::StartDaemon { host: small(host), power });
        }
        told
    }

    fn kill_daemon(&mut self, host: usize, children_die: bool, back: Micros) -> bool {
        if self.hosts[host].daemon.is_none() {
            return false;
        }
        self.end_daemon(host);
        if children_die {
            self.kill_children(host);
        }
        self.hosts[host].stalled_until = 0;
        let (when, power) = (self.lasting(back), self.hosts[host].power);
        self.queue.push(when, Event::StartDaemon { host: small(host), power });
        true
    }

    fn service_dies(&mut self, host: usize, group: usize) -> bool {
        let now = self.now;
        let here = &mut self.hosts[host];
        let place = here.place(group);
        let state = here.state(place);
        let service = &mut here.services[place];
        let dies = service.presence == Presence::Running && !service.hidden;
        if dies {
            service.vanish();
            // A stalled daemon may not know yet that the start has ended.
            service.believed = matches!(state, Some(GroupState::Starting | GroupState::Running));
            service.ails_since = Some(now).filter(|_| service.believed);
        }
        dies
    }

    fn part_goes(&mut self, host: usize, group: usize, told: bool) -> bool {
        let now = self.now;
        let here = &mut self.hosts[host];
        let place = here.place(group);
        let goes = here.state(place) == Some(GroupState::Running)
            && here.services[place].presence == Presence::Running
            && self.plan.settings.monitor(group).is_some();
        if goes {
            let service = &mut here.services[place];
            service.part_gone = true;
            service.ails_since.get_or_insert(now);
            if told && here.is_awake(now) {
                let at = GroupIndex(u8::try_from(group).unwrap_or(u8::MAX));
                self.step(host, Input::Suspect(at));
                self.carry_out(host);
            }
        }
        goes
    }

    /// Which groups a crash that comes now takes down, if the cluster is at rest and stays undisturbed for long enough.
    fn crash_to_judge(&self, at: usize) -> Option<(usize, u32)> {
        let Fault::PowerLoss { host, off } = self.plan.faults[at].fault else { return None };
        let allowed = truth::time_allowed(self, host);
        let next = self.plan.faults.get(at + 1).map_or(self.plan.storm, |planned| planned.at);
        let quiet = self.now + allowed < next.min(self.until(off));
        let rested = self.disturbed_until + 2 * allowed < self.now && truth::unrest(self).is_none();
        let untroubled = self.hosts.iter().all(|host| {
            host.words == Words::Usual
                && !host.kept.is_on()
                && host.reboots_at <= self.now
                && host
                    .services
                    .iter()
                    .all(|service| !service.believed && !service.hidden && service.ails_since.is_none())
                && host.daemon.as_ref().is_some_and(|daemon| {
                    let node = &daemon.node;
                    node.config()
                        .groups()
                        .all(|group| node.group_here(group).is_some_and(|group| !group.failed_here()))
                })
        });
        if !(quiet && rested && untroubled && self.plan.settings.takes_over()) {
            return None;
        }
        let runs = |group: &usize| self.hosts[host].services[*group].presence == Presence::Running;
        let groups =
            (0..self.plan.settings.groups.len()).filter(runs).fold(0, |mask, group| mask | 1 << group);
        Some((host, groups))
    }
}
