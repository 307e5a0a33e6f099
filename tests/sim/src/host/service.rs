//! What really runs on a host, and the agents that change it. Between "start begun" and "stop complete" a service is
//! present: that is the truth that the invariants are about.

use heartline_core::effect::Work;
use heartline_core::ids::JobId;
use heartline_core::input::{JobFailure, Outcome};

use crate::plan::{Behaviour, Micros, Task};

/// How much of a service is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nothing.
    Stopped,
    /// Something: it is being started or stopped, or that did not succeed.
    Parts,
    /// All of it.
    Running,
}

/// A service on one host.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) presence: Presence,
    /// Since when something of it is there.
    pub(crate) since: Micros,
    /// It was started by others than the daemon, or a probe hid it: nobody can know of it until it was stopped.
    pub(crate) hidden: bool,
    /// It died, or a probe invented it: the node believes that it runs.
    pub(crate) believed: bool,
    /// It was started or stopped by hand in maintenance, and no look has found that yet.
    pub(crate) by_hand: bool,
    /// Since when its node should notice that it died, or that an address is gone; nothing if it is whole, or its node
    /// does something about it.
    pub(crate) ails_since: Option<Micros>,
    /// An address of it is gone.
    pub(crate) part_gone: bool,
    /// When its monitor or repair was last in trouble of the plan's.
    pub(crate) care_troubled: Micros,
    /// The last answer of its monitor that was not well had a cause, if only a trouble of the plan's.
    pub(crate) blamed: bool,
    /// The next boot starts it.
    pub(crate) runs_at_boot: bool,
    /// How its agents behave, by task.
    pub(crate) troubles: [Trouble; 5],
}

impl Service {
    pub(crate) const STOPPED: Self = Self {
        presence: Presence::Stopped,
        since: 0,
        hidden: false,
        believed: false,
        by_hand: false,
        ails_since: None,
        part_gone: false,
        care_troubled: 0,
        blamed: false,
        runs_at_boot: false,
        troubles: [Trouble::NONE; 5],
    };

    pub(crate) fn is_present(&self) -> bool {
        self.presence != Presence::Stopped
    }

    pub(crate) fn become_present(&mut self, presence: Presence, now: Micros) {
        if !self.is_present() {
            self.since = now;
        }
        self.presence = presence;
        if presence == Presence::Stopped {
            self.hidden = false;
        }
        self.believed = false;
        self.by_hand = false;
        self.mended();
    }

    /// Its node does something about it.
    pub(crate) fn mended(&mut self) {
        self.ails_since = None;
        self.part_gone = false;
    }

    /// Nothing of it is there any more, and nobody needs to know how.
    pub(crate) fn vanish(&mut self) {
        self.presence = Presence::Stopped;
        self.hidden = false;
        self.believed = false;
        self.by_hand = false;
        self.mended();
    }

    pub(crate) fn trouble(&mut self, task: Task) -> &mut Trouble {
        &mut self.troubles[task as usize]
    }
}

/// How something behaves, until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) behaviour: Behaviour,
    pub(crate) until: Micros,
}

impl Trouble {
    pub(crate) const NONE: Self = Self { behaviour: Behaviour::FailsOnce, until: 0 };

    /// How it behaves now; what fails once is well again after that.
    pub(crate) fn now(&mut self, now: Micros) -> Option<Behaviour> {
        if now >= self.until {
            return None;
        }
        if self.behaviour == Behaviour::FailsOnce {
            self.until = 0;
        }
        Some(self.behaviour)
    }
}

/// An agent at work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child {
    pub(crate) id: u32,
    /// The daemon's life that waits for it.
    pub(crate) life: u32,
    pub(crate) job: JobId,
    pub(crate) work: Work,
    /// The place of the service that it is about; none for a fence.
    pub(crate) place: Option<usize>,
    pub(crate) begun: Micros,
    pub(crate) ending: Ending,
}

/// How it is going to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It does what it was asked for, and says so.
    Succeeds,
    /// It says this and has done nothing, or only parts.
    Says(Outcome),
    /// It was ended by its time limit, which passed while nothing on the host ran.
    TimedOutInAPause,
    /// The witness was asked, and has not answered yet.
    Unanswered,
}

impl Ending {
    pub(crate) const REFUSED: Self = Self::Says(Outcome::Failed(JobFailure::Refused));
    pub(crate) const TIMED_OUT: Self = Self::Says(Outcome::Failed(JobFailure::TimedOut));
    pub(crate) const CANCELLED: Self = Self::Says(Outcome::Failed(JobFailure::Cancelled));
}
