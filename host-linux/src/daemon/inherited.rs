//! What a process gets from whoever started it, and what its children must not get from the daemon: descriptors, signals
//! that are blocked or ignored, a mask for new files.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};

use super::descriptors;

/// Lets go of what a careless parent left behind. To be called first of all. Signals that are blocked stay so until
/// somebody listens: a former life of ours has blocked them.
pub(super) fn clean_up() {
    // The original's: what scripts create is readable.
    umask(Mode::from_bits_truncate(0o022));
    descriptors::keep_from_children();
    // Without the list, nothing is known to be ignored.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for signal in ignored(&status) {
        // It stays without effect here; but what is caught begins anew in a child, what is ignored stays ignored. Fails
        // for those that cannot be caught, which nobody can ignore.
        let _ = signal_hook::flag::register(signal as i32, Arc::new(AtomicBool::new(false)));
    }
}

/// The signals that `/proc/PID/status` names as ignored, without SIGPIPE: the standard library ignores that one, and
/// takes care of its children.
fn ignored(status: &str) -> impl Iterator<Item = Signal> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    Signal::iterator()
        .filter(move |signal| mask & 1 << (*signal as i32 - 1) != 0)
        .filter(|signal| *signal != Signal::SIGPIPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let found = |status| ignored(status).collect::<Vec<_>>();
        let status = "Name:\theartline\nSigBlk:\t0000000000000008\nSigIgn:\t0000000000081007\nSigCgt:\t1\n";
        assert_eq!(found(status), [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP]);
        assert_eq!(found("SigIgn:\tnothing\n"), []);
        assert_eq!(found(""), []);
    }
}
