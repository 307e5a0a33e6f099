//! What is said, where, and what is read.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::super::diagnostics::render;
use super::super::fake_system::FakeSystem;
use super::super::*;

fn loaded(ha_cf: &str, authkeys: &str, haresources: &str) -> Configuration {
    let mut system = FakeSystem::good();
    system.write("ha.cf", ha_cf);
    system.write("authkeys", authkeys);
    system.write("haresources", haresources);
    let loaded = system.load();
    loaded.configuration.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

const HA_CF: &str = "\
# a comment
  keepalive 200ms   # another
deadtime 1200ms\r
initdead\t12
cluster cables
baud 9600
serial /dev/ttyS0
bcast eth0,eth1
udpport 700
ucast eth0 peer
ucast6 eth0 fe80::2%eth0
mcast eth1 239.0.0.42 694 1 0
mcast6 eth1 ff02::694 694 1 1
ping 10.0.0.254
ping_group routers 10.0.0.253 10.0.1.254
respawn hacluster /usr/lib/heartbeat/ipfail
auto_failback off
stop_failure block
quorum majority
start_timeout 60
status_timeout 500ms
rtprio 5
env COLOUR=red
debugfile /var/log/ha-debug
logfile /dev/null
log_badpack no
debug 3
stonith_host cfb external/ipmi of another
stonith_host * external/ipmi cfb 10.0.0.8  root pw
respawn root /bin/true -x
failfast root /bin/true
notify /bin/true all
notify WARN /bin/true warnings
watchdog /dev/watchdog
node CFA cfb
";

#[test]
fn a_whole_configuration_is_read() {
    let keys = "# keys\n2 sha256 newsecret\n1 md5 oldsecret\nauth 1\n3 crc\n";
    let it = loaded(HA_CF, keys, "cfa 10.0.0.9 \\\n  apache # web\nCFB LVM::vg0\n");
    assert_eq!((it.cluster.as_str(), it.this_node.as_str()), ("cables", "cfa"));
    assert_eq!(it.nodes, ["cfa", "cfb"]);
    let milliseconds = Duration::from_millis;
    assert_eq!(it.times.keepalive, milliseconds(200));
    assert_eq!(it.times.deadtime, milliseconds(1200));
    assert_eq!(it.times.warntime, milliseconds(600));
    assert_eq!(it.times.deadping, milliseconds(1200));
    assert_eq!(it.times.initdead, milliseconds(12_000));
    let eth = |number: u8| format!("eth{number}");
    assert_eq!(
        it.media,
        [
            Medium::Serial { device: PathBuf::from("/dev/ttyS0"), baud: 9600 },
            Medium::Broadcast { interface: eth(0), port: 694 },
            Medium::Broadcast { interface: eth(1), port: 694 },
            Medium::Unicast { interface: eth(0), peer: IpAddr::from([10, 0, 0, 2]), port: 700 },
            Medium::Unicast { interface: eth(0), peer: "fe80::2".parse().unwrap(), port: 700 },
            Medium::Multicast {
                interface: eth(1),
                group: Ipv4Addr::new(239, 0, 0, 42),
                port: 694,
                ttl: 1,
                loopback: false
            },
            Medium::Multicast6 {
                interface: eth(1),
                group: "ff02::694".parse().unwrap(),
                port: 694,
                hops: 1,
                loopback: true
            },
        ]
    );
    let pings: Vec<_> = it.pings.iter().map(|ping| (ping.name.as_str(), ping.hosts.len())).collect();
    assert_eq!(pings, [("10.0.0.254", 1), ("routers", 2)]);
    assert!(it.ipfail && !it.auto_failback);
    assert_eq!(it.auto_failback_word, "off");
    assert_eq!((it.stop_failure, it.quorum), (StopFailure::Block, Quorum::Majority));
    assert_eq!(it.limits.start, Duration::from_secs(60));
    assert_eq!(it.limits.stop, Duration::from_secs(120));
    assert_eq!(it.limits.status, milliseconds(500));
    assert_eq!(it.realtime, Some(5));
    assert_eq!(it.environment, [("HA_COLOUR".to_owned(), "red".to_owned())]);
    assert_eq!(
        it.logging,
        Logging {
            logfile: None,
            debugfile: Some(PathBuf::from("/var/log/ha-debug")),
            facility: None,
            syslog_format: true,
            log_badpack: false,
            debug: 3
        }
    );
    let parameters = FenceParameters::Inline("cfb 10.0.0.8  root pw".to_owned());
    assert_eq!(it.fencing, [FenceDevice { kind: "external/ipmi".to_owned(), parameters }]);
    let clients: Vec<_> =
        it.respawn.iter().map(|client| (client.command.as_str(), client.failfast)).collect();
    assert_eq!(clients, [("/bin/true -x", false), ("/bin/true", true)]);
    let notify: Vec<_> = it.notify.iter().map(|line| (line.level, line.command.as_str())).collect();
    let (all, warnings) = ("/bin/true all", "/bin/true warnings");
    assert_eq!(notify, [(NotifyLevel::Info, all), (NotifyLevel::Warn, warnings)]);
    assert_eq!(it.watchdog, Some(PathBuf::from("/dev/watchdog")));

    assert_eq!(it.keys.signing, 1);
    let keys: Vec<_> =
        it.keys.keys.iter().map(|key| (key.number, key.method, key.secret.as_slice())).collect();
    assert_eq!(
        keys,
        [
            (2, AuthMethod::Sha256, &b"newsecret"[..]),
            (1, AuthMethod::Md5, b"oldsecret"),
            (3, AuthMethod::Crc, b"")
        ]
    );
    let groups: Vec<_> = it.groups.iter().map(|it| (it.preferred.as_str(), it.name(), it.line)).collect();
    assert_eq!(groups, [("cfa", "10.0.0.9", 1), ("cfb", "LVM::vg0", 3)]);
    assert_eq!(it.groups[0].resources[1].agent, "apache");
}

#[test]
fn parameters_are_shown_as_written_with_the_originals_defaults() {
    let it = loaded(HA_CF, "auth 1\n1 crc\n", "");
    let parameter =
        |name: &str| it.parameters.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
    assert_eq!(parameter("keepalive"), Some("200ms"));
    assert_eq!(parameter("initdead"), Some("12"));
    assert_eq!(parameter("udpport"), Some("700"));
    assert_eq!(parameter("hopfudge"), Some("1"));
    assert_eq!(parameter("ucast"), Some("eth0 peer"));
    assert_eq!(parameter("warntime"), None);
    for unrecorded in ["node", "env", "stonith_host"] {
        assert_eq!(parameter(unrecorded), None, "{unrecorded}");
    }
}

#[test]
fn all_errors_of_all_files_are_reported_at_once_with_their_places() {
    let mut system = FakeSystem::good();
    system.edit_ha_cf("bcast", "Keepalive 2\nbcast eht0,eth9\nrtprio 100");
    system.write("authkeys", "auth 1\n1 SHA1 a_secret_of_good_length\n");
    system.write("haresources", "cfc apache\ncfa\ncfb 10.0.0.1/99 \\\n  ::x apache\ncfa apache\n");
    assert_eq!(
        system.found(Severity::Error),
        [
            "ha.cf:8:1: error: unknown directive `Keepalive` (did you mean `keepalive`? names are in lower case)",
            "ha.cf:9:7: error: interface `eht0` does not exist (did you mean `eth0`?)",
            "ha.cf:9:12: error: interface `eth9` does not exist (did you mean `eth0`?)",
            "ha.cf:10:8: error: bad number `100` (write 1 to 99)",
            "authkeys:2:3: error: unknown authentication method (did you mean `sha1`? names are in lower case)",
            "haresources:1:1: error: `cfc` is not a member of the cluster (did you mean `cfa`?)",
            "haresources:2:1: error: the group of `cfa` has no resources (add its resources, or remove the line)",
            "haresources:3:5: error: `99` is not a prefix length from 1 to 32 (write \
             `ADDRESS/PREFIX/INTERFACE:LABEL/BROADCAST`; all but the address may be left out)",
            "haresources:4:3: error: the resource has no script name (write `SCRIPT::ARGUMENT::ARGUMENT`)",
            "haresources:5:5: error: `apache` is the first resource of the group in line 1 too (a group is known \
             by its first resource: put another one first, or join the lines)",
        ]
    );
}

#[test]
fn what_the_core_would_refuse_is_refused_with_its_place() {
    let long = "x".repeat(65);
    for (old, line, expected) in [
        ("", format!("cluster {long}"), "ha.cf:9:9: error: a cluster's name of 65 bytes"),
        (
            "",
            "node node44904".to_owned(),
            "ha.cf:9:6: error: `node44904` and `cfb` have the same 16-bit identity",
        ),
        (
            "deadtime",
            "initdead 3601\ndeadtime 3600.001".to_owned(),
            "ha.cf:9:10: error: dead time 3600001 ms is longer",
        ),
    ] {
        let mut system = FakeSystem::good();
        system.edit_ha_cf(old, &line);
        let errors = system.found(Severity::Error);
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}");
    }
    let mut system = FakeSystem::good();
    system.write("authkeys", &format!("auth 1\n1 sha1 {}\n", "k".repeat(129)));
    assert_eq!(
        system.found(Severity::Error),
        ["authkeys:2:8: error: a key of 129 bytes (write 128 bytes at most)"]
    );
}

