//! What a node wants done: orders to the shell, in the order in which they are to be carried out.

use serde::{Deserialize, Serialize};

use crate::frame::Bytes;
use crate::ids::{GroupIndex, JobId, MemberIndex, OrderId};
use crate::limits::{MAX_EFFECTS, MAX_NOTICES};
use crate::maintenance::Maintenance;
use crate::notice::Notice;
use crate::witness::{FenceRefusal, ReadBack};

/// One thing to do.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Send [`Effects::frame`] on every link, now.
    Transmit,
    /// Run this job and answer with `Input::JobEnded`, exactly once. A group has one job at a time.
    Run {
        /// Its name, for the answer.
        job: JobId,
        /// What to do.
        work: Work,
    },
    /// Stop working on this job; it is still answered, with how it ended.
    Cancel(JobId),
    /// Announce the addresses of a group again; not answered.
    Announce(GroupIndex),
    /// Answer an operator's order.
    Answer {
        /// Which order.
        id: OrderId,
        /// The answer.
        answer: Answer,
    },
    /// Say this to people.
    Notice(Notice),
    /// Feed the hardware watchdog, and open it if that has not happened yet; nothing if the host has none. Said with
    /// every heartbeat that was due, so never by a loop that passes no time, unless this node runs what others may soon
    /// take. The shell adds its own judgement: it does not feed while it leaves frames unread or work undone.
    FeedWatchdog,
    /// The answer to [`crate::Input::FenceByWitness`]. The job itself is still to be answered.
    WitnessFence {
        /// Which job.
        job: JobId,
        /// What came of it.
        answer: FenceAnswer,
    },
    /// Keep this durably, and give it to the next life with [`crate::Node::remembering`]. To be done before what follows.
    KeepMaintenance(Maintenance),
    /// Reboot this host at once, since a group could not be stopped.
    Reboot(GroupIndex),
    /// Everything is given up: end the process.
    Leave,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Work {
    /// Find out whether a group runs here, wholly or in part.
    Probe(GroupIndex),
    /// Start a group, left to right.
    Start(GroupIndex),
    /// Stop a group, right to left, also what does not run.
    Stop(GroupIndex),
    /// Ask a group that runs here whether it still does. What cannot be asked is [`crate::input::JobFailure::NotRun`],
    /// what has no clear answer is [`crate::input::JobFailure::Refused`]; both are borne for a while.
    Monitor(GroupIndex),
    /// Put back what of a group is gone and can be started beside what runs, such as an address; touch nothing else.
    Repair(GroupIndex),
    /// Make sure that a member is dead.
    Fence(MemberIndex),
    /// Begin the next life of this node at once, with the program as it is installed, and stop nothing. Answered only
    /// if that failed and this life goes on.
    NextLife,
}

impl Work {
    /// The group that it is about.
    #[must_use]
    pub const fn group(self) -> Option<GroupIndex> {
        match self {
            Self::Probe(group)
            | Self::Start(group)
            | Self::Stop(group)
            | Self::Monitor(group)
            | Self::Repair(group) => Some(group),
            Self::Fence(_) | Self::NextLife => None,
        }
    }
}

/// What came of asking the witness for a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FenceAnswer {
    /// The line was pulled, and let go again.
    Done(ReadBack),
    /// The witness will not do it, or could not.
    Refused(FenceRefusal),
    /// Another request took its place.
    Withdrawn,
    /// No witness is configured, or no such member.
    NoWitness,
}

/// What came of an operator's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done: the groups run where they should.
    Done,
    /// There was nothing to do.
    Nothing,
    /// Nobody else is there that could run this group. Nothing was changed.
    NobodyElse(GroupIndex),
    /// This group did not get where it should; it is where the status says.
    NotMoved(GroupIndex),
    /// This node is not ready (still starting, or leaving). Nothing was changed.
    NotActive,
    /// The members' configurations differ. Nothing was changed.
    ConfigurationDiffers,
    /// Too many orders wait for their outcome. Nothing was changed.
    Busy,
    /// Maintenance is on. Nothing was changed.
    Maintenance,
    /// Maintenance was turned the other way meanwhile, or another node knew of a later word.
    Overruled,
    /// This member is not held for dead, so nobody can vouch that it is down. Nothing was changed.
    NotDead(MemberIndex),
    /// What was under way did not end in time, or the next life could not begin: this one goes on, as before.
    NotRestarted,
}

/// What one step wants done. Empty it before the next step.
#[derive(Debug, Default)]
pub struct Effects {
    list: heapless::Vec<Effect, MAX_EFFECTS>,
    frame: Bytes,
    notices: usize,
    dropped: u32,
}

impl Effects {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: heapless::Vec::new(), frame: Bytes::new(), notices: 0, dropped: 0 }
    }

    /// The things to do, first to last.
    pub fn iter(&self) -> impl Iterator<Item = Effect> + '_ {
        self.list.iter().copied()
    }

    /// The frame that [`Effect::Transmit`] is about.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.list.clear();
        self.frame.clear();
        self.notices = 0;
        self.dropped = 0;
    }

    /// Adds an action. There is always room: [`crate::limits::MAX_ACTIONS`] counts what one step can order.
    pub(crate) fn order(&mut self, effect: Effect) {
        if self.list.push(effect).is_err() {
            self.dropped += 1;
            debug_assert!(false, "MAX_ACTIONS is too small");
        }
    }

    /// Adds a notice if there is room beyond what actions may need.
    pub(crate) fn say(&mut self, notice: Notice) {
        if self.notices < MAX_NOTICES {
            self.notices += 1;
            self.order(Effect::Notice(notice));
        } else {
            self.dropped += 1;
        }
    }

    /// Says how many notices found no room.
    pub(crate) fn settle(&mut self) {
        if self.dropped > 0 {
            let dropped = self.dropped;
            self.dropped = 0;
            // One slot of the actions' share is kept for this.
            let _ = self.list.push(Effect::Notice(Notice::Dropped(dropped)));
        }
    }

    pub(crate) fn frame_mut(&mut self) -> &mut Bytes {
        &mut self.frame
    }
}
