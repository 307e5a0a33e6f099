//! Writes the flight record beside a running daemon: steps are put into memory as they happen and written out before
//! the loop sleeps, at least every second. A disk that is full or cannot be written to ends the recording until it
//! can, and never harms the daemon.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use heartline_core::effect::Effect;
use heartline_core::record::{MAX_STEP, Step, digest, write_block};
use heartline_core::time::Instant;
use heartline_core::{Effects, Input, Node};

use super::segment::{Entry, MAGIC, Occasion, Snapshot, whole_length};
use crate::log::Level;
use crate::log::render::Names;

/// A segment that is longer than this is followed by another.
const SEGMENT: u64 = 1 << 20;
/// What a SIGKILL may cost.
const LATEST: Duration = Duration::from_secs(1);
/// More than this is written out at once, lest a flood of frames fill the memory.
const MUCH: usize = 32 << 10;
/// How long a recording that failed rests.
const PAUSE: Duration = Duration::from_secs(60);

/// Something about the recording that an administrator should know.
#[derive(Debug, thiserror::Error)]
pub enum Remark {
    /// It cannot be written; said once, until it can be again.
    #[error(
        "Cannot write the flight record {}: {source}. Nothing is recorded until it can be; all else goes on.",
        .path.display()
    )]
    Stopped {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It can be written again.
    #[error("The flight record {} is written again", .0.display())]
    Resumed(PathBuf),
}

impl Remark {
    /// How grave it is.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self {
            Self::Stopped { .. } => Level::Warn,
            Self::Resumed(_) => Level::Info,
        }
    }
}

/// The flight record of a daemon.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    /// Nothing while recording rests.
    segment: Option<Segment>,
    /// What is not written yet, and since when the oldest of it has been there.
    pending: Vec<u8>,
    since: Instant,
    /// Something was decided: it is written before the daemon sleeps.
    urgent: bool,
    /// The instant of the newest entry.
    last: Instant,
    /// When to try again.
    retry: Instant,
    limit: u64,
    /// Why recording ended between two flushes.
    untold: Option<Remark>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    length: u64,
}

impl Recorder {
    /// Begins the record of a life, after those of former ones, of which a torn end is cut off.
    #[must_use]
    pub fn begin(
        state_dir: &Path,
        names: &Names,
        node: &Node,
        now: Instant,
        wall: SystemTime,
    ) -> (Self, Option<Remark>) {
        Self::with_limit(state_dir, names, node, now, wall, SEGMENT)
    }

    pub(super) fn with_limit(
        state_dir: &Path,
        names: &Names,
        node: &Node,
        now: Instant,
        wall: SystemTime,
        limit: u64,
    ) -> (Self, Option<Remark>) {
        let mut recorder = Self {
            path: state_dir.join("flight.0"),
            segment: None,
            pending: Vec::with_capacity(MUCH + MAX_STEP),
            since: now,
            urgent: false,
            last: now,
            retry: now,
            limit,
            untold: None,
        };
        let remark = match recorder.resume(Snapshot::new(Occasion::Start, now, wall, names, node)) {
            Ok(()) => None,
            Err(source) => Some(recorder.stop(source, now)),
        };
        (recorder, remark)
    }

    /// Notes one step that was taken. `node` is as it is after the step.
    pub fn record(&mut self, now: Instant, input: Input<'_>, effects: &Effects, node: &Node) {
        if self.segment.is_none() {
            return;
        }
        let digest = digest(effects);
        let step = Step { after: now.since(self.last), event: node.recorded(input), digest };
        let mut block = [0; MAX_STEP];
        if let Some(length) = write_block(&Entry::Step(&step), &mut block) {
            if self.pending.is_empty() {
                self.since = now;
            }
            self.pending.extend_from_slice(&block[..length]);
            self.last = self.last.max(now);
        }
        let is_routine = |effect| matches!(effect, Effect::Transmit | Effect::FeedWatchdog);
        self.urgent |= !effects.iter().all(is_routine);
        if self.pending.len() >= MUCH
            && let Err(source) = self.write()
        {
            self.untold = Some(self.stop(source, now));
        }
    }