#[test]
fn what_the_original_passes_over_in_silence_is_said() {
    let table = [
        ("warntime", "`warntime` has no value"),
        ("node cfb", "node `cfb` is listed already in line 8"),
        ("bcast eth0", "this medium is listed already in line 6"),
        ("bcast tun0", "interface `tun0` has no broadcast address"),
        ("udpport 700", "this comes too late for the medium in line 6"),
        ("udpport 53", "reserved for service `domain`"),
        ("udp eth1", "`udp` is the old name of `bcast`"),
        ("keepalive 2", "`keepalive` is given again, before in line 2"),
        ("rtprio 1 2", "`rtprio` takes one value"),
        ("watchdog watchdog0", "depends on where the daemon is started"),
        ("hopfudge 2", "`hopfudge` is read but has no effect"),
        ("nice_failback on", "`nice_failback` is obsolete"),
        ("apiauth x uid=nosuch", "there is no user `nosuch`"),
        ("env A", "`A` sets nothing"),
        ("use_logd yes", "there is no logging daemon"),
        ("debugfile x", "depends on where the daemon is started"),
    ];
    for (line, expected) in table {
        let mut system = FakeSystem::good();
        system.edit_ha_cf("", line);
        let warnings = system.found(Severity::Warning);
        assert!(warnings.iter().any(|it| it.contains(expected)), "{line}: {warnings:?}");
    }
    assert_eq!(FakeSystem::good().found(Severity::Warning), [""; 0]);
}

