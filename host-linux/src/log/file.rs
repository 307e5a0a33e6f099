//! One log file: appended to, opened anew when it was moved away, never an obstacle.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_NOCTTY, O_NONBLOCK};

/// A file that log lines are appended to.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    opened: Option<Opened>,
    /// Lines that could not be written since the last that could.
    lost: u64,
}

#[derive(Debug)]
struct Opened {
    file: File,
    identity: (u64, u64),
}

impl LogFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, opened: None, lost: 0 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.opened = None;
        // Non-blocking, for who names a pipe; without becoming its terminal, for who names a console.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(O_NONBLOCK | O_NOCTTY)
            .open(&self.path)?;
        let identity = identity(&file.metadata()?);
        self.opened = Some(Opened { file, identity });
        Ok(())
    }

    /// Writes whole lines. What cannot be written is counted, and the count is said when writing works again.
    pub(super) fn write(&mut self, lines: &[u8]) {
        if !self.is_in_place() && self.reopen().is_err() {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        if self.lost > 0 {
            let note = format!("-- {} line(s) could not be written here\n", self.lost);
            if self.append(note.as_bytes()).is_ok() {
                self.lost = 0;
            }
        }
        if self.append(lines).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.opened {
            Some(opened) => opened.file.write_all(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn is_in_place(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| {
            std::fs::metadata(&self.path).is_ok_and(|there| identity(&there) == opened.identity)
        })
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
