//! Two real nodes of the core and the real witness between them, in virtual time: Ethernet as the first link, and the
//! cable with the witness in it as the second.

#![cfg(test)]

use std::collections::BTreeMap;

use heartline_bridge::journal::{self, Journal};
use heartline_bridge::witness::{Passage, Witness};
use heartline_core::Node;
use heartline_core::config::{Config, Intervals, Parts, Policy, Quorum};
use heartline_core::effect::{Effect, Effects, FenceAnswer, Work};
use heartline_core::frame::Bytes;
use heartline_core::ids::{Generation, GroupIndex, JobId, LinkIndex, MemberIndex, NodeId, OrderId};
use heartline_core::input::{Command, Input, JobFailure, Outcome, Scope};
use heartline_core::notice::Notice;
use heartline_core::provision::{Provision, Sense, Wiring, WitnessKeys};
use heartline_core::seal::{Key, KeyRing, Method};
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{Counters, Deed, Side};

const NAMES: [&str; 2] = ["ha1", "ha2"];
const WITNESS: &str = "dongle";
const KEEPALIVE: u64 = 200;
const DEADTIME: u64 = 1_000;
const WATCHDOG: u64 = 2_000;
const PULL: u64 = 500;
/// A frame on the cable, and once more behind the witness.
const CABLE: u64 = 30;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn key() -> Key {
    Key::new(1, Method::Sha1, b"secretkey").unwrap()
}

fn config(host: usize, policy: Policy) -> Config {
    let mut nodes = NAMES.to_vec();
    nodes.push(WITNESS);
    Config::new(&Parts {
        cluster: "linux-ha",
        nodes: &nodes,
        this: NAMES[host],
        groups: &[("ha1", "10.0.0.1 httpd")],
        monitors: &[],
        intervals: Intervals {
            keepalive: millis(KEEPALIVE),
            deadtime: millis(DEADTIME),
            warntime: millis(DEADTIME / 2),
            initdead: millis(3 * DEADTIME),
            deadping: millis(DEADTIME),
        },
        policy,
        links: 2,
        pings: 0,
    })
    .unwrap()
    .with_witness(WITNESS)
    .unwrap()
}

#[derive(Debug, Clone)]
enum Event {
    Frame { host: usize, link: u8, bytes: Vec<u8> },
    AtWitness { side: Side, bytes: Vec<u8> },
    Job { host: usize, life: u32, job: JobId, work: Work },
}

struct Host {
    node: Option<Node>,
    life: u32,
    runs: bool,
    /// Nothing gets on, but what runs goes on running.
    stalled: bool,
    resets: u32,
    ethernet: bool,
    cable: bool,
    power: bool,
    policy: Policy,
}

struct World {
    now: Instant,
    hosts: [Host; 2],
    witness: Option<Witness>,
    lives: u32,
    memory: [u8; journal::BYTES],
    events: BTreeMap<(Instant, u64), Event>,
    count: u64,
    notices: Vec<(usize, Notice)>,
    fences: Vec<FenceAnswer>,
}

impl World {
    fn new(policy: Policy) -> Self {
        let host = || Host {
            node: None,
            life: 100,
            runs: false,
            stalled: false,
            resets: 0,
            ethernet: true,
            cable: true,
            power: false,
            policy,
        };
        Self {
            now: Instant::from_micros(1_000_000),
            hosts: [host(), host()],
            witness: None,
            lives: 0,
            memory: [0xaa; journal::BYTES],
            events: BTreeMap::new(),
            count: 0,
            notices: Vec::new(),
            fences: Vec::new(),
        }
    }

    /// A cluster at rest: ha1 runs the group, and both are watched over.
    fn started(policy: Policy) -> Self {
        let mut world = Self::new(policy);
        world.plug_in();
        world.boot(0);
        world.boot(1);
        world.run(3 * DEADTIME);
        assert_eq!(world.owners(), [0]);
        world
    }

    fn plug_in(&mut self) {
        self.lives += 1;
        let wiring = Wiring { pull: millis(PULL), sense: Sense::Power };
        let settings = Provision {
            count: 1,
            cluster: "linux-ha".try_into().unwrap(),
            witness: NodeId::of(WITNESS),
            hosts: NAMES.map(NodeId::of),
            keepalive: millis(KEEPALIVE),
            deadtime: millis(DEADTIME),
            baud: 19_200,
            wiring: [wiring, wiring],
        };
        let keys = WitnessKeys::new(1, &[key()]).unwrap();
        self.witness = Some(Witness::new(settings, keys, Generation(self.lives), self.now));
    }

