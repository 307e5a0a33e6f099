//! What happened in a run, as a table with a column for each host: the faults across all of them, the nodes' notices with
//! their reasons each in its own. Nothing is written down unless somebody is going to read it.

use std::fmt::{self, Write};

use heartline_core::notice::Notice;

use crate::plan::{MILLISECOND, Micros, SECOND, WITNESS, name};

/// The width of all columns together, and the least of one.
const WIDTH: usize = 192;
const COLUMN_MIN: usize = 30;
const COLUMN_MAX: usize = 46;

/// The timeline of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    wanted: bool,
    hosts: usize,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    at: Micros,
    host: Option<usize>,
    text: String,
}

impl Timeline {
    /// A timeline that nobody wants.
    #[must_use]
    pub fn unwanted() -> Self {
        Self::default()
    }

    /// A timeline that is going to be read.
    #[must_use]
    pub const fn wanted(hosts: usize) -> Self {
        Self { wanted: true, hosts, lines: Vec::new() }
    }

    /// The number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing was written down.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn tell(&mut self, at: Micros, host: Option<usize>, text: impl FnOnce() -> String) {
        if self.wanted {
            self.lines.push(Line { at, host, text: text() });
        }
    }

    pub(crate) fn notice(&mut self, at: Micros, host: usize, notice: &Notice) {
        let witness = self.hosts;
        self.tell(at, Some(host), || {
            in_short(&format!("{notice:?}").replace(&format!("MemberIndex({witness})"), WITNESS))
        });
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = (WIDTH / self.hosts.max(1)).clamp(COLUMN_MIN, COLUMN_MAX);
        let row = |moment: &str, cell: &dyn Fn(usize) -> String| {
            let mut row = format!("{moment:>12} ");
            for host in 0..self.hosts {
                let _ = write!(row, "| {:<width$} ", cell(host));
            }
            row.truncate(row.trim_end().len());
            row
        };
        writeln!(f, "{}", row("seconds", &|host| name(host).to_owned()))?;
        for line in &self.lines {
            let moment = format!("{}.{:06}", line.at / SECOND, line.at % SECOND);
            let Some(host) = line.host else {
                writeln!(f, "{moment:>12} ==== {}", line.text)?;
                continue;
            };
            for (number, part) in folded(&line.text, width).iter().enumerate() {
                let moment = if number == 0 { moment.as_str() } else { "" };
                let cell = |column| if column == host { part.clone() } else { String::new() };
                writeln!(f, "{}", row(moment, &cell))?;
            }
        }
        Ok(())
    }
}

/// A text in lines no longer than a column, if its words are not.
fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.len() + word.len() >= width {
            lines.push(format!("  {word}"));
        } else {
            let space = if line.is_empty() { "" } else { " " };
            let _ = write!(line, "{space}{word}");
        }
    }
    lines
}

/// The debug form of a notice with names and times instead of the types of numbers.
fn in_short(debug: &str) -> String {
    let mut text = debug.to_owned();
    for (prefix, render) in RENDERINGS {
        while let Some(begin) = text.find(prefix) {
            let number = begin + prefix.len();
            let Some(length) = text[number..].find(')') else { break };
            let Ok(value) = text[number..number + length].parse::<u64>() else { break };
            text.replace_range(begin..=number + length, &render(value));
        }
    }
    text.replace(" { ", " ").replace(" }", "").replace([',', '('], " ").replace(')', "").replace("  ", " ")
}

type Rendering = (&'static str, fn(u64) -> String);

const RENDERINGS: [Rendering; 8] = [
    ("MemberIndex(", |member| name(usize::try_from(member).unwrap_or(0)).to_owned()),
    ("GroupIndex(", |group| group.to_string()),
    ("LinkIndex(", |link| link.to_string()),
    ("PingIndex(", |ping| ping.to_string()),
    ("Epoch(", |epoch| epoch.to_string()),
    ("Generation(", |generation| generation.to_string()),
    ("JobId(", |job| job.to_string()),
    ("Duration(", |micros| format!("{}ms", micros / MILLISECOND)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use heartline_core::ids::{Epoch, GroupIndex, MemberIndex};
    use heartline_core::notice::ClaimCause;

    #[test]
    fn a_notice_is_said_in_short_words() {
        let notice = Notice::Claiming {
            group: GroupIndex(0),
            epoch: Epoch(3),
            cause: ClaimCause::HolderDied(MemberIndex(1)),
        };
        assert_eq!(in_short(&format!("{notice:?}")), "Claiming group: 0 epoch: 3 cause: HolderDied ha2");
    }

    #[test]
    fn nothing_is_kept_that_nobody_wants() {
        let mut timeline = Timeline::unwanted();
        timeline.tell(0, None, || panic!("nobody asked"));
        assert!(timeline.is_empty());
    }
}
