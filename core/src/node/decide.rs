//! Ownership: where each group belongs, whether to claim it, to start it, or to let it go (design section 4).

use super::Node;
use crate::bids::{self, Bid};
use crate::claims::{self, Absence, Grant};
use crate::config::Quorum;
use crate::effect::{Effect, Effects, Work};
use crate::fencing::FenceCause;
use crate::group::Activity;
use crate::ids::{Epoch, GroupIndex, MemberIndex, Sequence};
use crate::member::{Member, Presence};
use crate::message::{GroupBid, GroupState, Phase, Stance};
use crate::notice::{ClaimCause, Notice, ReleaseCause};
use crate::planted::{Bug, planted};
use crate::time::Instant;

impl Node {
    /// Takes one group as far as it can go now.
    pub(super) fn decide(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        if self.hands_off() {
            self.leave_alone(now, group, effects);
            return;
        }
        self.heed_newer_orders(group);
        // Unprobed, or idle to claiming to starting: two decisions at most follow from each other.
        for _ in 0..2 {
            match self.group(group).activity {
                Activity::Unprobed => self.probe(group, effects),
                Activity::Idle => self.claim_if_ours(now, group, effects),
                Activity::Claiming { from, restart } => {
                    self.pursue_claim(now, group, from, restart, effects);
                }
                Activity::Starting { cancelled: false, .. } => self.cancel_if_lost(group, effects),
                Activity::Running => self.release_or_look_after(now, group, effects),
                Activity::Stopping { restart: true, .. } => self.abandon_restart_if_not_ours(group, effects),
                Activity::Probing(_)
                | Activity::Starting { cancelled: true, .. }
                | Activity::Interrupting(_)
                | Activity::Stopping { restart: false, .. }
                | Activity::Failed
                | Activity::Unclear => {}
            }
        }
    }

    pub(super) fn probe(&mut self, group: GroupIndex, effects: &mut Effects) {
        let job = self.new_job();
        self.group_mut(group).activity = Activity::Probing(job);
        effects.order(Effect::Run { job, work: Work::Probe(group) });
    }

    fn claim_if_ours(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        if self.phase != Phase::Active || self.next_life.is_some() {
            return;
        }
        if self.holder_elsewhere(group).is_some() {
            self.group_mut(group).nobody_fit = false;
            return;
        }
        let winner = self.winner(group);
        self.say_if_nobody_fit(group, winner, effects);
        let ours = winner.is_some_and(|bid| bid.bidder() == self.config.this);
        if !ours || !self.is_clear_elsewhere(group) || self.preferred_is_starting(now, group) {
            return;
        }
        let cause = self.claim_cause(group);
        let newest = self.newest_epoch(group);
        let epoch = if planted(Bug::EpochKept) { newest } else { newest.next() };
        let from = self.sequence.next();
        let state = self.group_mut(group);
        state.epoch = epoch;
        state.activity = Activity::Claiming { from, restart: false };
        effects.say(Notice::Claiming { group, epoch, cause });
    }

    fn claim_cause(&self, group: GroupIndex) -> ClaimCause {
        let held = |(_, member): &(MemberIndex, &Member)| {
            member.presence == Presence::Dead && member.report(group).state.may_run()
        };
        if let Some((dead, _)) = self.others().find(held) {
            return ClaimCause::HolderDied(dead);
        }
        let released = |(_, member): &(MemberIndex, &Member)| {
            member.presence != Presence::Unheard && member.report(group).epoch > Epoch(0)
        };
        let newest = self.others().filter(released).max_by_key(|(_, member)| member.report(group).epoch);
        newest
            .filter(|(_, member)| member.report(group).epoch >= self.group(group).epoch)
            .map_or(ClaimCause::NobodyRunsIt, |(member, _)| ClaimCause::HolderReleased(member))
    }

    /// At a common start the preferred node may need a moment more than we do: nothing should start here to move there
    /// at once. The wait ends with its dead time, whatever keeps it.
    fn preferred_is_starting(&self, now: Instant, group: GroupIndex) -> bool {
        self.wait_for_preferred(group).is_some_and(|until| now < until)
    }

    /// Until when a claim of ours waits for the preferred node; nothing if that is not starting.
    pub(super) fn wait_for_preferred(&self, group: GroupIndex) -> Option<Instant> {
        let preferred = self.config.preferred(group)?;
        let (_, member) = self.others().find(|(at, _)| *at == preferred)?;
        let starting = member.presence == Presence::Alive && member.phase == Phase::Starting;
        starting.then(|| member.phase_since + member.deadtime)
    }

