//! `monitor` and `monitor_restarts`.

use std::time::Duration;

use super::super::fake_system::FakeSystem;
use super::super::{Configuration, Monitoring, Severity};

fn with(lines: &str) -> Configuration {
    let mut system = FakeSystem::good();
    system.edit_ha_cf("", lines);
    system.write("haresources", "cfa 10.0.0.9 Filesystem::/dev/sdb1::/data::ext4::rw,noatime apache\n");
    let loaded = system.load();
    loaded.configuration.unwrap_or_else(|| panic!("{lines}: {:?}", loaded.diagnostics))
}

/// How often each resource is asked, in milliseconds; 0: never.
fn intervals(lines: &str) -> Vec<u128> {
    let configuration = with(lines);
    let group = &configuration.groups[0];
    let every = |resource| configuration.monitoring.monitors.of(resource);
    group.resources.iter().map(|it| every(it).unwrap_or_default().as_millis()).collect()
}

#[test]
fn the_last_line_that_fits_a_resource_counts() {
    assert_eq!(intervals(""), [10_000; 3]);
    assert_eq!(intervals("monitor 2"), [2_000; 3]);
    assert_eq!(intervals("monitor 0"), [0; 3]);
    assert_eq!(intervals("monitor 500ms IPaddr apache"), [500, 10_000, 500]);
    assert_eq!(intervals("monitor 5\nmonitor 0 Filesystem::*noatime\nmonitor 30 a*"), [5_000, 0, 30_000]);
    assert_eq!(intervals("monitor 1 *\nmonitor 2 *"), [2_000; 3]);
    let configuration = with("monitor 60\nmonitor 7 apache");
    let monitors = &configuration.monitoring.monitors;
    assert_eq!(monitors.of_group(&configuration.groups[0]), Some(Duration::from_secs(7)));
}

#[test]
fn restarts_come_with_their_window() {
    let hour = Duration::from_secs(3600);
    let restarts = |lines| {
        let Monitoring { restarts, window, .. } = with(lines).monitoring;
        (restarts, window)
    };
    assert_eq!(restarts(""), (3, hour));
    assert_eq!(restarts("monitor_restarts 0"), (0, hour));
    assert_eq!(restarts("monitor_restarts 10 600"), (10, Duration::from_secs(600)));
}

#[test]
fn bad_values_are_errors_with_a_remedy() {
    for (line, expected) in [
        ("monitor often", "ha.cf:9:9: error: `often` is not a time of at most a day"),
        ("monitor 10s", "ha.cf:9:9: error: `10s` is not a time"),
        ("monitor_restarts 11", "ha.cf:9:18: error: bad value `11`"),
        ("monitor_restarts 3 0", "ha.cf:9:18: error: bad value `3 0`"),
        ("monitor_restarts 3 1 2", "ha.cf:9:18: error: bad value `3 1 2`"),
        ("monitor_restarts three", "ha.cf:9:18: error: bad value `three`"),
    ] {
        let mut system = FakeSystem::good();
        system.edit_ha_cf("", line);
        let errors = system.found(Severity::Error);
        let place_and_message =
            |error: &String| error.starts_with("ha.cf:") && error.contains(&expected[9..]);
        assert!(errors.len() == 1 && place_and_message(&errors[0]), "{errors:?}");
    }
}

#[test]
fn lines_that_do_not_do_what_they_seem_to_are_named() {
    for (lines, expected) in [
        ("monitor 5 apache\nmonitor 10", "stands below lines with patterns and overrules them"),
        ("monitor 5 apache2", "the pattern `apache2` of `monitor` fits no resource"),
        ("monitor 0", "no resource is monitored"),
        ("monitor 200ms", "asks resources several times a second"),
        ("monitor 600\nmonitor_restarts 6 3600", "6 restarts in 3600 s never come together"),
    ] {
        let mut system = FakeSystem::good();
        system.edit_ha_cf("", lines);
        system.write("haresources", "cfa 10.0.0.9 apache\n");
        let advice = system.advised(Severity::Warning);
        assert!(advice.iter().any(|it| it.contains(expected)), "{lines}: {advice:#?}");
    }
}

#[test]
fn check_says_what_the_values_come_to() {
    let mut system = FakeSystem::good();
    system.edit_ha_cf("", "monitor 5 apache\nstatus_timeout 20\nmonitor_restarts 2 600");
    system.write("haresources", "cfa 10.0.0.9 apache\n");
    let advice = system.advised(Severity::Info);
    let expected = "asked for their status every 5 s to 10 s; one that ended is noticed within 10 s, one that hangs \
                    within 30 s; then its group is restarted in place, 2 times in 600 s, then it moves";
    assert!(advice.iter().any(|it| it.contains(expected)), "{advice:#?}");
}
