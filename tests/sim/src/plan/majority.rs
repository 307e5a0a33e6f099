//! Quorum and hardware watchdogs, for clusters of three and more. They are drawn with dice of their own, so that what
//! else a seed has stays what it was.

use heartline_core::config::Quorum;
use heartline_core::time::Duration;

use super::{MILLISECOND, Micros, SECOND, Settings};
use crate::dice::Dice;

const PURPOSE: u64 = 5;

/// A vote lasts almost for a dead time, and is renewed by each heartbeat and its answer: below four keepalives one lost
/// frame would cost the majority.
const KEEPALIVES: u64 = 4;

/// Lets some clusters ask for a majority, with watchdogs, with fencing, with both, or with neither.
pub(super) fn ask_for(seed: u64, settings: &mut Settings) {
    let mut dice = Dice::branch(seed, PURPOSE, 0);
    if settings.hosts.len() < 3 || !dice.permille(700) {
        return;
    }
    settings.policy.quorum = Quorum::Majority;
    equal_keepalives(settings);
    // Where nothing makes sure that a dead node runs nothing, its groups wait for it.
    if !settings.policy.fencing && dice.permille(100) {
        return;
    }
    if !settings.policy.fencing || dice.permille(500) {
        settings.watchdog = Some(watchdog(&mut dice, settings));
    }
}

/// Has all nodes speak as often, and be held for dead late enough that a vote outlasts a lost frame.
pub(super) fn equal_keepalives(settings: &mut Settings) {
    // What others confirm comes as often as they speak: all speak as often as the first.
    let keepalive = settings.hosts[0].intervals.keepalive;
    for host in &mut settings.hosts {
        let intervals = &mut host.intervals;
        intervals.keepalive = keepalive;
        intervals.deadtime = intervals.deadtime.max(keepalive.times(KEEPALIVES));
        intervals.warntime = Duration::from_micros(intervals.deadtime.micros() / 2);
        intervals.initdead = intervals.initdead.max(intervals.deadtime.times(2));
        intervals.deadping = intervals.deadtime;
    }
}

/// The time-out of hardware watchdogs.
pub(super) fn watchdog(dice: &mut Dice, settings: &Settings) -> Micros {
    let deadtime = settings.longest(|intervals| intervals.deadtime);
    let seconds = dice.between(deadtime.div_ceil(SECOND), 3 * deadtime.div_ceil(SECOND));
    // The device may count in anything; on the wire it is whole seconds.
    let rest = if dice.permille(300) { dice.below(1000) * MILLISECOND } else { 0 };
    seconds * SECOND + rest
}
