//! Which agents and clients are running, on disk: a daemon that was killed leaves them behind, and the next one must not
//! find a group stopped while an old script is still starting it, nor start a client beside its former self.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Where it is, below the run directory.
const DIRECTORY: &str = "heartbeat/agents";

/// One file for each of them: named by its process id, holding the time at which it started, so that another
/// process that got the same id later is left alone.
#[derive(Debug)]
pub(crate) struct Ledger {
    directory: PathBuf,
}

impl Ledger {
    /// The ledger in this run directory. One that cannot be written is done without: it helps only after a crash.
    pub(crate) fn in_run_dir(run_dir: &Path) -> Self {
        let directory = run_dir.join(DIRECTORY);
        // Then each entry fails as well, and is done without.
        let _ = fs::create_dir_all(&directory);
        Self { directory }
    }

    pub(crate) fn enter(&self, pid: u32) {
        if let Ok(started) = start_time(pid) {
            let _ = fs::write(self.entry(pid), started);
        }
    }

    pub(crate) fn strike(&self, pid: u32) {
        let _ = fs::remove_file(self.entry(pid));
    }

    fn entry(&self, pid: u32) -> PathBuf {
        self.directory.join(pid.to_string())
    }
}

/// Kills the agents, with their process groups, that a former daemon of this run directory left running. Gives their
/// process ids. Only for the daemon that holds the pid file.
pub fn end_leftovers(run_dir: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(run_dir.join(DIRECTORY)) else { return Vec::new() };
    let mut ended = Vec::new();
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let recorded = fs::read_to_string(entry.path());
        if let (Some(pid), Ok(recorded)) = (pid, recorded)
            && start_time(pid).is_ok_and(|started| started == recorded)
            && i32::try_from(pid).is_ok_and(|pid| killpg(Pid::from_raw(pid), Signal::SIGKILL).is_ok())
        {
            ended.push(pid);
        }
        let _ = fs::remove_file(entry.path());
    }
    ended
}

/// When a process started, in the kernel's words: the 22nd field of `/proc/PID/stat`.
fn start_time(pid: u32) -> io::Result<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the program's name in parentheses, may hold anything, blanks and parentheses too.
    let after_name = stat.rfind(')').map_or("", |end| &stat[end + 1..]);
    let field = after_name.split_whitespace().nth(19);
    field.map(str::to_owned).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    fn agent() -> Child {
        Command::new("sleep").arg("1000").process_group(0).spawn().unwrap()
    }

    #[test]
    fn leftovers_are_ended_and_nobody_else_is() {
        let run_dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_run_dir(run_dir.path());
        let (mut left, mut ended, mut reused) = (agent(), agent(), agent());
        ledger.enter(left.id());
        ledger.enter(ended.id());
        ledger.strike(ended.id());
        // The id was another process's when it was written down.
        fs::write(ledger.entry(reused.id()), "1").unwrap();
        assert_eq!(end_leftovers(run_dir.path()), [left.id()]);
        assert!(!left.wait().unwrap().success());
        for other in [&mut ended, &mut reused] {
            assert!(other.try_wait().unwrap().is_none());
            other.kill().unwrap();
            other.wait().unwrap();
        }
        assert!(end_leftovers(run_dir.path()).is_empty());
    }
}