#[test]
fn errors_say_what_to_do() {
    let table = [
        ("ucast", "ha.cf:9:1: error: `ucast` has no value (it takes: interface and address of one peer)"),
        ("ucast eth0", "ha.cf:9:7: error: `ucast` lacks its HOST (write `ucast DEVICE HOST`)"),
        (
            "tipc x",
            "ha.cf:9:1: error: TIPC media are not supported (use `bcast`, `mcast`, `ucast` or `serial`)",
        ),
        ("quorum most", "ha.cf:9:8: error: bad value `most` (write `off`, `majority` or `witness`)"),
        ("serial ttyS0", "ha.cf:9:8: error: serial port `ttyS0` is not a full path (write `/dev/ttyS0`)"),
    ];
    for (line, expected) in table {
        let mut system = FakeSystem::good();
        system.edit_ha_cf("", line);
        assert_eq!(system.found(Severity::Error), [expected]);
    }
}

#[test]
fn one_mistake_is_one_error() {
    for (old, new) in [
        ("keepalive", "keepalive 500 ms"),
        ("bcast", "bcast eth7"),
        ("bcast", ""),
        ("deadtime", "deadtime 40s"),
        ("node", "node cfb"),
    ] {
        let mut system = FakeSystem::good();
        system.edit_ha_cf(old, new);
        let loaded = system.load().diagnostics;
        let messages: Vec<_> =
            loaded.iter().map(|it| it.one_line()).filter(|it| !it.contains("haresources")).collect();
        assert_eq!(messages.len(), 1, "{messages:#?}");
    }
}

