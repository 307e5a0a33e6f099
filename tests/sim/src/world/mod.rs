//! The world of one run: hosts, links and what is going to happen, in one loop over virtual time. Everything takes time
//! here: no effect of a node is carried out within the step that ordered it but its words and its frames.

mod administration;
mod jobs;
mod lies;
mod machines;
mod notices;
mod operators;
mod queue;
mod reset_lines;
mod strike;
mod traffic;
mod watchdog;
mod witness;

use heartline_core::config::ConfigError;
use heartline_core::frame::Bytes;
use heartline_core::maintenance::Maintenance;
use heartline_core::notice::Notice;
use heartline_core::provision::{ProvisionError, Sense};
use heartline_core::seal::{KeyError, KeyRing};
use heartline_core::witness::Side;
use heartline_core::{Effect, Effects, Input};

use crate::board::{Board, Firmware, Witness};
use crate::coverage::Coverage;
use crate::dice::Dice;
use crate::host::{Clock, Host, Machine, NextLife, Service, Trouble};
use crate::plan::{MILLISECOND, Micros, Plan, Planned, SECOND, Settings, Words};
use crate::report::Statistics;
use crate::timeline::Timeline;
use crate::truth::{self, Promise, Violation};
use crate::wire::{Direction, Frames};
use queue::{Event, Queue};
use reset_lines::Supply;

const HOSTS: u64 = 2;
const LINKS: u64 = 3;
const FORGERS: u64 = 4;
const WITNESSES: u64 = 9;
/// Longer than this nobody needs to wake up after a deadline, in microseconds.
const LATENCY: u64 = 200;
const AUDIT_EVERY: Micros = 5 * SECOND;
/// Steps of one host within one microsecond: more are an endless loop.
const STEPS_MAX: u32 = 10_000;

