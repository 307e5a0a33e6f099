//! The witness in the cable of two hosts, and what can happen to it. It is drawn with dice of its own, so that what seeds
//! without it have stays what it was.

use heartline_core::config::Quorum;
use heartline_core::provision::Sense;
use heartline_core::time::Duration;

use super::draw::{forgery, span};
use super::{
    Fault, Kind, Lie, LinkSettings, MILLISECOND, Micros, Planned, SECOND, Settings, WitnessReset,
    WitnessSettings, majority,
};
use crate::dice::Dice;

const PURPOSE: u64 = 8;

/// Puts a witness into the cable of some pairs, about a quarter of all seeds. Then nothing else fences.
pub(super) fn ask_for(seed: u64, settings: &mut Settings) {
    let mut dice = Dice::branch(seed, PURPOSE, 0);
    if settings.hosts.len() != 2 || !dice.permille(400) {
        return;
    }
    let wired = |dice: &mut Dice| if dice.permille(30) { 0 } else { dice.between(50, 2_000) * MILLISECOND };
    let sense = |dice: &mut Dice| dice.pick(&[Sense::NotWired, Sense::Power, Sense::Power, Sense::ReadBack]);
    let pulls = [wired(&mut dice), wired(&mut dice)];
    let shortest = pulls.into_iter().filter(|pull| *pull > 0).min().unwrap_or(50 * MILLISECOND);
    let votes = dice.permille(850);
    let watches = dice.permille(750);
    let witness = WitnessSettings {
        drift: i32::try_from(dice.below(1001)).unwrap_or(0) - 500,
        first_boot: if dice.permille(100) { dice.below(60 * SECOND) } else { dice.below(SECOND) },
        boot: dice.between(MILLISECOND, 300 * MILLISECOND),
        pulls,
        takes_effect: dice.between(MILLISECOND, shortest * 3 / 4),
        senses: [sense(&mut dice), sense(&mut dice)],
        fences: dice.permille(if watches { 400 } else { 700 }),
    };
    settings.links.retain(|link| matches!(link, LinkSettings::Datagram { .. }));
    if dice.permille(100) {
        // Nothing but the cable.
        settings.links.clear();
    }
    settings
        .links
        .push(LinkSettings::Witnessed { baud: dice.pick(&[9_600, 19_200, 19_200, 38_400, 115_200]) });
    settings.witness = Some(witness);
    settings.policy.fencing = witness.fences;
    if votes {
        settings.policy.quorum = Quorum::Witness;
        majority::equal_keepalives(settings);
        settings.watchdog = dice.permille(150).then(|| majority::watchdog(&mut dice, settings));
    }
    let deadtime = settings.longest(|intervals| intervals.deadtime);
    settings.policy.witness_watchdog =
        watches.then(|| Duration::from_millis(dice.between(deadtime, 3 * deadtime) / MILLISECOND));
}

/// Adds what happens to the witness and its cable; in some seeds nothing else happens.
pub(super) fn add(seed: u64, settings: &Settings, faults: &mut Vec<Planned>, times: (Micros, Micros)) {
    if settings.witness.is_none() {
        return;
    }
    let mut dice = Dice::branch(seed, PURPOSE, 1);
    match dice.below(100) {
        0..15 => faults.clear(),
        // A crash alone, to be judged by its time.
        15..22 => {
            let host = dice.index(settings.hosts.len());
            let at = dice.between(times.0 + (times.1 - times.0) / 2, times.1 - SECOND);
            *faults = vec![Planned { at, fault: Fault::PowerLoss { host, off: 300 * SECOND } }];
            return;
        }
        22..45 => return,
        _ => {}
    }
    let alone = faults.is_empty();
    let likelihood = dice.pick(&[100, 200, 400]);
    // What parts the hosts tears off one half of the cable as well.
    let possible = KINDS.into_iter().chain([Kind::Isolate]);
    let mut kinds: Vec<Kind> = possible.filter(|_| dice.permille(likelihood)).collect();
    if alone {
        kinds.retain(Kind::is_of_the_witness);
    }
    if kinds.is_empty() {
        kinds.push(Kind::WitnessReset);
    }
    let most = 1 << dice.between(1, 4);
    for _ in 0..dice.between(1, most) {
        let at = dice.between(times.0, times.1 - SECOND);
        let kind = dice.pick(&kinds);
        add_one(&mut dice, settings, faults, (at, kind));
    }
    faults.retain(|planned| planned.at < times.1);
    faults.sort_by_key(|planned| planned.at);
}

