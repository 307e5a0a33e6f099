//! The table of all directives of `ha.cf`: name, default, and what becomes of each. The one place to add one.

use super::ha_cf::{self, HaCf};
use super::source::{Finding, Word};
use super::values::{parse_boolean, parse_time, parse_whole};
use super::{media, monitoring, programs, witness};

/// A directive of `ha.cf`.
#[derive(Debug)]
pub struct Directive {
    /// The name, lower case.
    pub name: &'static str,
    /// The value that `cl_status hbparameter` shows when the file has none.
    pub default: Option<&'static str>,
    /// What it is for, in a few words.
    pub description: &'static str,
    pub(super) treatment: Treatment,
}

/// What becomes of a directive, for the manual. The reasons are sentences without a full stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It does what it says.
    Obeyed,
    /// It is checked and does nothing.
    WithoutEffect {
        /// Why.
        because: &'static str,
    },
    /// The configuration is refused for it.
    Refused {
        /// Why.
        because: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}

/// What a handler says: nothing, or why the value is refused.
pub(super) type Outcome = Result<(), Finding>;

type Handler = fn(&mut HaCf<'_>, Word<'_>) -> Outcome;

/// What becomes of a directive's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Treatment {
    /// One value; of several words the last counts.
    Value(Handler),
    /// Every word counts, and so does every line.
    List(Handler),
    /// The rest of the line is the argument, and every line counts.
    Line(Handler),
    /// Checked as the original checks it, then without effect, for this reason.
    SetAside(Valid, &'static str),
    /// Refused whatever its value: why, and the remedy.
    Refused(&'static str, &'static str),
}

/// The values that the original takes for a directive without effect here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Valid {
    Anything,
    Boolean,
    PositiveTime,
    Whole(u32, u32),
    OneOf(&'static [&'static str]),
}

use Treatment::{Line, List, Refused, SetAside, Value};
use Valid::{Anything, Boolean, OneOf, PositiveTime, Whole};

const PACEMAKER: &str = "it belongs to Pacemaker, which is not used";
const ONE_FRAME: &str = "every heartbeat fits in one frame, nothing is compressed";
/// Why `crm yes` and its like are refused.
pub(super) const WHY_NOT_PACEMAKER: &str =
    "it needs Pacemaker, and Heartline manages the resources of haresources itself";

impl Directive {
    /// What becomes of it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self.treatment {
            Value(_) | List(_) | Line(_) => Fate::Obeyed,
            SetAside(_, because) => Fate::WithoutEffect { because },
            Refused(because, remedy) => Fate::Refused { because, remedy },
        }
    }

    /// Whether `cl_status hbparameter` can show it. `stonith_host` may hold passwords.
    pub(super) fn is_recorded(&self) -> bool {
        !matches!(self.name, "node" | "nice_failback" | "env" | "use_apphbd" | "stonith_host")
    }

    /// Whether a second line is an error, as in the original.
    pub(super) fn once_only(&self) -> bool {
        matches!(self.name, "baud" | "watchdog" | "crm" | "pacemaker")
    }
}

impl Valid {
    /// What is expected, if `text` is not that.
    pub(super) fn expected(self, text: &str) -> Option<String> {
        let (valid, expected) = match self {
            Anything => (true, String::new()),
            Boolean => (parse_boolean(text).is_some(), "`on` or `off`".to_owned()),
            PositiveTime => {
                (parse_time(text).is_some_and(|time| !time.is_zero()), "a time above 0".to_owned())
            }
            Whole(least, most) => {
                let expected =
                    if most == u32::MAX { "above 0".to_owned() } else { format!("{least} to {most}") };
                (parse_whole(text, least, most).is_some(), format!("a whole number, {expected}"))
            }
            OneOf(entries) => (entries.contains(&text), format!("`{}`", entries.join("` or `"))),
        };
        (!valid).then_some(expected)
    }
}

/// The directive of this very name.
pub(super) fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.name == name)
}

