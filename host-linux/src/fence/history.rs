//! What was fenced when, by whom, how and why: kept in the state directory, on both sides, the last ones only.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;

/// So many are kept.
const KEPT: usize = 16;
const FILE: &str = "fence_history";

/// One fence, or one that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it ended: seconds since 1970.
    pub time: u64,
    /// Who was, or was to be, fenced.
    pub victim: String,
    /// By which node.
    pub by: String,
    /// With which device: its kind, or what else is known of it; empty if nothing is.
    pub device: String,
    /// Why, to follow "since".
    pub reason: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The generation of the life that was ended; 0 if that is not known.
    pub generation: u32,
    /// What came of it.
    pub result: Result,
}

/// What came of an attempt to fence a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// It is done.
    Fenced,
    /// The device said so, but the node went on speaking.
    Belied,
    /// It is not done.
    Failed {
        /// How often it failed in a row.
        attempts: u32,
        /// How it failed the last time, in words.
        why: String,
    },
}

/// The record of one host.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    entries: VecDeque<Entry>,
}

impl History {
    /// Reads what earlier daemons have kept. Lines that cannot be understood are left out.
    ///
    /// # Errors
    /// With the history, why it could not be read; it begins anew then.
    #[must_use]
    pub fn open(state_dir: &Path) -> (Self, Option<io::Error>) {
        let path = state_dir.join(FILE);
        let (text, error) = match fs::read(&path) {
            Ok(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (String::new(), None),
            Err(error) => (String::new(), Some(error)),
        };
        let entries = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut history = Self { path, entries };
        history.forget_oldest();
        (history, error)
    }

    /// What is kept, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Adds one. Failures in a row for one node are one entry, and a fence that is told again is no second one.
    ///
    /// # Errors
    /// It cannot be written; it is kept in memory.
    pub fn add(&mut self, mut entry: Entry) -> io::Result<()> {
        let same_life = |old: &Entry| {
            (&old.victim, &old.by, old.generation) == (&entry.victim, &entry.by, entry.generation)
        };
        if entry.result == Result::Fenced
            && entry.generation != 0
            && self.entries.iter().any(|old| same_life(old) && old.result == Result::Fenced)
        {
            return Ok(());
        }
        if let (Some(last), Result::Failed { attempts, .. }) = (self.entries.back(), &mut entry.result)
            && let Result::Failed { attempts: before, .. } = last.result
            && (&last.victim, &last.by) == (&entry.victim, &entry.by)
        {
            *attempts += before;
            self.entries.pop_back();
        }
        self.entries.push_back(entry);
        self.forget_oldest();
        self.write()
    }

    /// The last fence of `victim` by `by` did nothing, as is known now.
    ///
    /// # Errors
    /// As [`History::add`].
    pub fn belie(&mut self, victim: &str, by: &str) -> io::Result<()> {
        let of = |entry: &&mut Entry| entry.victim == victim && entry.by == by;
        let last = self.entries.iter_mut().rev().find(of).filter(|entry| entry.result == Result::Fenced);
        let Some(last) = last else { return Ok(()) };
        last.result = Result::Belied;
        self.write()
    }

    fn forget_oldest(&mut self) {
        self.entries.drain(..self.entries.len().saturating_sub(KEPT));
    }

    fn write(&self) -> io::Result<()> {
        let mut text = String::new();
        for entry in &self.entries {
            text.push_str(&serde_json::to_string(entry).map_err(io::Error::other)?);
            text.push('\n');
        }
        durable::write_in_background(&self.path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(victim: &str, generation: u32, result: Result) -> Entry {
        Entry {
            time: 1_795_405_912,
            victim: victim.to_owned(),
            by: "ha1".to_owned(),
            device: "external/ipmi".to_owned(),
            reason: "it was silent for 10.0 s and may still run resources".to_owned(),
            took_ms: 2_100,
            generation,
            result,
        }
    }

    fn failed(why: &str) -> Result {
        Result::Failed { attempts: 1, why: why.to_owned() }
    }

    fn results(history: &History) -> Vec<Result> {
        history.entries().map(|entry| entry.result.clone()).collect()
    }

    #[test]
    fn the_last_ones_survive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let (mut history, error) = History::open(directory.path());
        assert!(error.is_none());
        for life in 1..=20 {
            history.add(entry("ha2", life, Result::Fenced)).unwrap();
        }
        let (again, _) = History::open(directory.path());
        let lives: Vec<u32> = again.entries().map(|entry| entry.generation).collect();
        assert_eq!(lives, (5..=20).collect::<Vec<_>>());
        assert_eq!(again.entries().last(), history.entries().last());
    }

    #[test]
    fn failures_in_a_row_are_one_entry() {
        let directory = tempfile::tempdir().unwrap();
        let (mut history, _) = History::open(directory.path());
        for why in ["no route", "no answer"] {
            history.add(entry("ha2", 1, failed(why))).unwrap();
        }
        history.add(entry("ha3", 1, failed("no route"))).unwrap();
        history.add(entry("ha2", 1, Result::Fenced)).unwrap();
        let expected =
            [Result::Failed { attempts: 2, why: "no answer".to_owned() }, failed("no route"), Result::Fenced];
        assert_eq!(results(&history), expected);
    }

    #[test]
    fn what_is_told_again_is_no_second_fence() {
        let directory = tempfile::tempdir().unwrap();
        let (mut history, _) = History::open(directory.path());
        for life in [7, 7, 0, 0] {
            history.add(entry("ha2", life, Result::Fenced)).unwrap();
        }
        assert_eq!(results(&history).len(), 3, "of a life that is not known one cannot tell");
    }

    #[test]
    fn a_fence_that_did_nothing_is_marked() {
        let directory = tempfile::tempdir().unwrap();
        let (mut history, _) = History::open(directory.path());
        history.add(entry("ha2", 7, Result::Fenced)).unwrap();
        history.belie("ha3", "ha1").unwrap();
        history.belie("ha2", "ha1").unwrap();
        assert_eq!(results(&History::open(directory.path()).0), [Result::Belied]);
    }

    #[test]
    fn lines_that_cannot_be_understood_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        History::open(directory.path()).0.add(entry("ha2", 7, Result::Fenced)).unwrap();
        let path = directory.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{{\"time\":\n\u{0}\n{text}")).unwrap();
        assert_eq!(results(&History::open(directory.path()).0), [Result::Fenced]);
    }
}
