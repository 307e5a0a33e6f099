//! The checks that need the whole of `ha.cf`, in the order of the original, and the defaults that follow from others.

use std::time::Duration;

use heartline_core::config::LONGEST_DEADTIME;
use heartline_core::ids::NodeId;

use super::diagnostics::Severity;
use super::ha_cf::HaCf;
use super::model::Times;
use super::source::Span;
use super::witness;

/// The most members.
pub(super) const NODES_MAX: usize = 16;

const KEEPALIVE: Duration = Duration::from_secs(1);
const DEADTIME: Duration = Duration::from_secs(30);
/// An initial dead time below this may be shorter than the network needs to come up.
const INITDEAD_ADVISED: Duration = Duration::from_secs(10);

/// Everything that can only be said of the file as a whole; gives the intervals with their defaults.
pub(super) fn check(ha_cf: &mut HaCf<'_>) -> Times {
    check_media(ha_cf);
    check_nodes(ha_cf);
    let times = check_times(ha_cf);
    witness::check(ha_cf, &times);
    check_failback(ha_cf);
    check_logging(ha_cf);
    times
}

fn check_media(ha_cf: &mut HaCf<'_>) {
    let directives =
        ["serial", "witness", "bcast", "udp", "mcast", "mcast6", "ucast", "ucast6", "rds", "tipc"];
    if !ha_cf.media.is_empty() || ha_cf.any_refused(&directives) {
        return;
    }
    let remedy = "add `serial`, `bcast`, `mcast` or `ucast` lines, best two of them";
    let (severity, message) = if ha_cf.pings.is_empty() {
        (Severity::Error, "no heartbeat media defined")
    } else {
        (Severity::Warning, "no heartbeat media but ping: the members never hear each other")
    };
    ha_cf.diagnostics.about_file(severity, &ha_cf.file.path, message, remedy);
}

fn check_nodes(ha_cf: &mut HaCf<'_>) {
    if let Some((_, place)) = ha_cf.nodes.get(NODES_MAX) {
        let finding = place.finding(format!("more than {NODES_MAX} nodes"), "divide the cluster");
        ha_cf.diagnostics.error(ha_cf.file, finding);
    }
    if ha_cf.nodes.is_empty() {
        let remedy = format!("add `node {}` and the other members", ha_cf.this_node);
        ha_cf.diagnostics.about_file(Severity::Error, &ha_cf.file.path, "no nodes defined", remedy);
    } else if !ha_cf.nodes.iter().any(|(node, _)| node == ha_cf.this_node) {
        let finding = ha_cf.place("node").finding(
            format!("this node, `{}`, is not in the configuration", ha_cf.this_node),
            "list it with `node`; nodes are named by `uname -n`, or by the file nodeinfo",
        );
        ha_cf.diagnostics.error(ha_cf.file, finding);
    }
    for (at, (node, place)) in ha_cf.nodes.iter().enumerate() {
        let same = |(other, _): &&(String, Span)| NodeId::of(other) == NodeId::of(node);
        if let Some((other, _)) = ha_cf.nodes[..at].iter().find(same) {
            let message = format!("`{node}` and `{other}` have the same 16-bit identity on the wire");
            ha_cf.diagnostics.error(ha_cf.file, place.finding(message, "rename one of the two"));
        }
    }
}