    fn boot(&mut self, host: usize) {
        let place = &mut self.hosts[host];
        place.life += 1;
        place.power = true;
        place.stalled = false;
        let keys = KeyRing::new(1, &[key()]).unwrap();
        place.node = Some(Node::new(config(host, place.policy), keys, Generation(place.life), self.now));
        self.step(host, Input::Tick);
    }

    fn power_cut(&mut self, host: usize) {
        self.reset(host);
        self.hosts[host].power = false;
    }

    fn reset(&mut self, host: usize) {
        let place = &mut self.hosts[host];
        (place.node, place.runs, place.stalled) = (None, false, false);
    }

    fn owners(&self) -> Vec<usize> {
        (0..2).filter(|host| self.hosts[*host].runs).collect()
    }

    fn said(&self, host: usize, wanted: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(|(at, notice)| *at == host && wanted(notice))
    }

    fn order(&mut self, host: usize, command: Command) {
        self.step(host, Input::Order { id: OrderId(1), command });
    }

    fn deeds(&mut self) -> Vec<Deed> {
        let journal = Journal::open(&mut self.memory, Generation(self.lives), self.now);
        journal.deeds(self.now).map(|deed| deed.deed).collect()
    }

    fn schedule(&mut self, after: u64, event: Event) {
        self.count += 1;
        self.events.insert((self.now + millis(after), self.count), event);
    }

    fn run(&mut self, duration: u64) {
        self.run_for(duration, |_| false);
    }

    /// Goes on until something holds, and gives how long that took.
    fn run_for(&mut self, duration: u64, until: impl Fn(&Self) -> bool) -> Option<u64> {
        let begin = self.now;
        while !until(self) {
            if self.now >= begin + millis(duration) {
                return None;
            }
            self.now = self.now + millis(1);
            while let Some(entry) = self.events.first_entry()
                && entry.key().0 <= self.now
            {
                let event = entry.remove();
                self.happen(event);
            }
            for host in 0..2 {
                let due = self.hosts[host].node.as_ref().is_some_and(|node| node.next_deadline() <= self.now);
                if due && !self.hosts[host].stalled {
                    self.step(host, Input::Tick);
                }
            }
            self.turn_witness();
            assert!(self.owners().len() <= 1, "both run it at {:?}: {:#?}", self.now, self.notices);
        }
        Some(self.now.since(begin).millis())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { host, link, ref bytes } => {
                if self.hosts[host].stalled {
                    self.schedule(1, event);
                } else if self.hosts[host].node.is_some() {
                    self.step(host, Input::Frame { link: LinkIndex(link), bytes });
                }
            }
            Event::AtWitness { side, bytes } => {
                let mut journal = Journal::open(&mut self.memory, Generation(self.lives), self.now);
                let Some(witness) = &mut self.witness else { return };
                let passage = witness.hear(self.now, side, &bytes, &mut journal);
                if passage == Passage::Forward && self.hosts[side.other().index()].cable {
                    let host = side.other().index();
                    self.schedule(CABLE, Event::Frame { host, link: 1, bytes });
                }
            }
            Event::Job { host, life, job, work } => {
                if self.hosts[host].life == life && self.hosts[host].node.is_some() {
                    if self.hosts[host].stalled {
                        self.schedule(1, event);
                        return;
                    }
                    let outcome = self.finish(host, work);
                    self.step(host, Input::JobEnded { job, outcome });
                }
            }
        }
    }

    fn finish(&mut self, host: usize, work: Work) -> Outcome {
        match work {
            Work::Probe(_) | Work::Monitor(_) if !self.hosts[host].runs => Outcome::NotRunning,
            Work::Stop(_) => {
                self.hosts[host].runs = false;
                Outcome::Done
            }
            _ => Outcome::Done,
        }
    }

    fn turn_witness(&mut self) {
        let Some(witness) = &mut self.witness else { return };
        let mut journal = Journal::open(&mut self.memory, Generation(self.lives), self.now);
        for side in Side::ALL {
            witness.sense(self.now, side, self.hosts[side.index()].power, &mut journal);
        }
        witness.pass_time(self.now, &mut journal);
        let mut frame = Bytes::new();
        let speaks = witness.speak(self.now, &journal, &[Counters::default(); 2], &mut frame);
        let pulled = Side::ALL.map(|side| witness.is_pulled(side));
        for (host, pulled) in pulled.into_iter().enumerate() {
            if pulled && self.hosts[host].node.is_some() {
                self.hosts[host].resets += 1;
                self.reset(host);
            }
            if speaks && self.hosts[host].cable {
                self.schedule(CABLE, Event::Frame { host, link: 1, bytes: frame.to_vec() });
            }
        }
    }

    fn step(&mut self, host: usize, input: Input<'_>) {
        let mut effects = Effects::new();
        let Some(node) = &mut self.hosts[host].node else { return };
        node.step(self.now, input, &mut effects);
        for effect in effects.iter() {
            match effect {
                Effect::Transmit => self.transmit(host, effects.frame()),
                Effect::Run { job, work } => self.begin(host, job, work),
                Effect::Notice(notice) => self.notices.push((host, notice)),
                Effect::WitnessFence { job, answer } => {
                    self.fences.push(answer);
                    let outcome = match answer {
                        FenceAnswer::Done(_) => Outcome::Fenced { device: 1 },
                        _ => Outcome::Failed(JobFailure::Refused),
                    };
                    self.step(host, Input::JobEnded { job, outcome });
                }
                Effect::Leave => self.hosts[host].node = None,
                _ => {}
            }
        }
    }

    fn begin(&mut self, host: usize, job: JobId, work: Work) {
        match work {
            Work::Fence(target) => {
                self.step(host, Input::FenceByWitness { job, target });
                return;
            }
            Work::Start(_) => self.hosts[host].runs = true,
            _ => {}
        }
        let life = self.hosts[host].life;
        self.schedule(20, Event::Job { host, life, job, work });
    }

    fn transmit(&mut self, host: usize, frame: &[u8]) {
        let other = 1 - host;
        if self.hosts.iter().all(|host| host.ethernet) {
            self.schedule(1, Event::Frame { host: other, link: 0, bytes: frame.to_vec() });
        }
        if self.hosts[host].cable {
            self.schedule(CABLE, Event::AtWitness { side: Side::ALL[host], bytes: frame.to_vec() });
        }
    }

    fn resets(&self) -> [u32; 2] {
        [0, 1].map(|host: usize| self.hosts[host].resets)
    }
}

