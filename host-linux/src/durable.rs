//! What must survive a crash: the boot generation, and the pid file whose lock says that a daemon runs.
//! Nothing here decides what a generation means; the core does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::Pid;

use crate::clock;
use crate::dying::Patience;

/// The generation of this start, already on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Larger than that of every earlier start of this node.
    pub number: u32,
    /// Where it came from.
    pub origin: GenerationOrigin,
}

/// Where a generation came from. All but `Counted` deserve a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationOrigin {
    /// One more than the file said.
    Counted,
    /// There was no file: taken from the clock, so that it exceeds a lost one.
    Missing,
    /// The file could not be understood: taken from the clock.
    Broken,
}

/// Why no generation could be had. The node must not start then: its frames could pass for replays.
#[derive(Debug, thiserror::Error)]
#[error("Cannot keep the generation in {path}: {source}")]
pub struct GenerationError {
    path: PathBuf,
    source: io::Error,
}

/// Reads, increments and durably writes `STATE_DIR/hb_generation`.
///
/// # Errors
/// When the file cannot be read for another reason than being absent, or the new one cannot be written.
pub fn next_generation(state_dir: &Path) -> Result<Generation, GenerationError> {
    generation_after(state_dir, clock::wall())
}

fn generation_after(state_dir: &Path, now: SystemTime) -> Result<Generation, GenerationError> {
    let path = state_dir.join("hb_generation");
    let attempt = || {
        let generation = match fs::read(&path) {
            Ok(bytes) => counted(&bytes).map_or_else(
                || Generation { number: from_clock(now), origin: GenerationOrigin::Broken },
                |number| Generation { number, origin: GenerationOrigin::Counted },
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Generation { number: from_clock(now), origin: GenerationOrigin::Missing }
            }
            Err(error) => return Err(error),
        };
        write_durably(&path, format!("{:>15}\n", generation.number).as_bytes())?;
        Ok(generation)
    };
    attempt().map_err(|source| GenerationError { path: path.clone(), source })
}

fn counted(bytes: &[u8]) -> Option<u32> {
    std::str::from_utf8(bytes).ok()?.trim().parse::<u32>().ok()?.checked_add(1)
}

fn from_clock(now: SystemTime) -> u32 {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds.saturating_add(1)).unwrap_or(u32::MAX)
}

/// Replaces a file so that after a crash either the old or the new contents are there, never a part.
///
/// # Errors
/// Any error of the file system; the old contents are then still in place.
pub fn write_durably(path: &Path, contents: &[u8]) -> io::Result<()> {
    let (temporary, file) = write_beside(path, contents)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory_of(path))?.sync_all()
}

/// As [`write_durably`] where nobody may wait for the disk: every reader sees the new contents at once, and they are on
/// disk a little later.
///
/// # Errors
/// As [`write_durably`], as far as it is known at once.
pub fn write_in_background(path: &Path, contents: &[u8]) -> io::Result<()> {
    let (temporary, file) = write_beside(path, contents)?;
    fs::rename(&temporary, path)?;
    let directory = File::open(directory_of(path))?;
    thread::Builder::new().name("sync".to_owned()).spawn(move || {
        // Whoever could be told has gone on.
        let _ = file.sync_all().and_then(|()| directory.sync_all());
    })?;
    Ok(())
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn write_beside(path: &Path, contents: &[u8]) -> io::Result<(PathBuf, File)> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = directory_of(path).join(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&temporary)?;
    file.write_all(contents)?;
    Ok((temporary, file))
}

/// The held `RUN_DIR/heartbeat.pid`: while it lives, no second daemon starts. Dropping it removes the file.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _locked: File,
}

