//! The mount table of this process, from `/proc/self/mountinfo`. Reading it touches no mounted file system.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// `MAJOR:MINOR`; of no block device for some kinds of file system.
    pub(super) device_number: String,
    /// The directory of the file system that appears at the mount point.
    pub(super) root: PathBuf,
    pub(super) mount_point: PathBuf,
    pub(super) kind: String,
    /// What was mounted: a device, `host:/path`, or any word.
    pub(super) source: PathBuf,
}

/// All mounts, in the order of the kernel's table: what lies on top comes later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountTable(Vec<Mount>);

impl MountTable {
    pub(super) fn read() -> io::Result<Self> {
        Ok(Self::parse(&fs::read(MOUNTINFO)?))
    }

    /// Lines that are not of the documented form are skipped.
    fn parse(table: &[u8]) -> Self {
        Self(table.split(|byte| *byte == b'\n').filter_map(parse_line).collect())
    }

    /// What is visible at exactly this mount point.
    pub(super) fn at(&self, mount_point: &Path) -> Option<&Mount> {
        self.0.iter().rev().find(|mount| mount.mount_point == mount_point)
    }

    /// How many mounts lie upon each other at exactly this mount point.
    pub(super) fn layers(&self, mount_point: &Path) -> usize {
        self.0.iter().filter(|mount| mount.mount_point == mount_point).count()
    }

    /// The mounts below this directory, deepest first, so that they can be unmounted in this order.
    pub(super) fn below(&self, directory: &Path) -> Vec<&Mount> {
        let is_below =
            |mount: &&Mount| mount.mount_point.starts_with(directory) && mount.mount_point != directory;
        self.0.iter().rev().filter(is_below).collect()
    }

    /// The other mounts of the same file system, or of a part of it, latest first. None where a directory above the
    /// mount point is on that file system too: then it is the host's and not this mount's alone.
    pub(super) fn copies_of(&self, mount: &Mount) -> Vec<&Mount> {
        let same_device = |other: &&Mount| other.device_number == mount.device_number;
        let above = |other: &Mount| mount.mount_point.starts_with(&other.mount_point);
        if self
            .0
            .iter()
            .filter(same_device)
            .any(|other| other.mount_point != mount.mount_point && above(other))
        {
            return Vec::new();
        }
        let is_copy =
            |other: &&Mount| other.mount_point != mount.mount_point && other.root.starts_with(&mount.root);
        self.0.iter().rev().filter(same_device).filter(is_copy).collect()
    }

    /// The name under which the table knows a mount point: without symbolic links. A path that is in the table as it
    /// stands is not looked up, as that may hang where the server of a network file system is gone.
    pub(super) fn canonical(&self, mount_point: &Path) -> PathBuf {
        if self.at(mount_point).is_some() {
            return mount_point.to_owned();
        }
        mount_point.canonicalize().unwrap_or_else(|_| mount_point.to_owned())
    }
}

/// `36 35 98:0 /root /mount/point options [optional fields] - kind source super-options`
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device_number = String::from_utf8(fields.nth(2)?.to_vec()).ok()?;
    let root = unescape(fields.next()?);
    let mount_point = unescape(fields.next()?);
    fields.find(|field| *field == b"-")?;
    let kind = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let source = unescape(fields.next()?);
    Some(Mount { device_number, root, mount_point, kind, source })
}

/// The kernel writes blanks, tabs, newlines, backslashes and `#` as a backslash and three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..3).filter(|_| *first == b'\\').and_then(octal);
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { tail.get(3..).unwrap_or_default() } else { tail };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 8:1 /var/snap /snap rw shared:1 - ext4 /dev/sda1 rw
30 22 8:17 / /srv/my\\040data\\134x rw shared:5 master:2 - ext4 /dev/sdb1 rw
31 30 0:44 / /srv/my\\040data\\134x/sub rw - tmpfs tmp#1 rw
32 22 8:17 /www /var/www rw - ext4 /dev/sdb1 rw
33 22 8:33 / /mnt rw - xfs /dev/sdc1 rw
34 22 0:50 / /mnt rw - nfs4 server:/export rw
garbage
";

    fn points(mounts: &[&Mount]) -> Vec<String> {
        mounts.iter().map(|mount| mount.mount_point.display().to_string()).collect()
    }

    #[test]
    fn escaped_characters_come_back() {
        let table = MountTable::parse(TABLE.as_bytes());
        let mount = table.at(Path::new("/srv/my data\\x")).unwrap();
        assert_eq!(mount.device_number, "8:17");
        assert_eq!(mount.source, Path::new("/dev/sdb1"));
        assert_eq!(mount.kind, "ext4");
    }

    #[test]
    fn the_mount_on_top_is_the_visible_one() {
        let table = MountTable::parse(TABLE.as_bytes());
        assert_eq!(table.at(Path::new("/mnt")).unwrap().source, Path::new("server:/export"));
    }

    #[test]
    fn a_mount_point_matches_exactly() {
        let table = MountTable::parse(TABLE.as_bytes());
        assert_eq!(table.at(Path::new("/srv")), None);
        assert_eq!(table.at(Path::new("/var/www/html")), None);
    }

    #[test]
    fn what_must_go_first_is_found_below_and_elsewhere() {
        let table = MountTable::parse(TABLE.as_bytes());
        let point = Path::new("/srv/my data\\x");
        assert_eq!(points(&table.below(point)), ["/srv/my data\\x/sub"]);
        assert_eq!(points(&table.copies_of(table.at(point).unwrap())), ["/var/www"]);
    }

    #[test]
    fn the_file_system_of_the_host_itself_has_no_copies_to_unmount() {
        let table = MountTable::parse(TABLE.as_bytes());
        assert!(table.copies_of(table.at(Path::new("/snap")).unwrap()).is_empty());
    }
}
