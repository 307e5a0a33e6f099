//! How a group that runs here is, as far as it is known: its monitor, its failures, how often it was mended. Data and
//! counting only; what follows from them is decided in `node::recovery`.

use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::limits::MAX_RESTARTS;
use crate::time::{Duration, Instant};

/// Monitors in a row without a clear answer, after which the group counts as failed. One such answer may be a busy host
/// or an agent that stumbled; a service that cannot be told to be well for so long is not.
pub const UNCLEAR_ANSWERS: u8 = 3;
/// Repairs within [`REPAIR_WINDOW`] that are tried before a restart: whoever takes an address away again and again is
/// not outrun.
pub const MAX_REPAIRS: u8 = 5;
/// How long a repair counts.
pub const REPAIR_WINDOW: Duration = Duration::from_millis(60_000);
/// The least time between two monitors that were asked for by a suspicion.
pub const SUSPICION_PAUSE: Duration = Duration::from_millis(1_000);

/// Why a group that ran counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ailment {
    /// It does not run any more, or only in part.
    Gone,
    /// Its monitor did not end within its time limit.
    Hung,
    /// Its monitor had no clear answer, [`UNCLEAR_ANSWERS`] times in a row.
    Unclear,
    /// A part that was gone could not be put back, or was gone again too often.
    NotRepaired,
}

/// What is done for a group that runs, beside what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Care {
    /// It is asked how it is.
    Monitor,
    /// What is gone is put back.
    Repair,
}

/// What is to be done next for a group that is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Remedy {
    /// Put back what is gone.
    Repair,
    /// Start all of it again, here or elsewhere.
    Restart,
}

/// How a group that runs here is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Health {
    /// The monitor or repair under way.
    pub(crate) care: Option<(JobId, Care)>,
    /// This node was stalled meanwhile, or maintenance ended: what comes of it is no news of the group.
    pub(crate) stale: bool,
    /// When the next monitor is due by its interval; nothing while the group does not run or has none.
    pub(crate) next: Option<Instant>,
    /// Something seems to be gone.
    pub(crate) suspected: bool,
    /// When the last suspicion was followed.
    pub(crate) followed: Option<Instant>,
    /// Answers in a row that were not clear.
    pub(crate) unclear: u8,
    /// The last monitor could not be run.
    pub(crate) unasked: bool,
    pub(crate) remedy: Option<Remedy>,
    pub(crate) restarts: Recent,
    pub(crate) repairs: Recent,
    /// It was given up here, since it had been restarted as often as it may be.
    pub(crate) exhausted: bool,
    failures: u16,
    last_failure: Option<(Instant, Ailment)>,
}

impl Health {
    pub(crate) const fn new() -> Self {
        Self {
            care: None,
            stale: false,
            next: None,
            suspected: false,
            followed: None,
            unclear: 0,
            unasked: false,
            remedy: None,
            restarts: Recent::NONE,
            repairs: Recent::NONE,
            exhausted: false,
            failures: 0,
            last_failure: None,
        }
    }

    /// How often it failed here since the last clean-up, after having run.
    #[must_use]
    pub const fn failures(&self) -> u16 {
        self.failures
    }

    /// When it failed here last, and how.
    #[must_use]
    pub const fn last_failure(&self) -> Option<(Instant, Ailment)> {
        self.last_failure
    }

    /// How often it was restarted in place within `window`.
    #[must_use]
    pub fn restarts(&self, now: Instant, window: Duration) -> u8 {
        self.restarts.within(now, window)
    }

    /// Whether the last monitor could not be run: nobody knows how the group is.
    #[must_use]
    pub const fn is_unasked(&self) -> bool {
        self.unasked
    }

