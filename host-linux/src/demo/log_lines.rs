//! What the hosts' logs said since a moment, and which of it decided. Only reads.

use std::collections::HashSet;

use heartline_lab::Host;

use super::files::LOG_FILE;

/// What decisive lines have in them that are no warnings.
const PHRASES: [&str; 8] = [
    "Link ",
    "Heartbeat restart",
    "Heartbeat shutdown",
    "shutdown notice",
    "Giving up resource group",
    "Resources being acquired",
    "runs here",
    "is stopped here",
];
/// What is true of every new host without a syslog daemon, and says nothing of the step.
const BESIDE_THE_POINT: [&str; 2] = ["Cannot reach syslog", "No Previous generation"];
/// Lines of one host that are shown at most.
const SHOWN_MAX: usize = 8;

/// How much of each host's log was there at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogMark([usize; 2]);

/// The logs as long as they are now.
pub(super) fn mark(hosts: &[Host; 2]) -> LogMark {
    LogMark([read(&hosts[0]).len(), read(&hosts[1]).len()])
}

/// What each host has logged since.
pub(super) fn since(hosts: &[Host; 2], mark: LogMark) -> [String; 2] {
    [0, 1].map(|host| read(&hosts[host]).get(mark.0[host]..).unwrap_or_default().to_owned())
}

/// The last lines of a host's log.
pub(super) fn tail(host: &Host, count: usize) -> String {
    let text = read(host);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// A host that has logged nothing yet has no log file.
fn read(host: &Host) -> String {
    host.read(LOG_FILE).unwrap_or_default()
}

/// The lines that tell what was decided and why, and all that is worse than normal, each text once: the time, the
/// level, the text.
pub(super) fn decisive(log: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    log.lines()
        .filter_map(Line::parse)
        .filter(Line::is_decisive)
        .filter(|line| seen.insert(line.text))
        .take(SHOWN_MAX)
        .map(|line| format!("{} {}: {}", line.time, line.level, line.text))
        .collect()
}

/// `Nov 23 03:42:25 HOST PROGRAM: [PID]: LEVEL: TEXT`.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    time: &'a str,
    level: &'a str,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn is_decisive(&self) -> bool {
        let has_one_of = |phrases: &[&str]| phrases.iter().any(|phrase| self.text.contains(phrase));
        let is_normal = matches!(self.level, "info" | "debug" | "notice");
        !has_one_of(&BESIDE_THE_POINT) && (!is_normal || has_one_of(&PHRASES))
    }

    fn parse(line: &'a str) -> Option<Self> {
        let time = line.split_whitespace().nth(2)?;
        let (_, rest) = line.split_once("]: ")?;
        let (level, text) = rest.split_once(": ")?;
        Some(Self { time, level, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
Nov 23 03:42:24 ha1 heartbeat: [55]: WARN: Cannot reach syslog at /dev/log: No such file or directory
Nov 23 03:42:25 ha1 heartbeat: [55]: info: Link ha2:eth0 up.
Nov 23 03:42:25 ha1 heartbeat: [55]: info: Status update for node ha2: status active
Nov 23 03:42:26 ha1 heartbeat: [55]: WARN: node ha2: is dead (no heartbeat for 2000 ms)
something else
Nov 23 03:42:27 ha1 heartbeat: [55]: WARN: node ha2: is dead (no heartbeat for 2000 ms)
";

    #[test]
    fn decisive_lines_are_shown_once_and_short() {
        assert_eq!(
            decisive(LOG),
            [
                "03:42:25 info: Link ha2:eth0 up.",
                "03:42:26 WARN: node ha2: is dead (no heartbeat for 2000 ms)"
            ]
        );
        assert_eq!(decisive(""), [""; 0]);
    }
}
