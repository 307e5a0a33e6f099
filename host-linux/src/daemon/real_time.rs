//! Real-time scheduling and locked memory, so that heartbeats go out while the machine is drowning in work. A
//! module with `unsafe`: nix has no call for the scheduler, and none that is safe for `madvise`.

use std::io;
use std::ptr::NonNull;

use nix::libc;
use nix::sys::mman::{MlockAllFlags, MmapAdvise, madvise, mlockall};

/// The original's default: the lowest real-time priority.
const LOWEST: u8 = 1;

/// What this module's own calls need of the stack, with plenty to spare, in bytes.
const OWN_STACK: usize = 32 * 1024;
/// A multiple of the size of a page, in bytes, on every machine that Linux runs on.
const PAGE: usize = 64 * 1024;

/// Where the kernel reads whom to kill when memory runs out, and what it finds there of one that it must spare: a
/// machine whose cluster software is killed runs its services on while others take them over.
const OOM_SCORE: (&str, &str) = ("/proc/self/oom_score_adj", "-1000");

/// Becomes real-time with priority `priority` (0: the lowest), locks memory as it is first used, and is spared when the
/// kernel runs out of memory. Children start with normal scheduling.
///
/// # Errors
/// What the system answered, as one sentence for each of the three steps that did not work.
pub(super) fn engage(priority: u8) -> Vec<String> {
    let mut problems = Vec::new();
    forget_the_start();
    // On fault: what a heartbeat touches is in memory after the first one and stays; what is never used costs nothing.
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    if let Err(cause) = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault) {
        problems.push(format!("Cannot lock ourselves into memory: {}", cause.desc()));
    }
    if let Err(cause) = schedule(priority.max(LOWEST)) {
        problems.push(format!("Cannot get real-time priority {}: {cause}", priority.max(LOWEST)));
    }
    let (path, spared) = OOM_SCORE;
    // A container may have the right to all but this: there it dies as others do.
    if let Err(cause) = std::fs::write(path, spared)
        && cause.kind() != io::ErrorKind::PermissionDenied
    {
        problems.push(format!("Cannot be spared when memory runs out: {path}: {cause}"));
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

/// Takes out of this process's memory what only the start needed, before the rest is locked: program code (command line,
/// files, messages), which comes back from the page cache where it is needed again, and the stack that was used.
#[inline(never)]
fn forget_the_start() {
    // Without the list nothing is forgotten.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (start, length) in maps.lines().filter_map(code_of_a_file) {
        forget(start, length);
    }
    let here = (&raw const maps).addr();
    if let Some((start, length)) = maps.lines().find_map(|line| unused_stack(line, here)) {
        forget(start, length);
    }
}

/// Of the mapping of the stack, the place and length of what lies below `here`, more than the calls of this module need.
fn unused_stack(line: &str, here: usize) -> Option<(usize, usize)> {
    let (start, end) = line.strip_suffix("[stack]")?.split_whitespace().next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let below = here.checked_sub(OWN_STACK)? / PAGE * PAGE;
    (start..end).contains(&here).then_some((start, below.checked_sub(start)?))
}

/// The place and length of a mapping, if it is code that is mapped from a file: `START-END r-xp OFFSET DEVICE INODE PATH`.
fn code_of_a_file(line: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let code = fields.next()? == "r-xp";
    let from_a_file = fields.nth(3)?.starts_with('/');
    let start = usize::from_str_radix(start, 16).ok()?;
    let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
    (code && from_a_file).then_some((start, length))
}

#[expect(unsafe_code, reason = "nix leaves it to the caller what madvise may do")]
fn forget(start: usize, length: usize) {
    let Some(start) = NonNull::new(std::ptr::without_provenance_mut(start)) else { return };
    // SAFETY: the range is a mapping of code that nobody can have written to, so its pages are those of the file, and
    // the kernel reads them again from there when they are next executed; or stack below all that is in use, where
    // nothing is read before it is written. A range that is gone is an error, no more.
    let _ = unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_forgotten() {
        let code = "55d0-75d0 r-xp 00001000 fe:00 1234   /usr/sbin/heartline";
        assert_eq!(code_of_a_file(code), Some((0x55d0, 0x2000)));
        for other in [
            "55d0-75d0 r--p 00001000 fe:00 1234   /usr/sbin/heartline",
            "55d0-75d0 rw-p 00001000 fe:00 1234   /usr/sbin/heartline",
            "55d0-75d0 r-xp 00000000 00:00 0      [vdso]",
            "55d0-75d0 r-xp 00000000 00:00 0",
            "75d0-55d0 r-xp 00000000 fe:00 1234   /usr/sbin/heartline",
            "",
        ] {
            assert_eq!(code_of_a_file(other), None, "{other}");
        }
    }

    #[test]
    fn only_stack_that_nobody_uses_is_forgotten() {
        let stack = "7ffc00000000-7ffc00100000 rw-p 00000000 00:00 0   [stack]";
        let bottom = 0x7ffc_0000_0000;
        assert_eq!(unused_stack(stack, bottom + 0x9_1234), Some((bottom, 0x8_0000)));
        for (line, here) in [
            (stack, bottom + 0x4000),
            (stack, bottom - 1),
            (stack, bottom + 0x10_0000),
            ("7ffc00000000-7ffc00100000 rw-p 00000000 00:00 0   [heap]", bottom + 0x9_1234),
        ] {
            assert_eq!(unused_stack(line, here), None, "{line} {here:x}");
        }
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(maps.lines().any(|line| line.ends_with("[stack]")));
    }
}
