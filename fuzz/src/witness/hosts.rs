//! The two hosts as the witness hears them, and what follows from what they have said: whose line may be pulled, and
//! who may have a vote.

use heartline_core::frame::{Bytes, Header};
use heartline_core::heard::Heard;
use heartline_core::ids::{Epoch, Generation, LinkSet, NodeId, Sequence};
use heartline_core::maintenance::Maintenance;
use heartline_core::message::{Message, Phase};
use heartline_core::seal::{KeyRing, Method};
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{Asks, Deed, HOSTS, Side, Stage, Watch};

use crate::bytes::Choices;
use crate::setting::{CLUSTER, ring};

pub(super) const KEEPALIVE: u64 = 200;
pub(super) const DEADTIME: u64 = 1_000;
pub(super) const WATCHDOG: u64 = 2_000;
pub(super) const NAMES: [&str; HOSTS] = ["ha1", "ha2"];

pub(super) fn id(name: &str) -> NodeId {
    NodeId::of(name)
}

/// The keys of the cluster.
pub(super) fn keys() -> KeyRing {
    ring(1, Method::Sha1, b"a secret")
}

pub(super) const fn epoch_after(epoch: Epoch, ahead: u8) -> Epoch {
    Epoch(epoch.0.wrapping_add(1).wrapping_add(ahead as u32))
}

/// A frame that somebody may have recorded.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    pub(super) host: usize,
    pub(super) number: (Generation, Sequence),
    pub(super) side: Side,
    pub(super) frame: Bytes,
}

#[derive(Debug, Clone)]
struct Host {
    generation: u32,
    sequence: u64,
    asks: Asks,
    has_power: bool,
    /// When the present life of the witness heard it last, and whether it had left.
    heard: Option<(Instant, bool)>,
    /// The newest frame that this life of the witness was given with the right key.
    newest: Option<(Generation, Sequence)>,
    /// This life of the witness was asked to watch over it, or by the other to reset it.
    may_be_reset: bool,
    /// The life of it that was reset last, if the witness has not seen it go on.
    ended: Option<Generation>,
}

#[derive(Debug)]
pub(super) struct Hosts {
    hosts: [Host; HOSTS],
    /// The first is at side B.
    exchanged: bool,
    pub(super) recordings: Vec<Recording>,
    /// The epoch of the newest vote.
    voted: Epoch,
    /// By side whose line is pulled: the life that each of them was in when it was pulled. No later one is ended.
    at_pull: [Option<[Option<Generation>; HOSTS]>; HOSTS],
    /// Somebody with the keys has said something about a host that it does not say itself.
    pub(super) lied: bool,
}

impl Hosts {
    pub(super) fn new() -> Self {
        let host = Host {
            generation: 100,
            sequence: 0,
            asks: Asks::default(),
            has_power: true,
            heard: None,
            newest: None,
            may_be_reset: false,
            ended: None,
        };
        Self {
            hosts: [host.clone(), host],
            exchanged: false,
            recordings: Vec::new(),
            voted: Epoch::default(),
            at_pull: [None; HOSTS],
            lied: false,
        }
    }

    pub(super) fn witness_began(&mut self) {
        for host in &mut self.hosts {
            (host.heard, host.newest) = (None, None);
            (host.may_be_reset, host.ended) = (false, None);
        }
        (self.voted, self.lied, self.at_pull) = (Epoch::default(), false, [None; HOSTS]);
    }

    pub(super) const fn asks(&mut self, host: usize) -> &mut Asks {
        &mut self.hosts[host].asks
    }

    pub(super) fn boot(&mut self, host: usize) {
        let host = &mut self.hosts[host];
        host.generation += 1;
        (host.sequence, host.asks) = (0, Asks::default());
    }

    pub(super) const fn flip_power(&mut self, host: usize) {
        self.hosts[host].has_power = !self.hosts[host].has_power;
    }

    pub(super) const fn exchange_cables(&mut self) {
        self.exchanged = !self.exchanged;
    }

    pub(super) const fn side(&self, host: usize) -> Side {
        Side::ALL[if self.exchanged { 1 - host } else { host }]
    }

    /// By side.
    pub(super) fn power(&self) -> [bool; HOSTS] {
        let [first, second] = [self.hosts[0].has_power, self.hosts[1].has_power];
        if self.exchanged { [second, first] } else { [first, second] }
    }

    /// The next heartbeat of a host, which hears the witness up to `witness`.
    pub(super) fn heartbeat(
        &mut self,
        host: usize,
        now: Instant,
        witness: Option<(Generation, Sequence)>,
        how: u8,
    ) -> (Side, Bytes) {
        let other = (Generation(self.hosts[1 - host].generation), Sequence(self.hosts[1 - host].sequence));
        let mut heard = heapless::Vec::new();
        let hears_witness = !Choices::flag(how, 0);
        for confirmed in [
            witness.filter(|_| hears_witness).map(|witness| confirmation("dongle", witness)),
            Choices::flag(how, 1).then(|| confirmation(NAMES[1 - host], other)),
        ] {
            heard.extend(confirmed);
        }
        let left = how >> 2 == 0x3f;
        let of = &mut self.hosts[host];
        of.sequence += 1;
        let message =
            Message { heard, asks: of.asks, ..message(if left { Phase::Left } else { Phase::Active }) };
        let number = (Generation(of.generation), Sequence(of.sequence));
        let frame = sealed(host, number, &message, &keys());
        self.note_heard(host, now, number, &message);
        let recording = Recording { host, number, side: self.side(host), frame };
        self.recordings.push(recording.clone());
        (recording.side, recording.frame)
    }

