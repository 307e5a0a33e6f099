//! Ping nodes: which of them answer, and how many count for the bids. The count changes only after it has held for a
//! while, for both nodes lose a router at slightly different moments and nothing should move for that.

use core::hash::{Hash, Hasher};

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::effect::Effects;
use crate::ids::PingIndex;
use crate::limits::MAX_PINGS;
use crate::notice::Notice;
use crate::time::Instant;

/// Whether a ping node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PingState {
    /// Not heard yet and its dead time since our start is not over: given the benefit of the doubt.
    Unheard,
    /// Answers.
    Up,
    /// Does not answer.
    Dead,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pings {
    all: Vec<Ping, MAX_PINGS>,
    counted: u8,
    /// Another count, and since when it has held.
    candidate: Option<(u8, Instant)>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Ping {
    state: PingState,
    /// From when its silence counts: its last answer, our start, or the end of a stall of ours.
    heard: Instant,
    answered: Option<Instant>,
}

impl Pings {
    pub(super) fn new(number: usize, now: Instant) -> Self {
        let all: Vec<Ping, MAX_PINGS> =
            (0..number).map(|_| Ping { state: PingState::Unheard, heard: now, answered: None }).collect();
        let counted = count(&all);
        Self { all, counted, candidate: None }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn state(&self, ping: PingIndex) -> PingState {
        self.all.get(usize::from(ping.0)).map_or(PingState::Dead, |ping| ping.state)
    }

    pub(super) fn last_answer(&self, ping: PingIndex) -> Option<Instant> {
        self.all.get(usize::from(ping.0))?.answered
    }

    /// How many count for the bids.
    pub(super) const fn counted(&self) -> u8 {
        self.counted
    }

    pub(super) fn answered(&mut self, now: Instant, index: PingIndex, effects: &mut Effects) {
        let Some(ping) = self.all.get_mut(usize::from(index.0)) else { return };
        ping.heard = now;
        ping.answered = Some(now);
        if ping.state != PingState::Up {
            ping.state = PingState::Up;
            effects.say(Notice::PingUp(index));
        }
    }

    pub(super) fn judge_silence(&mut self, now: Instant, config: &Config, effects: &mut Effects) {
        for (at, ping) in (0u8..).zip(&mut self.all) {
            if ping.state != PingState::Dead && now >= ping.heard + config.intervals.deadping {
                ping.state = PingState::Dead;
                effects.say(Notice::PingDead(PingIndex(at)));
            }
        }
    }

    /// Fewer count after two keepalives, as in the original's ipfail; more count after the dead time.
    pub(super) fn weigh(&mut self, now: Instant, config: &Config, effects: &mut Effects) {
        let present = count(&self.all);
        if present == self.counted {
            self.candidate = None;
            return;
        }
        match self.candidate {
            Some((candidate, _)) if candidate == present => {}
            _ => self.candidate = Some((present, now)),
        }
        if self.weigh_at(config).is_some_and(|due| now >= due) {
            self.counted = present;
            self.candidate = None;
            effects.say(Notice::PingsCount(present));
        }
    }

    fn weigh_at(&self, config: &Config) -> Option<Instant> {
        let (candidate, since) = self.candidate?;
        let hold = if candidate < self.counted {
            config.intervals.keepalive.times(2)
        } else {
            config.intervals.deadtime
        };
        Some(since + hold)
    }

    pub(super) fn next_deadline(&self, config: &Config) -> Option<Instant> {
        let alive = self.all.iter().filter(|ping| ping.state != PingState::Dead);
        let silence = alive.map(|ping| ping.heard + config.intervals.deadping).min();
        [silence, self.weigh_at(config)].into_iter().flatten().min()
    }

    /// What matters for the future, times as what is left of them.
    pub(super) fn hash_future(&self, now: Instant, config: &Config, hasher: &mut impl Hasher) {
        for ping in &self.all {
            (ping.state, (ping.heard + config.intervals.deadping).since(now)).hash(hasher);
        }
        (self.counted, self.candidate.map(|(count, _)| count)).hash(hasher);
        self.weigh_at(config).map(|due| due.since(now)).hash(hasher);
    }

    /// Our own stall is no silence of theirs.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.all.iter_mut().for_each(|ping| ping.heard = now);
    }
}

fn count(all: &[Ping]) -> u8 {
    // At most MAX_PINGS, which is below 256.
    u8::try_from(all.iter().filter(|ping| ping.state != PingState::Dead).count()).unwrap_or(u8::MAX)
}