/// Why a plan cannot be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The core refuses a configuration.
    #[error("a configuration of the plan is refused: {0}")]
    Config(#[from] ConfigError),
    /// The core refuses the keys.
    #[error("the keys of the plan are refused: {0}")]
    Keys(#[from] KeyError),
    /// The witness cannot be given its keys and settings.
    #[error("the witness of the plan is refused: {0}")]
    Witness(#[from] ProvisionError),
}

/// The world.
pub(crate) struct World {
    plan: Plan,
    now: Micros,
    queue: Queue,
    hosts: Vec<Host>,
    /// In the cable of two hosts.
    witness: Option<Witness>,
    /// By link, from, to; the witness is behind the hosts.
    directions: Vec<Direction>,
    frames: Frames,
    keys: KeyRing,
    /// Boxed, since it is large and is handed from place to place; nothing while somebody has it.
    effects: Option<Box<Effects>>,
    outbox: Outbox,
    line_bytes: Vec<u8>,
    tape: traffic::Tape,
    next_order: u32,
    /// Standby or takeover was ordered.
    orders_given: bool,
    /// Until when the faults so far, and what follows from them at once, may disturb.
    disturbed_until: Micros,
    /// Groups of a crashed host that must be taken over, by host.
    crashed: Vec<u32>,
    moves: u64,
    moves_at_rest: Option<u64>,
    /// Since when all has been at rest after the storm, and how much had moved by then.
    calm: Option<(Micros, u64)>,
    steps_now: u32,
    pub(crate) statistics: Statistics,
    pub(crate) coverage: Coverage,
    pub(crate) timeline: Timeline,
    violation: Option<Violation>,
    /// A digest of all that happened, in its order.
    pub(crate) digest: u64,
}

/// What a daemon has been told to do and has not done yet.
#[derive(Default)]
struct Outbox {
    effects: Vec<Effect>,
    frame: Bytes,
    transmit: bool,
    leave: bool,
}

impl World {
    pub(crate) fn new(plan: Plan, timeline: Timeline) -> Result<Self, PlanError> {
        let settings = &plan.settings;
        let number = settings.hosts.len();
        for host in 0..number {
            settings.config(host, Words::Usual)?;
        }
        let direction = |at| Direction::new(Dice::branch(plan.seed, LINKS, at));
        let ends = settings.members();
        let directions = (0..(settings.links.len() * ends * ends) as u64).map(direction).collect();
        let witness = Witness::new(settings, Dice::branch(plan.seed, WITNESSES, 0))?;
        let hosts = (0..number).map(|at| {
            let mut dice = Dice::branch(plan.seed, HOSTS, at as u64);
            Host {
                machine: Machine::Off,
                power: 0,
                clock: Clock::new(0, 0, 0),
                generation: u32::try_from(dice.below(1_000_000)).unwrap_or(0),
                dice,
                words: Words::Usual,
                daemon: None,
                starting: false,
                lives: 0,
                stalled_until: 0,
                stalled_since: None,
                long_stall_ended: 0,
                lost_time_at: None,
                paused: None,
                services: vec![Service::STOPPED; 2 * settings.groups.len()],
                children: Vec::new(),
                next_child: 0,
                device: Trouble::NONE,
                ping_lost_until: vec![0; settings.pings],
                kept: Maintenance::default(),
                maintained: 0,
                next_life: NextLife::default(),
                reboot_loop: (0, 0),
                reboots_at: 0,
                spared: false,
                watchdog: None,
                lost_power_at: None,
                lie: None,
            }
        });
        let mut world = Self {
            now: 0,
            queue: Queue::default(),
            hosts: hosts.collect(),
            witness,
            directions,
            frames: Frames::default(),
            keys: settings.keys()?,
            effects: Some(Box::default()),
            outbox: Outbox::default(),
            line_bytes: Vec::new(),
            tape: traffic::Tape::new(Dice::branch(plan.seed, FORGERS, 0), &plan.faults),
            next_order: 0,
            orders_given: false,
            disturbed_until: 0,
            crashed: vec![0; number],
            moves: 0,
            moves_at_rest: None,
            calm: None,
            steps_now: 0,
            statistics: Statistics::default(),
            coverage: Coverage::default(),
            timeline,
            violation: None,
            digest: 0,
            plan,
        };
        world.plan_ahead();
        Ok(world)
    }

    fn plan_ahead(&mut self) {
        for at in 0..self.plan.faults.len() {
            self.queue.push(self.plan.faults[at].at, Event::Fault(at));
        }
        for host in 0..self.hosts.len() {
            let first = self.plan.settings.hosts[host].first_boot;
            self.disturbed_until = self.disturbed_until.max(first);
            self.queue.push(first, Event::PowerOn { host: small(host), power: 0 });
        }
        if let Some(witness) = self.plan.settings.witness {
            self.queue.push(witness.first_boot, Event::WitnessPower);
        }
        self.queue.push(AUDIT_EVERY, Event::Audit);
        for (visit, at) in (0..).zip(self.visits()) {
            self.queue.push(at, Event::Visit(visit));
        }
    }

    /// Runs to the end of the plan or to the first broken promise.
    pub(crate) fn run(&mut self) -> Option<Violation> {
        self.play_all();
        self.statistics.simulated = self.now;
        self.violation.take()
    }

    /// Plays on until the end, or until the firmware of the witness, if it runs, is to begin or to end. Gives whether there
    /// is more to play.
    fn play(&mut self, mut firmware: Option<&mut Firmware<'_, '_>>) -> bool {
        let end = self.visits()[operators::VISITS - 1];
        while self.violation.is_none() {
            if let Some(witness) = &self.witness {
                if firmware.is_some() != (witness.board == Board::Up) {
                    return true;
                }
                if let Some(firmware) = firmware.as_mut().filter(|_| witness.stirred && witness.is_awake()) {
                    self.turn(firmware);
                    continue;
                }
            }
            let tick = self.next_tick();
            let event = self.queue.next().unwrap_or(end);
            // Frames that arrive now come before the judgement of silence.
            let next = event.min(tick.map_or(Micros::MAX, |(at, _)| at));
            if next > end || self.has_come_to_rest() {
                break;
            }
            if next > self.now {
                self.now = next;
                self.steps_now = 0;
            }
            match tick {
                Some((at, host)) if at < event => self.wake_up(host),
                _ => match self.queue.pop() {
                    Some((_, event)) => self.happen(event),
                    None => break,
                },
            }
        }
        false
    }

    fn next_tick(&self) -> Option<(Micros, usize)> {
        let tick = |(at, host): (usize, &Host)| Some((host.daemon.as_ref()?.tick_at, at));
        let witness = self.witness.as_ref().map(|witness| (witness.tick_at, self.hosts.len()));
        self.hosts.iter().enumerate().filter_map(tick).chain(witness).min()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Fault(at) => self.strike(at),
            Event::Arrival { link, to, frame } => self.arrive(usize::from(link), usize::from(to), frame),
            Event::LineFree { link, from } => self.line_is_free(usize::from(link), usize::from(from)),
            Event::ChildEnds { host, child } => self.child_ends(usize::from(host), child),
            Event::Shot { victim, by } => self.shoot(usize::from(victim), usize::from(by)),
            Event::PowerOn { host, power } => self.power_on(usize::from(host), power),
            Event::BootDone { host, power } => self.boot_done(usize::from(host), power),
            Event::PowerOff { host, power } => self.power_off_again(usize::from(host), power),
            Event::StartDaemon { host, power } => self.start_daemon(usize::from(host), power),
            Event::DaemonUp { host, power } => self.daemon_up(usize::from(host), power),
            Event::Awake { host } => self.awake(usize::from(host)),
            Event::WatchdogOpen { host, life } => self.watchdog_open(usize::from(host), life),
            Event::WatchdogEnds { host, power } => self.watchdog_ends(usize::from(host), power),
            Event::Pings { host, life } => self.ask_pings(usize::from(host), life),
            Event::EndMaintenance { host } => self.end_maintenance(usize::from(host)),
            Event::Reload { host } => self.reload(usize::from(host)),
            Event::Restore { host } => self.restore(usize::from(host)),
            Event::Audit => self.audit(),
            Event::CrashOver { host, power } => self.crash_over(usize::from(host), power),
            Event::Visit(number) => self.visit(number),
            Event::WitnessPower => self.witness_gets_power(),
            Event::WitnessUp { lives } => self.witness_up(lives),
            Event::OwnWatchdog { lives } => self.own_watchdog(lives),
            Event::PortFree { side, lives } => self.port_is_free(usize::from(side), lives),
            Event::LineWorks { host, number } => self.line_works(usize::from(host), number),
        }
    }

    /// A daemon's timer, or the witness's: everything that was waiting has been handed in.
    fn wake_up(&mut self, host: usize) {
        if let Some(witness) = self.witness.as_mut().filter(|_| host == self.hosts.len()) {
            (witness.stirred, witness.tick_at) = (true, Micros::MAX);
            return;
        }
        self.step(host, Input::Tick);
        self.carry_out(host);
    }

    /// Hands one input to a node and gathers what it wants done.
    fn step(&mut self, host: usize, input: Input<'_>) {
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        let mut effects = self.effects.take().unwrap_or_default();
        effects.clear();
        daemon.node.step(here.clock.read(self.now), input, &mut effects);
        self.after_step(host, effects);
    }

    fn after_step(&mut self, host: usize, effects: Box<Effects>) {
        self.statistics.steps += 1;
        self.steps_now += 1;
        if self.steps_now > STEPS_MAX {
            self.broken(Promise::Robust, "the nodes do not come to an end".to_owned());
        }
        self.note(self.now ^ (host as u64) << 56);
        if let (Some(_), Some(daemon)) = (effects.iter().next(), &self.hosts[host].daemon) {
            self.coverage.look_at(host, &daemon.node);
        }
        let mut reasons = truth::Reasons::default();
        let (mut claims, mut speaks, mut notices) = (false, false, false);
        for effect in effects.iter() {
            if let Some(what) = reasons.take(&effect) {
                self.broken(Promise::Known, what);
            }
            match effect {
                Effect::Transmit => {
                    self.outbox.frame.clear();
                    // It is no longer than the longest frame.
                    let _ = self.outbox.frame.extend_from_slice(effects.frame());
                    self.outbox.transmit = true;
                    speaks = true;
                }
                Effect::Leave => self.outbox.leave = true,
                Effect::Notice(notice) => {
                    notices = true;
                    claims |= matches!(notice, Notice::Claiming { .. });
                    self.noticed(host, &notice);
                }
                other => self.outbox.effects.push(other),
            }
        }
        self.effects = Some(effects);
        if let Some(what) = truth::outvoted(self, host) {
            self.broken(Promise::OneOwner, what);
        }
        if let Some(what) = truth::both_voted(self, host) {
            self.broken(Promise::Witness, what);
        }
        self.judge_speech(host, claims, speaks, notices);
    }

    fn judge_speech(&mut self, host: usize, claims: bool, speaks: bool, notices: bool) {
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        if speaks {
            let keepalive = daemon.node.config().intervals().keepalive;
            if let Some(what) = daemon.conduct.spoke(host, here.clock.read(self.now), keepalive, notices) {
                self.broken(Promise::Robust, what);
            }
        } else if let Some(what) = daemon.conduct.unsaid(host).filter(|_| claims) {
            self.broken(Promise::InTime, what);
        }
    }

    /// Does what the last steps have ordered: the frame first, as the host does.
    fn carry_out(&mut self, host: usize) {
        if std::mem::take(&mut self.outbox.transmit) {
            self.transmit(host);
        }
        if !self.outbox.effects.is_empty() {
            let mut effects = std::mem::take(&mut self.outbox.effects);
            for effect in effects.drain(..) {
                self.carry_out_one(host, effect);
            }
            // A step taken meanwhile, by a reload, has carried out its own effects.
            self.outbox.effects = effects;
        }
        if std::mem::take(&mut self.outbox.leave) {
            self.tell(host, || "the daemon ends".to_owned());
            if self.hosts[host].daemon.as_ref().is_some_and(|daemon| daemon.node.may_disarm_watchdog()) {
                self.hosts[host].watchdog = None;
            }
            self.end_daemon(host);
        }
        self.set_timer(host);
    }

    fn carry_out_one(&mut self, host: usize, effect: Effect) {
        match effect {
            Effect::Transmit | Effect::Leave | Effect::Notice(_) => {}
            Effect::WitnessFence { job, answer } => self.witness_answered(host, job, answer),
            Effect::Run { job, work } => self.run_job(host, job, work),
            Effect::Cancel(job) => self.cancel(host, job),
            Effect::Announce(group) => {
                self.coverage.announced();
                self.tell(host, || format!("announces group {}", group.0));
            }
            Effect::Answer { id, answer } => self.answered(host, id, answer),
            Effect::FeedWatchdog => {
                if let Some(what) = truth::fed_in_vain(self, host) {
                    self.broken(Promise::OneOwner, what);
                }
                self.feed_watchdog(host);
            }
            Effect::KeepMaintenance(maintenance) => self.keep_maintenance(host, maintenance),
            Effect::Reboot(group) => {
                let conduct = self.hosts[host].daemon.as_ref().map(|daemon| &daemon.conduct);
                if let Some(what) = conduct.and_then(|conduct| conduct.reboot(host, group)) {
                    self.broken(Promise::Known, what);
                }
                self.tell(host, || format!("reboots, since group {} could not be stopped", group.0));
                self.statistics.reboots += 1;
                let off = self.hosts[host].dice.between(SECOND, 5 * SECOND);
                self.take_down(host, off, Supply::Stays);
            }
        }
    }

    fn set_timer(&mut self, host: usize) {
        let here = &mut self.hosts[host];
        let frozen = here.is_frozen(self.now);
        let late = here.dice.below(LATENCY);
        if let Some(daemon) = &mut here.daemon {
            daemon.tick_at = match frozen {
                true => Micros::MAX,
                false => here.clock.when(daemon.node.next_deadline()).max(self.now) + late,
            };
        }
    }

    fn audit(&mut self) {
        self.queue.push(self.now + AUDIT_EVERY, Event::Audit);
        self.look_for_calm();
        for host in 0..self.hosts.len() {
            if let Some(what) = truth::unknown_service(self, host) {
                self.broken(Promise::Known, what);
            }
            self.excuse_in_maintenance(host);
            if let Some(what) = truth::unnoticed(self, host) {
                self.broken(Promise::InTime, what);
            }
        }
        for one in 0..self.hosts.len() {
            for other in one + 1..self.hosts.len() {
                for place in 0..2 * self.plan.settings.groups.len() {
                    if let Some((promise, what)) = truth::lasts(self, one, other, place) {
                        self.broken(promise, what);
                    }
                }
            }
        }
    }

    /// In maintenance nobody has to notice anything.
    fn excuse_in_maintenance(&mut self, host: usize) {
        let here = &mut self.hosts[host];
        if here.daemon.as_ref().is_some_and(|daemon| daemon.node.in_maintenance()) {
            let ailing = here.services.iter_mut().filter_map(|service| service.ails_since.as_mut());
            ailing.for_each(|since| *since = self.now);
        }
    }

    /// Keeps the first broken promise.
    fn broken(&mut self, promise: Promise, what: String) {
        if self.violation.is_none() {
            self.timeline.tell(self.now, None, || format!("BROKEN: {what}"));
            self.violation = Some(Violation { promise, at: self.now, what });
        }
    }

    fn tell(&mut self, host: usize, text: impl FnOnce() -> String) {
        self.timeline.tell(self.now, Some(host), text);
    }

    /// Adds to the digest of the run.
    const fn note(&mut self, what: u64) {
        self.digest = (self.digest.rotate_left(5) ^ what).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// The end of something that lasts: nothing outlives the storm.
    fn until(&self, lasts: Micros) -> Micros {
        (self.now + lasts).min(self.plan.storm.max(self.now))
    }
}

/// What the promises are judged by.
impl World {
    pub(crate) const fn now(&self) -> Micros {
        self.now
    }

    pub(crate) fn faults(&self) -> &[Planned] {
        &self.plan.faults
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.plan.settings
    }

    pub(crate) fn hosts(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn host(&self, host: usize) -> &Host {
        &self.hosts[host]
    }

    pub(crate) const fn witness(&self) -> Option<&Witness> {
        self.witness.as_ref()
    }

    /// Whether a host has no supply, and its witness would see it.
    pub(crate) fn is_dark(&self, host: usize) -> bool {
        let sees =
            self.plan.settings.witness.is_some_and(|settings| settings.senses[host] != Sense::NotWired);
        let supplied = |witness: &Witness| witness.hardware.borrow().is_supplied(Side::ALL[host]);
        sees && self.witness.as_ref().is_some_and(|witness| !supplied(witness))
    }

    pub(crate) fn direction(&self, link: usize, from: usize, to: usize) -> &Direction {
        &self.directions[self.direction_at(link, from, to)]
    }

    pub(crate) const fn orders_given(&self) -> bool {
        self.orders_given
    }

    fn direction_at(&self, link: usize, from: usize, to: usize) -> usize {
        let ends = self.plan.settings.members();
        (link * ends + from) * ends + to
    }

    fn direction_mut(&mut self, link: usize, from: usize, to: usize) -> &mut Direction {
        let at = self.direction_at(link, from, to);
        &mut self.directions[at]
    }
}

/// Hosts, links and groups are few.
fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// A little time, for what is never quite simultaneous.
fn a_moment(dice: &mut Dice) -> Micros {
    dice.between(MILLISECOND, 50 * MILLISECOND)
}
