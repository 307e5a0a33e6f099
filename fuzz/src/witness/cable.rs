//! The firmware between two lines, its flash, and what it said last.

use std::sync::OnceLock;

use heartline_bridge::store::{PAGE_BYTES, PageError, Pages, Store};
use heartline_bridge::{Bridge, journal};
use heartline_core::framing::{self, Deframer};
use heartline_core::ids::{Generation, Sequence};
use heartline_core::limits::MAX_FRAME;
use heartline_core::message::Message;
use heartline_core::provision::{Answer, Provision, Request, Sense, Wiring};
use heartline_core::seal::KeyRing;
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{Deed, HOSTS, Side, StartCause, Vote, Word};

use super::Kept;
use super::hosts::{self, DEADTIME, KEEPALIVE, NAMES};
use crate::setting::CLUSTER;
use crate::without_allocation;

/// Two pages in memory.
#[derive(Debug, Clone)]
pub(super) struct Flash([[u8; PAGE_BYTES]; 2]);

impl Pages for &mut Flash {
    fn read(&mut self, page: usize, out: &mut [u8; PAGE_BYTES]) -> Result<(), PageError> {
        *out = self.0[page];
        Ok(())
    }

    fn rewrite(&mut self, page: usize, bytes: &[u8]) -> Result<(), PageError> {
        self.0[page][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

impl Flash {
    /// That of a witness with settings and keys; `sense` says how its power senses are wired.
    pub(super) fn provisioned(sense: u8) -> Self {
        static OF_EACH_KIND: [OnceLock<Flash>; 3] = [const { OnceLock::new() }; 3];
        let kind = usize::from(sense) % OF_EACH_KIND.len();
        let given = || {
            let mut flash = Self([[0xff; PAGE_BYTES]; 2]);
            let mut memory = [0; journal::BYTES];
            let store = Store::begin_life(&mut flash).expect("its pages can be written");
            let mut bridge = Bridge::new(store, &mut memory, Instant::ZERO);
            bridge.begin(Instant::ZERO, StartCause::PowerOn);
            let settings = settings([Sense::Power, Sense::NotWired, Sense::ReadBack][kind]);
            let frame = Request::give(&settings, &hosts::keys(), None).expect("settings of a witness");
            bridge.receive(Instant::ZERO, Side::A, &on_the_line(&frame));
            assert!(bridge.wants_restart() || !bridge.outgoing(Side::A).is_empty(), "it was given its keys");
            flash
        };
        OF_EACH_KIND[kind].get_or_init(given).clone()
    }
}

/// The settings of the witness.
pub(super) fn settings(sense: Sense) -> Provision {
    let wiring = Wiring { pull: Duration::from_millis(500), sense };
    Provision {
        count: 1,
        cluster: CLUSTER.try_into().expect("a short name"),
        witness: hosts::id("dongle"),
        hosts: NAMES.map(hosts::id),
        keepalive: Duration::from_millis(KEEPALIVE),
        deadtime: Duration::from_millis(DEADTIME),
        baud: 19_200,
        wiring: [wiring, wiring],
    }
}

/// The bytes of a frame on the line.
pub(super) fn on_the_line(frame: &[u8]) -> Vec<u8> {
    let mut out = vec![0; framing::encoded_bytes_max(frame.len())];
    let length = framing::encode(frame, &mut out).expect("there is room");
    out.truncate(length);
    out
}

#[derive(Debug)]
pub(super) struct Cable<'m> {
    bridge: Bridge<'m, &'m mut Flash>,
    keys: KeyRing,
    lines: [Deframer<MAX_FRAME>; HOSTS],
    /// What it said last, but for what it tells in turn.
    pub(super) word: Option<Word>,
    /// Its newest frame.
    pub(super) newest: Option<(Generation, Sequence)>,
    /// That frame.
    pub(super) said: Vec<u8>,
    /// The number of the newest deed in its journal that was looked at.
    seen: u32,
}

impl<'m> Cable<'m> {
    pub(super) fn start(kept: &'m mut Kept, now: Instant, cause: StartCause) -> Self {
        let store = Store::begin_life(&mut kept.flash).expect("its pages can be written");
        let mut bridge = Bridge::new(store, &mut kept.journal, now);
        bridge.begin(now, cause);
        let seen = bridge.journal().newest().expect("it has noted its start");
        let lines = [Deframer::new(), Deframer::new()];
        Self { bridge, keys: hosts::keys(), lines, word: None, newest: None, said: Vec::new(), seen }
    }

    /// What it has done since this was asked last, oldest first.
    pub(super) fn new_deeds(&mut self, now: Instant) -> Vec<Deed> {
        let journal = self.bridge.journal();
        let deeds: Vec<_> = journal.deeds(now).filter(|past| past.number > self.seen).collect();
        self.seen = deeds.last().map_or(self.seen, |past| past.number);
        deeds.into_iter().map(|past| past.deed).collect()
    }

    /// A whole frame comes in at one side.
    pub(super) fn hear(&mut self, now: Instant, side: Side, frame: &[u8]) {
        self.receive(now, side, &on_the_line(frame));
    }

    pub(super) fn receive(&mut self, now: Instant, side: Side, bytes: &[u8]) {
        without_allocation(|| self.bridge.receive(now, side, bytes));
        self.drain();
    }

    pub(super) fn turn(&mut self, now: Instant, power: [bool; HOSTS]) {
        without_allocation(|| {
            for side in Side::ALL {
                self.bridge.sense(now, side, power[side.index()]);
            }
            self.bridge.pass_time(now);
        });
        self.drain();
    }

    /// Takes what goes out: authentic frames and answers to who asks for them, and nothing else.
    fn drain(&mut self) {
        for side in Side::ALL {
            let bytes = self.bridge.outgoing(side).to_vec();
            self.bridge.sent(side, bytes.len());
            self.lines[side.index()].feed(&bytes, |frame| {
                let frame = frame.expect("only frames go out");
                let Ok((header, body)) = self.keys.open(CLUSTER, frame) else {
                    Answer::read(frame).expect("garbage has crossed");
                    return;
                };
                let own = Message::decode(body).ok().and_then(|message| message.witness);
                let number = (header.generation, header.sequence);
                if let Some(word) = own
                    && header.sender == hosts::id("dongle")
                    && self.newest.is_none_or(|newest| number > newest)
                {
                    self.newest = Some(number);
                    self.word = Some(Word { detail: None, ..word });
                    self.said = frame.to_vec();
                }
            });
        }
    }

    pub(super) fn pulled(&self) -> [bool; HOSTS] {
        Side::ALL.map(|side| self.bridge.is_pulled(side))
    }

    pub(super) fn vote(&self) -> Vote {
        self.word.as_ref().map_or_else(Vote::default, |word| word.vote)
    }

    pub(super) fn next_deadline(&self) -> Instant {
        self.bridge.next_deadline().expect("it has keys")
    }
}
