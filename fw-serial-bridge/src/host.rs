//! One of the two hosts, as the witness knows it: when it was heard, where, and what the other one says of it. No
//! decisions.

use heartline_core::freshness::Freshness;
use heartline_core::heard::Heard;
use heartline_core::ids::{Generation, NodeId, Sequence};
use heartline_core::message::{Message, Phase};
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{Power, Reset, ResetCause, Side};

/// A host that was let go so recently may still have bytes of its former life under way.
const STRAGGLERS: Duration = Duration::from_millis(500);

#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) id: NodeId,
    pub(crate) freshness: Freshness,
    /// When a fresh frame of it last came, in its present life.
    pub(crate) heard: Option<Instant>,
    /// When it last gave a sign of life: a frame of its own, or the other's word that it heard a later one than before.
    pub(crate) alive_at: Option<Instant>,
    /// Where it is heard.
    pub(crate) side: Option<Side>,
    pub(crate) keepalive: Duration,
    pub(crate) deadtime: Duration,
    pub(crate) phase: Phase,
    /// Its newest frame that the other has heard: the low bytes of generation and number.
    testified: Option<(u8, u16)>,
    pub(crate) ended: Option<Ended>,
}

/// A life that was ended by the reset line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) generation: Generation,
    pub(crate) cause: ResetCause,
    pub(crate) at: Instant,
    /// Our first frame that told a later life of it.
    told_from: Option<Sequence>,
}

impl Host {
    pub(crate) fn new(id: NodeId, keepalive: Duration, deadtime: Duration) -> Self {
        Self {
            id,
            freshness: Freshness::default(),
            heard: None,
            alive_at: None,
            side: None,
            keepalive,
            deadtime,
            phase: Phase::Starting,
            testified: None,
            ended: None,
        }
    }

    /// Whether it is heard: not longer ago than it wants to be held for alive, and not in a life that was ended.
    pub(crate) fn is_heard(&self, now: Instant, power: Power) -> bool {
        self.silent_at(power).is_some_and(|at| now < at)
    }

    /// When it will not be heard any more, unless it speaks. Without power it is borne for two heartbeats.
    pub(crate) fn silent_at(&self, power: Power) -> Option<Instant> {
        let patience = self.keepalive.times(2).min(self.deadtime);
        let patience = if power == Power::Off { patience } else { self.deadtime };
        self.heard.filter(|_| !self.is_ended()).map(|heard| heard + patience)
    }

    /// Whether what was last heard of it belongs to a life that the reset line has ended.
    fn is_ended(&self) -> bool {
        self.ended.is_some_and(|ended| {
            self.generation() <= ended.generation
                && self.heard.is_some_and(|heard| heard <= ended.at + STRAGGLERS)
        })
    }

    pub(crate) fn generation(&self) -> Generation {
        self.freshness.generation().unwrap_or_default()
    }

    /// Takes over what a fresh frame says of its sender.
    pub(crate) fn take_word(&mut self, now: Instant, side: Side, message: &Message) {
        self.heard = Some(now);
        self.alive_at = Some(now);
        self.side = Some(side);
        self.keepalive = message.keepalive;
        self.deadtime = message.deadtime;
        self.phase = message.phase;
    }

    /// Takes in what the other host says of this one: a sign of life, if it has heard a later frame than before.
    pub(crate) fn take_testimony(&mut self, now: Instant, heard: &Heard) {
        let newest = (heard.generation, heard.sequence);
        let is_later = match self.testified {
            _ if heard.links.is_empty() => return,
            Some((generation, sequence)) if generation == heard.generation => {
                (1..=u16::MAX / 2).contains(&heard.sequence.wrapping_sub(sequence))
            }
            Some(_) | None => true,
        };
        if is_later {
            self.testified = Some(newest);
            self.alive_at = Some(now);
        }
    }

    /// The line was let go that had been pulled in this life of it. A later one that spoke meanwhile goes on.
    pub(crate) const fn end_life(&mut self, now: Instant, generation: Generation, cause: ResetCause) {
        self.ended = Some(Ended { generation, cause, at: now, told_from: None });
    }

    /// Whether it speaks in a life that was ended: the line does not do what it should.
    pub(crate) fn belies_its_end(&self, now: Instant) -> bool {
        self.ended.is_some_and(|ended| {
            self.freshness.generation() == Some(ended.generation) && now >= ended.at + STRAGGLERS
        })
    }

    /// A later life of it is told how the former ended, by our next frame and all that follow, until it confirms one.
    pub(crate) fn tell_end(&mut self, next: Sequence, confirmed: Option<Sequence>) {
        let generation = self.generation();
        let Some(ended) = self.ended.as_mut().filter(|ended| ended.generation < generation) else { return };
        let told_from = *ended.told_from.get_or_insert(next);
        if confirmed.is_some_and(|confirmed| confirmed >= told_from) {
            self.ended = None;
        }
    }

    pub(crate) fn reset_word(&self, now: Instant) -> Option<Reset> {
        let ended = self.ended?;
        Some(Reset { generation: ended.generation, cause: ended.cause, ago: now.since(ended.at) })
    }
}