/// The directives with a default as `heartbeat -D` prints them, one a line under a heading.
#[must_use]
pub fn table() -> String {
    let heading = format!("{:<24} {:<9} {}\n{:-<80}\n", "Directive", "Default", "Description", "");
    DIRECTIVES
        .iter()
        .filter_map(|directive| Some((directive.name, directive.default?, directive.description)))
        .fold(heading, |table, (name, default, description)| {
            table + &format!("{name:<24} {default:<9} {description}\n")
        })
}

const fn directive(
    name: &'static str,
    default: Option<&'static str>,
    description: &'static str,
    treatment: Treatment,
) -> Directive {
    Directive { name, default, description, treatment }
}

/// All directives: first those that the original's `heartbeat -D` prints, in its order and words.
pub const DIRECTIVES: &[Directive] = &[
    directive("cluster", Some("linux-ha"), "the name of cluster", Value(ha_cf::cluster)),
    directive(
        "hopfudge",
        Some("1"),
        "# of hops above cluster size",
        SetAside(Whole(0, 255), "frames are not forwarded, so there are no hops to limit"),
    ),
    directive("keepalive", Some("1000ms"), "keepalive time", Value(ha_cf::keepalive)),
    directive("deadtime", Some("30000ms"), "node deadtime", Value(ha_cf::deadtime)),
    directive("baud", Some("19200"), "baud rate", Value(media::baud)),
    directive("auto_failback", Some("legacy"), "auto failback", Value(ha_cf::auto_failback)),
    directive(
        "hbgenmethod",
        Some("file"),
        "protocol generation computation method",
        SetAside(OneOf(&["file", "time"]), "the generation is always kept in a file"),
    ),
    directive("realtime", Some("true"), "enable realtime behavior?", Value(ha_cf::realtime)),
    directive(
        "msgfmt",
        Some("classic"),
        "message format in the wire",
        SetAside(OneOf(&["classic", "netstring"]), "Heartline has a message format of its own"),
    ),
    directive(
        "conn_logd_time",
        Some("60"),
        "the interval to reconnect to logd",
        SetAside(PositiveTime, "there is no logging daemon to connect to"),
    ),
    directive("log_badpack", Some("true"), "warn about bad packets", Value(ha_cf::log_badpack)),
    directive("syslogmsgfmt", Some("true"), "log to files in syslog format", Value(ha_cf::syslogmsgfmt)),
    directive("pacemaker", Some("false"), "enable Pacemaker resource management", Value(ha_cf::pacemaker)),
    directive("autojoin", Some("none"), "set automatic join mode/style", Value(ha_cf::autojoin)),
    directive(
        "uuidfrom",
        Some("file"),
        "set the source for uuid",
        SetAside(OneOf(&["file", "nodename"]), "members are known by their names, there are no UUIDs"),
    ),
    directive(
        "compression",
        Some("zlib"),
        "set compression module",
        SetAside(OneOf(&["zlib", "bz2"]), ONE_FRAME),
    ),
    directive(
        "compression_threshold",
        Some("2"),
        "set compression threshold",
        SetAside(Whole(1, u32::MAX), ONE_FRAME),
    ),
    directive(
        "traditional_compression",
        Some("no"),
        "set traditional_compression",
        SetAside(Boolean, ONE_FRAME),
    ),
    directive(
        "max_rexmit_delay",
        Some("250"),
        "set the maximum rexmit delay time",
        SetAside(Whole(1, u32::MAX), "nothing is ever retransmitted"),
    ),
    directive(
        "record_config_changes",
        Some("on"),
        "record changes to the cib (valid only with: pacemaker on)",
        SetAside(Anything, PACEMAKER),
    ),
    directive(
        "record_pengine_inputs",
        Some("on"),
        "record the input used by the policy engine (valid only with: pacemaker on)",
        SetAside(Anything, PACEMAKER),
    ),
    directive(
        "enable_config_writes",
        Some("on"),
        "write configuration changes to disk (valid only with: pacemaker on)",
        SetAside(Anything, PACEMAKER),
    ),
    directive(
        "memreserve",
        Some("6500"),
        "number of kbytes to preallocate in heartbeat",
        SetAside(Whole(1, u32::MAX), "the memory needed is small and is locked as a whole"),
    ),
    // Heartline's own.
    directive(
        "stop_failure",
        Some("reboot"),
        "what to do when a resource cannot be stopped: reboot or block",
        Value(ha_cf::stop_failure),
    ),
    directive(
        "quorum",
        Some("off"),
        "who may run resources when nodes lose each other: off, majority or witness",
        Value(ha_cf::quorum),
    ),
    directive(
        "fence_delay",
        Some("5"),
        "wait before fencing a node that has more to lose",
        Value(ha_cf::fence_delay),
    ),
    directive("start_timeout", Some("120"), "time limit of a resource's start", Value(ha_cf::start_timeout)),
    directive("stop_timeout", Some("120"), "time limit of a resource's stop", Value(ha_cf::stop_timeout)),
    directive(
        "status_timeout",
        Some("30"),
        "time limit of a resource's status",
        Value(ha_cf::status_timeout),
    ),
    directive(
        "monitor",
        Some("10"),
        "how often running resources are asked for their status; patterns may follow",
        Line(monitoring::monitor),
    ),
    directive(
        "monitor_restarts",
        Some("3 3600"),
        "how often a failed group is restarted in place, within what time",
        Line(monitoring::restarts),
    ),
    // Without a default.
    directive("node", None, "members of the cluster", List(ha_cf::node)),
    directive("warntime", None, "time before a late heartbeat is logged", Value(ha_cf::warntime)),
    directive("initdead", None, "dead time of a node not heard since the start", Value(ha_cf::initdead)),
    directive("deadping", None, "dead time of ping nodes", Value(ha_cf::deadping)),
    directive("udpport", None, "UDP port of bcast and ucast", Value(media::udpport)),
    directive("serial", None, "serial devices to send heartbeats over", List(media::serial)),
    directive(
        "witness",
        None,
        "witness in the null-modem cable: name, `serial`, device",
        Line(witness::witness),
    ),
    directive(
        "witness_watchdog",
        None,
        "silence after which the witness resets this host",
        Value(witness::witness_watchdog),
    ),
    directive("bcast", None, "interfaces to broadcast heartbeats on", List(media::bcast)),
    directive("udp", None, "old name of bcast", List(media::udp)),
    directive("ucast", None, "interface and address of one peer", Line(media::ucast)),
    directive("ucast6", None, "interface and IPv6 address of one peer", Line(media::ucast6)),
    directive("mcast", None, "interface, group, port, ttl and loop", Line(media::mcast)),
    directive("mcast6", None, "interface, IPv6 group, port, hops and loop", Line(media::mcast6)),
    directive("ping", None, "hosts to ping", List(media::ping)),
    directive("ping_group", None, "name and hosts of a group to ping", Line(media::ping_group)),
    directive("nice_failback", None, "obsolete, see auto_failback", Value(ha_cf::nice_failback)),
    directive("stonith", None, "fencing device: type and parameter file", Line(programs::stonith)),
    directive("stonith_host", None, "fencing device: host, type, parameters", Line(programs::stonith_host)),
    directive("respawn", None, "program to keep running: user and command", Line(programs::respawn)),
    directive("failfast", None, "as respawn; reboot when it fails", Line(programs::failfast)),
    directive("notify", None, "command that gets notices: least level, command", Line(programs::notify)),
    directive("apiauth", None, "who may connect as which client", Line(programs::apiauth)),
    directive("watchdog", None, "watchdog device", Value(programs::watchdog)),
    directive("logfile", None, "file for log lines", Value(ha_cf::logfile)),
    directive("debugfile", None, "file for log and debug lines", Value(ha_cf::debugfile)),
    directive("logfacility", None, "syslog facility", Value(ha_cf::logfacility)),
    directive("use_logd", None, "log through the logging daemon", Value(ha_cf::use_logd)),
    directive("debug", None, "debug level", Value(ha_cf::debug)),
    directive("rtprio", None, "realtime priority", Value(ha_cf::rtprio)),
    directive("crm", None, "old name of pacemaker", Value(ha_cf::pacemaker)),
    directive("env", None, "environment of resource scripts: NAME=VALUE", List(ha_cf::env)),
    directive(
        "coredumps",
        None,
        "enable core dumps",
        SetAside(Boolean, "core dumps are a matter of the service manager (`LimitCORE=`)"),
    ),
    directive(
        "coreroot",
        None,
        "directory of core dumps",
        SetAside(Anything, "core dumps are a matter of the kernel (`kernel.core_pattern`)"),
    ),
    directive(
        "use_apphbd",
        None,
        "register with the application heartbeat daemon",
        SetAside(Boolean, "there is no application heartbeat daemon; use the service manager's watchdog"),
    ),
    directive("quorum_server", None, "host of a quorum daemon", SetAside(Anything, PACEMAKER)),
    directive("crm_daemon_dir", None, "where Pacemaker's daemons are", SetAside(Anything, PACEMAKER)),
    directive("crmd_spawns_pengine", None, "how Pacemaker starts", SetAside(Anything, PACEMAKER)),
    directive(
        "hbaping",
        None,
        "ping over Fibre Channel",
        Refused("pinging over Fibre Channel is not supported", "use `ping` or `ping_group`"),
    ),
    directive(
        "rds",
        None,
        "heartbeats over RDS",
        Refused("RDS media are not supported", "use `bcast`, `mcast`, `ucast` or `serial`"),
    ),
    directive(
        "tipc",
        None,
        "heartbeats over TIPC",
        Refused("TIPC media are not supported", "use `bcast`, `mcast`, `ucast` or `serial`"),
    ),
    directive(
        "normalpoll",
        None,
        "poll interval",
        Refused("`normalpoll` only existed in test builds of heartbeat", "remove the line"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What the original's `heartbeat -D` prints.
    const ORIGINAL: &str = "\
Directive                Default   Description
--------------------------------------------------------------------------------
cluster                  linux-ha  the name of cluster
hopfudge                 1         # of hops above cluster size
keepalive                1000ms    keepalive time
deadtime                 30000ms   node deadtime
baud                     19200     baud rate
auto_failback            legacy    auto failback
hbgenmethod              file      protocol generation computation method
realtime                 true      enable realtime behavior?
msgfmt                   classic   message format in the wire
conn_logd_time           60        the interval to reconnect to logd
log_badpack              true      warn about bad packets
syslogmsgfmt             true      log to files in syslog format
pacemaker                false     enable Pacemaker resource management
autojoin                 none      set automatic join mode/style
uuidfrom                 file      set the source for uuid
compression              zlib      set compression module
compression_threshold    2         set compression threshold
traditional_compression  no        set traditional_compression
max_rexmit_delay         250       set the maximum rexmit delay time
record_config_changes    on        record changes to the cib (valid only with: pacemaker on)
record_pengine_inputs    on        record the input used by the policy engine (valid only with: pacemaker on)
enable_config_writes     on        write configuration changes to disk (valid only with: pacemaker on)
memreserve               6500      number of kbytes to preallocate in heartbeat
";

    #[test]
    fn the_table_begins_as_the_original_prints_it() {
        let table = table();
        let (original, own) = table.split_at(ORIGINAL.len());
        assert_eq!(original, ORIGINAL);
        assert!(own.starts_with("stop_failure             reboot    "), "{own}");
    }

    #[test]
    fn every_name_is_there_once_and_in_lower_case() {
        for (index, directive) in DIRECTIVES.iter().enumerate() {
            assert_eq!(directive.name, directive.name.to_lowercase());
            let first = DIRECTIVES.iter().position(|other| other.name == directive.name);
            assert_eq!(first, Some(index), "{}", directive.name);
        }
    }

    #[test]
    fn defaults_without_effect_are_valid_values() {
        for directive in DIRECTIVES {
            if let (SetAside(valid, _), Some(default)) = (directive.treatment, directive.default) {
                assert_eq!(valid.expected(default), None, "{}", directive.name);
            }
        }
    }
}
