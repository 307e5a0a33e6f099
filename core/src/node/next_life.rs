//! The next life with the services kept: what is under way ends, the others are told and asked to wait longer than
//! usual, and then this life ends without a stop. How the next one begins is the shell's business.

use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::Node;
use crate::config::LONGEST_DEADTIME;
use crate::effect::{Answer, Effect, Effects, Work};
use crate::ids::{JobId, OrderId, Sequence};
use crate::message::Phase;
use crate::notice::Notice;
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};

/// How much longer than usual the others wait for the next life, as those of the original do.
const GRACE: Duration = Duration::from_millis(30_000);
/// How long what is under way may take before the restart is given up.
const SETTLING: Duration = Duration::from_millis(30_000);

/// A restart that was ordered.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct NextLife {
    order: OrderId,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// What is under way ends, until then at the latest.
    Settling(Instant),
    /// The others are told, by this frame and all later ones; not longer than until then.
    Telling(Sequence, Instant),
    /// The shell begins the next life.
    Ending(JobId),
}

impl NextLife {
    /// Whether the others are told of it.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self.stage, Stage::Settling(_)) && !planted(Bug::RestartUntold)
    }

    /// What matters for the future, times as what is left of them.
    pub(super) fn hash_future(&self, now: Instant, newest: Sequence, hasher: &mut impl Hasher) {
        match self.stage {
            Stage::Settling(until) => (0u8, until.since(now), false),
            Stage::Telling(said, until) => (1, until.since(now), newest >= said),
            Stage::Ending(_) => (2, Duration::ZERO, false),
        }
        .hash(hasher);
    }

    pub(super) const fn awaited(&self) -> Option<Sequence> {
        match self.stage {
            Stage::Telling(said, _) => Some(said),
            Stage::Settling(_) | Stage::Ending(_) => None,
        }
    }
}

impl Node {
    pub(super) fn order_next_life(&mut self, now: Instant, order: OrderId) -> Option<Answer> {
        if matches!(self.phase, Phase::Leaving | Phase::Left) {
            return Some(Answer::NotActive);
        }
        if self.next_life.is_some() {
            return Some(Answer::Busy);
        }
        self.next_life = Some(NextLife { order, stage: Stage::Settling(now + SETTLING) });
        None
    }

    /// Takes a restart as far as it can go now.
    pub(super) fn pursue_next_life(&mut self, now: Instant, effects: &mut Effects) {
        let Some(restart) = self.next_life else { return };
        if matches!(self.phase, Phase::Leaving | Phase::Left) {
            self.give_up_next_life(effects);
            return;
        }
        let stage = match restart.stage {
            Stage::Settling(_) if !self.something_is_under_way() => {
                self.reply_due = true;
                effects.say(Notice::NextLife { deadtime: self.lengthened_deadtime() });
                Stage::Telling(self.sequence.next(), now + self.patience())
            }
            // Too long; or another node's claim, or a lost majority, had something stopped meanwhile.
            Stage::Settling(until) if now >= until => {
                self.give_up_next_life(effects);
                return;
            }
            Stage::Telling(..) if self.something_is_under_way() => {
                self.give_up_next_life(effects);
                return;
            }
            Stage::Telling(said, until)
                if self.sequence >= said && (now >= until || self.all_have_confirmed(said)) =>
            {
                let job = self.new_job();
                effects.order(Effect::Run { job, work: Work::NextLife });
                Stage::Ending(job)
            }
            other => other,
        };
        self.next_life = Some(NextLife { stage, ..restart });
    }

    /// Whether a job runs whose end this life should see.
    fn something_is_under_way(&self) -> bool {
        self.groups.iter().any(|group| group.job().is_some())
            || self.others().any(|(_, member)| member.fence_job.is_some())
    }

    fn give_up_next_life(&mut self, effects: &mut Effects) {
        let Some(restart) = self.next_life.take() else { return };
        effects.say(Notice::NextLifeGivenUp);
        effects.order(Effect::Answer { id: restart.order, answer: Answer::NotRestarted });
    }

    /// Takes the outcome of the shell's attempt, if it is one: this life goes on.
    pub(super) fn next_life_failed(&mut self, job: JobId, effects: &mut Effects) -> bool {
        let ours = self.next_life.is_some_and(|restart| restart.stage == Stage::Ending(job));
        if ours {
            self.give_up_next_life(effects);
        }
        ours
    }

    /// When a restart goes on or is given up, whatever else happens.
    pub(super) fn next_life_deadline(&self) -> Option<Instant> {
        match self.next_life?.stage {
            Stage::Settling(until) | Stage::Telling(_, until) => Some(until),
            Stage::Ending(_) => None,
        }
    }

    /// The silence after which the others are to hold this node for dead.
    pub(super) fn deadtime_to_announce(&self) -> Duration {
        if self.next_life.as_ref().is_some_and(NextLife::is_told) {
            self.lengthened_deadtime()
        } else {
            self.config.intervals.deadtime
        }
    }

    fn lengthened_deadtime(&self) -> Duration {
        let usual = self.config.intervals.deadtime;
        Duration::from_micros(usual.micros().saturating_add(GRACE.micros())).min(LONGEST_DEADTIME).max(usual)
    }
}
