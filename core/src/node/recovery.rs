//! A group that runs here: when it is asked how it is, and what follows if it is not well. First what is gone is put
//! back beside what runs; if that cannot be done, the whole group is started again in place, a bounded number of times;
//! then it is given up here until somebody has looked after it.
//!
//! A restart in place shows the others nothing that they could claim: all the time the group is meant to be here, under
//! the epoch that it has. Between its stop and its start those who live are heard once more: one of them may have taken
//! it, after a partition or a stall.

use super::Node;
use crate::effect::{Effect, Effects, Work};
use crate::group::Activity;
use crate::health::{Ailment, Care, MAX_REPAIRS, REPAIR_WINDOW, Remedy, SUSPICION_PAUSE, UNCLEAR_ANSWERS};
use crate::ids::{GroupIndex, JobId};
use crate::input::{JobFailure, Outcome};
use crate::message::Phase;
use crate::notice::{Notice, ReleaseCause};
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};

impl Node {
    /// Does the next thing for a group that runs here and stays here.
    pub(super) fn look_after(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        if !self.is_cared_for(group) || self.group(group).health.care.is_some() {
            return;
        }
        let interval = self.config.monitor(group);
        let first = interval.map(|interval| now + self.first_monitor_after(group, interval));
        let health = &mut self.group_mut(group).health;
        health.next = health.next.or(first);
        match health.remedy.take() {
            Some(Remedy::Repair) => self.repair(now, group, effects),
            Some(Remedy::Restart) => self.restart(now, group, effects),
            None if health.due().is_some_and(|due| now >= due) => {
                health.followed = if health.suspected { Some(now) } else { health.followed };
                health.suspected = false;
                health.next = interval.map(|interval| now + interval);
                self.care(group, Care::Monitor, Work::Monitor(group), effects);
            }
            None => {}
        }
    }

    /// Whether a group runs here and is ours, and services are not left alone.
    fn is_cared_for(&self, group: GroupIndex) -> bool {
        let state = self.group(group);
        let runs = state.activity == Activity::Running && state.found_running.is_none();
        let left_alone = self.hands_off() || self.next_life.is_some();
        runs && self.phase == Phase::Active && !left_alone
    }

    /// When a group is to be asked next; nothing while nobody wants to know, or something is done for it.
    pub(super) fn monitor_deadline(&self, group: GroupIndex) -> Option<Instant> {
        let health = &self.group(group).health;
        health.due().filter(|_| health.care.is_none() && self.is_cared_for(group))
    }

    /// Between a half and a whole interval, so that groups which were started in one instant are not asked in one.
    fn first_monitor_after(&self, group: GroupIndex, interval: Duration) -> Duration {
        let groups = u64::try_from(self.groups.len()).unwrap_or(u64::MAX).max(1);
        let half = interval.micros() / 2;
        Duration::from_micros(half + half * (u64::from(group.0) + 1) / groups)
    }

    fn care(&mut self, group: GroupIndex, care: Care, work: Work, effects: &mut Effects) {
        let job = self.new_job();
        self.group_mut(group).health.care = Some((job, care));
        effects.order(Effect::Run { job, work });
    }

    fn repair(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        self.group_mut(group).health.repairs.note(now);
        effects.say(Notice::Repairing(group));
        self.care(group, Care::Repair, Work::Repair(group), effects);
    }

    /// Starts a group that failed again, here if it may still be, else elsewhere.
    fn restart(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        let recovery = self.config.policy.recovery;
        let health = &mut self.group_mut(group).health;
        let before = if planted(Bug::RestartsUncounted) { 0 } else { health.restarts(now, recovery.window) };
        if before < recovery.restarts {
            health.restarts.note(now);
            effects.say(Notice::Restarting { group, count: before + 1, limit: recovery.restarts });
            self.stop(now, group, true, effects);
        } else {
            health.exhausted = true;
            self.group_mut(group).failed_here = true;
            self.release(now, group, ReleaseCause::FailedTooOften, effects);
        }
    }

    /// Something of a group seems to be gone.
    pub(super) fn suspect(&mut self, group: GroupIndex) {
        let is_known = self.config.groups().any(|known| known == group);
        if is_known && self.group(group).activity == Activity::Running {
            self.group_mut(group).health.suspected = true;
        }
    }

    /// This node was stalled: time limits passed without anybody waiting.
    pub(super) fn doubt_answers(&mut self) {
        for group in &mut self.groups {
            group.health.stale = group.health.care.is_some() && !planted(Bug::StaleAnswersCount);
        }
    }

    pub(super) fn care_ended(
        &mut self,
        now: Instant,
        group: GroupIndex,
        job: JobId,
        outcome: Outcome,
        effects: &mut Effects,
    ) {
        let health = &mut self.group_mut(group).health;
        let stale = core::mem::take(&mut health.stale);
        match health.care.take() {
            // Asked again at once.
            Some(_) if stale && outcome != Outcome::Done => health.suspected = true,
            Some((_, Care::Monitor)) => self.monitor_ended(now, group, job, outcome, effects),
            Some((_, Care::Repair)) if outcome == Outcome::Done => {
                effects.say(Notice::Repaired(group));
                effects.order(Effect::Announce(group));
            }
            Some((_, Care::Repair)) => self.has_failed(now, group, job, Ailment::NotRepaired, effects),
            None => {}
        }
    }

    fn monitor_ended(
        &mut self,
        now: Instant,
        group: GroupIndex,
        job: JobId,
        outcome: Outcome,
        effects: &mut Effects,
    ) {
        let interval = self.config.monitor(group);
        let health = &mut self.group_mut(group).health;
        let ailment = match outcome {
            Outcome::Done => {
                let doubted = core::mem::take(&mut health.unclear) > 0;
                if core::mem::take(&mut health.unasked) || doubted {
                    effects.say(Notice::Healthy(group));
                }
                return;
            }
            // A service must not be stopped because nobody could ask it: its agent may be being replaced, and then it
            // could not be started again either.
            Outcome::Failed(failure @ (JobFailure::NotRun | JobFailure::Cancelled)) => {
                if !core::mem::replace(&mut health.unasked, true) {
                    effects.say(Notice::Doubtful { group, job, failure });
                }
                return;
            }
            Outcome::Failed(JobFailure::Refused) => {
                health.unclear += 1;
                if health.unclear < UNCLEAR_ANSWERS {
                    let pause = interval.map_or(SUSPICION_PAUSE, |it| Duration::from_micros(it.micros() / 4));
                    health.next = Some(now + pause);
                    effects.say(Notice::Doubtful { group, job, failure: JobFailure::Refused });
                    return;
                }
                Ailment::Unclear
            }
            Outcome::Failed(JobFailure::TimedOut) => Ailment::Hung,
            Outcome::Repairable if health.repairs.within(now, REPAIR_WINDOW) < MAX_REPAIRS => {
                health.remedy = Some(Remedy::Repair);
                return;
            }
            Outcome::Repairable => Ailment::NotRepaired,
            Outcome::NotRunning | Outcome::Partial | Outcome::Fenced { .. } => Ailment::Gone,
        };
        if !planted(Bug::MonitorIgnored) {
            self.has_failed(now, group, job, ailment, effects);
        }
    }

    fn has_failed(
        &mut self,
        now: Instant,
        group: GroupIndex,
        job: JobId,
        ailment: Ailment,
        effects: &mut Effects,
    ) {
        self.group_mut(group).health.fails(now, ailment);
        effects.say(Notice::Unhealthy { group, job, ailment });
    }
}
