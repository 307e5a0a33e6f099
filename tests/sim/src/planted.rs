//! The test of the checkers: the core's bugs on purpose, one after the other, each against the seeds from the first on
//! until a promise is broken. A bug that breaks none is a hole in the simulator.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use heartline_core::planted::{Bug, plant};

use crate::run_seed;
use crate::truth::{Promise, Violation};

/// How a bug is to be caught.
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// By the seeds below this at the latest.
    pub seeds: u64,
    /// By one of these promises.
    pub promises: &'static [Promise],
}

/// How the first seed with a broken promise ended.
#[derive(Debug, Clone)]
pub struct Catch {
    /// The seed.
    pub seed: u64,
    /// What it broke.
    pub violation: Violation,
}

/// Every bug is caught by the seeds below this at the latest, most by the first hundred.
const SEEDS: u64 = 3_000;

/// Who owns a group: which of these is broken first depends on what the cluster is protected by.
const OWNERS: &[Promise] = &[Promise::OneOwner, Promise::OneOwnerWhileLinked, Promise::NotFromTheLiving];

/// What every bug is expected to break.
#[must_use]
pub const fn expectation(bug: Bug) -> Expectation {
    let promises: &'static [Promise] = match bug {
        Bug::None => return Expectation { seeds: 0, promises: &[] },
        Bug::ClaimUnheard
        | Bug::ClaimOverHolder
        | Bug::FenceForgotten
        | Bug::FailedFenceCounts
        | Bug::FenceOutlivesReturn
        | Bug::LeavesRunning
        | Bug::RestartOverHolder
        | Bug::DifferenceUnseen => OWNERS,
        Bug::HeardElsewhereIsDead
        | Bug::AdoptedUnasked
        | Bug::QuorumIgnored
        | Bug::VotesCountLate
        | Bug::WatchdogAlwaysFed
        | Bug::WatchdogNotAwaited => &[Promise::OneOwner],
        Bug::TagUnchecked | Bug::OneLinkIsAll | Bug::InitialTimeSkipped | Bug::StallForgotten => {
            &[Promise::NotFromTheLiving]
        }
        Bug::ReadyIsDone | Bug::WitnessSaysTooEarly => &[Promise::OneOwner],
        Bug::VoteNotAwaited
        | Bug::WitnessVotesForBoth
        | Bug::WitnessStartIsDeath
        | Bug::WitnessUnpluggedFires
        | Bug::WitnessTestimonyIgnored => &[Promise::Witness],
        Bug::WitnessServesBoth => &[Promise::OneSurvives],
        Bug::WitnessFedByOther => &[Promise::InTime],
        Bug::WitnessHoldsLine => &[Promise::Rest],
        Bug::WitnessBridgesGarbage => &[Promise::Robust],
        Bug::ChangesWait | Bug::MonitorIgnored => &[Promise::InTime],
        Bug::FenceDelayForgotten => &[Promise::OneSurvives],
        Bug::EpochsReversed
        | Bug::EpochKept
        | Bug::FailbackAlways
        | Bug::FailedStartForgotten
        | Bug::RestartsUncounted
        | Bug::RestartShowsIdle => &[Promise::NoFailback],
        Bug::HolderKeeps | Bug::FenceUntold | Bug::MaintenanceUnchecked => &[Promise::Rest],
        Bug::MaintenanceForgotten | Bug::MaintenanceManages | Bug::LowerMaintenanceWins => {
            &[Promise::LeftAlone]
        }
        Bug::RestartUntold => &[Promise::NotFromTheLiving],
        Bug::OldGenerationHeard
        | Bug::ReplayIsNews
        | Bug::LateIsNews
        | Bug::WindowTooLong
        | Bug::FarewellsEcho => &[Promise::Robust],
        // Known wrongly, which is seen at once or when somebody acts on it.
        Bug::StoppingIsIdle
        | Bug::ProbeUnread
        | Bug::FailedStopIsStopped
        | Bug::PartsAreNothing
        | Bug::CancelledStartStays => {
            &[Promise::Known, Promise::OneOwner, Promise::OneOwnerWhileLinked, Promise::NotFromTheLiving]
        }
        Bug::StaleAnswersCount
        | Bug::RebootsForStrangers
        | Bug::OneWayIsAlive
        | Bug::OldConfirmationCounts => &[Promise::Known],
    };
    Expectation { seeds: SEEDS, promises }
}

/// The most seeds that any bug may need: without a bug all of them keep their promises.
#[must_use]
pub fn seeds_needed() -> u64 {
    Bug::ALL.iter().map(|bug| expectation(*bug).seeds).max().unwrap_or(0)
}

/// Plants a bug and plays the seeds below `seeds`, `jobs` at a time, until one breaks a promise. The lowest that does is
/// given, however many play at a time. Only one bug is planted in a process, so this must not run twice at a time.
#[must_use]
pub fn hunt(bug: Bug, seeds: u64, jobs: usize) -> Option<Catch> {
    plant(bug);
    let (next, caught) = (AtomicU64::new(0), AtomicU64::new(seeds));
    let play = || {
        let mut lowest: Option<Catch> = None;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= caught.load(Ordering::Relaxed) {
                return lowest;
            }
            if let Some(violation) = run_seed(seed).violation {
                caught.fetch_min(seed, Ordering::Relaxed);
                lowest.get_or_insert(Catch { seed, violation });
            }
        }
    };
    let catches: Vec<Catch> = thread::scope(|scope| {
        let players: Vec<_> = (0..jobs).map(|_| scope.spawn(play)).collect();
        players.into_iter().filter_map(|player| player.join().ok().flatten()).collect()
    });
    plant(Bug::None);
    catches.into_iter().min_by_key(|found| found.seed)
}
