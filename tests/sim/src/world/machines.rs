//! Power, boots, lives of daemons, stalls.

use std::cmp::Reverse;

use heartline_core::ids::Generation;
use heartline_core::{Input, Node};

use super::queue::Event;
use super::reset_lines::Supply;
use super::{World, a_moment, small};
use crate::dice::Dice;
use crate::host::{Clock, Daemon, Machine, Medium, Presence};
use crate::plan::{LinkSettings, MILLISECOND, Micros, SECOND};
use crate::truth;

/// The longest uptime that a clock shows at a boot.
const UPTIME_MAX: u64 = 400 * 86_400 * SECOND;

impl World {
    pub(super) fn power_on(&mut self, host: usize, power: u32) {
        let boot = self.plan.settings.times.boot;
        let here = &self.hosts[host];
        if here.machine != Machine::Off || here.power != power || self.is_held_down(host) {
            return;
        }
        let here = &mut self.hosts[host];
        here.machine = Machine::Booting;
        here.power += 1;
        let takes = here.dice.between(boot / 2, boot);
        let event = Event::BootDone { host: small(host), power: here.power };
        self.queue.push(self.now + takes, event);
        self.supply(host, true);
    }

    pub(super) fn boot_done(&mut self, host: usize, power: u32) {
        let (now, drift) = (self.now, self.plan.settings.hosts[host].drift);
        let here = &mut self.hosts[host];
        if here.power != power || here.machine != Machine::Booting {
            return;
        }
        self.line_is_forgotten(host);
        let here = &mut self.hosts[host];
        here.machine = Machine::Up;
        here.clock = Clock::new(now, here.dice.below(UPTIME_MAX), drift);
        for service in &mut here.services {
            if std::mem::take(&mut service.runs_at_boot) {
                service.become_present(Presence::Running, now);
                service.hidden = true;
            }
        }
        let (left, up) = here.reboot_loop;
        if left > 0 {
            here.reboot_loop = (left - 1, up);
            here.reboots_at = now + here.dice.below(up);
            self.queue.push(here.reboots_at, Event::PowerOff { host: small(host), power });
        }
        self.tell(host, || "the machine is up".to_owned());
        self.start_daemon(host, power);
    }

    pub(super) fn power_off_again(&mut self, host: usize, power: u32) {
        if self.hosts[host].power == power && self.now < self.plan.storm {
            self.tell(host, || "loses its power again".to_owned());
            self.lose_power(host, SECOND);
        }
    }

    /// The supply is gone for a while.
    pub(super) fn lose_power(&mut self, host: usize, off: Micros) {
        self.take_down(host, off, Supply::Gone);
    }

    /// Nothing runs any more; the machine comes back by itself after a while.
    pub(super) fn take_down(&mut self, host: usize, off: Micros, supply: Supply) {
        let now = self.now;
        let here = &mut self.hosts[host];
        if here.machine == Machine::Off {
            return;
        }
        if supply == Supply::Gone {
            here.lost_power_at = Some(now);
        }
        if here.starting && here.dice.permille(500) {
            // The write of the new generation had reached the disk.
            here.generation += 1;
        }
        here.machine = Machine::Off;
        here.power += 1;
        here.starting = false;
        here.stalled_until = 0;
        here.paused = None;
        here.spared = false;
        here.watchdog = None;
        here.children.clear();
        here.services.iter_mut().for_each(crate::host::Service::vanish);
        let event = Event::PowerOn { host: small(host), power: here.power };
        self.queue.push(self.now + off, event);
        if supply == Supply::Gone {
            self.supply(host, false);
        }
        self.end_daemon(host);
    }

    /// The daemon is gone; what it has started goes on.
    pub(super) fn end_daemon(&mut self, host: usize) {
        let Some(daemon) = self.hosts[host].daemon.take() else { return };
        for medium in &daemon.media {
            medium.waiting.iter().for_each(|frame| self.frames.drop(*frame));
        }
        self.outbox.effects.clear();
        self.outbox.transmit = false;
        self.outbox.leave = false;
        self.disturb(SECOND);
    }

    /// Begins to start a daemon: the leftovers of the last one are ended, and the new generation is written.
    pub(super) fn start_daemon(&mut self, host: usize, power: u32) {
        let here = &mut self.hosts[host];
        let possible = here.machine == Machine::Up && here.power == power;
        if !possible || here.starting || here.daemon.is_some() || here.paused.is_some() {
            return;
        }
        here.starting = true;
        let takes = a_moment(&mut here.dice);
        self.queue.push(self.now + takes, Event::DaemonUp { host: small(host), power });
        self.kill_children(host);
    }

