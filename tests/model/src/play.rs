//! What comes of an action: the nodes step, their effects are carried out, and the truth changes.

use std::sync::Arc;

use heartline_core::effect::{Effect, Effects, Work};
use heartline_core::frame::Header;
use heartline_core::ids::{Generation, JobId, OrderId};
use heartline_core::input::{Input, JobFailure, Outcome};
use heartline_core::message::Message;
use heartline_core::time::Duration;
use heartline_core::{Node, config::Config, seal::KeyRing};

use crate::action::{Action, Wire};
use crate::cluster::{Cluster, Frame, HOSTS, Job, LINKS, Service, link};
use crate::invariant::{self, Violation};
use crate::possible;
use crate::setting::{CLUSTER, DEADTIME, Setting, SettingError};

/// Carries out actions in clusters of one setting.
#[derive(Debug)]
pub struct Player {
    setting: Setting,
    configs: [Config; HOSTS],
    keys: KeyRing,
    effects: Effects,
    /// By how much a deadline may be missed.
    late: Duration,
    /// What the nodes wanted done, by host, if that is to be kept.
    said: Option<Vec<(u8, Effect)>>,
    /// What was seen of interest so far.
    pub sights: Sights,
}

/// How often things happened that an exploration must reach to be worth anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sights {
    /// Starts begun.
    pub starts: u64,
    /// Starts begun where the other host had the group last.
    pub moves: u64,
    /// Hosts turned off by a fencing device.
    pub fenced: u64,
    /// Starts begun while the group ran on the other host, with an excuse.
    pub overlaps: u64,
    /// Stops ordered.
    pub stops: u64,
    /// Nodes that left in good order or since they could not stop.
    pub departures: u64,
}

impl Sights {
    /// Adds what another worker saw.
    pub const fn add(&mut self, other: &Self) {
        self.starts += other.starts;
        self.moves += other.moves;
        self.fenced += other.fenced;
        self.overlaps += other.overlaps;
        self.stops += other.stops;
        self.departures += other.departures;
    }
}

impl Player {
    /// A player for one setting. `late` is by how much a deadline may be missed without a fault.
    ///
    /// # Errors
    /// If the core refuses the setting.
    pub fn new(setting: Setting, late: Duration) -> Result<Self, SettingError> {
        let (configs, keys) = setting.ingredients()?;
        let (effects, sights) = (Effects::new(), Sights::default());
        Ok(Self { setting, configs, keys, effects, late, said: None, sights })
    }

    /// Keeps from now on what nodes want done, for [`Player::take_said`].
    pub fn keep_said(&mut self) {
        self.said = Some(Vec::new());
    }