#[test]
fn limits_are_errors() {
    let mut system = FakeSystem::good();
    let nodes: String = (0..16).map(|number| format!(" n{number}")).collect();
    system.edit_ha_cf("", &format!("node{nodes}"));
    assert!(system.found(Severity::Error)[0].contains("more than 16 nodes"));

    let peers: String = (2..18).map(|number| format!("ucast eth0 10.0.0.{number}\n")).collect();
    system.edit_ha_cf("", &peers);
    assert!(system.found(Severity::Error)[0].contains("more than 16 heartbeat media"));

    let pings: String = (2..19).map(|number| format!("ping 10.0.0.{number}\n")).collect();
    system.edit_ha_cf("", &pings);
    assert!(system.found(Severity::Error)[0].contains("more than 16 ping nodes"));

    let mut system = FakeSystem::good();
    let groups: String = (0..33).map(|number| format!("cfa svc{number}\n")).collect();
    system.write("haresources", &groups);
    assert!(system.found(Severity::Error)[0].contains("more than 32 groups"));
}

#[test]
fn the_keys_are_guarded_and_never_shown() {
    let mut system = FakeSystem::good();
    system.file_mut("authkeys").1.mode = 0o644;
    system.file_mut("authkeys").1.owner = 1001;
    assert_eq!(
        system.found(Severity::Error),
        [
            "authkeys: error: group or others may read or write the keys (mode 644) (chmod 600 authkeys)",
            "authkeys: error: the keys belong to user 1001, neither root nor the one that runs this (chown root authkeys)",
        ]
    );

    let mut system = FakeSystem::good();
    for text in [
        "1 tops3cret\n",
        "auth 1\n1 sha1 x tops3cret\n",
        "tops3cret\n",
        "1 crc tops3cret\n",
        "1 tops3cret x\n",
    ] {
        system.write("authkeys", text);
        let loaded = system.load();
        assert!(!loaded.diagnostics.is_empty(), "{text}");
        let shown = format!("{}{:?}", render(&loaded.diagnostics, false), loaded.diagnostics);
        assert!(!shown.contains("tops3cret"), "{shown}");
    }
}

#[test]
fn comments_in_continued_lines_are_removed_and_reported() {
    let mut system = FakeSystem::good();
    system.write("haresources", "cfa apache \\\n  ip # two words\ncfb ftp\\\nd x\\\n");
    let loaded = system.load();
    let groups = loaded.configuration.unwrap().groups;
    let words = |group: &Group| group.resources.iter().map(|it| it.text.clone()).collect::<Vec<_>>();
    assert_eq!(words(&groups[0]), ["apache", "ip"]);
    assert_eq!(words(&groups[1]), ["ftpd", "x"]);
    assert_eq!(
        system.found(Severity::Warning),
        [
            "haresources:2:6: warning: a comment in a continued line; heartbeat took its words for resources (put the \
          comment above the group)"
        ]
    );
    system.write("haresources", "cfa apache \\ \n");
    assert_eq!(system.found(Severity::Error).len(), 1);
}

#[test]
fn nodeinfo_names_this_node() {
    let mut system = FakeSystem::good();
    system.write("nodeinfo", "CFB\n");
    assert_eq!(system.load().configuration.unwrap().this_node, "cfb");
    system.write("nodeinfo", "\n");
    assert!(system.load().configuration.is_none());
}

#[test]
fn a_report_is_rendered_with_source_lines() {
    let mut system = FakeSystem::good();
    system.edit_ha_cf("keepalive", "keepalive 1s");
    system.write("authkeys", "auth 1\n1 sha1 two words_of_it\n");
    assert_eq!(
        render(&system.load().diagnostics, false),
        "\
error: `1s` is not a time of at most a day
 --> /etc/ha.d/ha.cf:8:11
  |
8 | keepalive 1s
  |           ^^
  |
  = help: write seconds (`2`, `0.5`), milliseconds (`500ms`) or microseconds (`500000us`), without a blank

warning: this is ignored: it stands after the key, which ends at the first blank
 --> /etc/ha.d/authkeys:2:12
  |
2 | 1 sha1 *** ***********
  |            ^^^^^^^^^^^
  |
  = help: write the key without blanks, or remove the rest

"
    );
}
