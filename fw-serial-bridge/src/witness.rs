//! The witness as a member of its cluster: whom it hears, what it is asked and what it does about it. Frames come in
//! and go out as bytes; time, power senses and the journal are passed in, and the reset lines are read off it. It touches
//! no hardware, so that it is the same in a simulator.

use heartline_core::frame::Header;
use heartline_core::freshness::Verdict;
use heartline_core::heard::Heard;
use heartline_core::ids::{Generation, NodeId, Sequence};
use heartline_core::message::{Message, Phase};
use heartline_core::provision::{Provision, WitnessKeys};
use heartline_core::time::Instant;
use heartline_core::witness::{
    Asks, Deed, FenceRefusal, HOSTS, Power, ResetCause, Side, StartCause, Vote, Watch,
};

use crate::fence::{Fences, Target, Verdict as FenceVerdict};
use crate::host::Host;
use crate::journal::Journal;
use crate::power_sense::PowerSense;
use crate::reset_line::{Pulled, ResetLine};
use crate::speak::Speech;
use crate::watchdog::{Judgement, Watchdog};

/// One life of a provisioned witness.
#[derive(Debug, Clone)]
pub struct Witness {
    pub(crate) settings: Provision,
    pub(crate) keys: WitnessKeys,
    pub(crate) generation: Generation,
    /// Of the newest frame sent.
    pub(crate) sequence: Sequence,
    pub(crate) started: Instant,
    pub(crate) hosts: [Host; HOSTS],
    pub(crate) watchdogs: [Watchdog; HOSTS],
    pub(crate) fences: Fences,
    pub(crate) vote: Vote,
    /// By side.
    lines: [ResetLine; HOSTS],
    pub(crate) senses: [PowerSense; HOSTS],
    /// Whose line is pulled at each side, which life of it that ends, and why.
    pulling: [Option<(usize, Generation, ResetCause)>; HOSTS],
    pub(crate) speech: Speech,
}

/// What a frame is to the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It is authentic, and goes on to the other side.
    Forward,
    /// It is ours, come back: it goes nowhere.
    Ours,
    /// It is damaged or forged: it goes nowhere.
    Bad,
}

impl Witness {
    /// A witness at its start. `generation` must be greater than in every earlier life and be stored durably before.
    #[must_use]
    pub fn new(settings: Provision, keys: WitnessKeys, generation: Generation, now: Instant) -> Self {
        let host = |id| Host::new(id, settings.keepalive, settings.deadtime);
        let [first, second] = settings.hosts;
        let [a, b] = settings.wiring;
        Self {
            hosts: [host(first), host(second)],
            watchdogs: Default::default(),
            fences: Fences::default(),
            vote: Vote::default(),
            lines: [ResetLine::new(a), ResetLine::new(b)],
            senses: [PowerSense::new(a.sense), PowerSense::new(b.sense)],
            pulling: [None; HOSTS],
            speech: Speech::new(now),
            generation,
            sequence: Sequence(0),
            started: now,
            settings,
            keys,
        }
    }

