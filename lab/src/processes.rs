//! What `/proc` tells of processes: children, names, namespaces.

use crate::error::Error;
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

/// The process number of a child.
pub(crate) fn pid_of(child: &Child) -> Pid {
    // Linux keeps process numbers below 2^22.
    Pid::from_raw(i32::try_from(child.id()).unwrap_or_default())
}

/// The children of a process, oldest first; none when it has ended.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().filter_map(|word| word.parse().ok()).map(Pid::from_raw).collect()
}

/// The parent of a process.
pub(crate) fn parent(pid: Pid) -> Option<Pid> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok().map(Pid::from_raw)
}

/// Every process that the given `/proc` shows, smallest number first.
pub(crate) fn all(proc: &Path) -> Result<Vec<Pid>, Error> {
    let entries = fs::read_dir(proc).map_err(Error::io(format!("read {}", proc.display())))?;
    let mut pids: Vec<Pid> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect();
    pids.sort();
    Ok(pids)
}

/// Names the namespace (`pid`, `net`, ...) that a process is in; `None` when it has ended or may not be seen.
pub(crate) fn namespace(proc: &Path, pid: Pid, kind: &str) -> Option<PathBuf> {
    fs::read_link(proc.join(format!("{pid}/ns/{kind}"))).ok()
}

/// Whether a process is called `name`: by the kernel, or by the last part of its first argument.
pub(crate) fn is_called(pid: Pid, name: &str) -> bool {
    let kernel_name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let first = arguments.split(|&byte| byte == 0).next().unwrap_or_default();
    let first = first.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    kernel_name.trim_end() == name || first == name.as_bytes()
}

/// The number of a process in the innermost namespace that it is in.
pub(crate) fn innermost_number(proc: &Path, pid: Pid) -> Option<i32> {
    let status = fs::read_to_string(proc.join(format!("{pid}/status"))).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().last()?.parse().ok()
}
