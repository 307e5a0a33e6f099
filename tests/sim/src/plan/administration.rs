//! What administrators do to the daemons themselves. It is drawn with dice of its own, so that what else a seed has stays
//! what it was.

use super::{Fault, MILLISECOND, Micros, Planned, SECOND, Settings};
use crate::dice::Dice;

const PURPOSE: u64 = 6;

/// Adds to the faults of some seeds.
pub(super) fn add(seed: u64, settings: &Settings, faults: &mut Vec<Planned>, times: (Micros, Micros)) {
    let mut dice = Dice::branch(seed, PURPOSE, 0);
    if !dice.permille(300) {
        return;
    }
    for _ in 0..dice.between(1, 4) {
        let at = dice.between(times.0, times.1 - SECOND);
        match dice.below(4) {
            0 | 1 => maintain(&mut dice, settings, faults, at),
            2 => faults.push(Planned { at, fault: restart(&mut dice, settings) }),
            _ => confirm(&mut dice, settings, faults, at),
        }
    }
    faults.retain(|planned| planned.at < times.1);
    faults.sort_by_key(|planned| planned.at);
}

/// Maintenance, and what it is used for.
fn maintain(dice: &mut Dice, settings: &Settings, faults: &mut Vec<Planned>, at: Micros) {
    let hosts = settings.hosts.len();
    let lasts = dice.between(5, 120) * SECOND;
    faults.push(Planned { at, fault: Fault::Maintenance { host: dice.index(hosts), lasts } });
    for _ in 0..dice.below(4) {
        let at = at + dice.between(SECOND, lasts - SECOND);
        let host = dice.index(hosts);
        let fault = match dice.below(6) {
            0 => restart(dice, settings),
            1 => Fault::Stop { host, back: dice.between(1, 60) * SECOND },
            2 => Fault::KillDaemon {
                host,
                children_die: dice.permille(500),
                back: dice.between(1, 30) * SECOND,
            },
            3 => Fault::PowerLoss { host, off: dice.between(1, 30) * SECOND },
            _ => Fault::ByHand { host, group: dice.index(settings.groups.len()) },
        };
        faults.push(Planned { at, fault });
    }
}

fn restart(dice: &mut Dice, settings: &Settings) -> Fault {
    let host = dice.index(settings.hosts.len());
    let takes = match dice.below(4) {
        0 => dice.between(1, 25) * SECOND,
        // Longer than the others wait.
        1 => dice.between(30, 90) * SECOND,
        _ => dice.between(10, 500) * MILLISECOND,
    };
    Fault::Restart { host, takes, runs: dice.permille(900) }
}

/// A host dies, and later somebody says so on another.
fn confirm(dice: &mut Dice, settings: &Settings, faults: &mut Vec<Planned>, at: Micros) {
    let hosts = settings.hosts.len();
    let about = dice.index(hosts);
    let host = (about + 1 + dice.index(hosts - 1)) % hosts;
    let truthful = dice.permille(850);
    let lasts = dice.between(20, 120) * SECOND;
    let fault = if truthful {
        Fault::PowerLoss { host: about, off: lasts }
    } else {
        Fault::Isolate { host: about, lasts }
    };
    faults.push(Planned { at, fault });
    let later = at + settings.longest(|intervals| intervals.deadtime) + dice.between(1, 10) * SECOND;
    faults.push(Planned { at: later, fault: Fault::ConfirmDown { host, about, truthful } });
}