/// What happens only where there is a witness, and is drawn here.
pub(super) const KINDS: [Kind; 11] = [
    Kind::WitnessOff,
    Kind::WitnessReset,
    Kind::WitnessHangs,
    Kind::Unplug,
    Kind::HalfCut,
    Kind::HalfNoise,
    Kind::AskFence,
    Kind::Blackout,
    Kind::ForgeToWitness,
    Kind::LineBroken,
    Kind::Lie,
];

impl Kind {
    /// Whether it happens to the witness or its cable, and to no host.
    #[must_use]
    pub const fn is_of_the_witness(&self) -> bool {
        matches!(
            self,
            Self::WitnessOff
                | Self::WitnessReset
                | Self::WitnessHangs
                | Self::Unplug
                | Self::HalfCut
                | Self::HalfNoise
                | Self::ForgeToWitness
        )
    }
}

fn add_one(dice: &mut Dice, settings: &Settings, faults: &mut Vec<Planned>, (at, kind): (Micros, Kind)) {
    let host = dice.index(settings.hosts.len());
    let lasts = span(dice, settings);
    let fault = match kind {
        Kind::WitnessOff => Fault::WitnessOff { off: lasts },
        Kind::WitnessHangs => Fault::WitnessHangs,
        Kind::Unplug => Fault::Unplug { host, lasts },
        Kind::HalfCut => Fault::HalfCut { host, outward: dice.permille(500), lasts },
        Kind::HalfNoise => Fault::HalfNoise {
            host,
            loss: if dice.permille(500) { dice.pick(&[1, 5, 50]) } else { 0 },
            flips: if dice.permille(500) { dice.pick(&[1, 5, 50]) } else { 0 },
            garbage: if dice.permille(500) { dice.pick(&[1, 10, 300]) } else { 0 },
            breaks: if dice.permille(500) { dice.pick(&[10, 100, 500]) } else { 0 },
            lasts,
        },
        Kind::AskFence => {
            if dice.permille(500) {
                // Both ask, and one of them a little later.
                let later = at + dice.pick(&[0, 0, 1, 10, 100, 1_000]) * MILLISECOND;
                faults.push(Planned { at: later, fault: Fault::AskFence { host: 1 - host } });
            }
            Fault::AskFence { host }
        }
        Kind::Blackout => Fault::Blackout { off: lasts, witness: dice.permille(500) },
        Kind::ForgeToWitness => Fault::ForgeToWitness { host, forgery: forgery(dice) },
        Kind::LineBroken => Fault::LineBroken { host, lasts: dice.between(10, 600) * SECOND },
        Kind::Lie => {
            let lie = dice.pick(&[
                Lie::WantsVote,
                Lie::Releases,
                Lie::ArmsTight,
                Lie::HasLeft,
                Lie::RunsNothing,
                Lie::HearsNobody,
            ]);
            Fault::Lie { host, lie, lasts }
        }
        Kind::Isolate => {
            // All networks and one half, or all networks alone: the cable is the last way then.
            if dice.permille(500) {
                Fault::Isolate { host, lasts }
            } else {
                Fault::Part { hosts: [0, 1], lasts }
            }
        }
        _ => {
            let by = dice.pick(&[
                WitnessReset::Pin,
                WitnessReset::Reflash,
                WitnessReset::BrownOut,
                WitnessReset::BrownOutTwice,
            ]);
            Fault::WitnessReset { by }
        }
    };
    faults.push(Planned { at, fault });
}