    fn pursue_claim(
        &mut self,
        now: Instant,
        group: GroupIndex,
        from: Sequence,
        restart: bool,
        effects: &mut Effects,
    ) {
        let winner = self.winner(group).map(|bid| bid.bidder());
        let held_elsewhere = self.holder_elsewhere(group);
        let takes_part = self.phase == Phase::Active && self.next_life.is_none();
        if winner != Some(self.config.this) || held_elsewhere.is_some() || !takes_part {
            self.group_mut(group).activity = Activity::Idle;
            effects.say(Notice::ClaimWithdrawn { group, winner: held_elsewhere.or(winner) });
            return;
        }
        if restart {
            if self.is_left_to_us(now, group, from) && !self.listening {
                self.begin_start(now, group, effects);
            }
        } else if self.is_granted(now, group, from, effects) && !self.listening {
            self.start(now, group, effects);
        }
    }

    /// Whether all who live have said since our frame number `from` that they leave a group to us, which we held before
    /// it. The dead are not asked: they had to be ended before they lost it to us, and must end us before they take it.
    fn is_left_to_us(&self, now: Instant, group: GroupIndex, from: Sequence) -> bool {
        let alive = |(_, member): &(MemberIndex, &Member)| member.presence == Presence::Alive;
        self.is_clear_elsewhere(group)
            && self.others().filter(alive).all(|(at, _)| self.grant(now, at, group, from).allows())
    }

    /// Whether every other member's word or silence allows the start; has those fenced that must be.
    fn is_granted(&mut self, now: Instant, group: GroupIndex, from: Sequence, effects: &mut Effects) -> bool {
        let mut granted = true;
        for at in self.config.others() {
            let grant = self.grant(now, at, group, from);
            granted &= grant.allows();
            if grant == Grant::NeedsFence {
                self.fence_if_due(now, at, FenceCause::Takeover, effects);
            }
        }
        granted
    }

    /// What another member means for a claim of ours on `group` that our frame number `from` was the first to carry.
    #[must_use]
    pub fn grant(&self, now: Instant, at: MemberIndex, group: GroupIndex, from: Sequence) -> Grant {
        let member = &self.members[usize::from(at.0)];
        let absence = Absence {
            is_heard_elsewhere: self.is_heard_elsewhere(at),
            lacks_vote: self.config.policy.quorum == Quorum::Witness
                && !self.has_vote()
                && !planted(Bug::VoteNotAwaited),
            watchdog_has_fired: planted(Bug::WatchdogNotAwaited)
                || self.watchdog_has_fired_at(member).is_some_and(|at| now >= at),
        };
        claims::grant(member, group, from, now, absence, &self.config.policy)
    }

    fn start(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        for (member, report) in self.others().map(|(at, member)| (at, member.report(group))) {
            let from_the_dead = report.state.may_run();
            match self.grant(now, member, group, Sequence(0)) {
                Grant::Unprotected if from_the_dead => effects.say(Notice::Unprotected { group, member }),
                Grant::WatchdogFired if from_the_dead => effects.say(Notice::WatchdogFired { group, member }),
                _ => {}
            }
        }
        let newest = self.newest_epoch(group);
        let state = self.group_mut(group);
        state.epoch = state.epoch.max(newest);
        if state.stance == Stance::Standby {
            state.stance = Stance::Normal;
        }
        self.begin_start(now, group, effects);
    }

    pub(super) fn begin_start(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        let job = self.new_job();
        let state = self.group_mut(group);
        state.activity = Activity::Starting { job, since: now, cancelled: false };
        state.ours = true;
        effects.say(Notice::Starting { group, epoch: state.epoch });
        effects.order(Effect::Run { job, work: Work::Start(group) });
    }

    fn cancel_if_lost(&mut self, group: GroupIndex, effects: &mut Effects) {
        let cause = match self.newer_holder(group, effects) {
            Some(cause) => cause,
            None if self.must_give_up() => ReleaseCause::QuorumLost,
            None if self.phase == Phase::Leaving => ReleaseCause::Leaving,
            None if self.group(group).retired => ReleaseCause::Retired,
            None => return,
        };
        if let Activity::Starting { job, since, .. } = self.group(group).activity {
            self.group_mut(group).activity = Activity::Starting { job, since, cancelled: true };
            effects.say(Notice::Releasing { group, cause });
            effects.order(Effect::Cancel(job));
        }
    }

