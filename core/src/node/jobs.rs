//! What the outcome of a job changes. An outcome for an unknown or settled job changes nothing.

use super::Node;
use crate::config::StopFailure;
use crate::effect::{Effect, Effects, Work};
use crate::group::Activity;
use crate::ids::{Epoch, GroupIndex, JobId, MemberIndex};
use crate::input::Outcome;
use crate::member::Member;
use crate::message::GroupState;
use crate::notice::{Notice, ReleaseCause};
use crate::planted::{Bug, planted};
use crate::time::Instant;

impl Node {
    pub(super) fn job_ended(&mut self, now: Instant, job: JobId, outcome: Outcome, effects: &mut Effects) {
        let is_of = |(_, member): &(MemberIndex, &Member)| member.fence_job == Some(job);
        let fenced = self.others().find(is_of).map(|(at, _)| at);
        if let Some(member) = fenced {
            self.fence_ended(now, member, outcome, effects);
            return;
        }
        if self.next_life_failed(job, effects) {
            return;
        }
        let Some(group) = self.config.groups().find(|group| self.group(*group).job() == Some(job)) else {
            return;
        };
        match self.group(group).activity {
            Activity::Probing(_) => self.probe_ended(now, group, outcome, effects),
            Activity::Starting { since, cancelled, .. } => {
                self.start_ended(now, group, job, outcome, since, cancelled, effects);
            }
            Activity::Running => self.care_ended(now, group, job, outcome, effects),
            Activity::Interrupting(_) => self.stop(now, group, false, effects),
            Activity::Stopping { since, restart, .. } => {
                self.stop_ended(now, group, job, outcome, since, restart, effects);
            }
            Activity::Unprobed
            | Activity::Idle
            | Activity::Claiming { .. }
            | Activity::Failed
            | Activity::Unclear => {}
        }
    }

    fn probe_ended(&mut self, now: Instant, group: GroupIndex, outcome: Outcome, effects: &mut Effects) {
        let kept = core::mem::replace(&mut self.group_mut(group).kept, false);
        match outcome {
            Outcome::NotRunning => {
                self.group_mut(group).activity = Activity::Idle;
                if kept {
                    effects.say(Notice::Probed { group, state: GroupState::Idle });
                }
            }
            Outcome::Done if kept => {
                self.group_mut(group).activity = Activity::Running;
                effects.say(Notice::Probed { group, state: GroupState::Running });
            }
            Outcome::Done if planted(Bug::ProbeUnread) => self.group_mut(group).activity = Activity::Idle,
            Outcome::Partial if planted(Bug::PartsAreNothing) => {
                self.group_mut(group).activity = Activity::Idle
            }
            Outcome::Done => {
                let from = self.sequence.next();
                let state = self.group_mut(group);
                state.activity = Activity::Running;
                state.found_running = Some(from);
                // Whoever claimed it since our last life has the better right.
                state.epoch = Epoch(0);
                effects.say(Notice::Probed { group, state: self.group(group).state() });
            }
            // What cannot be told is treated as if parts of it ran.
            Outcome::Partial | Outcome::Repairable | Outcome::Failed(_) | Outcome::Fenced { .. } => {
                self.release(now, group, ReleaseCause::NotWhole, effects)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of them describe one ended start")]
    fn start_ended(
        &mut self,
        now: Instant,
        group: GroupIndex,
        job: JobId,
        outcome: Outcome,
        since: Instant,
        cancelled: bool,
        effects: &mut Effects,
    ) {
        match outcome {
            _ if cancelled && planted(Bug::CancelledStartStays) => {
                self.group_mut(group).activity = Activity::Idle
            }
            _ if cancelled => self.stop(now, group, false, effects),
            Outcome::Done => {
                self.group_mut(group).activity = Activity::Running;
                effects.say(Notice::Started { group, took: now.since(since) });
            }
            Outcome::NotRunning
            | Outcome::Partial
            | Outcome::Repairable
            | Outcome::Failed(_)
            | Outcome::Fenced { .. } => {
                self.group_mut(group).failed_here = !planted(Bug::FailedStartForgotten);
                effects.say(Notice::StartFailed { group, job, failure: outcome.failure() });
                self.release(now, group, ReleaseCause::FailedStart, effects);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all of them describe one ended stop")]
    fn stop_ended(
        &mut self,
        now: Instant,
        group: GroupIndex,
        job: JobId,
        outcome: Outcome,
        since: Instant,
        restart: bool,
        effects: &mut Effects,
    ) {
        match outcome {
            Outcome::Done | Outcome::NotRunning => {
                let state = self.group_mut(group);
                state.activity = Activity::Idle;
                state.found_running = None;
                state.disputed = false;
                effects.say(Notice::Stopped { group, took: now.since(since) });
                if !restart || self.hands_off() || planted(Bug::RestartShowsIdle) {
                    return;
                }
                if planted(Bug::RestartOverHolder) {
                    self.begin_start(now, group, effects);
                    return;
                }
                // The stop may have taken long, and others may have taken it meanwhile.
                let from = self.sequence.next();
                self.group_mut(group).activity = Activity::Claiming { from, restart };
            }
            Outcome::Partial | Outcome::Repairable | Outcome::Failed(_) | Outcome::Fenced { .. }
                if planted(Bug::FailedStopIsStopped) =>
            {
                self.group_mut(group).activity = Activity::Idle;
            }
            Outcome::Partial | Outcome::Repairable | Outcome::Failed(_) | Outcome::Fenced { .. } => {
                self.group_mut(group).activity = Activity::Failed;
                effects.say(Notice::StopFailed { group, job, failure: outcome.failure() });
                // What was never ours and cannot be stopped would not be better after a reboot: the next look finds the
                // same, and the host would reboot for ever.
                let ours = self.group(group).ours || planted(Bug::RebootsForStrangers);
                if self.config.policy.stop_failure == StopFailure::Reboot && ours && !self.hands_off() {
                    effects.order(Effect::Reboot(group));
                }
            }
        }
    }

    /// Lets a group go, and says why.
    pub(super) fn release(
        &mut self,
        now: Instant,
        group: GroupIndex,
        cause: ReleaseCause,
        effects: &mut Effects,
    ) {
        if self.hands_off() {
            self.stop(now, group, false, effects);
            return;
        }
        effects.say(Notice::Releasing { group, cause });
        let state = self.group_mut(group);
        match state.health.care {
            Some((job, _)) => {
                state.activity = Activity::Interrupting(job);
                state.health.rests();
                effects.order(Effect::Cancel(job));
            }
            None => self.stop(now, group, false, effects),
        }
    }

    /// Stops a group, whatever of it runs; in maintenance it stays as it is.
    pub(super) fn stop(&mut self, now: Instant, group: GroupIndex, restart: bool, effects: &mut Effects) {
        if self.hands_off() {
            self.group_mut(group).activity = Activity::Unclear;
            effects.say(Notice::Probed { group, state: GroupState::Unknown });
            return;
        }
        let job = self.new_job();
        let state = self.group_mut(group);
        state.activity = Activity::Stopping { job, since: now, restart };
        state.health.rests();
        effects.order(Effect::Run { job, work: Work::Stop(group) });
    }
}
