//! The agent `Filesystem`: mounts through mount(8), so that its helpers and loop devices work; unmounts for good,
//! whoever still uses the file system, and never lazily: on shared storage a lazy unmount is a corrupt one.

use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{fs, io};

use nix::sys::signal::Signal;
use nix::sys::stat::{major, minor};

use super::filesystem_argument::FilesystemArgument;
use super::holders::{Holder, holders, pause, wait_for_holders};
use super::mounts::{Mount, MountTable};
use super::{Agent, AgentError, say};

/// fsck(8): the file system still has errors, or was not checked at all.
const FSCK_UNCORRECTED: i32 = 4;
/// What the holders of a busy file system are told before each further attempt to unmount it, and how long they have.
const EVICTIONS: [(Signal, Duration); 4] = [
    (Signal::SIGTERM, Duration::from_secs(3)),
    (Signal::SIGKILL, Duration::from_secs(2)),
    (Signal::SIGKILL, Duration::from_secs(2)),
    (Signal::SIGKILL, Duration::from_secs(2)),
];
/// How many mounts may lie on one mount point or hang on it.
const MOUNTS_MAX: usize = 256;

/// One file system of `haresources`.
pub(super) struct FilesystemAgent {
    argument: FilesystemArgument,
}

/// Why a file system could not be mounted, unmounted or looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesystemError {
    #[error("the table of mounts cannot be read: {0}")]
    Table(io::Error),
    #[error("the mount point {0} is not a directory; create it on every node: mkdir -p {0}")]
    NoMountPoint(PathBuf),
    #[error("{0} is not a block device on this host")]
    NoDevice(String),
    #[error("{0} does not exist on this host")]
    NoSource(String),
    #[error("{source_found} is mounted on {mount_point} instead of {device}; unmount it first")]
    OtherMounted { source_found: String, mount_point: PathBuf, device: String },
    #[error("{below} is mounted below {mount_point} and would be hidden; unmount it first")]
    MountedBelow { below: PathBuf, mount_point: PathBuf },
    #[error("fsck could not repair {device} ({status}); repair it by hand")]
    Check { device: String, status: ExitStatus },
    #[error("mount failed to mount {device} on {mount_point} ({status})")]
    Mount { device: String, mount_point: PathBuf, status: ExitStatus },
    #[error("mount reported success, but {0} is not a mount point")]
    NotMounted(PathBuf),
    #[error("{0} is still mounted; {1}")]
    Busy(PathBuf, String),
    #[error("more than {MOUNTS_MAX} mounts hang on {0}")]
    TooManyMounts(PathBuf),
    #[error("the processes that use {0} cannot be listed: {1}")]
    Holders(PathBuf, io::Error),
    #[error("{program} cannot be run: {error}")]
    Program { program: &'static str, error: io::Error },
}

impl FilesystemError {
    /// Whether another host may well succeed with the same order.
    pub(super) fn is_about_this_host(&self) -> bool {
        matches!(self, Self::NoMountPoint(_) | Self::NoDevice(_) | Self::NoSource(_) | Self::Program { .. })
    }
}

impl Agent for FilesystemAgent {
    fn start(&self) -> Result<(), AgentError> {
        let argument = &self.argument;
        let table = MountTable::read().map_err(FilesystemError::Table)?;
        let mount_point = table.canonical(&argument.mount_point);
        let device = self.device()?;
        if let Some(mount) = table.at(&mount_point) {
            return self.already_mounted(mount, &device).map_err(Into::into);
        }
        if let Some(mount) = table.below(&mount_point).first() {
            let below = mount.mount_point.clone();
            return Err(FilesystemError::MountedBelow { below, mount_point }.into());
        }
        if !mount_point.is_dir() {
            return Err(FilesystemError::NoMountPoint(argument.mount_point.clone()).into());
        }
        self.check(&device)?;
        self.mount(&device, &mount_point)?;
        say(format_args!("{device} mounted on {}", argument.mount_point.display()));
        Ok(())
    }

