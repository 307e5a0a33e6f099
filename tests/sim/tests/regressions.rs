//! What the simulator once found, as small plans of its own: they must not depend on how seeds are drawn.

use heartline_core::config::{Intervals, Policy, Quorum, StopFailure};
use heartline_core::seal::Method;
use heartline_core::time::Duration;
use heartline_sim::plan::{
    Behaviour, Fault, GroupSettings, HostSettings, LinkSettings, MILLISECOND, Micros, Plan, Planned, Reading,
    SECOND, Settings, Task, Times, Words,
};
use heartline_sim::trace;

/// Two hosts, one network, one group that prefers the first; no fencing.
fn pair() -> Settings {
    let host = HostSettings {
        intervals: Intervals {
            keepalive: Duration::from_millis(1_000),
            deadtime: Duration::from_millis(5_000),
            warntime: Duration::from_millis(2_500),
            initdead: Duration::from_millis(10_000),
            deadping: Duration::from_millis(5_000),
        },
        drift: 0,
        first_boot: 0,
    };
    Settings {
        hosts: vec![host.clone(), host],
        groups: vec![GroupSettings { preferred: 0 }],
        links: vec![LinkSettings::Datagram { delay: 200, jitter: 100 }],
        witness: None,
        pings: 0,
        policy: Policy { auto_failback: false, stop_failure: StopFailure::Block, ..Policy::default() },
        watchdog: None,
        fence_reads_back: false,
        monitors: Vec::new(),
        method: Method::Crc,
        times: Times {
            start: SECOND,
            stop: SECOND,
            probe: 100 * MILLISECOND,
            fence: SECOND,
            boot: SECOND,
            limit: 10 * SECOND,
        },
    }
}

fn keeps_all_promises(settings: &Settings, faults: &[(Micros, Fault)]) {
    let faults: Vec<Planned> =
        faults.iter().map(|(at, fault)| Planned { at: at * SECOND, fault: *fault }).collect();
    for seed in 0..20 {
        let plan = Plan { seed, settings: settings.clone(), faults: faults.clone(), storm: 300 * SECOND };
        let (report, timeline) = trace(&plan);
        assert_eq!(report.violation, None, "seed {seed}\n{timeline}");
    }
}

/// The sleeper finds the farewell of its peer in its socket, and behind it that the peer came back and runs the group.
#[test]
fn an_old_farewell_found_after_a_stall_starts_nothing() {
    let faults = [
        (30, Fault::StallDaemon { host: 1, lasts: 60 * SECOND }),
        (40, Fault::Stop { host: 0, back: 10 * SECOND }),
    ];
    keeps_all_promises(&pair(), &faults);
}

/// The new files come first after the pause: they must not hide it, else the other is dead for the silence of the pause.
#[test]
fn files_that_changed_during_a_pause_do_not_hide_it() {
    // The files are read again at the end of the storm, right after the machine runs again.
    let reload = Fault::Reload { host: 0, words: Words::OtherGroup(0), lasts: 300 * SECOND };
    let pause = Fault::PauseHost { host: 0, clock_stops: false, lasts: 300 * SECOND };
    keeps_all_promises(&pair(), &[(30, reload), (40, pause), (50, reload)]);
}

/// The votes from before the change are worth no more than the dead time that the others know since then.
#[test]
fn a_shorter_dead_time_shortens_the_votes() {
    let mut settings = pair();
    settings.hosts.push(settings.hosts[0].clone());
    settings.policy.quorum = Quorum::Majority;
    settings.watchdog = Some(5 * SECOND);
    let faults = [
        (30, Fault::Reload { host: 0, words: Words::Slower(8), lasts: 30 * SECOND }),
        (62, Fault::Isolate { host: 0, lasts: 60 * SECOND }),
    ];
    keeps_all_promises(&settings, &faults);
}

/// Words that are longer under way than a dead time: whoever is told by one that it may start is held for dead by then.
#[test]
fn an_old_acknowledgement_starts_nothing() {
    let mut settings = pair();
    settings.policy.auto_failback = true;
    for host in &mut settings.hosts {
        host.intervals = Intervals {
            keepalive: Duration::from_millis(500),
            deadtime: Duration::from_millis(1_250),
            warntime: Duration::from_millis(625),
            ..host.intervals
        };
    }
    let weather = Fault::Weather {
        link: 0,
        loss: 300,
        twice: 0,
        delay: 1_500 * MILLISECOND,
        corrupt: 0,
        lasts: 300 * SECOND,
    };
    keeps_all_promises(&settings, &[(30, weather)]);
}

/// What the daemon found running at its start is not its own before it has heard what was said while it was stalled.
#[test]
fn what_was_found_is_not_adopted_before_all_that_waited_is_heard() {
    let faults = [
        (30, Fault::PowerLoss { host: 1, off: 15 * SECOND }),
        (42, Fault::KillDaemon { host: 0, children_die: false, back: SECOND }),
        (44, Fault::StallDaemon { host: 0, lasts: 20 * SECOND }),
    ];
    keeps_all_promises(&pair(), &faults);
}

/// A service dies, an address goes, a monitor lies, on a pair that is else well, and around a pause and a partition.
#[test]
fn what_fails_while_it_runs_is_mended_in_place() {
    let settings = Settings { monitors: vec![10 * SECOND], ..pair() };
    let (host, group) = (0, 0);
    let troubled =
        |behaviour| Fault::Agent { host, group, task: Task::Monitor, behaviour, lasts: 30 * SECOND };
    keeps_all_promises(&settings, &[(60, Fault::ServiceDies { host, group })]);
    keeps_all_promises(&settings, &[(60, Fault::PartGone { host, group, told: true })]);
    keeps_all_promises(&settings, &[(60, Fault::PartGone { host, group, told: false })]);
    keeps_all_promises(
        &settings,
        &[(60, troubled(Behaviour::Hangs)), (150, Fault::ServiceDies { host, group })],
    );
    keeps_all_promises(&settings, &[(60, troubled(Behaviour::Lies(Reading::Stopped)))]);
    keeps_all_promises(&settings, &[(60, troubled(Behaviour::Fails))]);
    for second in 60..72 {
        let pause = Fault::PauseHost { host, clock_stops: false, lasts: 20 * SECOND };
        keeps_all_promises(&settings, &[(second, pause)]);
    }
    let isolated = Fault::Isolate { host, lasts: 20 * SECOND };
    keeps_all_promises(&settings, &[(60, isolated), (70, Fault::ServiceDies { host, group })]);
}