fn watched() -> Policy {
    Policy { quorum: Quorum::Witness, witness_watchdog: Some(millis(WATCHDOG)), ..Policy::default() }
}

fn fencing() -> Policy {
    Policy { quorum: Quorum::Witness, fencing: true, ..Policy::default() }
}

#[test]
fn a_dead_host_is_reset_voted_against_and_replaced() {
    let mut world = World::started(watched());
    world.power_cut(0);
    let took = world.run_for(10 * WATCHDOG, |world| world.owners() == [1]).expect("ha2 takes over");
    // The death notice spares the dead time and the watchdog's.
    assert!(took < DEADTIME + PULL, "{took} ms");
    assert!(world.said(1, |notice| matches!(notice, Notice::WitnessVoted { .. })));
    assert!(world.said(1, |notice| matches!(notice, Notice::ResetByWitness { .. })));
    world.boot(0);
    world.run(5 * DEADTIME);
    assert_eq!(world.owners(), [0], "auto_failback");
    assert!(world.said(0, |notice| matches!(notice, Notice::WasResetByWitness { life: 101, .. })));
}

#[test]
fn a_stalled_host_is_reset_before_its_group_is_taken() {
    let mut world = World::started(watched());
    world.hosts[0].stalled = true;
    let took = world.run_for(10 * WATCHDOG, |world| world.owners() == [1]).expect("ha2 takes over");
    assert!((WATCHDOG..WATCHDOG + DEADTIME + PULL).contains(&took), "{took} ms");
    assert_eq!(world.resets(), [1, 0]);
}

#[test]
fn a_total_partition_has_one_survivor() {
    for loser in [0, 1] {
        let mut world = World::started(watched());
        (world.hosts[loser].ethernet, world.hosts[loser].cable) = (false, false);
        world
            .run_for(10 * WATCHDOG, |world| world.owners() == [1 - loser] && world.resets()[loser] == 1)
            .expect("one survives");
        world.run(10 * WATCHDOG);
        assert_eq!((world.owners(), world.resets()[1 - loser]), (vec![1 - loser], 0));
        let survivor = NodeId::of(NAMES[1 - loser]);
        assert!(world.deeds().iter().any(|deed| matches!(deed, Deed::Voted(to, _) if *to == survivor)));
    }
}

