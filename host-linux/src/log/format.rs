//! How a log line looks, byte for byte as the original's. Nothing here writes.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::time::SystemTime;

use chrono::{DateTime, Local, SecondsFormat};

/// How grave a message is, with the severities of syslog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The system is unusable.
    Emerg,
    /// Somebody must act at once.
    Alert,
    /// A critical condition.
    Crit,
    /// Something failed.
    Error,
    /// Something may fail.
    Warn,
    /// Normal and noteworthy.
    Notice,
    /// Normal.
    Info,
    /// For developers.
    Debug,
}

impl fmt::Display for Level {
    /// The original's spelling, capital letters for what is bad.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emerg => "EMERG",
            Self::Alert => "ALERT",
            Self::Crit => "CRIT",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        })
    }
}

/// The two shapes of a line (`syslogmsgfmt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `Nov 23 03:42:25 wna heartbeat: [55]: info: Link wnb:eth0 up.`
    Syslog,
    /// `heartbeat[61]: 2026/11/23_04:13:12 info: Link wna:eth0 up.`
    Classic,
}

/// One whole line with its newline, in local time.
#[must_use]
pub fn line(
    style: Style,
    when: SystemTime,
    host: &str,
    program: &str,
    pid: u32,
    level: Level,
    text: &str,
) -> String {
    let text = printable(text);
    match style {
        Style::Syslog => {
            format!("{} {host} {program}: [{pid}]: {level}: {text}\n", time_stamp(when))
        }
        Style::Classic => format!("{program}[{pid}]: {} {level}: {text}\n", script_stamp(when)),
    }
}

/// `Nov 23 03:42:25`, local time, the day with its leading zero.
#[must_use]
pub fn time_stamp(when: SystemTime) -> String {
    DateTime::<Local>::from(when).format("%b %d %H:%M:%S").to_string()
}

/// `Nov 23 03:42:25.123456`, local time.
#[must_use]
pub fn precise_time_stamp(when: SystemTime) -> String {
    DateTime::<Local>::from(when).format("%b %d %H:%M:%S%.6f").to_string()
}

/// `2026-11-23T03:42:25.123456+01:00`, local time with its distance from UTC, for programs.
#[must_use]
pub fn exact_time_stamp(when: SystemTime) -> String {
    DateTime::<Local>::from(when).to_rfc3339_opts(SecondsFormat::Micros, false)
}

/// A line of a script's output with its newline: as it came where it bears the scripts' time stamp, else with
/// time, script and process in front.
#[must_use]
pub fn script_line(when: SystemTime, program: &str, pid: u32, text: &str) -> String {
    let text = printable(text.trim_end_matches(['\r', '\n']));
    if has_script_stamp(&text) {
        format!("{text}\n")
    } else {
        format!("{}\t{program}[{pid}]:\t{text}\n", script_stamp(when))
    }
}

fn script_stamp(when: SystemTime) -> String {
    DateTime::<Local>::from(when).format("%Y/%m/%d_%H:%M:%S").to_string()
}

fn has_script_stamp(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000/00/00_00:00:00";
    text.len() >= SHAPE.len()
        && SHAPE
            .iter()
            .zip(text.bytes())
            .all(|(shape, byte)| if *shape == b'0' { byte.is_ascii_digit() } else { *shape == byte })
}

/// One message stays one line, and a log stays a text: control characters but the tab are written as escapes.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |character: char| character.is_control() && character != '\t';
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if harmful(character) {
            let _ = write!(escaped, "{}", character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn at(month: u32, day: u32, hour: u32, minute: u32, second: u32) -> SystemTime {
        Local.with_ymd_and_hms(2026, month, day, hour, minute, second).unwrap().into()
    }

    #[test]
    fn lines_look_like_the_originals() {
        let when = at(11, 23, 3, 42, 25);
        assert_eq!(
            line(Style::Syslog, when, "wna", "heartbeat", 55, Level::Info, "Link wnb:eth0 up."),
            "Nov 23 03:42:25 wna heartbeat: [55]: info: Link wnb:eth0 up.\n"
        );
        let when = at(11, 23, 4, 13, 12);
        assert_eq!(
            line(Style::Classic, when, "wnb", "heartbeat", 61, Level::Info, "Link wna:eth0 up."),
            "heartbeat[61]: 2026/11/23_04:13:12 info: Link wna:eth0 up.\n"
        );
        assert_eq!(time_stamp(at(2, 3, 4, 5, 6)), "Feb 03 04:05:06");
    }

    #[test]
    fn levels_are_spelled_as_in_the_original() {
        use Level::{Alert, Crit, Debug, Emerg, Error, Info, Notice, Warn};
        let words = [Emerg, Alert, Crit, Error, Warn, Notice, Info, Debug].map(|level| level.to_string());
        assert_eq!(words.join(" "), "EMERG ALERT CRIT ERROR WARN notice info debug");
    }

    #[test]
    fn script_lines_get_a_stamp_only_where_they_have_none() {
        let when = at(11, 23, 3, 51, 54);
        assert_eq!(
            script_line(when, "IPaddr2(IPaddr2_10.78.0.100)", 413, "INFO: Adding address\n"),
            "2026/11/23_03:51:54\tIPaddr2(IPaddr2_10.78.0.100)[413]:\tINFO: Adding address\n"
        );
        let stamped = "2026/11/23_03:51:54\tharc(default)[92]:\tinfo: Running";
        assert_eq!(script_line(when, "x", 1, stamped), format!("{stamped}\n"));
        assert!(!has_script_stamp("2026/11/23 03:51:54"));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\tb"), "a\tb");
        assert_eq!(printable("a\nERROR: forged\x1b[0m\0"), r"a\nERROR: forged\u{1b}[0m\u{0}");
    }

    proptest! {
        #[test]
        fn one_message_is_one_line(text in "\\PC*|(?s).*") {
            let rendered = line(Style::Syslog, at(1, 1, 0, 0, 0), "h", "p", 1, Level::Info, &text);
            prop_assert_eq!(rendered.chars().filter(|c| c.is_control() && *c != '\t').count(), 1);
            prop_assert!(rendered.ends_with('\n'));
            let rendered = script_line(at(1, 1, 0, 0, 0), "p", 1, &text);
            prop_assert_eq!(rendered.lines().count(), 1);
        }
    }
}
