//! What `check` adds.

use super::super::Severity;
use super::super::fake_system::FakeSystem;
use super::super::system::FileKind;

/// A configuration with nothing to be said against it.
fn sound() -> FakeSystem {
    let mut system = FakeSystem::good();
    system.put("/etc/fencing", "", FileKind::Regular, 0o600);
    system.edit_ha_cf("", "serial /dev/ttyS0\nstonith apcmaster /etc/fencing");
    system
}

#[test]
fn a_sound_configuration_gets_no_advice() {
    assert_eq!(sound().advised(Severity::Error), [""; 0]);
    assert_eq!(sound().advised(Severity::Warning), [""; 0]);
}

#[test]
fn unwise_lines_of_ha_cf_are_named() {
    let table = [
        ("deadtime", "deadtime 2500ms", "less than three keepalives"),
        ("", "warntime 10", "warntime 10 s warns of nothing"),
        ("", "warntime 1", "warns of heartbeats that are in time"),
        ("keepalive", "keepalive 100ms\ndeadtime 500ms\nrealtime off", "without real-time priority"),
        ("node", "node cfa", "there is no other node"),
        ("node", "node cfa cfb cfc\nstonith_host * null x", "3 nodes without quorum"),
        ("node", "node cfa cfb cfc cfd\nquorum majority", "an even number of nodes, 4"),
        ("", "quorum majority", "a majority of two nodes is both"),
        ("node", "node cfa cfb cfc\nquorum majority", "the groups of a dead node are not taken over"),
        ("deadtime", "node cfc\nquorum majority\ndeadtime 3", "can cost the majority"),
        ("", "watchdog /dev/watchdog9", "there is no device `/dev/watchdog9`"),
        ("", "watchdog /etc/passwd", "is no watchdog: not even a character device"),
        ("", "", "one medium only"),
        ("", "ucast eth0 10.0.0.2", "all media are on `eth0`"),
        ("", "mcast eth1 239.0.0.1 694 0 0", "never leave this host"),
        ("", "serial /dev/ttyS1", "`/dev/ttyS1` is a console"),
        ("keepalive", "keepalive 50ms\nserial /dev/ttyS0", "does not fit twice into 19200 baud"),
        ("bcast", "ucast eth0 10.0.0.1", "no `ucast` line names another"),
        ("", "respawn x /usr/lib/heartbeat/ipfail", "ipfail has no ping nodes"),
        ("", "ping 10.0.0.254", "decide nothing without ipfail"),
        ("", "", "no fencing: a node that cannot be heard"),
        ("", "stonith_host * external/nosuch x", "no fencing agent `external/nosuch`"),
        ("", "stonith_host * null cfa", "fencing device `null` is for no other node"),
        (
            "",
            "stonith_host * external/x hostlist=cfa pw=y",
            "fencing device `external/x` is for no other node",
        ),
        ("", "stonith_host * fence_x ip=10.0.0.9 action=status", "action=status fences nobody"),
        ("", "stonith_host cfa null cfb", "no fencing device is for `cfb` to use"),
        ("", "stonith_host * null cfb\nfence_delay 0", "may fence each other, and both go down"),
        ("logfile", "logfile /nosuch/log", "the directory `/nosuch` does not exist"),
    ];
    for (old, new, expected) in table {
        let mut system = FakeSystem::good();
        system.edit_ha_cf(old, new);
        let advice = system.advised(Severity::Warning);
        assert!(advice.iter().any(|it| it.contains(expected)), "{new}: {advice:#?}");
    }
}

#[test]
fn a_watchdog_that_cannot_do_what_is_asked_is_named() {
    let mut system = sound();
    system.edit_ha_cf("", "serial /dev/ttyS0\nstonith apcmaster /etc/fencing\nwatchdog /dev/watchdog");
    system.put("/dev/watchdog", "", FileKind::CharacterDevice, 0o600);
    let says = |system: &FakeSystem| system.advised(Severity::Warning).join("\n");
    for (pid, name, expected) in [
        (70, "heartline", ""),
        (1, "systemd", "in use by `systemd`, process 1 (set `RuntimeWatchdogSec=off`"),
        (70, "wd_keepalive", "in use by `wd_keepalive`, process 70 (stop that program"),
    ] {
        system.holders.insert("/dev/watchdog".into(), (pid, name.to_owned()));
        let advice = says(&system);
        assert!(advice.contains(expected) && advice.is_empty() == expected.is_empty(), "{advice}");
    }
    system.holders.clear();
    for (attribute, value, expected) in [
        ("nowayout", "0\n", ""),
        ("max_timeout", "0\n", ""),
        ("max_timeout", "11\n", ""),
        ("max_timeout", "10\n", "resets after 10 s at the latest"),
        ("nowayout", "1\n", "cannot be disarmed: this host is reset 11 s after"),
    ] {
        system.put(&format!("/sys/class/watchdog/watchdog0/{attribute}"), value, FileKind::Regular, 0o444);
        let advice = says(&system);
        assert!(advice.contains(expected) && advice.is_empty() == expected.is_empty(), "{value}: {advice}");
    }
}

