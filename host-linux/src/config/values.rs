//! Times, booleans and whole numbers as `ha.cf` writes them.

use std::time::Duration;

/// The longest time that can be configured.
pub(super) const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What to write where a time was expected.
pub(super) const TIME_REMEDY: &str =
    "write seconds (`2`, `0.5`), milliseconds (`500ms`) or microseconds (`500000us`), without a blank";

/// A time, rounded to the nearest millisecond: `NUMBER` in seconds, `NUMBERms`, `NUMBERus`.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    if !number.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let unit = unit.to_ascii_lowercase();
    let seconds = match unit.as_str() {
        "" => number,
        unit if unit.starts_with("ms") => number / 1e3,
        unit if unit.starts_with("us") => number / 1e6,
        _ => return None,
    };
    let exact = Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= TIME_MAX)?;
    let milliseconds = (exact.as_nanos() + 500_000) / 1_000_000;
    Some(Duration::from_millis(u64::try_from(milliseconds).ok()?))
}

/// A boolean, in any letter case.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "y" | "1" => Some(true),
        "false" | "off" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A whole decimal number from `least` to `most`.
pub(super) fn parse_whole(text: &str, least: u32, most: u32) -> Option<u32> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits_only && (least..=most).contains(number))
}

/// The entry that was probably meant: equal but for letter case, or at most two letters away.
pub(super) fn closest<'a>(text: &str, entries: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let length = lower.chars().count();
    entries
        .into_iter()
        // Only words of about this length can be so close; a file may be full of long ones.
        .filter(|entry| entry.chars().count().abs_diff(length) <= 2)
        .map(|entry| (edit_distance(&lower, &entry.to_lowercase()), entry))
        .filter(|(distance, entry)| *distance <= 2 && *distance * 2 <= entry.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, entry)| entry)
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((j, to), pair) in right.iter().enumerate().zip(row.windows(2)) {
            let replaced = pair[0] + usize::from(from != *to);
            next.push(replaced.min(pair[1] + 1).min(next[j] + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_original_reads_them() {
        let table = [
            ("1", Some(1000)),
            ("0", Some(0)),
            ("0.5", Some(500)),
            (".5", Some(500)),
            ("2.", Some(2000)),
            ("500ms", Some(500)),
            ("500MS", Some(500)),
            ("500msec", Some(500)),
            ("1.5ms", Some(2)),
            ("500000us", Some(500)),
            ("499us", Some(0)),
            ("501us", Some(1)),
            ("500usec", Some(1)),
            ("86400", Some(86_400_000)),
            ("86401", None),
            ("1s", None),
            ("1sec", None),
            ("1m", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1.2.3", None),
            ("abc", None),
            (".", None),
            ("", None),
            ("ms", None),
            ("99999999999999999999999999999999", None),
        ];
        for (text, milliseconds) in table {
            assert_eq!(parse_time(text), milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn booleans_are_read_in_any_case() {
        for (text, value) in [
            ("TRUE", Some(true)),
            ("On", Some(true)),
            ("yes", Some(true)),
            ("Y", Some(true)),
            ("1", Some(true)),
            ("false", Some(false)),
            ("OFF", Some(false)),
            ("no", Some(false)),
            ("N", Some(false)),
            ("0", Some(false)),
            ("2", None),
            ("", None),
            ("legacy", None),
        ] {
            assert_eq!(parse_boolean(text), value, "{text}");
        }
    }

    #[test]
    fn whole_numbers_have_bounds_and_no_sign() {
        assert_eq!(parse_whole("255", 0, 255), Some(255));
        for text in ["256", "-1", "+1", "", "1x", "99999999999"] {
            assert_eq!(parse_whole(text, 0, 255), None, "{text}");
        }
    }

    #[test]
    fn the_closest_entry_is_found_only_when_it_is_close() {
        let entries = ["keepalive", "deadtime", "env"];
        assert_eq!(closest("KEEPALIVE", entries), Some("keepalive"));
        assert_eq!(closest("keepalvie", entries), Some("keepalive"));
        assert_eq!(closest("deadtim", entries), Some("deadtime"));
        assert_eq!(closest("foobar", entries), None);
        assert_eq!(closest("xyz", entries), None);
        let long = "x".repeat(64);
        assert_eq!(closest(&format!("{long}yyy"), [long.as_str()]), None);
    }
}
