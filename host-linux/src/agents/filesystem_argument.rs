//! What `haresources` says about a file system: `DEVICE::MOUNTPOINT[::FSTYPE[::OPTIONS]]`.
//! What such words mean for mounting is decided here; whether the device is there is not looked at.

use std::path::PathBuf;

/// File systems without a block device of their own.
const WITHOUT_DEVICE: &[&str] = &[
    "nfs",
    "nfs4",
    "efs",
    "smbfs",
    "cifs",
    "smb3",
    "none",
    "glusterfs",
    "ceph",
    "tmpfs",
    "overlay",
    "overlayfs",
    "rozofs",
    "zfs",
    "cvfs",
    "lustre",
];
/// File systems across a network, whose server may be gone when they are unmounted.
const NETWORK: &[&str] = &["nfs", "nfs4", "efs", "smbfs", "cifs", "smb3"];
/// File systems that repair themselves when they are mounted, or that have nothing to repair.
const WITHOUT_CHECK: &[&str] =
    &["ext3", "ext4", "ext4dev", "reiserfs", "reiser4", "nss", "xfs", "jfs", "vfat", "fat", "ocfs2", "gfs2"];
/// The tags of mount(8) that stand for a device.
const TAGS: &[&str] = &["UUID", "LABEL", "PARTUUID", "PARTLABEL"];

/// One file system and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilesystemArgument {
    /// A path, `host:/path`, or a tag in the form `UUID=...`.
    pub(super) device: String,
    /// An absolute path, never `/`, as written but for slashes at its end.
    pub(super) mount_point: PathBuf,
    /// None: mount(8) finds it out.
    pub(super) kind: Option<String>,
    /// As after `mount -o`.
    pub(super) options: Option<String>,
}

/// What is wrong with the arguments of `Filesystem`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilesystemArgumentError {
    #[error("a device and a mount point are needed: DEVICE::MOUNTPOINT[::FSTYPE[::OPTIONS]]")]
    Missing,
    #[error("{0:?} is one argument too many: DEVICE::MOUNTPOINT[::FSTYPE[::OPTIONS]]")]
    TooMany(String),
    #[error("{0:?} names no device")]
    Device(String),
    #[error("the mount point {0:?} is not an absolute path below /")]
    MountPoint(String),
    #[error("{0:?} is not a type of file system")]
    Kind(String),
}

impl FilesystemArgument {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, FilesystemArgumentError> {
        let (device, mount_point, rest) = match arguments {
            [device, mount_point, rest @ ..] => (device, mount_point, rest),
            _ => return Err(FilesystemArgumentError::Missing),
        };
        if let Some(extra) = rest.get(2) {
            return Err(FilesystemArgumentError::TooMany(extra.clone()));
        }
        let kind = rest.first().cloned().filter(|kind| !kind.is_empty());
        if let Some(kind) = kind.as_ref().filter(|kind| kind.starts_with('-') || kind.contains('/')) {
            return Err(FilesystemArgumentError::Kind(kind.clone()));
        }
        Ok(Self {
            device: parse_device(device)?,
            mount_point: parse_mount_point(mount_point)?,
            kind,
            options: rest.get(1).cloned().filter(|options| !options.is_empty()),
        })
    }

    /// True for `UUID=...` and the like.
    pub(super) fn device_is_tag(&self) -> bool {
        self.device.split_once('=').is_some_and(|(tag, _)| TAGS.contains(&tag))
    }

    /// Whether a directory is mounted in a second place.
    pub(super) fn is_bind(&self) -> bool {
        self.has_option("bind") || self.has_option("rbind")
    }

    /// Whether mount(8) needs a block device for it, directly or through a tag.
    pub(super) fn needs_block_device(&self) -> bool {
        let of_another_kind = match &self.kind {
            Some(kind) => WITHOUT_DEVICE.contains(&kind.as_str()) || kind.starts_with("fuse"),
            None => !self.device_is_tag() && !self.device.starts_with('/'),
        };
        !(of_another_kind || self.is_bind() || self.has_option("loop"))
    }

    /// Whether the device is a directory or a file of this host.
    pub(super) fn needs_local_path(&self) -> bool {
        self.is_bind() || (self.has_option("loop") && !self.device_is_tag())
    }

    /// Whether the original checks it before it is mounted (its `run_fsck auto`).
    pub(super) fn needs_check(&self) -> bool {
        self.needs_block_device() && !self.kind.as_deref().is_some_and(|kind| WITHOUT_CHECK.contains(&kind))
    }