    /// Notes that the node was given another configuration.
    pub fn reconfigured(&mut self, names: &Names, node: &Node, now: Instant, wall: SystemTime) {
        if self.segment.is_none() {
            return;
        }
        append(&mut self.pending, &Snapshot::new(Occasion::Reload, now, wall, names, node));
        self.last = now;
        self.urgent = true;
    }

    /// To be called before the daemon sleeps until `wake` at the latest: writes what would be too old by then.
    pub fn flush(
        &mut self,
        names: &Names,
        node: &Node,
        now: Instant,
        wake: Instant,
        wall: impl Fn() -> SystemTime,
    ) -> Option<Remark> {
        if self.segment.is_none() {
            if now < self.retry {
                return self.untold.take();
            }
            return match self.resume(Snapshot::new(Occasion::Gap, now, wall(), names, node)) {
                Ok(()) => Some(Remark::Resumed(self.path.clone())),
                // Said already.
                Err(_) => {
                    self.retry = now + core_span(PAUSE);
                    None
                }
            };
        }
        let too_old = wake.max(now).since(self.since) >= core_span(LATEST);
        if self.pending.is_empty() || !(self.urgent || too_old) {
            return None;
        }
        let segment = |occasion| Snapshot::new(occasion, now, wall(), names, node);
        let written = self.write().and_then(|()| match &self.segment {
            Some(full) if full.length >= self.limit => self.turn(segment(Occasion::Segment)),
            _ => Ok(()),
        });
        written.err().map(|source| self.stop(source, now))
    }

    /// Writes all that there is to the disk itself, for the host is about to be reset.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sync(&mut self) -> io::Result<()> {
        self.write()?;
        self.segment.as_ref().map_or(Ok(()), |segment| segment.file.sync_data())
    }

    fn write(&mut self) -> io::Result<()> {
        if let Some(segment) = &mut self.segment {
            segment.file.write_all(&self.pending)?;
            segment.length = segment.length.saturating_add(self.pending.len() as u64);
        }
        self.pending.clear();
        self.urgent = false;
        Ok(())
    }

    fn stop(&mut self, source: io::Error, now: Instant) -> Remark {
        self.segment = None;
        self.pending.clear();
        self.urgent = false;
        self.retry = now + core_span(PAUSE);
        Remark::Stopped { path: self.path.clone(), source }
    }

    /// Opens the newest segment and goes on behind what is whole of it.
    fn resume(&mut self, snapshot: Snapshot) -> io::Result<()> {
        let mut file = open(&self.path)?;
        let mut bytes = Vec::new();
        // One that is longer than any of ours is none of ours.
        let most = self.limit.saturating_mul(2).saturating_add(1 << 20);
        (&mut file).take(most).read_to_end(&mut bytes)?;
        let whole = whole_length(&bytes) as u64;
        if whole == 0 && bytes.is_empty() {
            file.write_all(MAGIC)?;
        } else if whole == 0 || whole >= self.limit {
            return self.turn(snapshot);
        } else {
            file.set_len(whole)?;
        }
        self.go_on(file, whole.max(MAGIC.len() as u64), &snapshot)
    }

    /// Begins a new segment; the one before becomes `flight.1`.
    fn turn(&mut self, snapshot: Snapshot) -> io::Result<()> {
        std::fs::rename(&self.path, self.path.with_extension("1"))?;
        let mut file = open(&self.path)?;
        file.write_all(MAGIC)?;
        self.go_on(file, MAGIC.len() as u64, &snapshot)
    }

    fn go_on(&mut self, mut file: File, length: u64, snapshot: &Snapshot) -> io::Result<()> {
        let mut block = Vec::new();
        append(&mut block, snapshot);
        file.write_all(&block)?;
        self.segment = Some(Segment { file, length: length + block.len() as u64 });
        self.last = snapshot.now;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    // Whatever it was before.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

fn append(out: &mut Vec<u8>, snapshot: &Snapshot) {
    // All members, links and groups that there can be, with names of a kilobyte each, need less.
    let mut block = vec![0; 128 << 10];
    if let Some(length) = write_block(&Entry::Snapshot(snapshot), &mut block) {
        out.extend_from_slice(&block[..length]);
    }
}

fn core_span(span: Duration) -> heartline_core::time::Duration {
    heartline_core::time::Duration::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}
