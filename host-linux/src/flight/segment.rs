//! The format of a segment: a line that names format and version, then blocks. Each block is a snapshot of the whole
//! node with all that is needed to put it into words, or a step; the first is a snapshot. Bad bytes are told, never a
//! panic.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use heartline_core::Node;
use heartline_core::record::{self, BlockError, Step};
use heartline_core::time::Instant;
use serde::{Deserialize, Serialize};

use crate::log::render::Names;

/// The first line of a segment.
pub const MAGIC: &[u8] = b"Heartline flight record 1\n";
const MAGIC_BEFORE_VERSION: usize = b"Heartline flight record ".len();

/// The whole node at one instant, and what is needed to speak of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// Why it was taken.
    pub occasion: Occasion,
    /// The program that took it.
    pub program: String,
    /// When, by the core's clock.
    pub now: Instant,
    /// When, by the calendar: microseconds since 1970.
    wall: u64,
    /// The names behind the core's numbers.
    pub names: Names,
    /// The node. Of its keys there are only the numbers.
    pub node: Node,
}

/// Why a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Occasion {
    /// A life of the daemon begins.
    Start,
    /// The files were read anew.
    Reload,
    /// A new segment begins in the middle of a life.
    Segment,
    /// Recording goes on after a gap.
    Gap,
}

#[derive(Serialize)]
pub(super) enum Entry<'a> {
    Snapshot(&'a Snapshot),
    Step(&'a Step<'a>),
}

#[derive(Deserialize)]
enum Read<'a> {
    Snapshot(Box<Snapshot>),
    #[serde(borrow)]
    Step(Step<'a>),
}

/// Why a file is no record that can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("Cannot read {}: {source}", .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// It is something else.
    #[error(
        "{} is no flight record; the daemon writes them to flight.0 and flight.1 in its state directory",
        .0.display()
    )]
    Foreign(PathBuf),
    /// It is a record in another version of the format.
    #[error("{} is a flight record of another version of Heartline: replay it with that", .0.display())]
    Version(PathBuf),
    /// There is no segment in a directory.
    #[error("There is no flight record (flight.0) in {}", .0.display())]
    Empty(PathBuf),
    /// Its first entry is no snapshot that can be used.
    #[error("{} has no usable beginning: the daemon was interrupted as it began to write", .0.display())]
    NoBeginning(PathBuf),
}

impl Snapshot {
    pub(super) fn new(
        occasion: Occasion,
        now: Instant,
        wall: SystemTime,
        names: &Names,
        node: &Node,
    ) -> Self {
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            occasion,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            now,
            wall: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
            names: names.clone(),
            node: node.clone(),
        }
    }

    /// The calendar's time of an instant of this snapshot's life.
    #[must_use]
    pub fn wall(&self, then: Instant) -> SystemTime {
        // Before the year 10000, however hostile the file is: what follows must be able to write it down.
        const LAST: u64 = 253_402_300_799_000_000;
        let micros = self.wall.saturating_add(then.since(self.now).micros()).min(LAST);
        UNIX_EPOCH + Duration::from_micros(micros)
    }
}

/// The bytes of one or more segments, oldest first.
#[derive(Debug)]
pub struct Record {
    segments: Vec<(PathBuf, Vec<u8>)>,
}

/// One entry of a record.
#[derive(Debug)]
pub(super) enum Item<'a> {
    Snapshot(Box<Snapshot>),
    Step(Step<'a>),
    /// A segment ends before its end.
    Cut(&'a Path, BlockError),
}

impl Record {
    /// Reads files, and directories with the segments in them, in the order of their times.
    ///
    /// # Errors
    /// [`RecordError`] of the first that cannot be replayed at all.
    pub fn read(paths: &[PathBuf]) -> Result<Self, RecordError> {
        let mut segments = Vec::new();
        for path in paths {
            if path.is_dir() {
                let files = [path.join("flight.1"), path.join("flight.0")];
                let there: Vec<&PathBuf> = files.iter().filter(|file| file.exists()).collect();
                if there.is_empty() {
                    return Err(RecordError::Empty(path.clone()));
                }
                for file in there {
                    segments.push((file.clone(), read(file)?));
                }
            } else {
                segments.push((path.clone(), read(path)?));
            }
        }
        Self::of(segments)
    }

    /// The record in the bytes of segments, each with the path by which it is spoken of, in the order of their times.
    ///
    /// # Errors
    /// As [`Record::read`], but for reading.
    pub fn of(segments: Vec<(PathBuf, Vec<u8>)>) -> Result<Self, RecordError> {
        let mut dated = Vec::new();
        for (path, bytes) in segments {
            if !bytes.starts_with(&MAGIC[..MAGIC_BEFORE_VERSION]) {
                return Err(RecordError::Foreign(path));
            }
            if !bytes.starts_with(MAGIC) {
                return Err(RecordError::Version(path));
            }
            let first = match Items::of(&path, &bytes).next() {
                Some(Item::Snapshot(snapshot)) => snapshot.wall,
                _ => return Err(RecordError::NoBeginning(path)),
            };
            dated.push((first, path, bytes));
        }
        dated.sort_by_key(|(first, ..)| *first);
        Ok(Self { segments: dated.into_iter().map(|(_, path, bytes)| (path, bytes)).collect() })
    }

    /// The entries of all segments.
    pub(super) fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.segments.iter().flat_map(|(path, bytes)| Items::of(path, bytes))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, RecordError> {
    std::fs::read(path).map_err(|source| RecordError::Io { path: path.to_owned(), source })
}

/// How many bytes of a segment are whole; 0 if it is none of this version.
pub(super) fn whole_length(bytes: &[u8]) -> usize {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return 0 };
    while let Ok((_, next)) = record::read_block(rest) {
        rest = next;
    }
    bytes.len() - rest.len()
}

struct Items<'a> {
    path: &'a Path,
    rest: &'a [u8],
}

impl<'a> Items<'a> {
    fn of(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, rest: bytes.get(MAGIC.len()..).unwrap_or_default() }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let block = record::read_block(self.rest);
        // After an entry that cannot be read, nothing that follows can be replayed.
        self.rest = block.map(|(_, rest)| rest).unwrap_or_default();
        let entry =
            block.and_then(|(contents, _)| postcard::from_bytes(contents).map_err(|_| BlockError::Damaged));
        let item = match entry {
            Ok(Read::Snapshot(snapshot)) if snapshot.node.is_consistent() => Item::Snapshot(snapshot),
            Ok(Read::Step(step)) => Item::Step(step),
            Ok(Read::Snapshot(_)) => Item::Cut(self.path, BlockError::Damaged),
            Err(error) => Item::Cut(self.path, error),
        };
        if let Item::Cut(..) = item {
            self.rest = &[];
        }
        Some(item)
    }
}
