//! Monitors of running groups, and what they are for: services that die, addresses that somebody removes, monitors that
//! lie, hang and stumble. They are drawn with dice of their own, so that what else a seed has stays what it was.

use heartline_core::config::Recovery;
use heartline_core::time::Duration;

use super::{Behaviour, Fault, MILLISECOND, Micros, Planned, Reading, SECOND, Settings, Task};
use crate::dice::Dice;

const PURPOSE: u64 = 7;

/// Lets most clusters monitor their groups, and gives them a few more faults.
pub(super) fn ask_for(seed: u64, settings: &mut Settings, storm: Micros) -> Vec<Planned> {
    let mut dice = Dice::branch(seed, PURPOSE, 0);
    if !dice.permille(600) {
        return Vec::new();
    }
    let usual = dice.between(20, 300) * 100 * MILLISECOND;
    settings.monitors = (0..settings.groups.len())
        .map(|_| if dice.permille(150) { 0 } else { usual * dice.between(1, 3) / 2 })
        .collect();
    settings.policy.recovery = Recovery {
        restarts: dice.pick(&[0, 1, 2, 3, 3, 10]),
        window: Duration::from_millis(dice.between(60, 600) * 1000),
    };
    let number = if dice.permille(500) { dice.between(1, 8) } else { 0 };
    let fault = |_| {
        let (host, group) = (dice.index(settings.hosts.len()), dice.index(settings.groups.len()));
        let at = dice.between(storm / 4, storm - SECOND);
        let fault = match dice.below(8) {
            0..=2 => Fault::ServiceDies { host, group },
            3 | 4 => Fault::PartGone { host, group, told: dice.permille(700) },
            _ => Fault::Agent {
                host,
                group,
                task: if dice.permille(800) { Task::Monitor } else { Task::Repair },
                behaviour: dice.pick(&[
                    Behaviour::FailsOnce,
                    Behaviour::Fails,
                    Behaviour::Slow(5),
                    Behaviour::Hangs,
                    Behaviour::Lies(Reading::Runs),
                    Behaviour::Lies(Reading::Stopped),
                ]),
                lasts: dice.between(1, 120) * SECOND,
            },
        };
        Planned { at, fault }
    };
    (0..number).map(fault).collect()
}
