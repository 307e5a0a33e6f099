//! A disk that several hosts see, such as one on a shared SCSI bus.

use crate::command::{run, tool};
use crate::error::Error;
use crate::hard_disk::make_directory;
use crate::host::Host;
use crate::power_switch::init_file;
use crate::requirements::Privilege;
use nix::sys::stat::{major, minor};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a shared disk is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskKind {
    /// A block device with an ext4 file system: `mount /dev/ha-disk DIRECTORY`.
    Block,
    /// Only a directory: `mount --bind /dev/ha-disk DIRECTORY`.
    Folder {
        /// Why it is no block device.
        reason: String,
    },
}

/// A disk for several hosts, which see it as `/dev/ha-disk` and mount it one at a time.
#[derive(Debug)]
pub struct SharedDisk {
    kind: DiskKind,
    /// The loop device or the folder.
    source: PathBuf,
    /// The kernel frees the loop device when the last to hold it lets go, in whatever way.
    _held: Option<File>,
}

impl SharedDisk {
    /// Where the hosts see the disk.
    pub const DEVICE: &'static str = "/dev/ha-disk";

    pub(crate) fn new(directory: &Path, megabytes: u32) -> Result<Self, Error> {
        make_directory(directory)?;
        let reason = match Privilege::inside() {
            Privilege::Root => match block_device(directory, megabytes) {
                Ok((source, held)) => return Ok(Self { kind: DiskKind::Block, source, _held: Some(held) }),
                Err(error) => error.to_string(),
            },
            Privilege::UserNamespace => "only root can have a loop device".to_owned(),
        };
        let source = directory.join("folder");
        make_directory(&source)?;
        Ok(Self { kind: DiskKind::Folder { reason }, source, _held: None })
    }

    /// What the disk is made of.
    #[must_use]
    pub fn kind(&self) -> &DiskKind {
        &self.kind
    }

    /// The block device or the folder, as the world sees it.
    #[must_use]
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// Cables the disk to a host that is down.
    ///
    /// # Errors
    /// [`Error::Up`].
    pub fn attach(&self, host: &mut Host) -> Result<(), Error> {
        host.bind(&self.source, Path::new(Self::DEVICE))
    }

    /// What a host types to mount the disk.
    #[must_use]
    pub fn mount_line<'a>(&self, directory: &'a str) -> Vec<&'a str> {
        match self.kind {
            DiskKind::Block => vec!["mount", "-t", "ext4", Self::DEVICE, directory],
            DiskKind::Folder { .. } => vec!["mount", "--bind", Self::DEVICE, directory],
        }
    }

    /// Whether a host has the disk mounted now; one that is down has not. The kernel, unlike two real machines,
    /// lets two hosts mount it at once: it is for the test to see that they do not.
    #[must_use]
    pub fn is_mounted_on(&self, host: &Host) -> bool {
        host.mounts().is_ok_and(|mounts| self.is_among(&mounts))
    }

    /// As [`SharedDisk::is_mounted_on`], for somebody who only knows the host's name.
    #[must_use]
    pub fn is_mounted_by(&self, host: &str) -> bool {
        let init = fs::read_to_string(init_file(host)).unwrap_or_default();
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", init.trim()));
        mounts.is_ok_and(|mounts| self.is_among(&mounts))
    }

    fn is_among(&self, mounts: &str) -> bool {
        let Ok(mine) = self.identity() else { return false };
        mounts.lines().any(|line| mounted(line, Self::DEVICE) == Some(mine.clone()))
    }

    /// The device number of what a mount of this disk shows, and its root there.
    fn identity(&self) -> Result<(String, String), Error> {
        let what = format!("look at {}", self.source.display());
        let data = self.source.metadata().map_err(Error::io(what))?;
        let (number, root) = match self.kind {
            DiskKind::Block => (data.rdev(), "/".to_owned()),
            DiskKind::Folder { .. } => {
                let root = self.source.strip_prefix("/run").unwrap_or(&self.source);
                (data.dev(), format!("/{}", root.display()))
            }
        };
        Ok((format!("{}:{}", major(number), minor(number)), root))
    }
}

/// What a line of `mountinfo` shows: device number and root. Nothing for what is mounted on `except`.
fn mounted(line: &str, except: &str) -> Option<(String, String)> {
    let mut fields = line.split(' ').skip(2);
    let (number, root, target) = (fields.next()?, fields.next()?, fields.next()?);
    (target != except).then(|| (number.to_owned(), root.to_owned()))
}

/// Mounting an image once makes the loop device and, in the same system call, tells the kernel to free it after
/// the last use; there is no moment in which a crash leaves it behind.
fn block_device(directory: &Path, megabytes: u32) -> Result<(PathBuf, File), Error> {
    let (image, once) = (directory.join("image"), directory.join("once"));
    let file = File::create(&image).map_err(Error::io("make the image of a disk"))?;
    file.set_len(u64::from(megabytes.max(8)) << 20).map_err(Error::io("size the image of a disk"))?;
    make_directory(&once)?;
    let options = "lazy_itable_init=0,lazy_journal_init=0";
    run(&mut tool(&format!("mkfs.ext4 -q -F -E {options} {}", image.display())))?;
    run(&mut tool(&format!("mount -o loop {} {}", image.display(), once.display())))?;
    let held = loop_device(&once);
    run(&mut tool(&format!("umount {}", once.display())))?;
    held
}

fn loop_device(mounted_on: &Path) -> Result<(PathBuf, File), Error> {
    let mounts = fs::read_to_string("/proc/self/mounts").map_err(Error::io("read the mounts"))?;
    let on = |line: &&str| line.split(' ').nth(1).is_some_and(|target| Path::new(target) == mounted_on);
    let line = mounts.lines().find(on).unwrap_or_default();
    let source = PathBuf::from(line.split(' ').next().unwrap_or_default());
    let held = File::open(&source).map_err(Error::io(format!("hold {}", source.display())))?;
    Ok((source, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_of_the_disk_is_no_mount_of_it() {
        let line = |target| format!("61 27 7:0 / {target} rw,relatime - ext4 /dev/ha-disk rw");
        let shown = Some(("7:0".to_owned(), "/".to_owned()));
        assert_eq!(mounted(&line("/data"), SharedDisk::DEVICE), shown);
        assert_eq!(mounted(&line("/dev/ha-disk"), SharedDisk::DEVICE), None);
    }
}