    fn stop(&self) -> Result<(), AgentError> {
        let mut table = MountTable::read().map_err(FilesystemError::Table)?;
        let mount_point = table.canonical(&self.argument.mount_point);
        // Each turn unmounts one mount; several may lie upon each other.
        for _ in 0..MOUNTS_MAX {
            let Some(mount) = table.at(&mount_point) else { return Ok(()) };
            let first = self.first_to_unmount(&table, mount);
            self.unmount(&table, &first)?;
            say(format_args!("{} unmounted", first.display()));
            table = MountTable::read().map_err(FilesystemError::Table)?;
        }
        Err(FilesystemError::TooManyMounts(mount_point).into())
    }

    fn is_running(&self) -> Result<bool, AgentError> {
        let table = MountTable::read().map_err(FilesystemError::Table)?;
        Ok(table.at(&table.canonical(&self.argument.mount_point)).is_some())
    }
}

impl FilesystemAgent {
    pub(super) fn new(argument: FilesystemArgument) -> Self {
        Self { argument }
    }

    /// What mount(8) is given; a device that is missing is found out here.
    fn device(&self) -> Result<String, FilesystemError> {
        let device = self.named_device()?;
        if self.argument.needs_block_device() {
            // A regular file is fine: mount(8) puts a loop device under it.
            let usable = fs::metadata(&device)
                .is_ok_and(|found| found.file_type().is_block_device() || found.is_file());
            return if usable { Ok(device) } else { Err(FilesystemError::NoDevice(device)) };
        }
        if self.argument.needs_local_path() && !Path::new(&device).exists() {
            return Err(FilesystemError::NoSource(device));
        }
        Ok(device)
    }

    fn named_device(&self) -> Result<String, FilesystemError> {
        let device = &self.argument.device;
        if !self.argument.device_is_tag() {
            return Ok(device.clone());
        }
        let program = "findfs";
        let output = Command::new(program)
            .arg(device)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| FilesystemError::Program { program, error })?;
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !path.is_empty() {
            Ok(path)
        } else {
            Err(FilesystemError::NoDevice(device.clone()))
        }
    }

    fn already_mounted(&self, mount: &Mount, device: &str) -> Result<(), FilesystemError> {
        if is_mount_of(mount, device) {
            say(format_args!("{device} is already mounted on {}", mount.mount_point.display()));
            return Ok(());
        }
        Err(FilesystemError::OtherMounted {
            source_found: mount.source.display().to_string(),
            mount_point: mount.mount_point.clone(),
            device: device.to_owned(),
        })
    }

    fn check(&self, device: &str) -> Result<(), FilesystemError> {
        if !self.argument.needs_check() || Path::new(device).is_file() {
            return Ok(());
        }
        let mut arguments = vec!["-a"];
        if let Some(kind) = &self.argument.kind {
            arguments.extend(["-t", kind]);
        }
        arguments.push(device);
        let status = call("fsck", &arguments)?;
        // No code at all: it was killed.
        if status.code().is_none_or(|code| code >= FSCK_UNCORRECTED) {
            return Err(FilesystemError::Check { device: device.to_owned(), status });
        }
        Ok(())
    }

    fn mount(&self, device: &str, mount_point: &Path) -> Result<(), FilesystemError> {
        let point = mount_point.to_string_lossy();
        let mut arguments = Vec::new();
        if let Some(kind) = &self.argument.kind {
            arguments.extend(["-t", kind]);
        }
        if let Some(options) = &self.argument.options {
            arguments.extend(["-o", options]);
        }
        arguments.extend([device, &point]);
        let status = call("mount", &arguments)?;
        if !status.success() {
            let mount_point = mount_point.to_owned();
            return Err(FilesystemError::Mount { device: device.to_owned(), mount_point, status });
        }
        let table = MountTable::read().map_err(FilesystemError::Table)?;
        table.at(mount_point).map(|_| ()).ok_or_else(|| FilesystemError::NotMounted(mount_point.to_owned()))
    }

    /// The mount that nothing else hangs on: something below, or a second appearance of the file system and what is
    /// below that, or else the mount itself. While one of them remains, the device stays in use.
    fn first_to_unmount(&self, table: &MountTable, mount: &Mount) -> PathBuf {
        let is_on_device = mount.source.starts_with("/dev");
        let copies =
            if is_on_device && !self.argument.is_bind() { table.copies_of(mount) } else { Vec::new() };
        let roots = copies.into_iter().chain([mount]);
        let mut leaves = roots.map(|root| table.below(&root.mount_point).first().copied().unwrap_or(root));
        leaves.next().unwrap_or(mount).mount_point.clone()
    }

    /// Unmounts what is on top at the mount point, ending those who use it if need be.
    fn unmount(&self, table: &MountTable, mount_point: &Path) -> Result<(), FilesystemError> {
        let layers = table.layers(mount_point);
        let mut remaining = Vec::new();
        for eviction in std::iter::once(None).chain(EVICTIONS.map(Some)) {
            if let Some((signal, limit)) = eviction {
                remaining = evict(mount_point, signal, limit)?;
            }
            let point = mount_point.to_string_lossy();
            let mut arguments = Vec::new();
            if self.argument.is_network() {
                arguments.push("-f");
            }
            arguments.push(&*point);
            let status = call("umount", &arguments)?;
            let now = MountTable::read().map_err(FilesystemError::Table)?;
            if status.success() || now.layers(mount_point) < layers {
                return Ok(());
            }
        }
        Err(FilesystemError::Busy(mount_point.to_owned(), used_by(&remaining)))
    }
}

