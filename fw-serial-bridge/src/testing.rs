//! For the tests: two hosts that say what they are told to say, and a witness between them, in virtual time.

use heartline_core::frame::{Bytes, Header};
use heartline_core::heard::Heard;
use heartline_core::ids::{Epoch, Generation, LinkSet, NodeId, Sequence};
use heartline_core::maintenance::Maintenance;
use heartline_core::message::{Message, Phase};
use heartline_core::provision::{Provision, Sense, Wiring, WitnessKeys};
use heartline_core::seal::{Key, KeyRing, Method};
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{
    Asks, Counters, Deed, FenceAsk, FenceState, HOSTS, HostWord, Side, Stage, StartCause, Watch, WatchState,
    Word,
};
use proptest::prelude::ProptestConfig;
use std::vec::Vec;

use crate::journal::{self, Journal};
use crate::witness::{Passage, Witness};

pub(crate) const KEEPALIVE: u64 = 200;
pub(crate) const DEADTIME: u64 = 1_000;
pub(crate) const WATCHDOG: u64 = 2_000;
pub(crate) const PULL: u64 = 500;
pub(crate) const CLUSTER: &str = "linux-ha";
pub(crate) const NAMES: [&str; HOSTS] = ["ha1", "ha2"];

/// So many cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(usual),
    }
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn provision(count: u32) -> Provision {
    let wiring = Wiring { pull: millis(PULL), sense: Sense::Power };
    Provision {
        count,
        cluster: CLUSTER.try_into().unwrap(),
        witness: NodeId::of("dongle"),
        hosts: NAMES.map(NodeId::of),
        keepalive: millis(KEEPALIVE),
        deadtime: millis(DEADTIME),
        baud: 19_200,
        wiring: [wiring, wiring],
    }
}

fn key() -> Key {
    Key::new(1, Method::Sha1, b"secretkey").unwrap()
}

pub(crate) fn keys() -> KeyRing {
    KeyRing::new(1, &[key()]).unwrap()
}

pub(crate) fn witness_keys() -> WitnessKeys {
    WitnessKeys::new(1, &[key()]).unwrap()
}

/// What a host says, and whether it still says it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) generation: u32,
    pub(crate) sequence: u64,
    pub(crate) phase: Phase,
    pub(crate) asks: Asks,
    /// It runs, and its cable works.
    pub(crate) speaks: bool,
    /// It hears the other host by another way.
    pub(crate) hears_other: bool,
    /// It hears the witness.
    pub(crate) hears_witness: bool,
}

