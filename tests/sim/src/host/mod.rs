//! A machine: its power, its clock, its disk, the daemon that it runs, the agents that the daemon has started, and what
//! really runs on it. The daemon is a real core node; the rest of this file is what the Linux host would be to it.

mod clock;
mod daemon;
mod service;

pub(crate) use clock::Clock;
pub(crate) use daemon::{Daemon, Heard, Medium};
pub(crate) use service::{Child, Ending, Presence, Service, Trouble};

use heartline_core::ids::GroupIndex;
use heartline_core::maintenance::Maintenance;
use heartline_core::message::GroupState;

use crate::dice::Dice;
use crate::plan::{Lie, Micros, Words};

/// Whether a machine has power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    Off,
    Booting,
    Up,
}

/// What becomes of the next restart with the services kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum NextLife {
    /// The installed program cannot be run: the daemon goes on.
    #[default]
    None,
    /// It needs so long to come up.
    After(Micros),
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) machine: Machine,
    /// Counts the times that power came or went: what was begun under another number does not happen.
    pub(crate) power: u32,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    /// The generation on disk.
    pub(crate) generation: u32,
    /// What the files say.
    pub(crate) words: Words,
    pub(crate) daemon: Option<Box<Daemon>>,
    /// A daemon is being started: its generation is on its way to the disk.
    pub(crate) starting: bool,
    /// Counts the daemons, so that events for an earlier one mean nothing.
    pub(crate) lives: u32,
    pub(crate) stalled_until: Micros,
    /// When the stall or pause began that its daemon is in.
    pub(crate) stalled_since: Option<Micros>,
    /// When the last stall ended that lasted for its own dead time and that its clock has seen.
    pub(crate) long_stall_ended: Micros,
    /// When the last pause ended in which its clock stood still: it cannot know for how long it was away.
    pub(crate) lost_time_at: Option<Micros>,
    /// Of a paused machine: since when, until when, and whether its clock stands still.
    pub(crate) paused: Option<(Micros, Micros, bool)>,
    /// By place, see [`Host::place`].
    pub(crate) services: Vec<Service>,
    pub(crate) children: Vec<Child>,
    pub(crate) next_child: u32,
    /// How its fencing device behaves.
    pub(crate) device: Trouble,
    pub(crate) ping_lost_until: Vec<Micros>,
    /// What is on its disk about maintenance.
    pub(crate) kept: Maintenance,
    /// When that changed last.
    pub(crate) maintained: Micros,
    pub(crate) next_life: NextLife,
    /// How often it will lose its power again, and how long after each boot.
    pub(crate) reboot_loop: (u32, Micros),
    /// When such a loop takes its power the next time.
    pub(crate) reboots_at: Micros,
    /// A fencing device claimed to have shot it and did not.
    pub(crate) spared: bool,
    /// When its armed watchdog resets it.
    pub(crate) watchdog: Option<Micros>,
    /// When it last lost its supply.
    pub(crate) lost_power_at: Option<Micros>,
    /// What it says that is not so, until when.
    pub(crate) lie: Option<(Lie, Micros)>,
}

impl Host {
    /// Whether its daemon does not run for a while.
    pub(crate) fn is_frozen(&self, now: Micros) -> bool {
        now < self.stalled_until || self.paused.is_some()
    }

    /// Since when its daemon has been running without a stall; nothing while it does not.
    pub(crate) fn well_since(&self, now: Micros) -> Option<Micros> {
        let daemon = self.daemon.as_ref().filter(|_| !self.is_frozen(now))?;
        Some(daemon.born.max(self.stalled_until))
    }

    /// Where the service of a group stands in `services`: first those of all groups in their usual words, then those in
    /// other words, which are other services.
    pub(crate) fn place(&self, group: usize) -> usize {
        let words = self.daemon.as_ref().map_or(self.words, |daemon| daemon.in_force);
        if words == Words::OtherGroup(group) { self.services.len() / 2 + group } else { group }
    }

    /// What the node does with the service at a place; nothing if its files do not have that.
    pub(crate) fn state(&self, place: usize) -> Option<GroupState> {
        let group = place % (self.services.len() / 2);
        let daemon = self.daemon.as_ref().filter(|_| self.place(group) == place)?;
        let at = GroupIndex(u8::try_from(group).unwrap_or(u8::MAX));
        daemon.node.group_here(at).map(|group| group.state())
    }

    /// Whether a daemon runs and takes part in its own time.
    pub(crate) fn is_awake(&self, now: Micros) -> bool {
        self.daemon.is_some() && !self.is_frozen(now)
    }
}
