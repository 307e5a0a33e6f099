//! Fencing: which dead member is fenced when, how a failure is retried, and how the victim learns of it. How a device
//! is called is the shell's business.

use heapless::Vec;

use super::Node;
use crate::config::{MemberKind, Quorum};
use crate::effect::{Effect, Effects, Work};
use crate::fencing::{Attempt, Fence, FenceCause, FenceReport, Untold};
use crate::ids::{Generation, MemberIndex};
use crate::input::Outcome;
use crate::limits::MAX_FENCE_REPORTS;
use crate::member::{Member, Presence};
use crate::message::{GroupState, Message, Phase};
use crate::notice::Notice;
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(5_000);
const MAX_DOUBLINGS: u8 = 4;

impl Node {
    /// Fences a dead member, unless that is under way or not due yet, or this node was stalled and has not heard yet what
    /// was said meanwhile: the member may be back.
    pub(super) fn fence_if_due(
        &mut self,
        now: Instant,
        at: MemberIndex,
        cause: FenceCause,
        effects: &mut Effects,
    ) {
        if self.listening || self.hands_off() || self.next_life.is_some() {
            return;
        }
        let due = match self.members[usize::from(at.0)].fence {
            Fence::None => {
                let pause = self.pause_before_fence(at);
                if pause > Duration::ZERO {
                    self.members[usize::from(at.0)].fence = Fence::Delayed(now + pause);
                    effects.say(Notice::FencingDelayed { member: at, pause });
                }
                pause == Duration::ZERO
            }
            Fence::Delayed(until) | Fence::Waiting(until) => now >= until,
            Fence::Running(_) | Fence::Done => false,
        };
        if !due {
            return;
        }
        let job = self.new_job();
        let started = self.started;
        let member = &mut self.members[usize::from(at.0)];
        let heard = member.heard;
        let cause = if heard.is_none() { FenceCause::NeverHeard } else { cause };
        let silence = now.since(heard.unwrap_or(started));
        let attempt = Attempt { cause, since: now, silence, generation: member.freshness.generation() };
        member.fence = Fence::Running(job);
        (member.fence_job, member.fence_attempt) = (Some(job), Some(attempt));
        effects.say(Notice::Fencing { member: at, cause, silence });
        effects.order(Effect::Run { job, work: Work::Fence(at) });
    }

    /// Two nodes that lost sight of each other would both fence, and both go down. The one that has more to lose goes
    /// ahead; with as much on both sides, the first by name. The last word of a member may be older than its last deed,
    /// so a claim of its counts as something to lose, and ours does not; and the pauses are such that also two nodes
    /// that judge differently do not choose the same.
    fn pause_before_fence(&self, at: MemberIndex) -> Duration {
        let unit = self.config.policy.fence_delay;
        if self.config.policy.quorum != Quorum::Off || planted(Bug::FenceDelayForgotten) {
            return Duration::ZERO;
        }
        let member = &self.members[usize::from(at.0)];
        let theirs = self.config.groups().any(|group| member.report(group).state != GroupState::Idle);
        match (self.has_something(), theirs) {
            (true, false) => Duration::ZERO,
            (false, true) => unit,
            (true, true) | (false, false) if self.config.this < at => Duration::ZERO,
            (true, true) | (false, false) => unit.times(2),
        }
    }

    fn has_something(&self) -> bool {
        self.groups.iter().any(|group| group.state().may_run())
    }

    /// Of two nodes, the one that runs something fences the other as soon as that is silent: it may live, and be about
    /// to fence this node. Without a delay the other would not wait, and as with the original only who wants something
    /// fences.
    pub(super) fn defend(&mut self, now: Instant, effects: &mut Effects) {
        let policy = &self.config.policy;
        let wanted = policy.fencing
            && policy.quorum == Quorum::Off
            && policy.fence_delay > Duration::ZERO
            && self.members.iter().filter(|member| member.kind == MemberKind::Node).count() == 2;
        if !wanted || self.phase != Phase::Active || !self.has_something() {
            return;
        }
        let is_dead = |(_, member): &(MemberIndex, &Member)| {
            member.kind == MemberKind::Node && member.presence == Presence::Dead
        };
        let dead = self.others().find(is_dead);
        if let Some((at, _)) = dead {
            self.fence_if_due(now, at, FenceCause::Defence, effects);
        }
    }