pub(crate) struct Rig {
    pub(crate) now: Instant,
    pub(crate) witness: Witness,
    pub(crate) memory: [u8; journal::BYTES],
    pub(crate) peers: [Peer; HOSTS],
    /// When each line was pulled and let go, by side.
    pub(crate) pulls: Vec<(Side, Instant)>,
    pub(crate) frames: Vec<Bytes>,
    /// Every frame of a host, as somebody may have recorded it.
    pub(crate) recorded: Vec<(Side, Bytes)>,
    pub(crate) word: Option<Word>,
    /// By side.
    pub(crate) power: [bool; HOSTS],
    next_beat: [Instant; HOSTS],
    pulled: [bool; HOSTS],
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(provision(1))
    }

    pub(crate) fn with(settings: Provision) -> Self {
        let now = Instant::from_micros(5_000_000);
        let peer = Peer {
            generation: 100,
            sequence: 0,
            phase: Phase::Active,
            asks: Asks::default(),
            speaks: true,
            hears_other: false,
            hears_witness: true,
        };
        let mut rig = Self {
            now,
            witness: Witness::new(settings, witness_keys(), Generation(7), now),
            memory: [0; journal::BYTES],
            peers: [peer.clone(), peer],
            pulls: Vec::new(),
            frames: Vec::new(),
            recorded: Vec::new(),
            word: None,
            power: [true; HOSTS],
            next_beat: [now, now],
            pulled: [false; HOSTS],
        };
        let mut journal = Journal::open(&mut rig.memory, Generation(7), now);
        rig.witness.note_start(now, StartCause::PowerOn, &mut journal);
        rig
    }

    /// Both hosts are up and watched over.
    pub(crate) fn armed() -> Self {
        let mut rig = Self::new();
        rig.arm(0);
        rig.arm(1);
        rig.run(2 * DEADTIME);
        let armed = WatchState::Armed(millis(WATCHDOG));
        assert_eq!([0, 1].map(|host| rig.host(host).watch), [armed; 2]);
        rig
    }

    pub(crate) fn arm(&mut self, host: usize) {
        self.peers[host].asks.watch = Some(Watch::Arm(millis(WATCHDOG)));
    }

    pub(crate) fn fence(&mut self, host: usize, ticket: u16, stage: Stage) {
        let target = NodeId::of(NAMES[1 - host]);
        self.peers[host].asks.fence = Some(FenceAsk { target, ticket, stage });
    }

    pub(crate) fn vote(&mut self, host: usize, epoch: u32) {
        self.peers[host].asks.vote = Some(Epoch(epoch));
    }

    /// A host is down.
    pub(crate) fn stop(&mut self, host: usize) {
        self.peers[host].speaks = false;
    }

    /// A host begins a new life.
    pub(crate) fn boot(&mut self, host: usize) {
        let peer = &mut self.peers[host];
        *peer = Peer {
            generation: peer.generation + 1,
            sequence: 0,
            asks: Asks::default(),
            speaks: true,
            ..peer.clone()
        };
    }

    /// The witness is reset: its memory stays, and nothing else.
    pub(crate) fn reset_witness(&mut self) {
        let generation = Generation(self.witness.generation.0 + 1);
        self.witness = Witness::new(self.witness.settings().clone(), witness_keys(), generation, self.now);
        let mut journal = Journal::open(&mut self.memory, generation, self.now);
        self.witness.note_start(self.now, StartCause::OwnWatchdog, &mut journal);
        self.word = None;
        self.pulled = [false; HOSTS];
    }

    pub(crate) fn run(&mut self, duration: u64) {
        let end = self.now + millis(duration);
        // What was changed since the last turn is seen at once.
        self.turn();
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            for host in 0..HOSTS {
                if self.now >= self.next_beat[host] && self.peers[host].speaks {
                    self.speak(host);
                }
            }
            self.turn();
        }
        self.now = end;
    }

    fn next_event(&self) -> Option<Instant> {
        let speakers = (0..HOSTS).filter(|host| self.peers[*host].speaks);
        let beats = speakers.map(|host| self.next_beat[host]);
        beats.chain([self.witness.next_deadline()]).min()
    }

    /// One host sends a heartbeat.
    pub(crate) fn speak(&mut self, host: usize) {
        self.next_beat[host] = self.now + millis(KEEPALIVE);
        let frame = self.frame(host);
        self.deliver(side(host), &frame);
        self.recorded.push((side(host), frame));
    }

    pub(crate) fn deliver(&mut self, side: Side, frame: &[u8]) -> Passage {
        let mut journal = Journal::open(&mut self.memory, self.witness.generation, self.now);
        self.witness.hear(self.now, side, frame, &mut journal)
    }

    /// The next heartbeat of a host.
    pub(crate) fn frame(&mut self, host: usize) -> Bytes {
        self.peers[host].sequence += 1;
        let (peer, other) = (&self.peers[host], &self.peers[1 - host]);
        let mut heard = heapless::Vec::new();
        if peer.hears_witness {
            let newest = self.witness.sequence();
            heard.push(confirmation("dongle", self.witness.generation.0, newest.0)).unwrap();
        }
        if peer.hears_other {
            heard.push(confirmation(NAMES[1 - host], other.generation, other.sequence)).unwrap();
        }
        let message = Message {
            phase: peer.phase,
            watchdog: None,
            pings: 0,
            keepalive: millis(KEEPALIVE),
            deadtime: millis(DEADTIME),
            digest: [1; 4],
            heard,
            groups: heapless::Vec::new(),
            lines: heapless::Vec::new(),
            fenced: heapless::Vec::new(),
            maintenance: Maintenance::default(),
            restarting: false,
            asks: peer.asks,
            witness: None,
        };
        let header = Header {
            key: 1,
            sender: NodeId::of(NAMES[host]),
            generation: Generation(peer.generation),
            sequence: Sequence(peer.sequence),
        };
        seal(&header, &message, &keys())
    }

    fn turn(&mut self) {
        let mut journal = Journal::open(&mut self.memory, self.witness.generation, self.now);
        for side in Side::ALL {
            self.witness.sense(self.now, side, self.power[side.index()], &mut journal);
        }
        self.witness.pass_time(self.now, &mut journal);
        let mut frame = Bytes::new();
        if self.witness.speak(self.now, &journal, &[Counters::default(); HOSTS], &mut frame) {
            let (_, body) = keys().open(CLUSTER, &frame).unwrap();
            self.word = Message::decode(body).unwrap().witness;
            self.frames.push(frame);
        }
        for side in Side::ALL {
            let is_pulled = self.witness.is_pulled(side);
            if is_pulled && !self.pulled[side.index()] {
                self.pulls.push((side, self.now));
            }
            self.pulled[side.index()] = is_pulled;
        }
    }

    /// What the witness last said of a host.
    pub(crate) fn host(&self, host: usize) -> HostWord {
        *self.word.as_ref().unwrap().host(NodeId::of(NAMES[host])).unwrap()
    }

    pub(crate) fn fence_state(&self, asker: usize) -> Option<FenceState> {
        let fences = &self.word.as_ref().unwrap().fences;
        fences.iter().find(|word| word.asker == NodeId::of(NAMES[asker])).map(|word| word.state)
    }

    /// To whom the newest vote was given, and in which epoch.
    pub(crate) fn voted(&self) -> (u32, Option<usize>) {
        let vote = self.word.as_ref().unwrap().vote;
        (vote.epoch.0, vote.to.and_then(|to| NAMES.iter().position(|name| NodeId::of(name) == to)))
    }

    pub(crate) fn deeds(&mut self) -> Vec<Deed> {
        let journal = Journal::open(&mut self.memory, self.witness.generation, self.now);
        journal.deeds(self.now).map(|deed| deed.deed).collect()
    }
}

pub(crate) fn side(host: usize) -> Side {
    Side::ALL[host]
}

fn confirmation(name: &str, generation: u32, sequence: u64) -> Heard {
    Heard::new(NodeId::of(name), Generation(generation), Sequence(sequence), LinkSet(1))
}

pub(crate) fn seal(header: &Header, message: &Message, keys: &KeyRing) -> Bytes {
    let mut bytes = Bytes::new();
    header.begin(&mut bytes).unwrap();
    message.encode(&mut bytes).unwrap();
    keys.close(CLUSTER, &mut bytes).unwrap();
    bytes
}
