//! Two hosts with the witness in their cable, as small plans of their own.

use heartline_core::config::{Intervals, Policy, Quorum};
use heartline_core::provision::Sense;
use heartline_core::seal::Method;
use heartline_core::time::Duration;
use heartline_sim::plan::{
    Fault, GroupSettings, HostSettings, LinkSettings, MILLISECOND, Micros, Plan, Planned, SECOND, Settings,
    Times, WitnessReset, WitnessSettings,
};
use heartline_sim::{Report, run, run_seed, trace};

const DEADTIME: u64 = 5_000;

/// One group that prefers the first; the witness votes and watches, and nobody else fences.
fn pair() -> Settings {
    let host = |number: i32| HostSettings {
        intervals: Intervals {
            keepalive: Duration::from_millis(1_000),
            deadtime: Duration::from_millis(DEADTIME),
            warntime: Duration::from_millis(2_500),
            initdead: Duration::from_millis(20_000),
            deadping: Duration::from_millis(DEADTIME),
        },
        drift: 200 * number,
        first_boot: 0,
    };
    Settings {
        hosts: vec![host(-1), host(1)],
        groups: vec![GroupSettings { preferred: 0 }],
        links: vec![
            LinkSettings::Datagram { delay: 200, jitter: 100 },
            LinkSettings::Witnessed { baud: 19_200 },
        ],
        witness: Some(WitnessSettings {
            drift: 100,
            first_boot: 0,
            boot: 50 * MILLISECOND,
            pulls: [500 * MILLISECOND; 2],
            takes_effect: 10 * MILLISECOND,
            senses: [Sense::NotWired; 2],
            fences: false,
        }),
        pings: 0,
        policy: Policy {
            quorum: Quorum::Witness,
            witness_watchdog: Some(Duration::from_millis(2 * DEADTIME)),
            ..Policy::default()
        },
        watchdog: None,
        fence_reads_back: false,
        monitors: Vec::new(),
        method: Method::Sha1,
        times: Times {
            start: SECOND,
            stop: SECOND,
            probe: 100 * MILLISECOND,
            fence: SECOND,
            boot: 10 * SECOND,
            limit: 10 * SECOND,
        },
    }
}

/// Plays the faults, which are given with their seconds, with the luck of some seeds.
fn play(settings: &Settings, faults: &[(Micros, Fault)]) -> Vec<Report> {
    let faults: Vec<Planned> =
        faults.iter().map(|(at, fault)| Planned { at: at * SECOND, fault: *fault }).collect();
    let play = |seed| {
        let plan = Plan { seed, settings: settings.clone(), faults: faults.clone(), storm: 200 * SECOND };
        let (report, timeline) = trace(&plan);
        assert_eq!(report.violation, None, "seed {seed}\n{timeline}");
        report
    };
    (0..10).map(play).collect()
}

/// All networks and one half of the cable are cut: the other host goes on, and the one that is cut off is reset.
#[test]
fn of_two_that_are_parted_the_one_with_the_witness_goes_on() {
    for host in [0, 1] {
        let fault = Fault::Isolate { host, lasts: 60 * SECOND };
        for report in play(&pair(), &[(60, fault)]) {
            let figures = report.statistics;
            assert_eq!((figures.votes, figures.line_resets), (1, 1));
        }
    }
}

/// The cable with the witness in it is a way like others.
#[test]
fn without_networks_the_cable_is_enough() {
    for report in play(&pair(), &[(60, Fault::Part { hosts: [0, 1], lasts: 100 * SECOND })]) {
        let figures = report.statistics;
        assert_eq!((figures.starts, figures.votes, figures.pulls), (1, 0, 0));
    }
}

#[test]
fn what_happens_to_the_witness_moves_nothing() {
    let resets =
        [WitnessReset::Pin, WitnessReset::Reflash, WitnessReset::BrownOut, WitnessReset::BrownOutTwice];
    let resets = resets.map(|by| Fault::WitnessReset { by });
    let unplugged = [0, 1].map(|host| Fault::Unplug { host, lasts: 30 * SECOND });
    let others = [Fault::WitnessOff { off: 30 * SECOND }, Fault::WitnessHangs];
    for fault in resets.into_iter().chain(unplugged).chain(others) {
        for report in play(&pair(), &[(60, fault), (130, fault)]) {
            let figures = report.statistics;
            assert_eq!((figures.starts, figures.votes, figures.pulls), (1, 0, 0), "{fault}");
        }
    }
}

/// Both ask the witness to reset the other at the same moment.
#[test]
fn of_two_that_ask_one_is_reset() {
    let mut settings = pair();
    settings.witness = settings.witness.map(|witness| WitnessSettings { fences: true, ..witness });
    settings.policy.fencing = true;
    let ask = |host| (60, Fault::AskFence { host });
    for report in play(&settings, &[ask(0), ask(1)]) {
        assert_eq!(report.statistics.line_resets, 1);
    }
}

#[test]
fn seeds_with_a_witness_keep_all_promises() {
    let with = |seed: &u64| Plan::of_seed(*seed).settings.witness.is_some();
    for seed in (0..400).filter(with) {
        let report = run_seed(seed);
        assert_eq!(report.violation, None, "seed {seed}");
        assert!(report.statistics.witness_lives > 0, "seed {seed}");
        assert_eq!(report.digest, run(&Plan::of_seed(seed)).digest, "seed {seed} twice");
    }
}