    /// The generation is durably on disk: from here on frames may be sent.
    pub(super) fn daemon_up(&mut self, host: usize, power: u32) {
        let here = &mut self.hosts[host];
        if here.power != power || !std::mem::take(&mut here.starting) {
            return;
        }
        // The configurations of a plan were tried at its beginning.
        let Ok(config) = self.plan.settings.config(host, here.words) else { return };
        here.generation += 1;
        here.lives += 1;
        here.stalled_since = None;
        here.stalled_until = 0;
        let media = self.plan.settings.media(host);
        let members = self.plan.settings.members();
        let serial = |link: usize| !matches!(self.plan.settings.links[link], LinkSettings::Datagram { .. });
        let node =
            Node::new(config, self.keys.clone(), Generation(here.generation), here.clock.read(self.now))
                .remembering(here.kept);
        here.daemon = Some(Box::new(Daemon {
            node,
            life: here.lives,
            born: self.now,
            tick_at: Micros::MAX,
            media: media.map(|link| Medium::new(link, serial(link))).collect(),
            ended: Vec::new(),
            opened_watchdog: false,
            conduct: truth::Conduct::default(),
            announced: None,
            in_force: here.words,
            pending: None,
            heard: vec![None; members],
            aims_at: vec![None; self.plan.settings.hosts.len()],
            owes: vec![None; self.plan.settings.hosts.len()],
            paid: vec![None; self.plan.settings.hosts.len()],
        }));
        // Of what the files did not name any more when it started, it cannot know.
        let unnamed: Vec<usize> = (0..here.services.len()).filter(|at| here.state(*at).is_none()).collect();
        for place in unnamed {
            here.services[place].hidden |= here.services[place].is_present();
        }
        let (life, generation) = (here.lives, here.generation);
        if !here.ping_lost_until.is_empty() {
            self.queue.push(self.now + MILLISECOND, Event::Pings { host: small(host), life });
        }
        self.tell(host, || format!("the daemon starts, generation {generation}"));
        self.statistics.lives += 1;
        self.coverage.begin(host);
        self.disturb(SECOND);
        self.step(host, Input::Tick);
        self.carry_out(host);
    }

    pub(super) fn stall(&mut self, host: usize, until: Micros) {
        let now = self.now;
        let here = &mut self.hosts[host];
        here.stalled_since.get_or_insert(now);
        here.stalled_until = here.stalled_until.max(until);
        self.queue.push(until, Event::Awake { host: small(host) });
        self.set_timer(host);
    }

    pub(super) fn pause(&mut self, host: usize, until: Micros, clock_stops: bool) {
        self.hosts[host].paused = Some((self.now, until, clock_stops));
        self.hosts[host].stalled_since.get_or_insert(self.now);
        self.queue.push(until, Event::Awake { host: small(host) });
        self.set_timer(host);
    }

    /// A stall or a pause is over: what waited in the kernel is read, medium by medium, and children are heard of.
    pub(super) fn awake(&mut self, host: usize) {
        let now = self.now;
        let here = &mut self.hosts[host];
        if let Some((since, until, clock_stops)) = here.paused
            && now >= until
        {
            here.paused = None;
            here.stalled_until = here.stalled_until.max(now);
            if clock_stops {
                here.clock.stood_still(since, now);
                here.stalled_since = None;
                here.lost_time_at = Some(now);
            }
        }
        if here.is_frozen(now) || here.daemon.is_none() {
            return;
        }
        let deadtime = here.daemon.as_ref().map(|daemon| daemon.node.config().intervals().deadtime.micros());
        let stall = here.stalled_since.take().map(|since| now - since);
        if stall.zip(deadtime).is_some_and(|(stall, deadtime)| stall > deadtime + deadtime / 500) {
            here.long_stall_ended = now;
        }
        let children_first = here.dice.permille(500);
        self.tell(host, || "runs again".to_owned());
        if children_first {
            self.hear_of_children(host);
        }
        self.read_all(host);
        if !children_first {
            self.hear_of_children(host);
        }
        self.set_timer(host);
    }

    fn hear_of_children(&mut self, host: usize) {
        let Some(daemon) = &mut self.hosts[host].daemon else { return };
        let ended = std::mem::take(&mut daemon.ended);
        for (job, outcome) in ended {
            self.step(host, Input::JobEnded { job, outcome });
            self.carry_out(host);
        }
    }

    fn read_all(&mut self, host: usize) {
        let media = self.hosts[host].daemon.as_ref().map_or(0, |daemon| daemon.media.len());
        for medium in in_any_order(&mut self.hosts[host].dice, media) {
            while let Some(daemon) = &mut self.hosts[host].daemon {
                let Some(frame) = daemon.media[medium].waiting.pop_front() else { break };
                self.hand_in(host, medium, frame);
            }
            if let Some(daemon) = &mut self.hosts[host].daemon {
                daemon.media[medium].waiting_bytes = 0;
            }
            self.carry_out(host);
        }
    }

    /// From now on the cluster is not at rest, for so long at least.
    pub(super) fn disturb(&mut self, lasts: Micros) {
        self.disturbed_until = self.disturbed_until.max(self.now + lasts);
    }
}

fn in_any_order(dice: &mut Dice, number: usize) -> impl Iterator<Item = usize> + use<> {
    let mut order: Vec<(u64, usize)> = (0..number).map(|at| (dice.bits(), at)).collect();
    order.sort_unstable_by_key(|entry| Reverse(*entry));
    order.into_iter().map(|(_, at)| at)
}
