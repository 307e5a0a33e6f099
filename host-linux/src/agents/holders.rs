//! The processes that keep a mounted file system busy, as far as this PID namespace shows them.
//! Paths are compared as `/proc` shows them, so that a dead network file system is never touched.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs, io};

use nix::errno::Errno;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

use crate::clock;

/// How often holders are looked for while they are ending.
const LOOK_INTERVAL_MS: u16 = 20;
/// More ancestors than any process has.
const ANCESTORS_MAX: usize = 64;

/// A process that uses a directory or something below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pid: Pid,
    command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.command, self.pid)
    }
}

impl Holder {
    /// Sends the signal; a process that has ended meanwhile is as good.
    pub(super) fn signal(&self, signal: Signal) -> nix::Result<()> {
        match kill(self.pid, signal) {
            Err(Errno::ESRCH) => Ok(()),
            result => result,
        }
    }
}

/// The processes that use `directory` or something below it, without init, this process and its ancestors.
pub(super) fn holders(directory: &Path) -> io::Result<Vec<Holder>> {
    let spared = spared();
    let sockets = sockets_below(directory);
    Ok(fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .filter(|pid| !spared.contains(pid) && holds(*pid, directory, &sockets))
        .map(|pid| Holder { pid, command: command(pid) })
        .collect())
}

/// Waits until nobody uses the directory, at most `limit`; the holders that remain.
pub(super) fn wait_for_holders(directory: &Path, limit: Duration) -> io::Result<Vec<Holder>> {
    let deadline = clock::monotonic() + limit;
    loop {
        let remaining = holders(directory)?;
        if remaining.is_empty() || clock::monotonic() >= deadline {
            return Ok(remaining);
        }
        pause();
    }
}

/// Lets others run for a moment.
pub(super) fn pause() {
    // An interrupted pause is a shorter one.
    let _ = poll(&mut [], PollTimeout::from(LOOK_INTERVAL_MS));
}

/// Ending these would end the stop itself, or the host.
fn spared() -> HashSet<Pid> {
    let mut spared = HashSet::from([Pid::from_raw(1)]);
    let mut next = Some(getpid());
    for _ in 0..ANCESTORS_MAX {
        let Some(pid) = next else { break };
        spared.insert(pid);
        next = parent(pid);
    }
    spared
}

fn parent(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    number.trim().parse().ok().filter(|number| *number > 0).map(Pid::from_raw)
}

fn command(pid: Pid) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}

/// A process that ends while it is looked at holds nothing.
fn holds(pid: Pid, directory: &Path, sockets: &HashSet<PathBuf>) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let leads_there = |link: PathBuf| {
        fs::read_link(link).is_ok_and(|target| target.starts_with(directory) || sockets.contains(&target))
    };
    ["cwd", "root", "exe"].iter().any(|name| leads_there(process.join(name)))
        || fs::read_dir(process.join("fd"))
            .is_ok_and(|entries| entries.flatten().any(|entry| leads_there(entry.path())))
        || fs::read(process.join("maps")).is_ok_and(|maps| maps_lead_there(&maps, directory))
}

fn maps_lead_there(maps: &[u8], directory: &Path) -> bool {
    maps.split(|byte| *byte == b'\n')
        .any(|line| path_at_end(line).is_some_and(|path| path.starts_with(directory)))
}

/// The bound sockets of this network namespace below the directory, as descriptors name them.
fn sockets_below(directory: &Path) -> HashSet<PathBuf> {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    table
        .split(|byte| *byte == b'\n')
        .filter(|line| path_at_end(line).is_some_and(|path| path.starts_with(directory)))
        .filter_map(|line| {
            let inode = std::str::from_utf8(line).ok()?.split_whitespace().nth(6)?;
            Some(PathBuf::from(format!("socket:[{inode}]")))
        })
        .collect()
}

/// The absolute path that ends a line of a table in `/proc`; it may contain blanks.
fn path_at_end(line: &[u8]) -> Option<&Path> {
    let start = line.windows(2).position(|pair| pair == b" /")? + 1;
    Some(Path::new(std::ffi::OsStr::from_bytes(line.get(start..)?)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn mapped_files_are_found_by_their_path() {
        let maps = b"7f1 r-xp 00000000 07:00 12    /srv/my data/lib.so\n7f2 rw-p 00000000 00:00 0 [heap]\n";
        assert!(maps_lead_there(maps, Path::new("/srv/my data")));
        assert!(maps_lead_there(maps, Path::new("/srv")));
        assert!(!maps_lead_there(maps, Path::new("/srv/my")));
    }

    #[test]
    fn a_socket_is_found_by_where_it_is_bound() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        assert_eq!(sockets_below(&path), HashSet::from([link]));
    }

    #[test]
    fn this_process_and_its_ancestors_are_spared() {
        let spared = spared();
        assert!(spared.contains(&getpid()));
        assert!(spared.contains(&nix::unistd::getppid()));
        assert!(spared.contains(&Pid::from_raw(1)));
    }

    #[test]
    fn a_child_that_works_in_a_directory_holds_it_until_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let mut child = std::process::Command::new("cat")
            .current_dir(&path)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let found = holders(&path).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found.first().unwrap().pid.as_raw().unsigned_abs(), child.id());

        found.first().unwrap().signal(Signal::SIGTERM).unwrap();
        child.wait().unwrap();
        assert_eq!(holders(&path).unwrap(), []);
    }
}
