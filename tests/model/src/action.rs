//! Everything that can happen next. What costs a fault is taken from the budget; the rest is the ordinary course.

use std::fmt;

use heartline_core::input::{Command, Scope};

/// A direction of a link: from which host, over which link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wire {
    /// The sender's place.
    pub from: u8,
    /// The link's place.
    pub link: u8,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The oldest frame of a host comes in, over every link that still has it.
    Deliver(u8),
    /// A frame that was held up comes in at last; by its place among them.
    DeliverLate(u8),
    /// Time goes on to this host's next deadline.
    Tick(u8),
    /// A job of this host does what it should, or is dead after its cancellation; by its place among the jobs.
    JobEnds(u8, u8),
    /// A fencing device turns its victim off; that it did so is not known yet.
    Shoot(u8, u8),
    /// A host that is off, or without its daemon, starts it.
    Boot(u8),
    /// A stalled host goes on.
    Wake(u8),
    /// Every cut is mended.
    Mend,
    /// Fault: the oldest frame of a wire is lost.
    Lose(Wire),
    /// Fault: the oldest frame of a wire is held up, for any time; others overtake it.
    HoldUp(Wire),
    /// Fault: the oldest frame of a wire comes in, and will do so again at any time.
    Repeat(Wire),
    /// Fault: a job fails. A fencing device may have fired nevertheless.
    JobFails(u8, u8),
    /// Fault: the power of a host goes.
    PowerCut(u8),
    /// Fault: the daemon dies, and what runs goes on running.
    Kill(u8),
    /// Fault: a host stops for a while; frames wait for it.
    Stall(u8),
    /// Fault: one wire is cut.
    Cut(Wire),
    /// Fault: all wires are cut.
    CutAll,
    /// Fault in that it uses the budget: an operator orders this.
    Order(u8, Ordered),
}

/// What operators order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ordered {
    /// `hb_standby`.
    Standby,
    /// `hb_takeover`.
    Takeover,
    /// `heartbeat -k`.
    Leave,
}

impl Ordered {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Standby, Self::Takeover, Self::Leave];

    /// In the words of the core.
    #[must_use]
    pub const fn command(self) -> Command {
        match self {
            Self::Standby => Command::Standby(Scope::All),
            Self::Takeover => Command::Takeover(Scope::All),
            Self::Leave => Command::Leave,
        }
    }
}

impl Action {
    /// Whether it takes one from the budget.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        match self {
            Self::Deliver(_)
            | Self::DeliverLate(_)
            | Self::Tick(_)
            | Self::JobEnds(..)
            | Self::Shoot(..)
            | Self::Boot(_)
            | Self::Wake(_)
            | Self::Mend => false,
            Self::Lose(_)
            | Self::HoldUp(_)
            | Self::Repeat(_)
            | Self::JobFails(..)
            | Self::PowerCut(_)
            | Self::Kill(_)
            | Self::Stall(_)
            | Self::Cut(_)
            | Self::CutAll
            | Self::Order(..) => true,
        }
    }
}

/// The name of a host, as in its configuration.
#[must_use]
pub const fn name(host: u8) -> &'static str {
    if host == 0 { "ha1" } else { "ha2" }
}

impl fmt::Display for Wire {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}->{} on link {}", name(self.from), name(1 - self.from), self.link)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Deliver(from) => write!(out, "frame {}->{}", name(from), name(1 - from)),
            Self::DeliverLate(_) => write!(out, "a frame that was held up comes in"),
            Self::Tick(host) => write!(out, "{}: time passes", name(host)),
            Self::JobEnds(host, _) => write!(out, "{}: job ends", name(host)),
            Self::Shoot(host, _) => write!(out, "{}: the fencing device turns the other off", name(host)),
            Self::Boot(host) => write!(out, "{}: daemon starts", name(host)),
            Self::Wake(host) => write!(out, "{}: goes on after its stall", name(host)),
            Self::Mend => write!(out, "all wires work again"),
            Self::Lose(wire) => write!(out, "LOST frame {wire}"),
            Self::HoldUp(wire) => write!(out, "HELD UP frame {wire}"),
            Self::Repeat(wire) => write!(out, "REPEATED frame {wire}"),
            Self::JobFails(host, _) => write!(out, "{}: JOB FAILS", name(host)),
            Self::PowerCut(host) => write!(out, "{}: POWER CUT", name(host)),
            Self::Kill(host) => write!(out, "{}: DAEMON KILLED", name(host)),
            Self::Stall(host) => write!(out, "{}: STALLED", name(host)),
            Self::Cut(wire) => write!(out, "CUT {wire}"),
            Self::CutAll => write!(out, "CUT all wires"),
            Self::Order(host, ordered) => write!(out, "{}: ORDER {ordered:?}", name(host)),
        }
    }
}