    /// What the nodes wanted done since it was last taken.
    pub fn take_said(&mut self) -> Vec<(u8, Effect)> {
        self.said.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// All that may happen next.
    pub fn possible(&self, cluster: &Cluster, list: &mut Vec<Action>) {
        possible::actions(cluster, self.setting.links, self.late, list);
    }

    /// Carries out an action that is possible.
    ///
    /// # Errors
    /// The promise that was broken by it.
    pub fn play(&mut self, cluster: &mut Cluster, action: Action) -> Result<(), Violation> {
        if action.is_fault() {
            cluster.budget = cluster.budget.saturating_sub(1);
        }
        match action {
            Action::Deliver(from) => self.deliver_all(cluster, from)?,
            Action::DeliverLate(at) => {
                let (wire, frame) = cluster.late.remove(usize::from(at));
                self.deliver(cluster, wire, &frame)?;
            }
            Action::Repeat(wire) => {
                let frame = cluster.line_mut(wire).frames.remove(0);
                self.deliver(cluster, wire, &frame)?;
                cluster.late.push((wire, frame));
            }
            Action::Lose(wire) => {
                disturb(cluster, wire);
                cluster.line_mut(wire).frames.remove(0);
            }
            Action::HoldUp(wire) => {
                disturb(cluster, wire);
                let frame = cluster.line_mut(wire).frames.remove(0);
                cluster.late.push((wire, frame));
            }
            Action::Cut(wire) => cluster.line_mut(wire).cut = true,
            Action::CutAll => self.wires().for_each(|wire| cluster.line_mut(wire).cut = true),
            Action::Mend => {
                for wire in self.wires() {
                    if cluster.line(wire).cut {
                        disturb(cluster, wire);
                        cluster.line_mut(wire).cut = false;
                    }
                }
            }
            Action::Tick(host) => {
                if let Some(deadline) = cluster.host(host).deadline() {
                    cluster.now = cluster.now.max(deadline);
                }
                self.step(cluster, host, Input::Tick)?;
            }
            Action::JobEnds(host, at) => self.end_job(cluster, host, at, true)?,
            Action::JobFails(host, at) => self.end_job(cluster, host, at, false)?,
            Action::Shoot(host, at) => {
                cluster.hosts[usize::from(host)].jobs[usize::from(at)].shot = true;
                self.sights.fenced += 1;
                power_off(cluster, 1 - host);
            }
            Action::Boot(host) => self.boot(cluster, host)?,
            Action::PowerCut(host) => power_off(cluster, host),
            Action::Kill(host) => end_daemon(cluster, host),
            Action::Stall(host) => {
                cluster.hosts[usize::from(host)].stalled = true;
                holder_failed(cluster, host);
            }
            Action::Wake(host) => {
                let place = &mut cluster.hosts[usize::from(host)];
                place.stalled = false;
                place.attentive_since = cluster.now;
            }
            Action::Order(host, ordered) => {
                cluster.orders += 1;
                cluster.tenancy.order = true;
                let input = Input::Order { id: OrderId(cluster.orders), command: ordered.command() };
                self.step(cluster, host, input)?;
            }
        }
        invariant::check(cluster, &self.setting)?;
        if cluster.tenancy.failure && invariant::all_is_well(cluster) {
            cluster.tenancy.failure = false;
        }
        Ok(())
    }

    fn wires(&self) -> impl Iterator<Item = Wire> + use<> {
        let links = self.setting.links;
        (0..2u8).flat_map(move |from| (0..links).map(move |link| Wire { from, link }))
    }

    fn boot(&mut self, cluster: &mut Cluster, host: u8) -> Result<(), Violation> {
        let at = usize::from(host);
        let place = &mut cluster.hosts[at];
        place.generation += 1;
        place.attentive_since = cluster.now;
        place.booted = cluster.now;
        let generation = Generation(place.generation);
        let node = Node::new(self.configs[at].clone(), self.keys.clone(), generation, cluster.now);
        place.node = Some(Arc::new(node));
        self.step(cluster, host, Input::Tick)
    }

    /// One after the other, copy by copy; the first one is the news.
    fn deliver_all(&mut self, cluster: &mut Cluster, from: u8) -> Result<(), Violation> {
        let Some(oldest) = cluster.oldest(from) else { return Ok(()) };
        for wire in self.wires().filter(|wire| wire.from == from) {
            let frames = &mut cluster.line_mut(wire).frames;
            if frames.first().is_some_and(|frame| frame.number() == oldest) {
                let frame = frames.remove(0);
                self.deliver(cluster, wire, &frame)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, cluster: &mut Cluster, wire: Wire, frame: &Frame) -> Result<(), Violation> {
        let host = 1 - wire.from;
        let now = cluster.now;
        let heard = &mut cluster.hosts[usize::from(host)].heard;
        if heard.is_none_or(|(generation, sequence, _)| frame.number() > (generation, sequence)) {
            *heard = Some((frame.generation, frame.sequence, now));
        }
        self.step(cluster, host, Input::Frame { link: link(wire), bytes: &frame.bytes })
    }

    fn end_job(&mut self, cluster: &mut Cluster, host: u8, at: u8, done: bool) -> Result<(), Violation> {
        let place = &mut cluster.hosts[usize::from(host)];
        let job = place.jobs.remove(usize::from(at));
        let failed = Outcome::Failed(JobFailure::Refused);
        let outcome = match (job.work, done) {
            _ if job.cancelled => Outcome::Failed(JobFailure::Cancelled),
            (_, false) => failed,
            (Work::Probe(_) | Work::Monitor(_), true) => match place.service {
                Service::Stopped => Outcome::NotRunning,
                Service::Partial => Outcome::Partial,
                Service::Running => Outcome::Done,
            },
            (Work::Start(_), true) => {
                place.service = Service::Running;
                Outcome::Done
            }
            (Work::Stop(_), true) => {
                place.service = Service::Stopped;
                Outcome::Done
            }
            (Work::Repair(_) | Work::Fence(_) | Work::NextLife, true) => Outcome::Done,
        };
        if !done && !matches!(job.work, Work::Fence(_)) && cluster.tenancy.holder == Some(host) {
            cluster.tenancy.order = true;
        }
        self.step(cluster, host, Input::JobEnded { job: job.id, outcome })
    }

    fn step(&mut self, cluster: &mut Cluster, host: u8, input: Input<'_>) -> Result<(), Violation> {
        judge_silence(cluster);
        let now = cluster.now;
        let Some(node) = &mut cluster.hosts[usize::from(host)].node else { return Ok(()) };
        self.effects.clear();
        Arc::make_mut(node).step(now, input, &mut self.effects);
        if let Some(said) = &mut self.said {
            said.extend(self.effects.iter().map(|effect| (host, effect)));
        }
        let mut leaves = false;
        for effect in self.effects.iter() {
            match effect {
                Effect::Transmit => transmit(cluster, &self.setting, &self.keys, host, self.effects.frame()),
                Effect::Run { job, work } => {
                    run(cluster, &self.setting, &mut self.sights, host, job, work)?;
                }
                Effect::Cancel(id) => {
                    let jobs = &mut cluster.hosts[usize::from(host)].jobs;
                    jobs.iter_mut().filter(|job| job.id == id).for_each(|job| job.cancelled = true);
                }
                Effect::Reboot(_) => power_off(cluster, host),
                Effect::Leave => leaves = true,
                Effect::FeedWatchdog
                | Effect::KeepMaintenance(_)
                | Effect::Announce(_)
                | Effect::Answer { .. }
                | Effect::WitnessFence { .. }
                | Effect::Notice(_) => {}
            }
        }
        if leaves {
            self.sights.departures += 1;
            end_daemon(cluster, host);
        }
        Ok(())
    }
}

fn run(
    cluster: &mut Cluster,
    setting: &Setting,
    sights: &mut Sights,
    host: u8,
    id: JobId,
    work: Work,
) -> Result<(), Violation> {
    match work {
        Work::Start(_) => {
            invariant::check_start(cluster, setting, host)?;
            sights.starts += 1;
            sights.moves += u64::from(cluster.tenancy.holder == Some(1 - host));
            sights.overlaps += u64::from(cluster.host(1 - host).may_run());
            cluster.tenancy.holder = Some(host);
            cluster.tenancy.failure = false;
            cluster.tenancy.order = false;
            cluster.hosts[usize::from(host)].service = Service::Partial;
        }
        Work::Stop(_) => {
            sights.stops += 1;
            let service = &mut cluster.hosts[usize::from(host)].service;
            // To stop what does not run changes nothing.
            if *service == Service::Running {
                *service = Service::Partial;
            }
        }
        Work::Probe(_) | Work::Monitor(_) | Work::Repair(_) | Work::Fence(_) | Work::NextLife => {}
    }
    cluster.hosts[usize::from(host)].jobs.push(Job { id, work, cancelled: false, shot: false });
    Ok(())
}

/// Puts a frame on every wire that works, if there is anybody to read it.
fn transmit(cluster: &mut Cluster, setting: &Setting, keys: &KeyRing, from: u8, bytes: &[u8]) {
    if cluster.host(1 - from).node.is_none() {
        return;
    }
    let Some((header, message)) = read(keys, bytes) else { return };
    let frame = Arc::new(Frame {
        bytes: bytes.to_vec(),
        generation: header.generation,
        sequence: header.sequence,
        message,
    });
    for link in 0..setting.links {
        let line = cluster.line_mut(Wire { from, link });
        if !line.cut {
            line.frames.push(Arc::clone(&frame));
        }
    }
}

/// What a node sends can always be read.
fn read(keys: &KeyRing, bytes: &[u8]) -> Option<(Header, Message)> {
    let (header, body) = keys.open(CLUSTER, bytes).ok()?;
    Some((header, Message::decode(body).ok()?))
}

fn disturb(cluster: &mut Cluster, wire: Wire) {
    cluster.line_mut(wire).disturbed = Some(cluster.now);
}

/// Nothing runs on the host any more.
fn power_off(cluster: &mut Cluster, host: u8) {
    end_daemon(cluster, host);
    cluster.hosts[usize::from(host)].service = Service::Stopped;
}

/// The daemon is gone: nobody reads what is sent to it, nobody waits for its jobs.
fn end_daemon(cluster: &mut Cluster, host: u8) {
    holder_failed(cluster, host);
    let place = &mut cluster.hosts[usize::from(host)];
    place.node = None;
    place.stalled = false;
    place.jobs.clear();
    place.heard = None;
    for link in 0..LINKS {
        cluster.wires[usize::from(1 - host)][link].frames.clear();
    }
}

fn holder_failed(cluster: &mut Cluster, host: u8) {
    cluster.tenancy.failure |= cluster.tenancy.holder == Some(host);
}

/// A holder that the other, awake, has not heard for a dead time seems to have failed.
fn judge_silence(cluster: &mut Cluster) {
    let Some(holder) = cluster.tenancy.holder else { return };
    let other = cluster.host(1 - holder);
    let since = other.heard.map_or(other.booted, |(_, _, heard)| heard);
    if other.is_awake() && since + DEADTIME <= cluster.now {
        cluster.tenancy.failure = true;
    }
}
