//! Two hosts lose sight of each other while both run and both devices work.

use heartline_core::config::{Intervals, Policy};
use heartline_core::seal::Method;
use heartline_core::time::Duration;
use heartline_sim::plan::{
    Fault, GroupSettings, HostSettings, LinkSettings, MILLISECOND, Plan, Planned, SECOND, Settings, Times,
};
use heartline_sim::run;

const FENCE: u64 = 3 * SECOND;

/// One group on the first host, or one on each.
fn pair(groups: usize) -> Settings {
    let host = |number: i32| HostSettings {
        intervals: Intervals {
            keepalive: Duration::from_millis(1_000),
            deadtime: Duration::from_millis(5_000),
            warntime: Duration::from_millis(2_500),
            initdead: Duration::from_millis(20_000),
            deadping: Duration::from_millis(5_000),
        },
        drift: 200 * number,
        first_boot: 0,
    };
    Settings {
        hosts: vec![host(-1), host(1)],
        groups: (0..groups).map(|preferred| GroupSettings { preferred }).collect(),
        links: vec![LinkSettings::Datagram { delay: 200, jitter: 100 }],
        witness: None,
        pings: 0,
        policy: Policy { fencing: true, ..Policy::default() },
        watchdog: None,
        monitors: Vec::new(),
        fence_reads_back: false,
        method: Method::Crc,
        times: Times {
            start: SECOND,
            stop: SECOND,
            probe: 100 * MILLISECOND,
            fence: FENCE,
            boot: 10 * SECOND,
            limit: 10 * SECOND,
        },
    }
}

/// How many of so many races take both hosts down.
fn blackouts(settings: &Settings, races: u64) -> u64 {
    let race = |seed: u64| {
        let fault = Fault::Isolate { host: 1, lasts: 20 * SECOND };
        // At any point of a keepalive.
        let faults = vec![Planned { at: 60 * SECOND + seed * 7 * MILLISECOND, fault }];
        let report = run(&Plan { seed, settings: settings.clone(), faults, storm: 90 * SECOND });
        assert_eq!(report.violation, None, "seed {seed}");
        assert!(report.statistics.fences > 0, "seed {seed}: nobody was fenced");
        report.statistics.blackouts
    };
    (0..races).map(race).sum()
}

#[test]
fn of_two_hundred_races_none_takes_both_down() {
    for groups in [1, 2] {
        let mut settings = pair(groups);
        settings.policy.fence_delay = Duration::from_micros(settings.fair_fence_delay());
        assert_eq!(blackouts(&settings, 100), 0, "{groups} groups");
    }
}

/// What the delay is for: without it the races above do harm.
#[test]
fn without_a_delay_two_holders_take_each_other_down() {
    assert!(blackouts(&pair(2), 20) > 10);
}
