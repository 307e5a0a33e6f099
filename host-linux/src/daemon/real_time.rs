//! Real-time scheduling and locked memory, so that heartbeats go out while the machine is drowning in work. The one
//! module of the host with `unsafe`: nix has no call for the scheduler.

use std::io;

use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall};

/// The original's default: the lowest real-time priority.
const LOWEST: u8 = 1;

/// Becomes real-time with priority `priority` (0: the lowest) and locks memory as it is first used. Children start
/// with normal scheduling.
///
/// # Errors
/// What the system answered, as one sentence for each of the two steps that did not work.
pub(super) fn engage(priority: u8) -> Vec<String> {
    let mut problems = Vec::new();
    // On fault: what a heartbeat touches is in memory after the first one and stays; what is never used costs nothing.
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    if let Err(cause) = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault) {
        problems.push(format!("Cannot lock ourselves into memory: {}", cause.desc()));
    }
    if let Err(cause) = schedule(priority.max(LOWEST)) {
        problems.push(format!("Cannot get real-time priority {}: {cause}", priority.max(LOWEST)));
    }
    problems
}

#[expect(unsafe_code, reason = "nix has no sched_setscheduler")]
fn schedule(priority: u8) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: libc::c_int::from(priority) };
    // SAFETY: `parameter` is a whole `sched_param` that lives through the call; 0 means this thread, the only one.
    let result = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const parameter)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