fn check_times(ha_cf: &mut HaCf<'_>) -> Times {
    let keepalive = ha_cf.keepalive.unwrap_or(KEEPALIVE);
    let deadtime = ha_cf.deadtime.unwrap_or(DEADTIME);
    let times = Times {
        keepalive,
        deadtime,
        warntime: ha_cf.warntime.unwrap_or(deadtime / 2),
        initdead: ha_cf.initdead.unwrap_or_else(|| default_initdead(deadtime)),
        deadping: ha_cf.deadping.unwrap_or(deadtime),
    };
    if ha_cf.any_refused(&["keepalive", "deadtime", "initdead", "deadping"]) {
        return times;
    }
    if deadtime <= keepalive * 2 {
        let message =
            format!("dead time {} is too small compared to keepalive {}", show(deadtime), show(keepalive));
        let directive = if ha_cf.deadtime.is_some() { "deadtime" } else { "keepalive" };
        refuse(
            ha_cf,
            directive,
            message,
            "make deadtime more than twice keepalive, best four times and more",
        );
    }
    let longest = Duration::from_micros(LONGEST_DEADTIME.micros());
    if deadtime > longest {
        let message = format!("dead time {} is longer than {}", show(deadtime), show(longest));
        refuse(ha_cf, "deadtime", message, "make deadtime an hour at most; seconds are usual");
    }
    if times.initdead < deadtime {
        let initdead = show(times.initdead);
        let message = format!("initial dead time {initdead} is smaller than dead time {}", show(deadtime));
        refuse(ha_cf, "initdead", message, "make initdead at least deadtime, best twice that");
    } else if times.initdead < INITDEAD_ADVISED {
        let message = format!("initial dead time {} may be too small", show(times.initdead));
        let place = ha_cf.place("initdead");
        ha_cf.warn(place, message, "10 s and more allow for a network that starts slowly");
    }
    if times.deadping <= keepalive * 2 {
        let message = format!(
            "ping dead time {} is too small compared to keepalive {}",
            show(times.deadping),
            show(keepalive)
        );
        if ha_cf.deadping.is_some() {
            refuse(ha_cf, "deadping", message, "make deadping more than twice keepalive");
        }
    }
    times
}

fn refuse(ha_cf: &mut HaCf<'_>, directive: &str, message: String, remedy: &str) {
    let finding = ha_cf.place(directive).finding(message, remedy);
    ha_cf.diagnostics.error(ha_cf.file, finding);
}

fn default_initdead(deadtime: Duration) -> Duration {
    match deadtime.as_millis() {
        10_001.. => deadtime,
        6_000.. => deadtime * 2,
        _ => Duration::from_secs(12),
    }
}

fn check_failback(ha_cf: &mut HaCf<'_>) {
    let message = match ha_cf.auto_failback {
        None => "`auto_failback` is missing: its old default `legacy` is read as `on`",
        // `nice_failback` has said it already.
        Some("legacy") if !ha_cf.given.contains_key("nice_failback") => {
            "`auto_failback legacy` is deprecated and read as `on`"
        }
        Some(_) => return,
    };
    let place = ha_cf.place("auto_failback");
    ha_cf.warn(place, message, "write `auto_failback on`, or `off` if groups shall stay where they are");
}

fn check_logging(ha_cf: &mut HaCf<'_>) {
    if ["logfile", "debugfile", "logfacility"].iter().any(|directive| ha_cf.given.contains_key(directive)) {
        return;
    }
    let remedy = "set `logfacility daemon`, or a `logfile`";
    if ha_cf.use_logd == Some(false) {
        refuse(ha_cf, "use_logd", "no log is configured and `use_logd` is off".to_owned(), remedy);
        return;
    }
    ha_cf.logging.facility = Some("daemon".to_owned());
    let message = "no log is configured: log lines go to syslog, facility daemon";
    ha_cf.diagnostics.about_file(Severity::Info, &ha_cf.file.path, message, remedy);
}

/// A time as `ha.cf` writes it.
pub(super) fn show(time: Duration) -> String {
    let milliseconds = time.as_millis();
    if milliseconds.is_multiple_of(1000) {
        format!("{} s", milliseconds / 1000)
    } else {
        format!("{milliseconds} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_initial_dead_time_follows_the_dead_time() {
        for (deadtime, initdead) in [
            (1_000, 12_000),
            (5_999, 12_000),
            (6_000, 12_000),
            (8_000, 16_000),
            (10_000, 20_000),
            (10_001, 10_001),
        ] {
            assert_eq!(default_initdead(Duration::from_millis(deadtime)), Duration::from_millis(initdead));
        }
    }
}
