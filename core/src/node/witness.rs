//! The witness in the null-modem cable, from a host's side: what it is asked, what its word changes here, and what is
//! kept of it for the status. The words themselves are in `crate::witness`.
//!
//! A reset by the witness counts as a fence, whoever wanted it: the witness says which life of the member it has ended.
//! So nobody reckons when the witness's watchdog must have fired: a witness that was itself reset meanwhile has
//! forgotten that it was armed, and does not say that it fired.

use core::hash::{Hash, Hasher};

use heapless::Vec;
use serde::{Deserialize, Serialize};

use super::Node;
use crate::config::{MemberKind, Quorum};
use crate::effect::{Effect, Effects, FenceAnswer};
use crate::fencing::Fence;
use crate::ids::{Epoch, Generation, JobId, MemberIndex, NodeId};
use crate::member::{Member, Presence};
use crate::message::{Message, Phase};
use crate::notice::Notice;
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};
use crate::witness::{
    Asks, Counters, DEEDS, Detail, FenceAsk, FenceState, Firmware, HOSTS, PastDeed, Power, Reset, Stage,
    Watch, WatchState, Word,
};

/// All that passes between this host and the witness.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Dealings {
    /// Its newest word in its present life, once that had heard us, and when it came.
    word: Option<(Instant, Word)>,
    known: Known,
    request: Option<Request>,
    tickets: u16,
    /// The epoch whose vote we ask for, or have.
    vote: Option<Epoch>,
    /// Whether it was said that we have it.
    voted: bool,
    /// Whether it watches over this host, as it said last.
    watched: bool,
    /// The life of ours whose end it has told.
    told: Option<Generation>,
}

/// A reset of another host that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Request {
    job: JobId,
    ask: FenceAsk,
}

/// What the witness has said in turn, put together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// The version of its firmware.
    pub firmware: Option<Firmware>,
    /// The counters of both ends of the cable.
    pub counters: [Option<Counters>; HOSTS],
    /// Its last deeds, oldest first, as they were told; [`PastDeed::ago`] counts from the instant beside it.
    pub deeds: Vec<(Instant, PastDeed), DEEDS>,
}

/// The witness as this node knows it.
#[derive(Debug, Clone, Copy)]
pub struct WitnessView<'a> {
    /// Which member it is.
    pub member: MemberIndex,
    /// Its newest word and when it came; nothing before it has heard this node.
    pub word: Option<(Instant, &'a Word)>,
    /// What it has said in turn.
    pub known: &'a Known,
    /// Whether it has given us the vote that we want.
    pub vote_is_ours: bool,
}