    /// Its keys.
    #[must_use]
    pub const fn keys(&self) -> &WitnessKeys {
        &self.keys
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &Provision {
        &self.settings
    }

    /// Notes why it started.
    pub fn note_start(&self, now: Instant, cause: StartCause, journal: &mut Journal<'_>) {
        journal.note(now, Deed::Started(cause));
    }

    /// Takes in a frame that came at one side, and says what becomes of it.
    pub fn hear(&mut self, now: Instant, side: Side, frame: &[u8], journal: &mut Journal<'_>) -> Passage {
        let Ok((header, body)) = self.keys.open(&self.settings.cluster, frame) else {
            return if planted!(WitnessBridgesGarbage) { Passage::Forward } else { Passage::Bad };
        };
        if header.sender == self.settings.witness {
            return Passage::Ours;
        }
        let from = self.hosts.iter().position(|host| host.id == header.sender);
        if let Some(from) = from {
            self.read(now, side, from, &header, body, journal);
        }
        Passage::Forward
    }

    // Apart, since neither message nor the work of a check leave room for the other on a small stack.
    #[inline(never)]
    fn read(
        &mut self,
        now: Instant,
        side: Side,
        from: usize,
        header: &Header,
        body: &[u8],
        journal: &mut Journal<'_>,
    ) {
        // What a later version says cannot be read here, and need not be, to be passed on.
        let mut message = Message::blank();
        if message.read(body).is_ok() {
            self.take_in(now, side, from, header, &message, journal);
        }
    }

    fn take_in(
        &mut self,
        now: Instant,
        side: Side,
        from: usize,
        header: &Header,
        message: &Message,
        journal: &mut Journal<'_>,
    ) {
        let host = &mut self.hosts[from];
        match host.freshness.admit(header.generation, header.sequence) {
            Verdict::FirstContact | Verdict::Restarted => {
                self.fences.forget(from);
                // It cannot go on before it knows that it is heard.
                self.speech.owe_answer();
            }
            Verdict::News => {}
            // On this line no frame overtakes another, so one that comes late is none that its sender sends now.
            Verdict::Late | Verdict::Copy | Verdict::OldGeneration | Verdict::OutsideWindow => return,
        }
        // As the hosts do, so that they need its old key no longer than each other's.
        self.keys.sign_with(header.key);
        if message.phase == Phase::Left && host.phase != Phase::Left {
            self.speech.owe_answer();
        }
        host.take_word(now, side, message);
        if planted!(WitnessFedByOther) {
            self.hosts.iter_mut().for_each(|host| host.alive_at = Some(now));
        }
        let host = &mut self.hosts[from];
        if host.belies_its_end(now) {
            host.ended = None;
            journal.note(now, Deed::LineBelied(host.id));
        }
        let other = &mut self.hosts[1 - from];
        if other.side == Some(side) {
            // The cables were exchanged.
            other.side = None;
        }
        if let Some(heard) = message.heard.iter().find(|heard| heard.member == other.id)
            && !planted!(WitnessTestimonyIgnored)
        {
            other.take_testimony(now, heard);
        }
        self.watchdogs.iter_mut().for_each(|watchdog| watchdog.begin_anew(now));
        let confirmed = message.heard.iter().find_map(|heard| self.confirmed_by(heard));
        self.hosts[from].tell_end(self.sequence.next(), confirmed);
        if confirmed.is_some() {
            self.heed(now, side, from, &message.asks, journal);
        }
    }

    /// Which of our frames is confirmed; none if an earlier life of ours is meant, as in a recording.
    fn confirmed_by(&self, heard: &Heard) -> Option<Sequence> {
        let ours = heard.member == self.settings.witness && heard.is_of(self.generation);
        let confirmed = heard.frame_up_to(self.sequence).filter(|_| ours && !heard.links.is_empty());
        confirmed.filter(|frame| *frame > Sequence(0))
    }

    fn heed(&mut self, now: Instant, side: Side, from: usize, asks: &Asks, journal: &mut Journal<'_>) {
        let host = &self.hosts[from];
        match asks.watch {
            Some(Watch::Arm(after)) if self.lines[side.index()].is_wired() => {
                if self.watchdogs[from].arm(now, after, host) {
                    journal.note(now, Deed::Armed(host.id, after));
                }
            }
            Some(Watch::Release) => {
                if self.watchdogs[from].release() {
                    journal.note(now, Deed::Released(host.id));
                }
            }
            Some(Watch::Arm(_)) | None => {}
        }
        let other = &self.hosts[1 - from];
        let line = &self.lines[side.other().index()];
        let has_won = self.hosts[from].ended.is_some_and(|ended| {
            ended.cause == ResetCause::Fence(other.id) && ended.generation >= host.generation()
        });
        let target = Target {
            id: other.id,
            has_line: line.is_wired() && other.side.is_none_or(|at| at == side.other()),
            has_won: has_won || self.pulling[side.index()].is_some(),
        };
        match self.fences.ask(now, from, host.id, asks.fence, target) {
            FenceVerdict::Pull => {
                self.pull(now, side.other(), 1 - from, ResetCause::Fence(self.hosts[from].id));
            }
            FenceVerdict::Refuse(refusal) => self.note_refusal(now, from, refusal, journal),
            FenceVerdict::Nothing => {}
        }
        if let Some(epoch) = asks.vote {
            self.vote_if_due(now, from, epoch, journal);
        }
    }

    fn note_refusal(&self, now: Instant, from: usize, refusal: FenceRefusal, journal: &mut Journal<'_>) {
        journal.note(now, Deed::Refused(self.hosts[from].id, refusal));
    }

    /// One vote an epoch, for a host that knows of all earlier ones, and only if the other is not heard, or has left.
    fn vote_if_due(
        &mut self,
        now: Instant,
        from: usize,
        epoch: heartline_core::ids::Epoch,
        journal: &mut Journal<'_>,
    ) {
        let other = &self.hosts[1 - from];
        let is_silent = match other.heard {
            Some(_) => !other.is_heard(now, self.power_of(1 - from)) || other.phase == Phase::Left,
            // It may be there, and not have spoken since we started.
            None => now >= self.started + self.settings.deadtime || planted!(WitnessStartIsDeath),
        };
        let is_next = epoch == self.vote.epoch.next() && epoch > self.vote.epoch;
        if (is_next && is_silent) || (planted!(WitnessVotesForBoth) && epoch >= self.vote.epoch) {
            let to = self.hosts[from].id;
            self.vote = Vote { epoch, to: Some(to) };
            journal.note(now, Deed::Voted(to, epoch));
        }
    }

    /// Takes in what a power sense says.
    pub fn sense(&mut self, now: Instant, side: Side, is_on: bool, journal: &mut Journal<'_>) {
        let Some(power) = self.senses[side.index()].read(now, is_on) else { return };
        let Some(host) = self.hosts.iter().find(|host| host.side == Some(side)) else { return };
        match power {
            Power::Off => journal.note(now, Deed::PowerLost(host.id)),
            Power::On => journal.note(now, Deed::PowerBack(host.id)),
            Power::NotSensed => {}
        }
    }

    /// Judges silence, and lets go what was pulled long enough. The caller has handed in every frame that was waiting.
    pub fn pass_time(&mut self, now: Instant, journal: &mut Journal<'_>) {
        journal.pass_time(now);
        self.fences.pass_time(now);
        for side in Side::ALL {
            let power = self.senses[side.index()].power();
            if let Some(pulled) = self.lines[side.index()].pass_time(now, power) {
                self.let_go(now, side, pulled, journal);
            }
        }
        for at in 0..HOSTS {
            self.judge_watchdog(now, at, journal);
        }
    }

    fn judge_watchdog(&mut self, now: Instant, at: usize, journal: &mut Journal<'_>) {
        let (host, other) = (&self.hosts[at], &self.hosts[1 - at]);
        let judgement =
            self.watchdogs[at].judge(now, host, self.power_of(at), (other, &self.watchdogs[1 - at]));
        match (judgement, host.side) {
            (Judgement::Fire(cause), Some(side)) => self.pull(now, side, at, cause),
            (Judgement::Withhold, _) => {
                journal.note(now, Deed::Withheld(host.id));
                self.watchdogs[at].withhold();
            }
            // The cables were exchanged, and it has not been heard since.
            (Judgement::Fire(_), None) => self.watchdogs[at].withhold(),
            (Judgement::Rest, _) => {}
        }
    }

    fn pull(&mut self, now: Instant, side: Side, at: usize, cause: ResetCause) {
        let generation = self.hosts[at].generation();
        if planted!(WitnessSaysTooEarly) {
            self.hosts[at].end_life(now, generation, cause);
        }
        self.watchdogs[at].spend(generation);
        self.lines[side.index()].pull(now, self.senses[side.index()].power());
        self.pulling[side.index()] = Some((at, generation, cause));
    }

    fn let_go(&mut self, now: Instant, side: Side, pulled: Pulled, journal: &mut Journal<'_>) {
        let Some((at, generation, cause)) = self.pulling[side.index()].take() else { return };
        if matches!(cause, ResetCause::Fence(_)) {
            self.fences.ended(pulled);
        }
        let host = &mut self.hosts[at];
        match pulled {
            Pulled::Done(read_back) => {
                host.end_life(now, generation, cause);
                journal.note(now, Deed::Reset(host.id, cause, read_back));
            }
            Pulled::StayedOn => journal.note(now, Deed::StayedOn(host.id, cause)),
        }
    }

    /// Whether the reset line at one side is pulled.
    #[must_use]
    pub const fn is_pulled(&self, side: Side) -> bool {
        self.lines[side.index()].is_pulled()
    }

    /// The power of one of its hosts.
    pub(crate) fn power_of(&self, at: usize) -> Power {
        self.hosts[at].side.map_or(Power::NotSensed, |side| self.senses[side.index()].power())
    }

    /// When [`Witness::pass_time`] and [`Witness::speak`] are due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        let lines = self.lines.iter().filter_map(ResetLine::deadline);
        let senses = self.senses.iter().filter_map(PowerSense::deadline);
        let watchdogs =
            (0..HOSTS).filter_map(|at| self.watchdogs[at].deadline(&self.hosts[at], self.power_of(at)));
        let silences = (0..HOSTS).filter_map(|at| self.hosts[at].silent_at(self.power_of(at)));
        let silences = silences.filter(|at| self.speech.may_speak_early() && *at > self.speech.spoke_at());
        let own = [Some(self.speech.next_heartbeat()), self.fences.deadline()];
        lines
            .chain(senses)
            .chain(watchdogs)
            .chain(silences)
            .chain(own.into_iter().flatten())
            .min()
            .unwrap_or(self.started)
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(&self) -> NodeId {
        self.settings.witness
    }
}
