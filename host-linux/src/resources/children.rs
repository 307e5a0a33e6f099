//! The children that run at the moment, one for each owner, with their tokens in the main loop.
//! All who run programs for the daemon use it; it decides nothing.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::child::{Child, End, GRACE, Invocation, Stream};
use super::drain::Drains;
use super::environment::Environment;
use super::ledger::Ledger;

/// So many children may run at once.
const CHILDREN_MAX: usize = 128;

/// The children of one part of the daemon.
#[derive(Debug)]
pub(crate) struct Children {
    registry: Registry,
    first_token: usize,
    slots: Vec<Option<(u32, Child)>>,
    /// Outlived SIGKILL; only to be reaped one day.
    unkillable: Vec<std::process::Child>,
    drains: Drains,
    lines: Vec<Line>,
    ended: Vec<Ended>,
    /// Where those are written down that must not outlive this daemon.
    ledger: Option<Ledger>,
}

/// A line that a child wrote, or how many were not passed on.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) owner: u32,
    pub(crate) pid: u32,
    pub(crate) text: LineText,
}

#[derive(Debug)]
pub(crate) enum LineText {
    Written(Stream, String),
    LeftOut(u64),
}

/// A child that is no more.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) owner: u32,
    pub(crate) end: End,
    /// Its captured standard output.
    pub(crate) output: Vec<u8>,
    /// The last line of its standard error, or nothing.
    pub(crate) complaint: String,
}

impl Children {
    /// The number of tokens that are used, beginning with the first.
    pub(crate) const TOKENS: usize = 2 * CHILDREN_MAX;

    pub(crate) fn new(registry: Registry, first_token: usize, ledger: Option<Ledger>) -> Self {
        Self {
            registry,
            first_token,
            slots: Vec::new(),
            unkillable: Vec::new(),
            drains: Drains::default(),
            lines: Vec::new(),
            ended: Vec::new(),
            ledger,
        }
    }

    /// Starts a child.
    pub(crate) fn spawn(
        &mut self,
        owner: u32,
        invocation: &Invocation,
        environment: &Environment,
        now: Instant,
    ) -> io::Result<()> {
        let slot = match self.slots.iter().position(Option::is_none) {
            Some(free) => free,
            None if self.slots.len() < CHILDREN_MAX => {
                self.slots.push(None);
                self.slots.len() - 1
            }
            None => return Err(io::Error::other(format!("{CHILDREN_MAX} children run already"))),
        };
        let token = self.first_token + 2 * slot;
        let tokens = [Token(token), Token(token + 1)];
        let child = Child::spawn(invocation, environment, &self.registry, tokens, now)?;
        if let Some(ledger) = &self.ledger {
            ledger.enter(child.pid());
        }
        self.slots[slot] = Some((owner, child));
        Ok(())
    }

    /// The process id of an owner's child, if there is one.
    pub(crate) fn pid(&self, owner: u32) -> Option<u32> {
        self.slots.iter().flatten().find(|(of, _)| *of == owner).map(|(_, child)| child.pid())
    }

    /// Sends an owner's child away, if there is one.
    pub(crate) fn cancel(&mut self, owner: u32, now: Instant) -> bool {
        self.cancel_within(owner, GRACE, now)
    }

    /// As [`Self::cancel`], with so much time between SIGTERM and SIGKILL.
    pub(crate) fn cancel_within(&mut self, owner: u32, grace: Duration, now: Instant) -> bool {
        let child = self.slots.iter_mut().flatten().find(|(of, _)| *of == owner);
        if let Some((_, child)) = child {
            child.cancel(grace, now);
            return true;
        }
        false
    }

    /// Reads a stream that has become readable. False if the token is none of these children's.
    pub(crate) fn ready(&mut self, token: Token, now: Instant) -> bool {
        let Some(offset) = token.0.checked_sub(self.first_token).filter(|offset| *offset < Self::TOKENS)
        else {
            return false;
        };
        let stream = if offset % 2 == 0 { Stream::Stdout } else { Stream::Stderr };
        // An event may be of a child that was reaped a moment ago.
        if self.slots.get(offset / 2).is_some_and(Option::is_some) {
            self.read(offset / 2, stream, now);
        }
        true
    }

    /// Reaps those children that have ended, by their process ids: other children of this process are not ours.
    pub(crate) fn reap(&mut self, now: Instant) {
        self.drains.reap();
        self.unkillable.retain_mut(|process| matches!(process.try_wait(), Ok(None)));
        for slot in 0..self.slots.len() {
            let Some((_, child)) = &mut self.slots[slot] else { continue };
            match child.reap() {
                Ok(None) => {}
                Ok(Some(end)) => self.remove(slot, end, now),
                // Somebody else has reaped it: how it ended is not known, that it ended is.
                Err(_) => self.remove(slot, End::Signalled(0), now),
            }
        }
    }

    /// Acts on the time limits.
    pub(crate) fn tick(&mut self, now: Instant) {
        for slot in 0..self.slots.len() {
            let Some((_, child)) = &mut self.slots[slot] else { continue };
            let outlived = child.enforce_limits(now);
            for stream in child.resumable(now) {
                self.read(slot, stream, now);
            }
            if let Some(end) = outlived {
                self.remove(slot, end, now);
            }
        }
    }

    /// When `tick` is due at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.slots.iter().flatten().map(|(_, child)| child.deadline()).min()
    }

    /// What the children wrote since the last question.
    pub(crate) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// The children that ended since the last question.
    pub(crate) fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    fn read(&mut self, slot: usize, stream: Stream, now: Instant) {
        let Some((owner, child)) = &mut self.slots[slot] else { return };
        let (owner, pid) = (*owner, child.pid());
        let lines = &mut self.lines;
        child.read(stream, &self.registry, now, |stream, text| {
            lines.push(Line { owner, pid, text: LineText::Written(stream, text) });
        });
    }

    fn remove(&mut self, slot: usize, end: End, now: Instant) {
        let Some((owner, mut child)) = self.slots[slot].take() else { return };
        let pid = child.pid();
        if let Some(ledger) = &self.ledger {
            ledger.strike(pid);
        }
        let lines = &mut self.lines;
        let held = child.close(&self.registry, now, |stream, text| {
            lines.push(Line { owner, pid, text: LineText::Written(stream, text) });
        });
        held.into_iter().for_each(|stream| self.drains.begin(stream));
        let dropped = child.dropped_lines();
        if dropped > 0 {
            lines.push(Line { owner, pid, text: LineText::LeftOut(dropped) });
        }
        let (mut process, output, complaint) = child.into_words();
        if matches!(process.try_wait(), Ok(None)) {
            self.unkillable.push(process);
        }
        self.ended.push(Ended { owner, end, output, complaint });
    }
}
