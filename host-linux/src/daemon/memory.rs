//! What people said and the next life of the daemon must know, or an auditor: kept in the state directory.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use heartline_core::maintenance::Maintenance;

use crate::durable::write_durably;

/// How often maintenance was turned on or off, as a decimal.
const MAINTENANCE: &str = "maintenance";
/// Who vouched for what, a line each; the newest is the last.
const CONFIRMATIONS: &str = "confirmed_down";

/// Reads what an earlier life kept; nothing where it kept nothing.
///
/// # Errors
/// When there is a file that cannot be read or understood.
pub(super) fn maintenance(state_dir: &Path) -> io::Result<Maintenance> {
    match std::fs::read_to_string(state_dir.join(MAINTENANCE)) {
        Ok(text) => {
            let count = text.trim().parse().map_err(|_| io::Error::other("it does not hold a number"))?;
            Ok(Maintenance(count))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Maintenance::default()),
        Err(error) => Err(error),
    }
}

/// Keeps it for the next life.
///
/// # Errors
/// Any of the file system; what was kept before is still there then.
pub(super) fn keep_maintenance(state_dir: &Path, maintenance: Maintenance) -> io::Result<()> {
    write_durably(&state_dir.join(MAINTENANCE), format!("{}\n", maintenance.0).as_bytes())
}

/// Adds a line to the list of those who vouched that a node is down.
///
/// # Errors
/// Any of the file system.
pub(super) fn record_confirmation(state_dir: &Path, line: &str) -> io::Result<()> {
    let path = state_dir.join(CONFIRMATIONS);
    let mut file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(maintenance(directory.path()).unwrap(), Maintenance(0));
        for count in [1, 2, u32::MAX] {
            keep_maintenance(directory.path(), Maintenance(count)).unwrap();
            assert_eq!(maintenance(directory.path()).unwrap(), Maintenance(count));
        }
    }

    #[test]
    fn a_file_that_is_no_number_is_no_silence() {
        let directory = tempfile::tempdir().unwrap();
        for contents in ["", "on", "-1", "4294967296"] {
            std::fs::write(directory.path().join(MAINTENANCE), contents).unwrap();
            assert!(maintenance(directory.path()).is_err(), "{contents}");
        }
    }

    #[test]
    fn every_confirmation_stays() {
        let directory = tempfile::tempdir().unwrap();
        record_confirmation(directory.path(), "one").unwrap();
        record_confirmation(directory.path(), "two").unwrap();
        let text = std::fs::read_to_string(directory.path().join(CONFIRMATIONS)).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }
}