/// Whatever breaks, as long as the hosts see each other nothing moves and nobody is reset.
#[test]
fn a_witness_unplugged_at_any_side_or_reset_moves_nothing() {
    for broken in 0..6 {
        let mut world = World::started(watched());
        match broken {
            0 => world.hosts[0].cable = false,
            1 => world.hosts[1].cable = false,
            2 => (world.hosts[0].cable, world.hosts[1].cable) = (false, false),
            3 => world.witness = None,
            4 => world.plug_in(),
            _ => world.hosts.iter_mut().for_each(|host| host.ethernet = false),
        }
        world.run(20 * WATCHDOG);
        assert_eq!((world.owners(), world.resets()), (vec![0], [0, 0]), "{broken}");
        world.hosts.iter_mut().for_each(|host| (host.cable, host.ethernet) = (true, true));
        world.run(10 * WATCHDOG);
        assert_eq!((world.owners(), world.resets()), (vec![0], [0, 0]), "{broken}, mended");
        world.order(0, Command::Standby(Scope::All));
        world.run_for(DEADTIME, |world| world.owners() == [1]).expect("it moves when it is told to");
    }
}

#[test]
fn an_orderly_end_is_no_silence() {
    let mut world = World::started(watched());
    world.order(0, Command::Leave);
    world.run_for(DEADTIME, |world| world.owners() == [1]).expect("ha2 has it");
    world.run(10 * WATCHDOG);
    assert_eq!(world.resets(), [0, 0]);
    assert!(world.deeds().contains(&Deed::Released(NodeId::of("ha1"))));
}

/// The witness has forgotten that it had watched over ha1, and cannot tell that it is down.
#[test]
fn a_witness_that_restarts_while_a_host_is_stalled_gives_no_false_proof() {
    let mut world = World::started(watched());
    world.hosts[0].stalled = true;
    world.run(DEADTIME);
    world.plug_in();
    world.run(20 * WATCHDOG);
    assert_eq!((world.owners(), world.resets()), (vec![0], [0, 0]));
}

#[test]
fn fencing_by_the_witness_goes_before_a_takeover() {
    let mut world = World::started(fencing());
    world.hosts[0].stalled = true;
    world.run_for(5 * DEADTIME, |world| world.owners() == [1]).expect("ha2 takes over");
    assert_eq!((world.resets(), world.fences.len()), ([1, 0], 1));
    let fenced = |notice: &Notice| matches!(notice, Notice::Fenced { member: MemberIndex(_), .. });
    assert!(world.said(1, fenced));
}

/// Alone from the start: the other is reset first, since nobody knows what it does.
#[test]
fn one_host_alone_starts_with_vote_and_fence() {
    let mut world = World::new(fencing());
    world.plug_in();
    world.boot(1);
    world.run_for(20 * DEADTIME, |world| world.owners() == [1]).expect("it starts");
    assert_eq!(world.fences.len(), 1);
    let voted = |notice: &Notice| matches!(notice, Notice::WitnessVoted { .. });
    assert!(world.said(1, voted));
    let node = world.hosts[1].node.as_ref().unwrap();
    assert_eq!(node.holder(GroupIndex(0)), Some(MemberIndex(2)));
}

#[test]
fn one_host_alone_with_neither_fence_nor_proof_starts_nothing() {
    let mut world = World::new(watched());
    world.plug_in();
    world.boot(1);
    world.run(20 * WATCHDOG);
    assert!(world.owners().is_empty());
}

#[test]
fn what_the_witness_has_told_can_be_read_at_a_host() {
    let mut world = World::started(watched());
    world.run(60 * KEEPALIVE);
    let node = world.hosts[1].node.as_ref().unwrap();
    let view = node.witness().expect("there is one");
    assert_eq!(view.word.map(|(_, word)| word.hosts.len()), Some(2));
    assert!(view.known.firmware.is_some() && view.known.counters.iter().all(Option::is_some));
    let deeds: Vec<Deed> = view.known.deeds.iter().map(|(_, deed)| deed.deed).collect();
    assert_eq!(deeds, world.deeds());
}