/// Why the pid file could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another daemon holds it; not a failure of the command (exit 0, as in the original).
    #[error("heartbeat: already running [pid {}].", .pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()))]
    Running {
        /// Its process id, unknown in the instant before it is written.
        pid: Option<Pid>,
    },
    /// It cannot be opened, locked or written.
    #[error("Cannot take the pid file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl PidFile {
    /// Takes the pid file, also from a daemon that died without removing it; one that is just dying is waited for.
    ///
    /// # Errors
    /// [`PidFileError::Running`] while another daemon lives, [`PidFileError::Io`] for any other obstacle.
    pub fn acquire(run_dir: &Path) -> Result<Self, PidFileError> {
        let path = pid_path(run_dir);
        let patience = Patience::new();
        loop {
            match lock_and_write(&path) {
                Ok(Some(file)) => return Ok(Self { path, _locked: file }),
                Ok(None) => match read_pid(&path) {
                    Some(pid) if patience.waits_for(pid) => {}
                    pid => return Err(PidFileError::Running { pid }),
                },
                Err(source) => return Err(PidFileError::Io { path, source }),
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A file that stays behind is harmless: without the lock it is stale.
        let _ = fs::remove_file(&self.path);
    }
}

/// A daemon that runs, seen from outside.
#[derive(Debug)]
pub struct RunningDaemon {
    /// Its process id.
    pub pid: Pid,
    file: File,
}

impl RunningDaemon {
    /// Finds the daemon that holds the pid file; none if there is no file or nobody holds it.
    ///
    /// # Errors
    /// When the file exists and cannot be opened or examined.
    pub fn find(run_dir: &Path) -> io::Result<Option<Self>> {
        let path = pid_path(run_dir);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut query = lock(libc::F_WRLCK, PID_IS_RIGHT);
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut query))?;
        if i32::from(query.l_type) != libc::F_WRLCK {
            return Ok(None);
        }
        Ok(read_pid(&path).map(|pid| Self { pid, file }))
    }

    /// Waits, without limit, until the daemon is gone.
    ///
    /// # Errors
    /// When the kernel refuses to wait.
    pub fn wait_until_gone(self) -> io::Result<()> {
        lock_patiently(&self.file, libc::F_RDLCK, PID_IS_RIGHT)
    }
}

fn pid_path(run_dir: &Path) -> PathBuf {
    run_dir.join("heartbeat.pid")
}

fn read_pid(path: &Path) -> Option<Pid> {
    let mut text = String::new();
    File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

/// Nothing where another daemon holds the file.
fn lock_and_write(path: &Path) -> io::Result<Option<File>> {
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&lock(libc::F_WRLCK, DAEMON))) {
            Ok(_) if !is_at(&file, path)? => {} // removed by its last holder between opening and locking
            Ok(_) => {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(format!("{:>10}\n", std::process::id()).as_bytes())?;
                // Those who waited for the last daemon's end have this byte for the blink of an eye.
                lock_patiently(&file, libc::F_WRLCK, PID_IS_RIGHT)?;
                return Ok(Some(file));
            }
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    Ok(fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())))
}

// Locks of the open file description: unlike flock(2), they can be asked about without being taken, and one file
// has as many as it has bytes. The first byte belongs to the daemon. It locks the second once its pid is in the
// file, so that nobody takes the pid of a crashed daemon for that of one which is just starting.
const DAEMON: libc::off_t = 0;
const PID_IS_RIGHT: libc::off_t = 1;