    /// The witness is given an authentic frame.
    pub(super) fn note_heard(
        &mut self,
        host: usize,
        now: Instant,
        number: (Generation, Sequence),
        message: &Message,
    ) {
        let of = &mut self.hosts[host];
        of.heard = Some((now, message.phase == Phase::Left));
        of.newest = of.newest.max(Some(number));
        of.may_be_reset |= matches!(message.asks.watch, Some(Watch::Arm(_)));
        let fires = |ask: heartline_core::witness::FenceAsk| ask.stage == Stage::Fire;
        self.hosts[1 - host].may_be_reset |= message.asks.fence.is_some_and(fires);
    }

    /// Whether this life of the witness has been given a frame of the host that is at least as new.
    pub(super) fn is_old(&self, host: usize, number: (Generation, Sequence)) -> bool {
        self.hosts[host].newest.is_some_and(|newest| number <= newest)
    }

    /// The newest frame of the host that this life of the witness was given.
    pub(super) const fn newest(&self, host: usize) -> Option<(Generation, Sequence)> {
        self.hosts[host].newest
    }

    pub(super) const fn truth(&self, host: usize) -> (Generation, Sequence) {
        (Generation(self.hosts[host].generation), Sequence(self.hosts[host].sequence))
    }

    /// Whether this life of the witness was asked to watch over one of them, or by one to reset the other.
    pub(super) fn have_asked_for_a_reset(&self) -> bool {
        self.hosts.iter().any(|host| host.may_be_reset)
    }

    /// Holds what the witness has just done against what it was told.
    pub(super) fn judge(&mut self, now: Instant, pulled: [bool; HOSTS], deeds: &[Deed]) {
        let of = |name: NodeId| NAMES.iter().position(|own| id(own) == name).expect("a deed is about a host");
        for deed in deeds {
            match *deed {
                Deed::Reset(host, ..) => {
                    let lives = self.at_pull.iter().flatten().filter_map(|lives| lives[of(host)]);
                    self.hosts[of(host)].ended = lives.max();
                }
                Deed::LineBelied(host) => self.hosts[of(host)].ended = None,
                Deed::Voted(to, epoch) => self.judge_vote(now, of(to), epoch),
                _ => {}
            }
        }
        let lives = [0, 1].map(|host: usize| self.hosts[host].newest.map(|(life, _)| life));
        for (at_pull, is_pulled) in self.at_pull.iter_mut().zip(pulled) {
            *at_pull = is_pulled.then(|| at_pull.unwrap_or(lives));
        }
    }

    /// One vote for each epoch, one epoch after the other, and none for a host whose peer is there.
    fn judge_vote(&mut self, now: Instant, to: usize, epoch: Epoch) {
        assert_eq!(epoch, self.voted.next(), "an epoch has two votes, or none");
        self.voted = epoch;
        assert!(self.lied || !self.hosts[1 - to].is_there(now), "a vote for a host whose peer is heard");
    }
}

impl Host {
    /// Whether it was heard so recently that nobody may hold it for dead, has not left, and not in a life that was reset:
    /// what still comes of that was under way.
    fn is_there(&self, now: Instant) -> bool {
        let is_ended = self.ended.is_some_and(|ended| self.newest.is_some_and(|(life, _)| life <= ended));
        let is_heard =
            |(heard, left): (Instant, bool)| !left && now.since(heard) < Duration::from_millis(2 * KEEPALIVE);
        !is_ended && self.heard.is_some_and(is_heard)
    }
}

pub(super) fn confirmation(name: &str, (generation, sequence): (Generation, Sequence)) -> Heard {
    Heard::new(id(name), generation, sequence, LinkSet(1))
}

/// What a host says that has nothing to say.
pub(super) fn message(phase: Phase) -> Message {
    Message {
        phase,
        keepalive: Duration::from_millis(KEEPALIVE),
        deadtime: Duration::from_millis(DEADTIME),
        maintenance: Maintenance::default(),
        ..Message::blank()
    }
}

pub(super) fn sealed(
    host: usize,
    (generation, sequence): (Generation, Sequence),
    message: &Message,
    keys: &KeyRing,
) -> Bytes {
    let header = Header { key: keys.signing(), sender: id(NAMES[host]), generation, sequence };
    let mut frame = Bytes::new();
    header.begin(&mut frame).expect("every header fits");
    message.encode(&mut frame).expect("a short message");
    keys.close(CLUSTER, &mut frame).expect("there is room for the tag");
    frame
}