/// Signals the processes that use the file system and waits for them; those that remain.
fn evict(mount_point: &Path, signal: Signal, limit: Duration) -> Result<Vec<Holder>, FilesystemError> {
    let failed = |error| FilesystemError::Holders(mount_point.to_owned(), error);
    let found = holders(mount_point).map_err(failed)?;
    if found.is_empty() {
        // Somebody had it open for a moment only, or the kernel itself uses it: time is all that can help.
        pause();
    }
    for holder in &found {
        match holder.signal(signal) {
            Ok(()) => say(format_args!("{signal} sent to {holder}, which uses {}", mount_point.display())),
            Err(error) => {
                say(format_args!("{holder} uses {} and cannot be ended: {error}", mount_point.display()))
            }
        }
    }
    wait_for_holders(mount_point, limit).map_err(failed)
}

fn used_by(remaining: &[Holder]) -> String {
    if remaining.is_empty() {
        return "no process of this host's uses it, so the kernel does (an export, a loop device, swap)"
            .to_owned();
    }
    let names: Vec<String> = remaining.iter().map(ToString::to_string).collect();
    format!("it is used by {}", names.join(", "))
}

/// Whether the mount shows what mounting `device` would show.
fn is_mount_of(mount: &Mount, device: &str) -> bool {
    let without_slash = |path: &str| path.trim_end_matches('/').to_owned();
    if without_slash(&mount.source.to_string_lossy()) == without_slash(device) {
        return true;
    }
    let Ok(found) = fs::metadata(device) else { return false };
    if found.file_type().is_block_device() {
        let same_file = || Some(fs::canonicalize(device).ok()? == fs::canonicalize(&mount.source).ok()?);
        let number = format!("{}:{}", major(found.rdev()), minor(found.rdev()));
        mount.device_number == number || same_file().unwrap_or(false)
    } else if found.is_dir() {
        fs::metadata(&mount.mount_point)
            .is_ok_and(|mounted| (mounted.dev(), mounted.ino()) == (found.dev(), found.ino()))
    } else {
        let backing = fs::read_to_string(format!("/sys/dev/block/{}/loop/backing_file", mount.device_number));
        backing
            .is_ok_and(|file| fs::canonicalize(device).is_ok_and(|path| path == Path::new(file.trim_end())))
    }
}

/// Runs a program of the system; what it prints goes to our standard error, since standard output is the status's.
fn call(program: &'static str, arguments: &[&str]) -> Result<ExitStatus, FilesystemError> {
    let failed = |error| FilesystemError::Program { program, error };
    let output = io::stderr().as_fd().try_clone_to_owned().map_err(failed)?;
    Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(output)
        .status()
        .map_err(failed)
}