    fn release_or_look_after(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        if let Some(cause) = self.release_cause(group, effects) {
            self.release(now, group, cause, effects);
            return;
        }
        if self.is_clear_elsewhere(group) {
            self.settle_into(now, group, effects);
        }
        self.look_after(now, group, effects);
    }

    /// Why a group that is meant to be here must go; nothing if it may stay.
    fn release_cause(&mut self, group: GroupIndex, effects: &mut Effects) -> Option<ReleaseCause> {
        let newer = self.newer_holder(group, effects);
        if newer.is_some() {
            newer
        } else if self.must_give_up() {
            Some(ReleaseCause::QuorumLost)
        } else if self.phase == Phase::Leaving && !planted(Bug::LeavesRunning) {
            Some(ReleaseCause::Leaving)
        } else if self.group(group).retired {
            Some(ReleaseCause::Retired)
        } else {
            let heir = self.fitter(group).filter(|_| !planted(Bug::HolderKeeps));
            heir.map(ReleaseCause::HigherBid)
        }
    }

    /// While it is being restarted in place a group is ours as if it ran, and goes for the same reasons.
    fn abandon_restart_if_not_ours(&mut self, group: GroupIndex, effects: &mut Effects) {
        if planted(Bug::RestartOverHolder) {
            return;
        }
        if let Some(cause) = self.release_cause(group, effects)
            && let Activity::Stopping { job, since, .. } = self.group(group).activity
        {
            self.group_mut(group).activity = Activity::Stopping { job, since, restart: false };
            effects.say(Notice::Releasing { group, cause });
        }
    }

    /// Nobody else has anything of a group that runs here: what was found running at our start is ours from now on,
    /// and after a dispute the addresses are announced again.
    pub(super) fn settle_into(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        if let Some(from) = self.group(group).found_running
            && self.phase == Phase::Active
            && !self.listening
            && (planted(Bug::AdoptedUnasked) || self.may_adopt(now, group, from, effects))
        {
            let epoch = self.newest_epoch(group).next();
            let state = self.group_mut(group);
            state.found_running = None;
            state.ours = true;
            state.epoch = epoch;
            effects.say(Notice::Adopted { group, epoch });
        }
        if core::mem::replace(&mut self.group_mut(group).disputed, false) {
            effects.order(Effect::Announce(group));
        }
    }

    /// What was found running is ours once those who live have said since that they leave it to us: one that has not heard
    /// us may have taken it. Where dead members are fenced or a majority counts, it is as much as a claim: one that we
    /// hold for dead may have had us fenced or given up, and be about to start it.
    fn may_adopt(&mut self, now: Instant, group: GroupIndex, from: Sequence, effects: &mut Effects) -> bool {
        if self.config.policy.is_protected() {
            self.has_quorum() && self.is_granted(now, group, from, effects)
        } else {
            self.is_left_to_us(now, group, from)
        }
    }

    /// Whether nobody else who lives, for us or for another member, may run anything of a group.
    pub(super) fn is_clear_elsewhere(&self, group: GroupIndex) -> bool {
        self.others().all(|(at, member)| {
            let lives = match member.presence {
                Presence::Alive => true,
                Presence::Dead => self.is_heard_elsewhere(at),
                Presence::Unheard | Presence::Left => false,
            };
            !lives || !member.report(group).state.may_run()
        })
    }

    /// A member with a higher bid that could take the group at once if we let it go. While configurations differ nobody
    /// takes anything, also one that has not noticed yet and still calls itself fit. Nor does one that bids as its holder,
    /// between the two halves of a restart, under an epoch that is over: it does not hear us.
    fn fitter(&self, group: GroupIndex) -> Option<MemberIndex> {
        let heir = self.winner(group)?.bidder();
        let report = self.members[usize::from(heir.0)].report(group);
        let outdated = report.state == GroupState::Claiming && report.epoch < self.group(group).epoch;
        let could_take = heir != self.config.this
            && !outdated
            && self.is_clear_elsewhere(group)
            && self.configurations_agree();
        (self.phase == Phase::Active && self.next_life.is_none() && could_take).then_some(heir)
    }

