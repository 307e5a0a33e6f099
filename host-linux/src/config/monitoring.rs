//! `monitor` and `monitor_restarts`: how often resources that run are asked whether they still do, and how often one
//! that failed is restarted in place.

use std::time::Duration;

use heartline_core::limits::MAX_RESTARTS;

use super::directives::Outcome;
use super::ha_cf::HaCf;
use super::model::{Group, Resource};
use super::source::Word;
use super::values::{TIME_REMEDY, parse_time, parse_whole};

const EVERY: Duration = Duration::from_secs(10);
const RESTARTS: u8 = 3;
const WINDOW: Duration = Duration::from_secs(3600);

/// What is done to know that what runs still runs, and what follows if not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitoring {
    /// Who is asked how often.
    pub monitors: Monitors,
    /// So often within `window` a group that failed is restarted where it is, before it moves.
    pub restarts: u8,
    /// How long a restart counts.
    pub window: Duration,
}

/// The `monitor` lines, in their order; of those that fit a resource the last counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitors {
    lines: Vec<Monitor>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Monitor {
    /// Zero: never.
    every: Duration,
    /// None: every resource.
    patterns: Vec<String>,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self { monitors: Monitors::every(EVERY), restarts: RESTARTS, window: WINDOW }
    }
}

impl Monitors {
    /// Every resource is asked this often; zero: none.
    #[must_use]
    pub fn every(every: Duration) -> Self {
        Self { lines: vec![Monitor { every, patterns: Vec::new() }] }
    }

    /// The same, and another line.
    #[cfg(test)]
    pub(crate) fn and(mut self, every: Duration, pattern: &str) -> Self {
        self.lines.push(Monitor { every, patterns: vec![pattern.to_owned()] });
        self
    }

    /// How often this resource is asked; nothing: never.
    #[must_use]
    pub fn of(&self, resource: &Resource) -> Option<Duration> {
        let line = self.lines.iter().rev().find(|line| line.is_about(resource))?;
        Some(line.every).filter(|every| !every.is_zero())
    }

    /// How often the most impatient resource of this group is asked; nothing: none ever.
    #[must_use]
    pub fn of_group(&self, group: &Group) -> Option<Duration> {
        group.resources.iter().filter_map(|resource| self.of(resource)).min()
    }

    /// The patterns that fit none of these resources.
    pub(super) fn idle_patterns<'a>(&'a self, groups: &'a [Group]) -> impl Iterator<Item = &'a str> {
        let fits = |pattern: &str| {
            let mut resources = groups.iter().flat_map(|group| &group.resources);
            resources.any(|resource| fits(pattern, resource))
        };
        let patterns = self.lines.iter().flat_map(|line| &line.patterns);
        patterns.map(String::as_str).filter(move |pattern| !fits(pattern))
    }
}

impl Monitor {
    fn is_about(&self, resource: &Resource) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| fits(pattern, resource))
    }
}

/// Whether a pattern fits a resource's word, or the name of its agent.
fn fits(pattern: &str, resource: &Resource) -> bool {
    is_like(pattern.as_bytes(), resource.text.as_bytes())
        || is_like(pattern.as_bytes(), resource.agent.as_bytes())
}

/// Whether a text is like a pattern, in which `*` stands for anything.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on if what follows the last `*` does not fit: one byte later in the text.
    let (mut at, mut begin, mut retry) = (0, 0, None);
    while begin < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, begin));
            }
            Some(byte) if *byte == text[begin] => {
                at += 1;
                begin += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                (at, begin) = (after_star, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

pub(super) fn monitor(ha_cf: &mut HaCf<'_>, argument: Word<'_>) -> Outcome {
    let mut words = argument.text.split_whitespace();
    let interval = words.next().unwrap_or_default();
    let every = parse_time(interval).ok_or_else(|| {
        let message = format!("`{interval}` is not a time of at most a day");
        argument.finding(message, format!("{TIME_REMEDY}, `0` for never; patterns follow it"))
    })?;
    let patterns: Vec<String> = words.map(str::to_owned).collect();
    if patterns.is_empty() && ha_cf.monitoring.monitors.lines.len() > 1 {
        let message = "`monitor` without patterns stands below lines with patterns and overrules them";
        ha_cf.warn(argument.span, message, "the last line that fits counts: put this one first");
    }
    ha_cf.monitoring.monitors.lines.push(Monitor { every, patterns });
    Ok(())
}

pub(super) fn restarts(ha_cf: &mut HaCf<'_>, argument: Word<'_>) -> Outcome {
    let expected =
        format!("write how often, 0 to {MAX_RESTARTS}, and within what time: `monitor_restarts 3 3600`");
    let most = u32::try_from(MAX_RESTARTS).unwrap_or(u32::MAX);
    let mut words = argument.text.split_whitespace();
    let count =
        words.next().and_then(|word| parse_whole(word, 0, most)).and_then(|count| u8::try_from(count).ok());
    let window = words.next().map_or(Some(WINDOW), parse_time).filter(|window| !window.is_zero());
    match (count, window, words.next()) {
        (Some(count), Some(window), None) => {
            (ha_cf.monitoring.restarts, ha_cf.monitoring.window) = (count, window);
            Ok(())
        }
        (Some(_), None, _) => {
            let message =
                format!("bad value `{}`: the second word is no time of 1 ms to a day", argument.text);
            Err(argument.finding(message, expected))
        }
        _ => Err(argument.finding(format!("bad value `{}`", argument.text), expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let table = [
            ("apache", "apache", true),
            ("apache", "apache2", false),
            ("apache*", "apache2", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("IPaddr*", "IPaddr::10.0.0.1/24", true),
            ("*::10.0.0.1*", "IPaddr::10.0.0.1/24", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("a*ab", "aab", true),
            ("a*ab", "aaab", true),
            ("a*ab", "aba", false),
            ("**", "x", true),
        ];
        for (pattern, text, like) in table {
            assert_eq!(is_like(pattern.as_bytes(), text.as_bytes()), like, "{pattern} {text}");
        }
    }
}
