//! Turns what a child writes into lines for the log, bounded in length and in number.
//! Nothing here reads a descriptor or knows what the lines mean.

use std::time::{Duration, Instant};

/// The longest line that is passed on, in bytes; the rest of a longer line is dropped.
pub(crate) const LINE_BYTES_MAX: usize = 4096;
/// So many lines of one child are passed on at once ...
const LINES_AT_ONCE: u32 = 100;
/// ... and one more for each of these spans of time.
const LINE_EVERY: Duration = Duration::from_millis(20);

/// Collects the bytes of one stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes of the stream; `line` gets every line that they complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(String)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..end]);
            line(self.take());
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// The stream has ended: what stands there without a line feed is a line too.
    pub(crate) fn finish(&mut self) -> Option<String> {
        (!self.partial.is_empty()).then(|| self.take())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.partial.len();
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Control characters are replaced, so that a script cannot play with the terminal of who reads the log.
    fn take(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.partial);
        let line = text
            .trim_end_matches('\r')
            .chars()
            .map(|character| match character {
                '\t' => '\t',
                control if control.is_control() => char::REPLACEMENT_CHARACTER,
                other => other,
            })
            .collect();
        self.partial.clear();
        line
    }
}

/// How many lines of one child may still be passed on.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    since: Instant,
    dropped: u64,
}

impl Allowance {
    /// A full allowance.
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: LINES_AT_ONCE, since: now, dropped: 0 }
    }

    /// Whether one more line may be passed on; if not, it is counted as dropped.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            let earned = now.saturating_duration_since(self.since).as_millis() / LINE_EVERY.as_millis();
            self.left = u32::try_from(earned).unwrap_or(u32::MAX).min(LINES_AT_ONCE);
        }
        if self.left == 0 {
            self.dropped += 1;
            return false;
        }
        self.left -= 1;
        self.since = now;
        true
    }

    /// How many lines were dropped since the last question.
    pub(crate) fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn lines_of(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in pieces {
            lines.push(piece, |line| seen.push(line));
        }
        seen.extend(lines.finish());
        seen
    }

    #[test]
    fn lines_are_joined_over_reads_and_the_last_needs_no_line_feed() {
        assert_eq!(lines_of(&[b"on", b"e\n\ntwo\r\nthr", b"ee"]), ["one", "", "two", "three"]);
        assert_eq!(lines_of(&[b"one\n"]), ["one"]);
    }

    #[test]
    fn a_line_is_cut_at_its_bound_and_the_next_one_is_whole() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES_MAX];
        bytes.extend(b"\nnext\n");
        let lines = lines_of(&[&bytes[..5000], &bytes[5000..]]);
        assert_eq!(lines[0].len(), LINE_BYTES_MAX);
        assert_eq!(lines[1..], ["next"]);
    }

    #[test]
    fn control_characters_and_broken_utf8_are_replaced() {
        assert_eq!(lines_of(&[b"a\x1b[31mb\xffc\td\n"]), ["a\u{fffd}[31mb\u{fffd}c\td"]);
    }

    #[test]
    fn a_flood_is_cut_and_counted_and_quiet_time_earns_new_lines() {
        let start = clock::monotonic();
        let mut allowance = Allowance::new(start);
        let admitted = (0..1000).filter(|_| allowance.admit(start)).count();
        assert_eq!(admitted, LINES_AT_ONCE as usize);
        assert_eq!(allowance.dropped(), 900);
        assert_eq!(allowance.dropped(), 0);

        let later = start + 3 * LINE_EVERY;
        assert_eq!((0..10).filter(|_| allowance.admit(later)).count(), 3);
        assert_eq!(allowance.dropped(), 7);
    }
}