#[test]
fn three_nodes_with_quorum_and_watchdog_are_sound() {
    let mut system = sound();
    system.put("/dev/watchdog", "", FileKind::CharacterDevice, 0o600);
    system.edit_ha_cf("", "serial /dev/ttyS0\nnode cfc\nquorum majority\nwatchdog /dev/watchdog");
    assert_eq!(system.advised(Severity::Warning), [""; 0]);
    let told = system.advised(Severity::Info).join("\n");
    assert!(told.contains("not stopped within 11 s; stop_timeout is 120 s"), "{told}");
}

#[test]
fn a_serial_line_that_holds_the_heartbeats_twice_is_enough() {
    let mut system = FakeSystem::good();
    // 64 + 2 * 8 + 6 bytes are 860 bits: 89.58 ms are half of 19200 baud.
    for (keepalive, fits) in [("89ms", false), ("90ms", true)] {
        system.edit_ha_cf("keepalive", &format!("keepalive {keepalive}\nserial /dev/ttyS0"));
        let advice = system.advised(Severity::Warning);
        assert_eq!(!advice.iter().any(|it| it.contains("does not fit")), fits, "{keepalive}");
    }
}

#[test]
fn the_own_address_is_harmless_beside_the_peers() {
    let mut system = sound();
    system.edit_ha_cf("bcast", "ucast eth0 10.0.0.1\nucast eth0 peer");
    assert!(!system.advised(Severity::Warning).iter().any(|it| it.contains("address of this host")));
    assert!(system.advised(Severity::Info).iter().any(|it| it.contains("address of this host: harmless")));
}

#[test]
fn weak_keys_are_named() {
    let mut system = sound();
    for (keys, expected) in [
        ("auth 1\n1 crc\n", "authkeys:2:1: warning: crc is accepted"),
        ("auth 1\n1 sha1 short\n", "authkeys:2:1: warning: the secret is shorter than 16 bytes"),
        ("auth 1\n1 md5 0123456789abcdef\n", "authkeys:2:1: warning: md5 is the weakest"),
    ] {
        system.write("authkeys", keys);
        let advice = system.advised(Severity::Warning);
        assert!(advice.len() == 1 && advice[0].starts_with(expected), "{advice:?}");
    }
    system.write("authkeys", "auth 1\n1 crc\n");
    system.edit_ha_cf("bcast", "serial /dev/ttyS0");
    assert!(!system.advised(Severity::Warning).iter().any(|it| it.contains("crc is accepted")));
}

#[test]
fn resources_that_cannot_run_are_errors() {
    let mut system = sound();
    for (word, expected) in [
        ("nosuch::a", Some("there is no resource script `nosuch`")),
        ("ocf:heartbeat:nosuch", Some("there is no OCF agent `/usr/lib/ocf/resource.d/heartbeat/nosuch`")),
        ("systemd:nosuch", Some("systemd has no unit `nosuch`")),
        ("apache", None),
        ("Filesystem::/dev/sdb1::/data", None),
        ("IPv6addr::2001:db8::1/64", None),
        ("ocf:heartbeat:pgsql::pgdata=/data", None),
        ("lsb:nosuch", Some("there is no init script `nosuch`")),
        ("lsb:apache", None),
        ("systemd:nginx", None),
        ("systemd:web@1.service", None),
    ] {
        system.write("haresources", &format!("cfa {word}\n"));
        let errors = system.advised(Severity::Error);
        assert_eq!(errors.len(), usize::from(expected.is_some()), "{word}: {errors:?}");
        assert!(expected.is_none_or(|expected| errors[0].contains(expected)), "{errors:?}");
    }
}

#[test]
fn resources_that_disturb_each_other_are_named() {
    let mut system = sound();
    for (text, expected) in [
        (
            "cfa 10.0.0.9 apache\ncfb 10.0.0.8 apache\n",
            "haresources:2:14: warning: `apache` is in the group of line 1",
        ),
        ("cfa 10.0.0.9/24/eth7\n", "haresources:1:5: warning: interface `eth7` does not exist here"),
    ] {
        system.write("haresources", text);
        let advice = system.advised(Severity::Warning);
        assert!(advice.len() == 1 && advice[0].starts_with(expected), "{advice:?}");
    }
    system.edit_ha_cf("", "ucast eth1 10.0.0.9");
    assert!(system.advised(Severity::Warning).iter().any(|it| it.contains("also a heartbeat peer")));
    system.edit_ha_cf("", "");
    system.write("haresources", "cfa Filesystem::/dev/sdb1::/data\n");
    assert!(system.advised(Severity::Warning).iter().any(|it| it.contains("mounted on two nodes")));
}

#[test]
fn files_open_to_others_are_named() {
    let mut system = FakeSystem::good();
    system.edit_ha_cf("", "stonith_host * null cfb");
    system.file_mut("ha.cf").1.mode = 0o646;
    let advice = system.advised(Severity::Warning);
    assert!(advice.iter().any(|it| it.contains("may write this file")), "{advice:?}");
    assert!(advice.iter().any(|it| it.contains("may read the parameters")), "{advice:?}");
}
