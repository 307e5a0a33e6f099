//! Processes that are about to end. A killed daemon holds its locks and its socket for a moment longer: whoever starts
//! the next one waits for that, instead of taking it for alive.

use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};
use nix::unistd::Pid;

use crate::clock;

/// The kernel may take long to free the memory of a process, and does so before it closes its files.
const LIMIT: Duration = Duration::from_secs(5);
/// How often it is looked at again, in milliseconds; nothing tells when a file is closed.
const PAUSE_MS: u8 = 5;

/// SIGKILL in the sets of pending signals that `/proc` shows: bit n is signal n + 1.
const KILLED: u64 = 1 << 8;
/// `PF_EXITING` among the flags of a process.
const EXITING: u64 = 4;

/// How long somebody is waited for.
pub(crate) struct Patience(Instant);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(clock::monotonic() + LIMIT)
    }

    /// Whether it is worth looking again, after a moment, at what this process still holds.
    pub(crate) fn waits_for(&self, pid: Pid) -> bool {
        let waits = is_dying(pid) && clock::monotonic() < self.0;
        if waits {
            // Nothing is waited for but the time; an early end does no harm.
            let _ = poll(&mut [], PollTimeout::from(PAUSE_MS));
        }
        waits
    }
}

/// Whether a process was killed, ends, or is gone. Of one in another namespace (pid 0) nothing is known.
fn is_dying(pid: Pid) -> bool {
    if pid.as_raw() <= 0 {
        return false;
    }
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let (Some(status), Some(stat)) = (read("status"), read("stat")) else { return true };
    shows_death(&status, &stat)
}

fn shows_death(status: &str, stat: &str) -> bool {
    let pending = ["SigPnd:", "ShdPnd:"].into_iter().any(|name| {
        let set = status.lines().find_map(|line| line.strip_prefix(name));
        set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set & KILLED != 0)
    });
    // The name in parentheses may hold anything; after it come the state and, as the seventh field, the flags.
    let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let has_ended = fields.next().is_some_and(|state| matches!(state, "Z" | "X"));
    let flags: Option<u64> = fields.nth(5).and_then(|flags| flags.parse().ok());
    pending || has_ended || flags.is_some_and(|flags| flags & EXITING != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn signs_of_death_are_seen() {
        let status =
            |own: &str, shared: &str| format!("Name:\tx\nSigPnd:\t{own}\nShdPnd:\t{shared}\nSigBlk:\t1\n");
        let (none, kill, term) = ("0000000000000000", "0000000000000100", "0000000000004000");
        let stat = |state: &str, flags: u32| format!("7 (a) b) {state} 1 7 7 0 -1 {flags} 120 0");
        for (status, stat, expected) in [
            (status(none, none), stat("S", 4_194_304), false),
            (status(none, term), stat("R", 0), false),
            (status(kill, none), stat("D", 0), true),
            (status(none, kill), stat("D", 0), true),
            (status(none, none), stat("Z", 0), true),
            (status(none, none), stat("R", 4_194_308), true),
            (String::new(), String::new(), false),
        ] {
            assert_eq!(shows_death(&status, &stat), expected, "{status}{stat}");
        }
    }

    #[test]
    fn only_who_ends_is_waited_for() {
        assert!(!Patience::new().waits_for(Pid::this()));
        let mut child = Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        while !is_dying(pid) {}
        assert!(Patience::new().waits_for(pid));
        assert!(!Patience(clock::monotonic()).waits_for(pid), "but not for ever");
        child.wait().unwrap();
        assert!(is_dying(pid));
    }
}