impl Node {
    /// What is known of the witness; nothing if none is configured.
    #[must_use]
    pub fn witness(&self) -> Option<WitnessView<'_>> {
        let Dealings { word, known, .. } = &self.dealings;
        let word = word.as_ref().map(|(at, word)| (*at, word));
        Some(WitnessView { member: self.config.witness()?, word, known, vote_is_ours: self.has_vote() })
    }

    /// The power of a member, as a witness that is there says.
    #[must_use]
    pub fn power(&self, at: MemberIndex) -> Power {
        let id = self.config.members.get(usize::from(at.0)).map(|member| member.id);
        let word = self.current_word().zip(id).and_then(|((_, word), id)| word.host(id));
        word.map_or(Power::NotSensed, |host| host.power)
    }

    /// Takes in what the witness says. Gives whether that left anything to decide.
    pub(super) fn heed_witness(
        &mut self,
        now: Instant,
        from: MemberIndex,
        message: &Message,
        effects: &mut Effects,
    ) -> bool {
        let member = &self.members[usize::from(from.0)];
        let (hears_us, is_no_recording) = (member.hears_us, member.has_heard_us);
        if Some(from) != self.config.witness() {
            return false;
        }
        let Some(word) = message.witness.as_ref().filter(|_| is_no_recording) else {
            return self.dealings.word.take().is_some();
        };
        self.dealings.known.take_in(now, word.detail);
        let changed = self.dealings.word.as_ref().map(|(_, old)| Gist::of(old)) != Some(Gist::of(word));
        self.dealings.word = Some((now, word.clone()));
        if hears_us {
            self.pursue_request(effects);
        }
        self.say_whether_watched(from, effects);
        self.learn_of_own_reset(from, effects);
        changed
    }

    /// Draws what follows from the witness's newest word, and from its silence.
    pub(super) fn believe_witness(&mut self, now: Instant, effects: &mut Effects) {
        let Some(witness) = self.config.witness() else { return };
        for at in self.config.others() {
            let Some((reset, reset_at)) = self.reset_of(at) else { continue };
            let member = &mut self.members[usize::from(at.0)];
            if matches!(member.fence, Fence::Done | Fence::Running(_)) {
                continue;
            }
            member.fence = Fence::Done;
            member.fence_failures = 0;
            let ago = now.since(reset_at);
            effects.say(Notice::ResetByWitness { member: at, witness, cause: reset.cause, ago });
        }
        self.pursue_vote(witness, effects);
    }

    /// How the life of a dead member that we know was ended by the witness, and when; nothing if it was not, as far as
    /// it says, or the member was heard since.
    fn reset_of(&self, at: MemberIndex) -> Option<(Reset, Instant)> {
        let (told_at, word) = self.dealings.word.as_ref()?;
        let member = &self.members[usize::from(at.0)];
        let reset = word.host(self.config.members[usize::from(at.0)].id)?.reset?;
        let reset_at = *told_at - reset.ago;
        let ended = match member.generation() {
            Some(generation) => generation <= reset.generation,
            // A later life of it that nobody heard has no majority, where one counts. What our former life heard we have
            // forgotten, so the reset must be of our own time.
            None => self.config.policy.quorum != Quorum::Off && reset_at >= self.started,
        };
        let silent_since = member.heard.is_none_or(|heard| reset_at >= heard + member.keepalive);
        (member.presence == Presence::Dead && ended && silent_since).then_some((reset, reset_at))
    }

    /// The vote is asked for as long as a member is dead, and for each death anew.
    fn pursue_vote(&mut self, witness: MemberIndex, effects: &mut Effects) {
        let dead = |(_, member): (MemberIndex, &Member)| {
            member.kind == MemberKind::Node && member.presence == Presence::Dead
        };
        let wanted = self.config.policy.quorum == Quorum::Witness
            && self.phase == Phase::Active
            && !self.listening
            && self.others().any(dead);
        let newest = self.current_word().map(|(_, word)| word.vote);
        let (Some(newest), true) = (newest, wanted) else {
            (self.dealings.vote, self.dealings.voted) = (None, false);
            return;
        };
        let had = self.dealings.vote;
        let ours = had == Some(newest.epoch) && newest.to == Some(self.own_id());
        if !ours {
            (self.dealings.vote, self.dealings.voted) = (Some(newest.epoch.next()), false);
        } else if !core::mem::replace(&mut self.dealings.voted, true) {
            effects.say(Notice::WitnessVoted { witness, epoch: newest.epoch });
        }
    }

    /// Whether the witness has given us the vote that we ask for since a member died.
    pub(super) fn has_vote(&self) -> bool {
        let newest = self.current_word().map(|(_, word)| word.vote);
        newest.is_some_and(|vote| Some(vote.epoch) == self.dealings.vote && vote.to == Some(self.own_id()))
    }

    /// What is asked of the witness.
    pub(super) fn asks(&self) -> Asks {
        if self.config.witness().is_none_or(|witness| witness == self.config.this) {
            return Asks::default();
        }
        Asks {
            watch: self.wanted_watch(),
            fence: self.dealings.request.map(|request| request.ask),
            vote: self.dealings.vote.filter(|_| !self.has_vote()),
        }
    }

    fn wanted_watch(&self) -> Option<Watch> {
        let ends = match self.phase {
            Phase::Starting | Phase::Active => false,
            // In maintenance, what runs here may go on without us.
            Phase::Leaving => self.leaving.is_some() && self.may_disarm_watchdog(),
            Phase::Left => self.may_disarm_watchdog(),
        };
        match self.config.policy.witness_watchdog {
            Some(_) if ends => Some(Watch::Release),
            Some(_) if self.phase == Phase::Starting => None,
            // The others wait longer for a next life, and so must the witness.
            Some(after) => Some(Watch::Arm(after.max(self.deadtime_to_announce()))),
            // An earlier life, or configuration, had it armed.
            None => self.watch_state().filter(|state| *state != WatchState::Off).map(|_| Watch::Release),
        }
    }

    /// What the witness says of the watchdog over this host.
    fn watch_state(&self) -> Option<WatchState> {
        let (_, word) = self.current_word()?;
        word.host(self.own_id()).map(|host| host.watch)
    }

    fn say_whether_watched(&mut self, witness: MemberIndex, effects: &mut Effects) {
        let state = self.watch_state();
        let armed = match state {
            Some(WatchState::Armed(after) | WatchState::Withheld(after)) => Some(after),
            Some(WatchState::Off) | None => None,
        };
        let was = core::mem::replace(&mut self.dealings.watched, armed.is_some());
        let is_asked_for = self.wanted_watch() == Some(Watch::Release);
        match armed {
            Some(after) if !was => effects.say(Notice::WitnessWatches { witness, after }),
            None if was && !is_asked_for => effects.say(Notice::WitnessWatchesNot(witness)),
            Some(_) | None => {}
        }
    }

    /// What the witness says about the end of our former life, told once.
    fn learn_of_own_reset(&mut self, witness: MemberIndex, effects: &mut Effects) {
        let own = self.current_word().and_then(|(_, word)| word.host(self.own_id()));
        let Some(Reset { generation, cause, ago }) = own.and_then(|host| host.reset) else { return };
        if generation < self.generation && self.dealings.told != Some(generation) {
            self.dealings.told = Some(generation);
            effects.say(Notice::WasResetByWitness { witness, cause, life: generation.0, ago });
        }
    }

    /// The shell's fencer wants the witness to reset a member; one request at a time.
    pub(super) fn request_reset(&mut self, job: JobId, target: MemberIndex, effects: &mut Effects) {
        let target = self.config.members.get(usize::from(target.0)).map(|member| member.id);
        if let Some(Request { job, .. }) = self.dealings.request.take() {
            effects.order(Effect::WitnessFence { job, answer: FenceAnswer::Withdrawn });
        }
        let (Some(target), Some(_)) = (target, self.config.witness()) else {
            effects.order(Effect::WitnessFence { job, answer: FenceAnswer::NoWitness });
            return;
        };
        self.dealings.tickets = self.dealings.tickets.wrapping_add(1);
        let ask = FenceAsk { target, ticket: self.dealings.tickets, stage: Stage::Arm };
        self.dealings.request = Some(Request { job, ask });
    }

    /// The shell's fencer does not wait any longer. What the witness has begun it ends.
    pub(super) fn withdraw_reset(&mut self, job: JobId) {
        if self.dealings.request.is_some_and(|request| request.job == job) {
            self.dealings.request = None;
        }
    }

    fn pursue_request(&mut self, effects: &mut Effects) {
        let own = self.own_id();
        let (Some(request), Some((_, word))) = (&mut self.dealings.request, &self.dealings.word) else {
            return;
        };
        let ours =
            |fence: &&crate::witness::FenceWord| fence.asker == own && fence.ticket == request.ask.ticket;
        let answer = match word.fences.iter().find(ours).map(|fence| fence.state) {
            Some(FenceState::Armed | FenceState::Firing) if planted(Bug::ReadyIsDone) => {
                FenceAnswer::Done(crate::witness::ReadBack::NotSensed)
            }
            Some(FenceState::Armed) => {
                request.ask.stage = Stage::Fire;
                return;
            }
            Some(FenceState::Firing) | None => return,
            Some(FenceState::Done(read_back)) => FenceAnswer::Done(read_back),
            Some(FenceState::Refused(refusal)) => FenceAnswer::Refused(refusal),
        };
        effects.order(Effect::WitnessFence { job: request.job, answer });
        self.dealings.request = None;
    }

    /// The word of a witness that is there.
    fn current_word(&self) -> Option<&(Instant, Word)> {
        let at = self.config.witness()?;
        let is_there = self.members[usize::from(at.0)].presence == Presence::Alive;
        self.dealings.word.as_ref().filter(|_| is_there)
    }

    /// The members whose power is gone, bit by member. What was said before a member's last heartbeat is over.
    pub(super) fn powerless(&self) -> u16 {
        let Some((told_at, _)) = self.current_word() else { return 0 };
        let is_news =
            |at: &MemberIndex| self.members[usize::from(at.0)].heard.is_none_or(|heard| heard < *told_at);
        let off = self.config.others().filter(|at| self.power(*at) == Power::Off).filter(is_news);
        off.fold(0, |mask, at| mask | 1 << at.0)
    }

    fn own_id(&self) -> NodeId {
        self.config.members[usize::from(self.config.this.0)].id
    }

    /// What of all this matters for what the node will do.
    pub(super) fn hash_witness(&self, hasher: &mut impl Hasher) {
        let Dealings { word, known: _, request, tickets: _, vote, voted, watched, told } = &self.dealings;
        word.as_ref().map(|(_, word)| Gist::of(word)).hash(hasher);
        request.map(|request| request.ask.stage).hash(hasher);
        (vote, voted, watched, told).hash(hasher);
        self.config.others().for_each(|at| self.reset_of(at).is_some().hash(hasher));
    }
}

