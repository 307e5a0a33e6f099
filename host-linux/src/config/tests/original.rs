//! The original's verdicts on one-change configurations, and where ours differs on purpose.

use super::super::fake_system::FakeSystem;

/// One change to a good configuration.
enum Change {
    /// Lines of ha.cf with this beginning are replaced by this text.
    HaCf(&'static str, &'static str),
    Authkeys(&'static str),
    AuthkeysMode(u32),
    Haresources(&'static str),
    Missing(&'static str),
}
use Change::{Authkeys, AuthkeysMode, HaCf, Haresources, Missing};

/// What the original did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Starts,
    Refuses,
    /// A segmentation fault.
    Crashes,
}
use Verdict::{Crashes, Refuses, Starts};

const KEY: &str = "1 sha1 a_secret_of_good_length\n";

fn table() -> Vec<(&'static str, Change, Verdict)> {
    let [mut all, media, values, programs] = [files(), media(), values(), programs()];
    all.extend(media.into_iter().chain(values).chain(programs));
    all
}

fn files() -> Vec<(&'static str, Change, Verdict)> {
    vec![
        ("good", HaCf("", ""), Starts),
        ("no ha.cf", Missing("ha.cf"), Refuses),
        ("no authkeys", Missing("authkeys"), Refuses),
        ("no haresources", Missing("haresources"), Refuses),
        ("authkeys 644", AuthkeysMode(0o644), Refuses),
        ("authkeys 640", AuthkeysMode(0o640), Refuses),
        ("authkeys 604", AuthkeysMode(0o604), Refuses),
        ("authkeys 622 (writable by others)", AuthkeysMode(0o622), Starts),
        ("authkeys 400", AuthkeysMode(0o400), Starts),
        ("authkeys no auth line", Authkeys(KEY), Refuses),
        ("auth 2 missing", Authkeys("auth 2\n1 sha1 a_secret\n"), Refuses),
        ("key before auth line", Authkeys("1 sha1 a_secret\nauth 1\n"), Refuses),
        ("sha1 without key", Authkeys("auth 1\n1 sha1\n"), Refuses),
        ("crc with key", Authkeys("auth 1\n1 crc key\n"), Refuses),
        ("crc", Authkeys("auth 1\n1 crc\n"), Starts),
        ("unknown method", Authkeys("auth 1\n1 sha256 a_secret\n"), Refuses),
        ("num 16", Authkeys("auth 16\n16 crc\n"), Refuses),
        ("num 0", Authkeys("auth 0\n0 crc\n"), Starts),
        ("num 15", Authkeys("auth 15\n15 crc\n"), Starts),
        ("key with blank", Authkeys("auth 1\n1 sha1 two words\n"), Starts),
        ("comment after key", Authkeys("auth 1\n1 sha1 key # comment\n"), Starts),
        ("garbage line", Authkeys("auth 1\nhello\n1 crc\n"), Refuses),
        ("starts with a: 'authentic'", Authkeys("authentic 1\n1 crc\n"), Refuses),
        ("empty line in authkeys", Authkeys("\nauth 1\n\n1 crc\n"), Starts),
        ("two auth lines", Authkeys("auth 1\nauth 2\n1 crc\n2 crc\n"), Starts),
        ("unknown directive", HaCf("", "foobar 1"), Refuses),
        ("uppercase directive", HaCf("keepalive", "KEEPALIVE 1"), Refuses),
        ("directive without argument", HaCf("", "warntime"), Starts),
        ("no node", HaCf("node", ""), Refuses),
        ("own node missing", HaCf("node", "node cfb cfc"), Refuses),
        ("node uppercase", HaCf("node", "node CFA cfb"), Starts),
        ("node twice", HaCf("node", "node cfa cfa cfb"), Starts),
        ("haresources bad node", Haresources("zzz apache\n"), Refuses),
        ("haresources uppercase node", Haresources("CFA apache\n"), Starts),
        ("haresources comment+continuation", Haresources("# c \\\ncfa \\\n  apache # c\n"), Starts),
        ("haresources empty", Haresources(""), Starts),
        ("haresources continuation whose 2nd line starts with junk", Haresources("cfa \\\nzzz\n"), Starts),
        ("haresources duplicate first resource", Haresources("cfa apache\ncfb apache\n"), Starts),
        ("haresources missing script", Haresources("cfa nosuch\n"), Starts),
    ]
}

fn media() -> Vec<(&'static str, Change, Verdict)> {
    vec![
        ("no media", HaCf("bcast", ""), Refuses),
        ("udpport 0", HaCf("udpport", "udpport 0"), Refuses),
        ("udpport 53", HaCf("udpport", "udpport 53"), Starts),
        ("udpport abc", HaCf("udpport", "udpport abc"), Refuses),
        ("udpport after media", HaCf("udpport", "udpport 695"), Starts),
        ("baud 1200", HaCf("", "baud 1200"), Refuses),
        ("baud twice", HaCf("", "baud 9600\nbaud 9600"), Refuses),
        ("baud after media", HaCf("", "serial /dev/ttyS0\nbaud 9600"), Starts),
        ("serial relative", HaCf("", "serial ttyS0"), Refuses),
        ("serial missing", HaCf("", "serial /dev/nosuch"), Refuses),
        ("serial not chr", HaCf("", "serial /etc/passwd"), Refuses),
        ("bcast nosuch", HaCf("bcast", "bcast eth9"), Refuses),
        ("bcast two", HaCf("bcast", "bcast eth0 eth1"), Starts),
        ("bcast same twice", HaCf("bcast", "bcast eth0 eth0"), Starts),
        ("udp alias", HaCf("bcast", "udp eth0"), Starts),
        ("bcast comma", HaCf("bcast", "bcast eth0,eth1"), Starts),
        ("mcast ok", HaCf("", "mcast eth0 239.0.0.42 694 1 0"), Starts),
        ("mcast bad group", HaCf("", "mcast eth0 10.0.0.1 694 1 0"), Refuses),
        ("mcast ttl 5", HaCf("", "mcast eth0 239.0.0.42 694 5 0"), Refuses),
        ("mcast loop 2", HaCf("", "mcast eth0 239.0.0.42 694 1 2"), Refuses),
        ("mcast no loop", HaCf("", "mcast eth0 239.0.0.42 694 1"), Refuses),
        ("mcast bad dev", HaCf("", "mcast eth9 239.0.0.42 694 1 0"), Refuses),
        ("mcast bad port", HaCf("", "mcast eth0 239.0.0.42 0 1 0"), Refuses),
        ("ucast ok", HaCf("", "ucast eth0 10.0.0.2"), Starts),
        ("ucast own address", HaCf("", "ucast eth0 10.0.0.1"), Starts),
        ("ucast no addr", HaCf("", "ucast eth0"), Refuses),
        ("ucast bad host", HaCf("", "ucast eth0 no.such.host.invalid"), Refuses),
        ("ucast dev missing", HaCf("", "ucast eth9 10.0.0.2"), Starts),
        ("ucast empty", HaCf("", "ucast"), Crashes),
        ("ping ok", HaCf("", "ping 10.0.0.254"), Starts),
        ("ping unknown host", HaCf("", "ping no.such.host.invalid"), Refuses),
        ("ping_group without hosts", HaCf("", "ping_group g"), Refuses),
        ("ping_group", HaCf("", "ping_group g 10.0.0.254 10.0.1.254"), Starts),
        ("only ping media", HaCf("bcast", "ping 10.0.0.254"), Starts),
    ]
}

fn values() -> Vec<(&'static str, Change, Verdict)> {
    vec![
        ("deadtime = 2*keepalive", HaCf("deadtime", "deadtime 2"), Refuses),
        ("deadtime 2100ms", HaCf("deadtime", "deadtime 2100ms"), Starts),
        ("initdead < deadtime", HaCf("initdead", "initdead 5"), Refuses),
        ("initdead 8 >= deadtime 8", HaCf("initdead", "deadtime 8\ninitdead 8"), Starts),
        ("no initdead", HaCf("initdead", ""), Starts),
        ("no deadtime", HaCf("deadtime", ""), Refuses),
        ("no keepalive", HaCf("keepalive", ""), Starts),
        ("keepalive 0", HaCf("keepalive", "keepalive 0"), Refuses),
        ("keepalive abc", HaCf("keepalive", "keepalive abc"), Refuses),
        ("keepalive 1s", HaCf("keepalive", "keepalive 1s"), Refuses),
        ("keepalive 500 ms (blank)", HaCf("keepalive", "keepalive 500 ms"), Refuses),
        ("keepalive 0.5", HaCf("keepalive", "keepalive 0.5"), Starts),
        ("keepalive 500MS", HaCf("keepalive", "keepalive 500MS"), Starts),
        ("keepalive 500000us", HaCf("keepalive", "keepalive 500000us"), Starts),
        ("keepalive -1", HaCf("keepalive", "keepalive -1"), Refuses),
        ("warntime 0", HaCf("", "warntime 0"), Refuses),
        ("warntime > deadtime", HaCf("", "warntime 20"), Starts),
        ("deadping small", HaCf("", "deadping 1"), Refuses),
        ("auto_failback junk", HaCf("auto_failback", "auto_failback junk"), Refuses),
        ("auto_failback missing", HaCf("auto_failback", ""), Starts),
        ("auto_failback LEGACY", HaCf("auto_failback", "auto_failback LEGACY"), Starts),
        ("auto_failback Yes", HaCf("auto_failback", "auto_failback Yes"), Starts),
        ("nice_failback on", HaCf("auto_failback", "nice_failback on"), Starts),
        ("nice_failback off", HaCf("auto_failback", "nice_failback off"), Starts),
        ("nice_failback junk", HaCf("auto_failback", "nice_failback junk"), Refuses),
        ("logfacility junk", HaCf("", "logfacility nosuch"), Refuses),
        ("logfacility none", HaCf("", "logfacility none"), Starts),
        ("logfacility local0", HaCf("", "logfacility local0"), Starts),
        ("use_logd no, no logs", HaCf("logfile", "use_logd no"), Refuses),
        ("no logs at all", HaCf("logfile", ""), Starts),
        ("use_logd yes + logfile", HaCf("", "use_logd yes"), Starts),
        ("use_logd junk", HaCf("", "use_logd junk"), Refuses),
        ("rtprio 0", HaCf("", "rtprio 0"), Refuses),
        ("rtprio 100", HaCf("", "rtprio 100"), Refuses),
        ("rtprio 99", HaCf("", "rtprio 99"), Starts),
        ("realtime junk", HaCf("", "realtime junk"), Refuses),
        ("realtime off", HaCf("", "realtime off"), Starts),
        ("hopfudge -1", HaCf("", "hopfudge -1"), Refuses),
        ("hopfudge 255", HaCf("", "hopfudge 255"), Starts),
        ("hopfudge 256", HaCf("", "hopfudge 256"), Refuses),
        ("debug 256", HaCf("", "debug 256"), Refuses),
        ("debug -1", HaCf("", "debug -1"), Refuses),
        ("msgfmt junk", HaCf("", "msgfmt junk"), Refuses),
        ("msgfmt netstring", HaCf("", "msgfmt netstring"), Starts),
        ("hbgenmethod junk", HaCf("", "hbgenmethod junk"), Refuses),
        ("hbgenmethod time", HaCf("", "hbgenmethod time"), Starts),
        ("autojoin any", HaCf("", "autojoin any"), Refuses),
        ("autojoin other", HaCf("", "autojoin other"), Refuses),
        ("autojoin none", HaCf("", "autojoin none"), Starts),
        ("autojoin junk", HaCf("", "autojoin junk"), Refuses),
        ("uuidfrom nodename", HaCf("", "uuidfrom nodename"), Starts),
        ("uuidfrom junk", HaCf("", "uuidfrom junk"), Refuses),
        ("compression none", HaCf("", "compression nosuch"), Refuses),
        ("compression zlib", HaCf("", "compression zlib"), Starts),
        ("compression bz2", HaCf("", "compression bz2"), Starts),
        ("compression_threshold 0", HaCf("", "compression_threshold 0"), Refuses),
        ("traditional_compression junk", HaCf("", "traditional_compression junk"), Refuses),
        ("max_rexmit_delay 0", HaCf("", "max_rexmit_delay 0"), Refuses),
        ("memreserve 0", HaCf("", "memreserve 0"), Refuses),
        ("cluster name", HaCf("", "cluster name"), Starts),
        ("coredumps junk", HaCf("", "coredumps junk"), Refuses),
        ("env A=B", HaCf("", "env A=B"), Starts),
        ("env A", HaCf("", "env A"), Starts),
        ("log_badpack junk", HaCf("", "log_badpack junk"), Refuses),
        ("conn_logd_time 0", HaCf("", "conn_logd_time 0"), Refuses),
        ("syslogmsgfmt junk", HaCf("", "syslogmsgfmt junk"), Refuses),
        ("crm on", HaCf("", "crm on"), Refuses),
        ("crm off", HaCf("", "crm off"), Starts),
        ("pacemaker junk", HaCf("", "pacemaker junk"), Refuses),
        ("crm twice", HaCf("", "crm off\npacemaker off"), Refuses),
        ("normalpoll off", HaCf("", "normalpoll off"), Refuses),
        ("use_apphbd yes", HaCf("", "use_apphbd yes"), Starts),
        ("quorum_server x", HaCf("", "quorum_server x"), Starts),
    ]
}

fn programs() -> Vec<(&'static str, Change, Verdict)> {
    vec![
        ("respawn bad user", HaCf("", "respawn nosuch /bin/true"), Refuses),
        ("respawn relative", HaCf("", "respawn root true"), Refuses),
        ("respawn missing program", HaCf("", "respawn root /no/such"), Refuses),
        ("respawn ok", HaCf("", "respawn root /bin/true a b"), Starts),
        ("respawn no args", HaCf("", "respawn"), Refuses),
        ("failfast ok", HaCf("", "failfast root /bin/true"), Starts),
        ("apiauth no list", HaCf("", "apiauth foo"), Refuses),
        ("apiauth bad user", HaCf("", "apiauth foo uid=nosuch"), Refuses),
        ("apiauth ok", HaCf("", "apiauth foo uid=root gid=root"), Starts),
        ("apiauth twice", HaCf("", "apiauth foo uid=root\napiauth foo uid=root"), Refuses),
        ("apiauth junk", HaCf("", "apiauth foo bar"), Refuses),
        ("apiauth numeric", HaCf("", "apiauth foo uid=0"), Starts),
        ("stonith bad type", HaCf("", "stonith nosuch /etc/passwd"), Refuses),
        ("stonith null nofile", HaCf("", "stonith null /no/such"), Refuses),
        ("stonith_host other host", HaCf("", "stonith_host cfb nosuch"), Starts),
        ("stonith_host bad type", HaCf("", "stonith_host * nosuch x"), Refuses),
        ("stonith_host null ok", HaCf("", "stonith_host CFA null cfa cfb"), Starts),
        ("stonith_host no params", HaCf("", "stonith_host * null"), Refuses),
        ("stonith_host none", HaCf("", "stonith_host"), Refuses),
        ("watchdog twice", HaCf("", "watchdog /dev/watchdog\nwatchdog /dev/watchdog"), Refuses),
        ("watchdog missing dev", HaCf("", "watchdog /dev/nosuch"), Starts),
    ]
}

/// Where we decide otherwise, and why.
const DELIBERATE: &[(&str, &str)] = &[
    ("authkeys 622 (writable by others)", "whoever writes the keys owns the cluster"),
    ("key before auth line", "the order of the lines does not matter"),
    ("unknown method", "sha256 is known"),
    ("haresources duplicate first resource", "the original glues the lines together at run time"),
    ("ucast dev missing", "the original notices when it is too late"),
    ("apiauth bad user", "it has no effect, and the user may have left with the original's package"),
    ("stonith bad type", "agents are looked for when they are needed; `check` says what is missing"),
    ("stonith_host bad type", "as above"),
];

#[test]
fn configurations_are_judged_as_the_original_judges_them() {
    for (name, change, original) in table() {
        let mut system = FakeSystem::good();
        match change {
            HaCf(old, new) => system.edit_ha_cf(old, new),
            Authkeys(text) => system.write("authkeys", text),
            AuthkeysMode(mode) => system.file_mut("authkeys").1.mode = mode,
            Haresources(text) => system.write("haresources", text),
            Missing(file) => system.remove(file),
        }
        let loaded = system.load();
        let deliberate = DELIBERATE.iter().any(|(exception, _)| *exception == name);
        let starts = (original == Starts) != deliberate;
        assert_eq!(loaded.configuration.is_some(), starts, "{name}: {:#?}", loaded.diagnostics);
    }
}

#[test]
fn every_deliberate_difference_is_in_the_table() {
    let table = table();
    for (exception, _) in DELIBERATE {
        assert!(table.iter().any(|(name, ..)| name == exception), "{exception}");
    }
}