    /// Of two holders the newer epoch wins; of equal epochs, the higher bid.
    fn newer_holder(&mut self, group: GroupIndex, effects: &mut Effects) -> Option<ReleaseCause> {
        let ours = (self.group(group).epoch, self.own_bid(group));
        let mut beaten = None;
        for (at, member) in self.others() {
            let report = member.report(group);
            let disputes = report.state.holds() || report.state == GroupState::Stopping;
            if member.presence != Presence::Alive || !disputes {
                continue;
            }
            let theirs = (report.epoch, self.bid_of(at, member, group));
            let newer = if planted(Bug::EpochsReversed) { theirs < ours } else { theirs > ours };
            if report.state.holds() && newer {
                return Some(ReleaseCause::NewerHolder { member: at, ours: ours.0, theirs: report.epoch });
            }
            beaten = Some((at, report.epoch));
        }
        if let Some((member, theirs)) = beaten
            && !core::mem::replace(&mut self.group_mut(group).disputed, true)
        {
            effects.say(Notice::ConflictWon { group, member, ours: ours.0, theirs });
        }
        None
    }

    fn say_if_nobody_fit(&mut self, group: GroupIndex, winner: Option<Bid>, effects: &mut Effects) {
        let nobody = winner.is_none();
        let said = core::mem::replace(&mut self.group_mut(group).nobody_fit, nobody);
        if nobody && !said {
            effects.say(Notice::NobodyFit(group));
        }
    }

    /// The highest bid among this node and the members that are alive in both directions and take part.
    pub(super) fn winner(&self, group: GroupIndex) -> Option<Bid> {
        let others = self
            .others()
            .filter(|(_, member)| member.hears_us() && member.phase == Phase::Active)
            .map(|(at, member)| self.bid_of(at, member, group));
        bids::winner(others.chain([self.own_bid(group)]))
    }

    fn bid_of(&self, at: MemberIndex, member: &Member, group: GroupIndex) -> Bid {
        Bid::new(at, self.preferred_of(group), member.pings, member.report(group).bid)
    }

    fn own_bid(&self, group: GroupIndex) -> Bid {
        Bid::new(self.config.this, self.preferred_of(group), self.own_pings(), self.group_bid(group))
    }

    fn preferred_of(&self, group: GroupIndex) -> MemberIndex {
        self.config.preferred(group).unwrap_or(self.config.this)
    }

    /// How many ping nodes count for our bids: none unless they are to decide.
    pub(super) const fn own_pings(&self) -> u8 {
        if self.config.policy.ping_decides { self.pings.counted() } else { 0 }
    }

    /// The part of our bid that is the group's own.
    pub(super) fn group_bid(&self, group: GroupIndex) -> GroupBid {
        let state = self.group(group);
        let preferred = self.preferred_of(group) == self.config.this;
        let able = !state.failed_here && !state.retired && state.activity != Activity::Failed;
        let restarts = self.next_life.is_some() && !state.state().holds();
        let may_take = self.phase == Phase::Active && able && !restarts;
        GroupBid {
            fit: may_take && self.may_hold() && self.configurations_agree(),
            stance: state.stance,
            rank: bids::rank(self.config.policy.auto_failback, preferred, state.is_kept()),
        }
    }

    /// Whether every member that is alive has the same resource configuration.
    pub(super) fn configurations_agree(&self) -> bool {
        self.others().all(|(_, member)| member.presence != Presence::Alive || member.agrees)
    }

    fn newest_epoch(&self, group: GroupIndex) -> Epoch {
        let theirs = self.others().map(|(_, member)| member.report(group).epoch).max();
        theirs.unwrap_or_default().max(self.group(group).epoch)
    }

    /// Keeps the newest epoch that was ever heard of, also when its sender's next life knows nothing of it; and says
    /// where a group runs now. Gives whether an epoch is news.
    pub(super) fn learn_from_reports(
        &mut self,
        from: MemberIndex,
        before: &[crate::message::GroupReport],
        effects: &mut Effects,
    ) -> bool {
        let mut is_news = false;
        for group in self.config.groups() {
            let report = self.members[usize::from(from.0)].report(group);
            let at = usize::from(group.0);
            let was_running = before.get(at).is_some_and(|old| old.state == GroupState::Running);
            if report.state == GroupState::Running && !was_running {
                effects.say(Notice::RunsElsewhere { group, member: from, epoch: report.epoch });
            }
            let own = self.group_mut(group);
            if !own.is_kept() && own.epoch < report.epoch {
                own.epoch = report.epoch;
                is_news = true;
            }
        }
        is_news
    }
}