fn lock_patiently(file: &File, kind: libc::c_int, byte: libc::off_t) -> io::Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&lock(kind, byte))) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lock types are 0, 1, 2 and SEEK_SET is 0")]
fn lock(kind: libc::c_int, byte: libc::off_t) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: u64 = 1_795_405_912;

    fn generation_with(contents: Option<&[u8]>) -> (Generation, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hb_generation");
        if let Some(contents) = contents {
            fs::write(&path, contents).unwrap();
        }
        let generation = generation_after(directory.path(), UNIX_EPOCH + Duration::from_secs(NOW)).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "a temporary file stayed behind");
        (generation, fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_generation_counts_on_in_the_format_of_the_original() {
        let (generation, file) = generation_with(Some(b"     1795405913\n"));
        assert_eq!(generation, Generation { number: 1_795_405_914, origin: GenerationOrigin::Counted });
        assert_eq!(file, "     1795405914\n");
        let (generation, file) = generation_with(Some(b"              7\n"));
        assert_eq!((generation.number, file.as_str()), (8, "              8\n"));
    }

    #[test]
    fn a_missing_generation_comes_from_the_clock() {
        let (generation, file) = generation_with(None);
        assert_eq!(generation, Generation { number: 1_795_405_913, origin: GenerationOrigin::Missing });
        assert_eq!(file, "     1795405913\n");
    }

    #[test]
    fn a_broken_generation_comes_from_the_clock() {
        for contents in [&b""[..], b"seven\n", b"\xff\xfe", b"4294967295\n", b"-3\n"] {
            let (generation, _) = generation_with(Some(contents));
            assert_eq!(
                generation,
                Generation { number: 1_795_405_913, origin: GenerationOrigin::Broken },
                "{contents:?}"
            );
        }
    }

    #[test]
    fn without_its_directory_there_is_no_generation() {
        let error = next_generation(Path::new("/nonexistent/state")).unwrap_err().to_string();
        assert!(
            error.starts_with("Cannot keep the generation in /nonexistent/state/hb_generation:"),
            "{error}"
        );
    }

    #[test]
    fn a_second_daemon_is_told_the_pid_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let first = PidFile::acquire(directory.path()).unwrap();
        let own = std::process::id();
        let text = fs::read_to_string(directory.path().join("heartbeat.pid")).unwrap();
        assert_eq!(text, format!("{own:>10}\n"));
        let error = PidFile::acquire(directory.path()).unwrap_err();
        assert_eq!(error.to_string(), format!("heartbeat: already running [pid {own}]."));
        drop(first);
        assert!(!directory.path().join("heartbeat.pid").exists());
        PidFile::acquire(directory.path()).unwrap();
    }

    #[test]
    fn a_daemon_that_is_dying_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("heartbeat.pid");
        let file = lock_and_write(&path).unwrap().unwrap();
        let holder = || {
            let stdin = file.try_clone().unwrap();
            std::process::Command::new("sleep").arg("1000").stdin(stdin).spawn().unwrap()
        };
        // Both hold the lock. The one whose pid is in the file was killed.
        let (mut killed, mut other) = (holder(), holder());
        drop(file);
        fs::write(&path, killed.id().to_string()).unwrap();
        killed.kill().unwrap();
        let end = std::thread::spawn(move || {
            other.kill().unwrap();
            other.wait().unwrap();
        });
        PidFile::acquire(directory.path()).unwrap();
        end.join().unwrap();
        killed.wait().unwrap();
    }

    #[test]
    fn a_stale_pid_file_is_taken_over() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("heartbeat.pid"), "         1\n").unwrap();
        assert!(RunningDaemon::find(directory.path()).unwrap().is_none());
        PidFile::acquire(directory.path()).unwrap();
    }

    #[test]
    fn a_waiter_sees_the_daemon_go() {
        let directory = tempfile::tempdir().unwrap();
        assert!(RunningDaemon::find(directory.path()).unwrap().is_none());
        let held = PidFile::acquire(directory.path()).unwrap();
        let running = RunningDaemon::find(directory.path()).unwrap().unwrap();
        assert_eq!(running.pid, Pid::this());
        let waiter = std::thread::spawn(move || running.wait_until_gone());
        drop(held);
        waiter.join().unwrap().unwrap();
    }

    #[test]
    fn a_waiter_does_not_keep_the_next_daemon_from_starting() {
        let directory = tempfile::tempdir().unwrap();
        let held = PidFile::acquire(directory.path()).unwrap();
        let waiters: Vec<_> = (0..8)
            .map(|_| RunningDaemon::find(directory.path()).unwrap().unwrap())
            .map(|running| std::thread::spawn(move || running.wait_until_gone()))
            .collect();
        drop(held);
        let _next = PidFile::acquire(directory.path()).unwrap();
        for waiter in waiters {
            waiter.join().unwrap().unwrap();
        }
    }
}