    /// Whether its server may be unreachable.
    pub(super) fn is_network(&self) -> bool {
        self.kind.as_deref().map_or_else(|| self.device.contains(":/"), |kind| NETWORK.contains(&kind))
    }

    fn has_option(&self, wanted: &str) -> bool {
        self.options
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .any(|option| option.split_once('=').map_or(option, |(name, _)| name) == wanted)
    }
}

fn parse_device(word: &str) -> Result<String, FilesystemArgumentError> {
    let tagged = [("--uuid=", "UUID"), ("--label=", "LABEL"), ("-U", "UUID"), ("-L", "LABEL")]
        .iter()
        .find_map(|(flag, tag)| Some((word.strip_prefix(flag)?, tag)));
    let device = match tagged {
        Some((value, tag)) => format!("{tag}={}", value.trim_start()),
        None => word.to_owned(),
    };
    if device.is_empty() || device.starts_with('-') || device.ends_with('=') {
        return Err(FilesystemArgumentError::Device(word.to_owned()));
    }
    Ok(device)
}

fn parse_mount_point(word: &str) -> Result<PathBuf, FilesystemArgumentError> {
    let path = word.trim_end_matches('/');
    let parts_are_plain = path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
    if !path.starts_with('/') || !parts_are_plain {
        return Err(FilesystemArgumentError::MountPoint(word.to_owned()));
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<FilesystemArgument, FilesystemArgumentError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        FilesystemArgument::parse(&words)
    }

    #[test]
    fn devices_are_read_in_every_form() {
        for (text, device) in [
            ("/dev/sdb1 /srv", "/dev/sdb1"),
            ("-U0123-abcd /srv", "UUID=0123-abcd"),
            ("--uuid=0123-abcd /srv", "UUID=0123-abcd"),
            ("-Ldata /srv", "LABEL=data"),
            ("--label=data /srv", "LABEL=data"),
            ("UUID=0123 /srv", "UUID=0123"),
            ("server:/export /srv nfs", "server:/export"),
        ] {
            assert_eq!(parse(text).unwrap().device, device, "{text}");
        }
    }

    #[test]
    fn kinds_and_options_say_what_mounting_needs() {
        // Needs a block device, needs a check, is across a network.
        for (text, expected) in [
            ("/dev/sdb1 /srv", (true, true, false)),
            ("/dev/sdb1 /srv ext2", (true, true, false)),
            ("/dev/sdb1 /srv ext4 noatime", (true, false, false)),
            ("/dev/sdb1 /srv xfs", (true, false, false)),
            ("-Ldata /srv ext2", (true, true, false)),
            ("/srv/disk.img /srv ext4 noatime,loop", (false, false, false)),
            ("/srv/disk.img /srv ext4 loop=/dev/loop3", (false, false, false)),
            ("/srv/data /mnt none bind", (false, false, false)),
            ("server:/export /srv", (false, false, true)),
            ("server:/export /srv nfs4", (false, false, true)),
            ("//server/share /srv cifs", (false, false, true)),
            ("tmpfs /srv tmpfs", (false, false, false)),
            ("host: /srv fuse.sshfs", (false, false, false)),
        ] {
            let argument = parse(text).unwrap();
            let found = (argument.needs_block_device(), argument.needs_check(), argument.is_network());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn slashes_at_the_end_of_the_mount_point_do_not_count() {
        assert_eq!(parse("/dev/sdb1 /srv/data//").unwrap().mount_point, PathBuf::from("/srv/data"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, expected) in [
            ("/dev/sdb1", FilesystemArgumentError::Missing),
            ("/dev/sdb1 / ext4", FilesystemArgumentError::MountPoint("/".to_owned())),
            ("/dev/sdb1 srv ext4", FilesystemArgumentError::MountPoint("srv".to_owned())),
            ("/dev/sdb1 /srv/../etc", FilesystemArgumentError::MountPoint("/srv/../etc".to_owned())),
            ("-U /srv ext4", FilesystemArgumentError::Device("-U".to_owned())),
            ("--bind /srv ext4", FilesystemArgumentError::Device("--bind".to_owned())),
            ("/dev/sdb1 /srv --bind", FilesystemArgumentError::Kind("--bind".to_owned())),
            ("/dev/sdb1 /srv ext4 ro x", FilesystemArgumentError::TooMany("x".to_owned())),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
    }
}
