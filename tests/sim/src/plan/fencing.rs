//! Fence delays, devices whose word can be checked, and races: two hosts that lose each other while both devices work.
//! They are drawn with dice of their own, so that what else a seed has stays what it was.

use heartline_core::config::Quorum;
use heartline_core::time::Duration;

use super::{Fault, MILLISECOND, Micros, Planned, SECOND, Settings};
use crate::dice::Dice;

const PURPOSE: u64 = 6;

/// Lets some clusters wait before they fence, long enough or not, and some read back what was done.
pub(super) fn ask_for(seed: u64, settings: &mut Settings) {
    let mut dice = Dice::branch(seed, PURPOSE, 0);
    settings.fence_reads_back = dice.permille(500);
    if settings.policy.quorum == Quorum::Off && dice.permille(500) {
        let short = dice.between(MILLISECOND, settings.times.fence);
        let delay = if dice.permille(700) { settings.fair_fence_delay() } else { short };
        settings.policy.fence_delay = Duration::from_micros(delay);
    }
}

/// Makes a race of some seeds with two hosts: nothing but partitions, from `calm` on.
pub(super) fn race(seed: u64, settings: &mut Settings, calm: Micros) -> Option<Vec<Planned>> {
    let mut dice = Dice::branch(seed, PURPOSE, 1);
    if settings.hosts.len() != 2 || settings.witness.is_some() || !dice.permille(30) {
        return None;
    }
    settings.policy.fencing = true;
    settings.policy.fence_delay = Duration::from_micros(settings.fair_fence_delay());
    let deadtime = settings.longest(|intervals| intervals.deadtime);
    let over = settings.longest(|intervals| intervals.initdead)
        + 2 * settings.policy.fence_delay.micros()
        + 2 * settings.times.fence
        + settings.times.boot
        + 30 * SECOND;
    let mut at = calm;
    let faults = (0..dice.between(1, 4)).map(|_| {
        at += dice.between(over, 2 * over);
        let lasts = dice.between(deadtime, 2 * over);
        let fault = Fault::Isolate { host: dice.index(2), lasts };
        let planned = Planned { at, fault };
        at += lasts;
        planned
    });
    Some(faults.collect())
}
