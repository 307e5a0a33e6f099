//! Bugs on purpose, to see whether the checkers of the simulator and of the explorer find them. They are compiled in
//! with the feature `planted-bugs` only, and live one at a time; without it this is nothing.

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A mistake that somebody might make.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(not(feature = "planted-bugs"), expect(dead_code, reason = "named where they would be planted"))]
        #[repr(u8)]
        #[allow(unreachable_pub, reason = "public with the feature only")]
        pub enum Bug {
            /// None: the core as it is.
            None,
            $($(#[$doc])* $name,)*
        }

        #[cfg(feature = "planted-bugs")]
        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

bugs! {
    /// A claim does not wait for the others to hear of it.
    ClaimUnheard,
    /// A claim does not ask what the others run.
    ClaimOverHolder,
    /// A group that is being stopped counts as stopped.
    StoppingIsIdle,
    /// A dead member is not fenced, though it should be.
    FenceForgotten,
    /// A fence that failed counts.
    FailedFenceCounts,
    /// Two nodes that lost each other fence at the same moment.
    FenceDelayForgotten,
    /// Who was fenced is not told so.
    FenceUntold,
    /// A fence counts for a member that came back since.
    FenceOutlivesReturn,
    /// Of two holders the older epoch wins.
    EpochsReversed,
    /// A claim has no new epoch.
    EpochKept,
    /// Frames of an earlier life are heard.
    OldGenerationHeard,
    /// A frame that was heard already is news.
    ReplayIsNews,
    /// What a frame says counts though a newer one overtook it.
    LateIsNews,
    /// The window of frame numbers is one too long.
    WindowTooLong,
    /// Frames are not authenticated.
    TagUnchecked,
    /// A member that is heard is taken to hear us.
    OneWayIsAlive,
    /// A confirmation of a frame of our former life counts.
    OldConfirmationCounts,
    /// One silent link is a dead member.
    OneLinkIsAll,
    /// The initial dead time is not waited for.
    InitialTimeSkipped,
    /// A node that was stalled judges the others at once.
    StallForgotten,
    /// `auto_failback off` is read as `on`.
    FailbackAlways,
    /// A holder keeps a group that belongs elsewhere.
    HolderKeeps,
    /// A node leaves without stopping what it runs.
    LeavesRunning,
    /// A group that could not be stopped counts as stopped.
    FailedStopIsStopped,
    /// A start that failed is forgotten.
    FailedStartForgotten,
    /// A start that was cancelled is not stopped.
    CancelledStartStays,
    /// What was running before our start is not seen.
    ProbeUnread,
    /// A group of which parts run is taken for stopped.
    PartsAreNothing,
    /// What was running before our start is ours without asking.
    AdoptedUnasked,
    /// Differing configurations are not noticed.
    DifferenceUnseen,
    /// A member that another one hears is dead because we do not hear it.
    HeardElsewhereIsDead,
    /// A claim goes on without a majority, and what the minority runs goes on running.
    QuorumIgnored,
    /// A vote counts from when it came, not from when we asked.
    VotesCountLate,
    /// The minority feeds its watchdog though it could not stop.
    WatchdogAlwaysFed,
    /// The majority does not wait for the watchdog.
    WatchdogNotAwaited,
    /// A host reboots for a group that was never its own.
    RebootsForStrangers,
    /// What a monitor finds changes nothing.
    MonitorIgnored,
    /// Restarts in place are not counted.
    RestartsUncounted,
    /// Between the two halves of a restart in place the group is idle.
    RestartShowsIdle,
    /// A restart in place goes on though another member holds the group, or has not let it go yet.
    RestartOverHolder,
    /// What a monitor says that timed out while this node was stalled counts.
    StaleAnswersCount,
    /// A change is not said before the next regular heartbeat.
    ChangesWait,
    /// A farewell is answered each time that it is heard.
    FarewellsEcho,
    /// A new life knows nothing of the maintenance that the last one kept.
    MaintenanceForgotten,
    /// Groups are managed in maintenance.
    MaintenanceManages,
    /// An older word on maintenance takes the place of a newer one.
    LowerMaintenanceWins,
    /// Nothing is looked at when maintenance ends.
    MaintenanceUnchecked,
    /// The others are not told of a restart.
    RestartUntold,
    /// Nobody waits for the witness's vote.
    VoteNotAwaited,
    /// A witness that is ready to reset a member has done so.
    ReadyIsDone,
    /// The witness votes for whoever asks, and twice in an epoch.
    WitnessVotesForBoth,
    /// The witness takes the silence of its own start for a death.
    WitnessStartIsDeath,
    /// The witness serves the second of two that want each other reset as well.
    WitnessServesBoth,
    /// A frame of one host feeds the witness's watchdog over the other.
    WitnessFedByOther,
    /// The witness resets both hosts when its own plug was pulled.
    WitnessUnpluggedFires,
    /// The other host's word that it hears a host is no sign of life to the witness.
    WitnessTestimonyIgnored,
    /// The witness says that it has reset a host when it only begins to.
    WitnessSaysTooEarly,
    /// The witness does not let go of a reset line.
    WitnessHoldsLine,
    /// The witness passes on what is not authentic.
    WitnessBridgesGarbage,
}

#[cfg(feature = "planted-bugs")]
mod soil {
    use core::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    static PLANTED: AtomicU8 = AtomicU8::new(Bug::None as u8);

    /// Plants a bug in every node of this process, in the place of the one before.
    pub fn plant(bug: Bug) {
        PLANTED.store(bug as u8, Ordering::Relaxed);
    }

    /// Whether this bug is to be made now.
    pub fn planted(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as u8
    }
}

#[cfg(feature = "planted-bugs")]
pub use soil::{plant, planted};

/// Whether this bug is to be made now.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