impl Dealings {
    /// Another member is the witness, or none.
    pub(super) fn forget(&mut self) {
        *self = Self { tickets: self.tickets, ..Self::default() };
    }
}

impl Known {
    fn take_in(&mut self, now: Instant, detail: Option<Detail>) {
        match detail {
            Some(Detail::Firmware(firmware)) => self.firmware = Some(firmware),
            Some(Detail::Counters(side, counters)) => self.counters[side.index()] = Some(counters),
            Some(Detail::Deed(deed)) => self.remember(now, deed),
            None => {}
        }
    }

    /// Numbers grow over all lives of the witness, so the newest are the highest.
    fn remember(&mut self, now: Instant, told: PastDeed) {
        self.deeds.retain(|(_, deed)| deed.number != told.number);
        let place = self.deeds.iter().filter(|(_, deed)| deed.number < told.number).count();
        if !self.deeds.is_full() {
            let _ = self.deeds.insert(place, (now, told));
        } else if let Some(place) = place.checked_sub(1) {
            self.deeds.remove(0);
            let _ = self.deeds.insert(place, (now, told));
        }
    }
}

/// A word without what changes with time alone.
#[derive(PartialEq, Eq, Hash)]
struct Gist(Word);

impl Gist {
    fn of(word: &Word) -> Self {
        let mut gist = Word { uptime: Duration::ZERO, detail: None, ..word.clone() };
        let resets = gist.hosts.iter_mut().filter_map(|host| host.reset.as_mut());
        resets.for_each(|reset| reset.ago = Duration::ZERO);
        Self(gist)
    }
}
