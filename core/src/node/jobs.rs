//! What the outcome of a job changes. An outcome for an unknown or settled job changes nothing.

use super::Node;
use crate::config::StopFailure;
use crate::effect::{Effect, Effects, Work};
use crate::group::Activity;
use crate::ids::{Epoch, GroupIndex, JobId, MemberIndex};
use crate::input::{JobFailure, Outcome};
use crate::member::{Fence, Presence};
use crate::notice::{Notice, ReleaseCause};
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};

const FIRST_FENCE_PAUSE: Duration = Duration::from_millis(5_000);
const MAX_FENCE_DOUBLINGS: u8 = 4;

impl Node {
    pub(super) fn job_ended(&mut self, now: Instant, job: JobId, outcome: Outcome, effects: &mut Effects) {
        let fenced =
            self.config.members().zip(&self.members).find(|(_, member)| member.fence == Fence::Running(job));
        if let Some((member, _)) = fenced {
            self.fence_ended(now, member, outcome, effects);
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
            Activity::Stopping { since, .. } => self.stop_ended(now, group, job, outcome, since, effects),
            Activity::Unprobed
            | Activity::Idle
            | Activity::Claiming { .. }
            | Activity::Running
            | Activity::Failed => {}
        }
    }

    fn probe_ended(&mut self, now: Instant, group: GroupIndex, outcome: Outcome, effects: &mut Effects) {
        match outcome {
            Outcome::NotRunning => self.group_mut(group).activity = Activity::Idle,
            Outcome::Done if planted(Bug::ProbeUnread) => self.group_mut(group).activity = Activity::Idle,
            Outcome::Partial if planted(Bug::PartsAreNothing) => {
                self.group_mut(group).activity = Activity::Idle
            }
            Outcome::Done => {
                let from = self.sequence.next();
                let state = self.group_mut(group);
                state.activity = Activity::Running;
                state.found_running = Some(from).filter(|_| !planted(Bug::AdoptedUnasked));
                // Whoever claimed it since our last life has the better right.
                state.epoch = Epoch(0);
                effects.say(Notice::Probed { group, state: self.group(group).state() });
            }
            // What cannot be told is treated as if parts of it ran.
            Outcome::Partial | Outcome::Failed(_) => {
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
            _ if cancelled => self.stop(now, group, effects),
            Outcome::Done => {
                self.group_mut(group).activity = Activity::Running;
                effects.say(Notice::Started { group, took: now.since(since) });
            }
            Outcome::NotRunning | Outcome::Partial | Outcome::Failed(_) => {
                self.group_mut(group).failed_here = !planted(Bug::FailedStartForgotten);
                effects.say(Notice::StartFailed { group, job, failure: failure_of(outcome) });
                self.release(now, group, ReleaseCause::FailedStart, effects);
            }
        }
    }

    fn stop_ended(
        &mut self,
        now: Instant,
        group: GroupIndex,
        job: JobId,
        outcome: Outcome,
        since: Instant,
        effects: &mut Effects,
    ) {
        match outcome {
            Outcome::Done | Outcome::NotRunning => {
                let state = self.group_mut(group);
                state.activity = Activity::Idle;
                state.found_running = None;
                state.disputed = false;
                effects.say(Notice::Stopped { group, took: now.since(since) });
            }
            Outcome::Partial | Outcome::Failed(_) if planted(Bug::FailedStopIsStopped) => {
                self.group_mut(group).activity = Activity::Idle;
            }
            Outcome::Partial | Outcome::Failed(_) => {
                self.group_mut(group).activity = Activity::Failed;
                effects.say(Notice::StopFailed { group, job, failure: failure_of(outcome) });
                // What was never ours and cannot be stopped would not be better after a reboot: the next look finds the
                // same, and the host would reboot for ever.
                let ours = self.group(group).ours || planted(Bug::RebootsForStrangers);
                if self.config.policy.stop_failure == StopFailure::Reboot && ours {
                    effects.order(Effect::Reboot(group));
                }
            }
        }
    }

    fn fence_ended(&mut self, now: Instant, at: MemberIndex, outcome: Outcome, effects: &mut Effects) {
        let member = &mut self.members[usize::from(at.0)];
        if member.presence != Presence::Dead {
            member.end_fence();
            return;
        }
        if outcome == Outcome::Done || planted(Bug::FailedFenceCounts) {
            member.fence = Fence::Done;
            effects.say(Notice::Fenced(at));
            return;
        }
        let doublings = member.fence_failures.min(MAX_FENCE_DOUBLINGS);
        let retry_in = FIRST_FENCE_PAUSE.times(1 << doublings);
        member.fence_failures = member.fence_failures.saturating_add(1);
        member.fence = Fence::Waiting(now + retry_in);
        effects.say(Notice::FencingFailed { member: at, failure: failure_of(outcome), retry_in });
    }

    /// Lets a group go, and says why.
    pub(super) fn release(
        &mut self,
        now: Instant,
        group: GroupIndex,
        cause: ReleaseCause,
        effects: &mut Effects,
    ) {
        effects.say(Notice::Releasing { group, cause });
        self.stop(now, group, effects);
    }

    pub(super) fn stop(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        let job = self.new_job();
        self.group_mut(group).activity = Activity::Stopping { job, since: now };
        effects.order(Effect::Run { job, work: Work::Stop(group) });
    }
}

const fn failure_of(outcome: Outcome) -> JobFailure {
    match outcome {
        Outcome::Failed(failure) => failure,
        Outcome::Done | Outcome::NotRunning | Outcome::Partial => JobFailure::Refused,
    }
}