    /// Whether it was given up here, since it had been restarted as often as it may be.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    pub(crate) fn fails(&mut self, now: Instant, ailment: Ailment) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some((now, ailment));
        self.remedy = Some(Remedy::Restart);
    }

    /// The group does not run any more, or is about to be stopped. What was counted stays.
    pub(crate) const fn rests(&mut self) {
        self.care = None;
        self.stale = false;
        self.next = None;
        self.suspected = false;
        self.unclear = 0;
        self.unasked = false;
        self.remedy = None;
    }

    /// Forgets what was counted; says whether there was anything.
    pub(crate) fn forgive(&mut self) -> bool {
        self.restarts = Recent::NONE;
        self.repairs = Recent::NONE;
        self.last_failure = None;
        self.exhausted = false;
        core::mem::take(&mut self.failures) > 0
    }

    /// When the next monitor is due while nothing else is done; nothing if nobody wants to know.
    pub(crate) fn due(&self) -> Option<Instant> {
        let suspicion = self.followed.map_or(Instant::ZERO, |followed| followed + SUSPICION_PAUSE);
        let suspicion = self.suspected.then_some(suspicion);
        self.next.into_iter().chain(suspicion).min()
    }

    /// Whether there is anything that matters for the future of a group that is not monitored.
    pub(crate) fn is_at_rest(&self) -> bool {
        let nothing_due =
            self.care.is_none() && self.remedy.is_none() && !self.suspected && self.next.is_none();
        let nothing_counts = self.restarts == Recent::NONE && self.repairs == Recent::NONE;
        nothing_due && nothing_counts && self.followed.is_none()
    }

    /// What matters for the future of a group that is monitored, or for which something is done.
    pub(crate) fn hash_future(&self, now: Instant, window: Duration, hasher: &mut impl Hasher) {
        let Self {
            care,
            stale,
            next,
            suspected,
            followed,
            unclear,
            unasked,
            remedy,
            restarts,
            repairs,
            exhausted: _,
            failures: _,
            last_failure: _,
        } = self;
        care.map(|(_, care)| care).hash(hasher);
        (stale, suspected, unclear, unasked, remedy).hash(hasher);
        next.map(|next| next.since(now)).hash(hasher);
        followed.map(|followed| (followed + SUSPICION_PAUSE).since(now)).hash(hasher);
        restarts.hash_future(now, window, hasher);
        repairs.hash_future(now, REPAIR_WINDOW, hasher);
    }
}

/// When something was done, the last [`MAX_RESTARTS`] times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recent([Option<Instant>; MAX_RESTARTS]);

impl Recent {
    const NONE: Self = Self([None; MAX_RESTARTS]);

    pub(crate) fn note(&mut self, now: Instant) {
        self.0.rotate_right(1);
        self.0[0] = Some(now);
    }

    pub(crate) fn within(&self, now: Instant, window: Duration) -> u8 {
        let counted = self.0.iter().flatten().filter(|at| now < **at + window).count();
        u8::try_from(counted).unwrap_or(u8::MAX)
    }

    fn hash_future(&self, now: Instant, window: Duration, hasher: &mut impl Hasher) {
        self.0.iter().flatten().map(|at| (*at + window).since(now)).for_each(|left| left.hash(hasher));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn what_is_longer_ago_than_the_window_does_not_count() {
        let mut recent = Recent::NONE;
        let window = Duration::from_millis(10_000);
        for second in [1, 4, 8] {
            recent.note(at(second));
        }
        let counts = [(8, 3), (10, 3), (11, 2), (13, 2), (14, 1), (17, 1), (18, 0)];
        for (now, count) in counts {
            assert_eq!(recent.within(at(now), window), count, "at {now} s");
        }
    }

    #[test]
    fn of_more_than_there_is_room_for_the_last_count() {
        let mut recent = Recent::NONE;
        for second in 0..2 * u64::try_from(MAX_RESTARTS).unwrap() {
            recent.note(at(second));
        }
        let all = u8::try_from(MAX_RESTARTS).unwrap();
        assert_eq!(recent.within(at(20), Duration::from_millis(3_600_000)), all);
        assert_eq!(recent.within(at(20), Duration::from_millis(2_500)), 2);
    }

    #[test]
    fn a_suspicion_is_followed_at_once_and_then_once_a_second() {
        let mut health = Health { next: Some(at(100)), ..Health::new() };
        assert_eq!(health.due(), Some(at(100)));
        health.suspected = true;
        assert_eq!(health.due(), Some(Instant::ZERO));
        health.followed = Some(at(50));
        assert_eq!(health.due(), Some(at(51)));
        health.followed = Some(at(100));
        assert_eq!(health.due(), Some(at(100)));
        health.rests();
        assert_eq!(health.due(), None);
    }
}
