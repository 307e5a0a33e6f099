//! What this node does with one group: its activity and what may follow.

use serde::{Deserialize, Serialize};

use crate::health::Health;
use crate::ids::{Epoch, JobId, Sequence};
use crate::message::{GroupState, Stance};
use crate::time::Instant;

/// What is going on with a group here.
///
/// ```text
///  Unprobed -> Probing -> Idle -> Claiming -> Starting -> Running
///                 |         ^                    |           |
///                 |         +---- Stopping <-----+-----------+- Interrupting
///                 +-> Running / Stopping |
///                                        +-> Failed
/// ```
///
/// A restart in place goes from `Stopping` to `Claiming`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// Nobody has looked yet.
    Unprobed,
    /// A probe is under way.
    Probing(JobId),
    /// Nothing of it runs here.
    Idle,
    /// We want to start it and wait for the others' word.
    Claiming {
        /// Our first frame that carried the claim.
        from: Sequence,
        /// Whether it is the second half of a restart in place.
        restart: bool,
    },
    /// A start is under way.
    Starting {
        /// The job.
        job: JobId,
        /// Since when.
        since: Instant,
        /// Whether it was cancelled: a stop follows whatever comes of it.
        cancelled: bool,
    },
    /// It runs here.
    Running,
    /// It is to be stopped as soon as its monitor or repair has ended, which was cancelled.
    Interrupting(JobId),
    /// A stop is under way.
    Stopping {
        /// The job.
        job: JobId,
        /// Since when.
        since: Instant,
        /// Whether it is the first half of a restart in place.
        restart: bool,
    },
    /// It could not be stopped; parts may run.
    Failed,
    /// Parts of it run, or its state could not be told, and maintenance is on: it is looked at again when that ends.
    Unclear,
}

/// One group on this node.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Group {
    pub(crate) activity: Activity,
    /// Under which we hold or claim it, else the newest that we know.
    pub(crate) epoch: Epoch,
    /// Its start failed here since the last clean-up, or it failed too often.
    pub(crate) failed_here: bool,
    pub(crate) stance: Stance,
    /// The configuration that is to come does not have it: it is stopped here and not taken again.
    pub(crate) retired: bool,
    /// It ran here under our care in this life of the node: started by us, or adopted.
    pub(crate) ours: bool,
    /// It was found running at our start and nobody has disputed it yet: our first frame that says so.
    pub(crate) found_running: Option<Sequence>,
    /// Another node holds it wrongly and will stop: our addresses must be announced again after that.
    pub(crate) disputed: bool,
    /// Nobody can run it, and that was said.
    pub(crate) nobody_fit: bool,
    pub(crate) health: Health,
    /// It ran here under our care before the look that is due or under way.
    pub(crate) kept: bool,
}

impl Group {
    pub(crate) const fn new() -> Self {
        Self {
            activity: Activity::Unprobed,
            epoch: Epoch(0),
            failed_here: false,
            stance: Stance::Normal,
            retired: false,
            ours: false,
            found_running: None,
            disputed: false,
            nobody_fit: false,
            health: Health::new(),
            kept: false,
        }
    }

    /// What is going on with it here.
    #[must_use]
    pub const fn activity(&self) -> Activity {
        self.activity
    }

    /// Under which epoch we hold or claim it, else the newest that we know.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether its start failed here since the last clean-up, or it failed too often after that.
    #[must_use]
    pub const fn failed_here(&self) -> bool {
        self.failed_here
    }

    /// Whether it needs somebody and no node that is there may run it, as last seen from here.
    #[must_use]
    pub const fn nobody_fit(&self) -> bool {
        self.nobody_fit
    }

    /// What operators said about it on this node.
    #[must_use]
    pub const fn stance(&self) -> Stance {
        self.stance
    }

    /// How it is while it runs here, and how often it failed.
    #[must_use]
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Whether it is meant to be here: it runs, is being started, or is being restarted in place.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.is_restarting() || self.state().holds()
    }

    /// Whether it is between the two halves of a restart in place, or in the first.
    pub(crate) const fn is_restarting(&self) -> bool {
        matches!(
            self.activity,
            Activity::Stopping { restart: true, .. } | Activity::Claiming { restart: true, .. }
        )
    }

    /// What the others are told.
    #[must_use]
    pub const fn state(&self) -> GroupState {
        match self.activity {
            Activity::Unprobed | Activity::Probing(_) | Activity::Unclear => GroupState::Unknown,
            Activity::Idle => GroupState::Idle,
            Activity::Claiming { .. } => GroupState::Claiming,
            Activity::Starting { .. } => GroupState::Starting,
            Activity::Running => GroupState::Running,
            Activity::Interrupting(_) | Activity::Stopping { .. } => GroupState::Stopping,
            Activity::Failed => GroupState::Failed,
        }
    }

    /// The job that is under way.
    #[must_use]
    pub const fn job(&self) -> Option<JobId> {
        match self.activity {
            Activity::Probing(job)
            | Activity::Starting { job, .. }
            | Activity::Interrupting(job)
            | Activity::Stopping { job, .. } => Some(job),
            Activity::Running => match self.health.care {
                Some((job, _)) => Some(job),
                None => None,
            },
            Activity::Unprobed
            | Activity::Idle
            | Activity::Claiming { .. }
            | Activity::Failed
            | Activity::Unclear => None,
        }
    }
}