    pub(super) fn fence_ended(
        &mut self,
        now: Instant,
        at: MemberIndex,
        outcome: Outcome,
        effects: &mut Effects,
    ) {
        let device = match outcome {
            Outcome::Fenced { device } => Some(device),
            Outcome::Done => Some(0),
            Outcome::Failed(_) if planted(Bug::FailedFenceCounts) => Some(0),
            Outcome::NotRunning | Outcome::Partial | Outcome::Repairable | Outcome::Failed(_) => None,
        };
        let member = &mut self.members[usize::from(at.0)];
        let is_dead = matches!(member.fence, Fence::Running(_));
        member.fence_job = None;
        if let (Some(device), Some(attempt)) = (device, member.fence_attempt) {
            member.untold = Some(Untold { attempt, done: now, device });
            member.told_from = None;
            let took = now.since(attempt.since);
            effects.say(Notice::Fenced { member: at, cause: attempt.cause, device, took });
        }
        if !is_dead {
            // It came back meanwhile, and whether by the fence or in spite of it is not known yet.
        } else if device.is_some() {
            member.fence = Fence::Done;
        } else {
            let doublings = member.fence_failures.min(MAX_DOUBLINGS);
            let retry_in = FIRST_PAUSE.times(1 << doublings);
            member.fence_failures = member.fence_failures.saturating_add(1);
            member.fence = Fence::Waiting(now + retry_in);
            effects.say(Notice::FencingFailed { member: at, failure: outcome.failure(), retry_in });
        }
    }

    /// Members that are back from a fence and do not know of it yet, bit by member: as many as one heartbeat can tell.
    pub(super) fn untold_members(&self) -> u16 {
        let back = self.others().filter(|(_, member)| {
            let lives_anew = |untold: Untold| member.freshness.generation() > untold.attempt.generation;
            member.presence == Presence::Alive && member.untold.is_some_and(lives_anew)
        });
        let none = planted(Bug::FenceUntold);
        back.take(if none { 0 } else { MAX_FENCE_REPORTS }).fold(0, |mask, (at, _)| mask | 1 << at.0)
    }

    pub(super) fn fence_reports(&self, members: u16) -> Vec<FenceReport, MAX_FENCE_REPORTS> {
        let told = self.others().filter(|(at, _)| members & 1 << at.0 != 0);
        told.filter_map(|(at, member)| {
            let id = self.config.members[usize::from(at.0)].id;
            Some(member.untold?.report(id, self.spoke_at))
        })
        .take(MAX_FENCE_REPORTS)
        .collect()
    }

    /// The frame that is about to leave tells these members, and not the others: what those confirm later tells nothing.
    pub(super) fn note_told(&mut self, members: u16) {
        for (at, member) in (0u8..).zip(&mut self.members) {
            let told = members & 1 << at != 0;
            member.told_from = member.told_from.or(Some(self.sequence)).filter(|_| told);
        }
    }

    /// Takes in what `from` says about our own past, once for each of our lives that it ended. Its word counts only if
    /// it hears us: it is no recording then.
    pub(super) fn learn_of_fence(&mut self, from: MemberIndex, message: &Message, effects: &mut Effects) {
        let own = self.config.members[usize::from(self.config.this.0)].id;
        let generation = self.generation;
        let member = &mut self.members[usize::from(from.0)];
        if let (Some(told_from), Some(confirmed)) = (member.told_from, member.confirmed)
            && confirmed >= told_from
        {
            (member.untold, member.told_from) = (None, None);
        }
        let report = message.fenced.iter().find(|report| report.member == own);
        let Some(report) = report.filter(|report| member.hears_us && report.generation < generation) else {
            return;
        };
        if member.fenced_us != Some(report.generation) {
            member.fenced_us = Some(report.generation);
            let FenceReport { cause, ago, took, silence, device, generation: Generation(life), .. } = *report;
            effects.say(Notice::WasFenced { by: from, cause, life, ago, took, silence, device });
        }
    }
}
