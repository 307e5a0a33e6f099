//! Heartbeats of the witness: every keepalive, and at once when what they say has changed or a host waits for it.

use heartline_core::frame::{Bytes, FrameError, Header};
use heartline_core::heard::Heard;
use heartline_core::ids::{LinkSet, Sequence};
use heartline_core::maintenance::Maintenance;
use heartline_core::message::{Message, Phase};
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{
    Asks, Counters, Detail, FenceWord, Firmware, HOSTS, HostWord, Reset, Side, Vote, Word,
};

use crate::FIRMWARE;
use crate::journal::Journal;
use crate::witness::Witness;

/// Heartbeats out of turn within one keepalive: the line of 19200 baud has room for them.
const MAX_UNSCHEDULED: u8 = 4;

/// What was said last, and what is to be said next.
#[derive(Debug, Clone)]
pub(crate) struct Speech {
    next_heartbeat: Instant,
    spoke_at: Instant,
    said: Option<Gist>,
    owes_answer: bool,
    /// Heartbeats sent out of turn in this turn.
    unscheduled: u8,
    /// Which detail is next.
    turn: u32,
    /// The newest deed that was told when it was new.
    told: Option<u32>,
}

/// What changes a heartbeat at once, without what passes with time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gist {
    heard: [bool; HOSTS],
    hosts: [HostWord; HOSTS],
    vote: Vote,
    fences: [Option<FenceWord>; HOSTS],
}

impl Speech {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            next_heartbeat: now,
            spoke_at: now,
            said: None,
            owes_answer: false,
            unscheduled: 0,
            turn: 0,
            told: None,
        }
    }

    pub(crate) const fn owe_answer(&mut self) {
        self.owes_answer = true;
    }

    pub(crate) const fn next_heartbeat(&self) -> Instant {
        self.next_heartbeat
    }

    /// Whether a change may be said before the next heartbeat is due.
    pub(crate) const fn may_speak_early(&self) -> bool {
        self.unscheduled < MAX_UNSCHEDULED
    }

    pub(crate) const fn spoke_at(&self) -> Instant {
        self.spoke_at
    }
}

impl Witness {
    /// Writes the heartbeat that is due, if one is. It goes out at both sides.
    pub fn speak(
        &mut self,
        now: Instant,
        journal: &Journal<'_>,
        counters: &[Counters; HOSTS],
        frame: &mut Bytes,
    ) -> bool {
        let is_scheduled = now >= self.speech.next_heartbeat;
        let gist = self.gist(now);
        let wanted = self.speech.owes_answer || self.speech.said.as_ref() != Some(&gist);
        let out_of_turn = wanted && self.speech.may_speak_early();
        if !is_scheduled && !out_of_turn {
            return false;
        }
        if is_scheduled {
            self.speech.next_heartbeat = now + self.settings.keepalive;
            self.speech.unscheduled = 0;
        } else {
            self.speech.unscheduled += 1;
        }
        self.speech.owes_answer = false;
        self.speech.spoke_at = now;
        self.sequence = self.sequence.next();
        // What happens beside the beat is not held up by details.
        let detail = if is_scheduled { self.next_detail(now, journal, counters) } else { None };
        let written = self.write(now, &gist, detail, frame).is_ok();
        self.speech.said = Some(gist);
        written
    }

    fn write(
        &self,
        now: Instant,
        gist: &Gist,
        detail: Option<Detail>,
        frame: &mut Bytes,
    ) -> Result<(), FrameError> {
        let header = Header {
            key: self.keys.signing(),
            sender: self.settings.witness,
            generation: self.generation,
            sequence: self.sequence,
        };
        header.begin(frame)?;
        self.write_message(now, gist, detail, frame)?;
        self.keys.close(&self.settings.cluster, frame)
    }

    // Apart, as in `Witness::read`.
    #[inline(never)]
    fn write_message(
        &self,
        now: Instant,
        gist: &Gist,
        detail: Option<Detail>,
        frame: &mut Bytes,
    ) -> Result<(), FrameError> {
        self.message(now, gist, detail).encode(frame)
    }

    fn message(&self, now: Instant, gist: &Gist, detail: Option<Detail>) -> Message {
        let with_time =
            |(word, host): (&HostWord, &crate::host::Host)| HostWord { reset: host.reset_word(now), ..*word };
        Message {
            phase: Phase::Active,
            watchdog: None,
            pings: 0,
            keepalive: self.settings.keepalive,
            deadtime: self.settings.deadtime,
            digest: [0; 4],
            heard: self.heard(&gist.heard),
            groups: heapless::Vec::new(),
            lines: heapless::Vec::new(),
            fenced: heapless::Vec::new(),
            maintenance: Maintenance::default(),
            restarting: false,
            asks: Asks::default(),
            witness: Some(Word {
                uptime: now.since(self.started),
                hosts: gist.hosts.iter().zip(&self.hosts).map(with_time).collect(),
                vote: gist.vote,
                fences: gist.fences.iter().flatten().copied().collect(),
                detail,
            }),
        }
    }

    fn heard<const N: usize>(&self, heard: &[bool; HOSTS]) -> heapless::Vec<Heard, N> {
        let word = |(host, is_heard): (&crate::host::Host, &bool)| {
            let links = if *is_heard { LinkSet(1) } else { LinkSet::EMPTY };
            Some(Heard::new(host.id, host.freshness.generation()?, host.freshness.newest()?, links))
        };
        self.hosts.iter().zip(heard).filter_map(word).collect()
    }

    fn gist(&self, now: Instant) -> Gist {
        let word = |at: usize| HostWord {
            host: self.hosts[at].id,
            side: self.hosts[at].side,
            power: self.power_of(at),
            watch: self.watchdogs[at].state(),
            reset: self.hosts[at].ended.map(|ended| Reset {
                generation: ended.generation,
                cause: ended.cause,
                ago: Duration::ZERO,
            }),
        };
        Gist {
            heard: [0, 1].map(|at: usize| self.hosts[at].is_heard(now, self.power_of(at))),
            hosts: [word(0), word(1)],
            vote: self.vote,
            fences: *self.fences.words(),
        }
    }

    /// A deed that is new comes first; then firmware, both counters, and the deeds that are remembered, in turn.
    fn next_detail(
        &mut self,
        now: Instant,
        journal: &Journal<'_>,
        counters: &[Counters; HOSTS],
    ) -> Option<Detail> {
        let newest = journal.newest();
        if newest.is_some() && newest != self.speech.told {
            self.speech.told = newest;
            return journal.deed(now, newest?).map(Detail::Deed);
        }
        let turn = self.speech.turn;
        self.speech.turn = turn.wrapping_add(1);
        let [a, b] = Side::ALL.map(|side| Detail::Counters(side, counters[side.index()]));
        // Every second detail is a deed, from the newest back.
        let back = turn / 2 % u32::try_from(heartline_core::witness::DEEDS).unwrap_or(1);
        let deed = newest.and_then(|newest| journal.deed(now, newest.wrapping_sub(back)));
        Some(match (turn % 2, deed, turn / 2 % 3) {
            (1, Some(deed), _) => Detail::Deed(deed),
            (_, _, 0) => Detail::Firmware(Firmware { version: FIRMWARE, provision: self.settings.count }),
            (_, _, 1) => a,
            (_, _, _) => b,
        })
    }

    /// The number of its newest frame.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }
}
