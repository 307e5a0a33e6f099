//! The disk of a host: what it writes below the machine's top directories goes to a directory of its own and
//! survives its reboots. The machine's own files show through and are never changed.

use crate::error::Error;
use crate::requirements::Privilege;
use nix::mount::{MsFlags, mount};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// Directories that start empty on every host, whatever this machine has in them.
const EMPTY: [&str; 5] = ["/etc/ha.d", "/var/lib/heartbeat", "/var/lib/heartline", "/var/log", "/var/www"];
/// Directories that a host can write to although they belong to the machine's root.
const WRITABLE: [&str; 7] =
    ["/etc/init.d", "/etc/ha.d", "/usr/sbin", "/usr/lib/heartbeat", "/usr/lib/ocf", "/var/lib", "/var/spool"];
/// Top directories that a host has afresh at each boot.
const VOLATILE: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// A host's disk, kept in a directory of the world's scratch space.
#[derive(Debug)]
pub(crate) struct HardDisk {
    directory: PathBuf,
}

impl HardDisk {
    /// The disk in `directory`.
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Makes the disk anew.
    pub(crate) fn create(&self) -> Result<(), Error> {
        for path in WRITABLE {
            self.placeholder(Path::new(path), true)?;
        }
        for path in EMPTY {
            make_directory(&self.upper(Path::new(path)))?;
            make_directory(&self.own(path))?;
        }
        Ok(())
    }

    /// Where the file that the host calls `path` lies while the host is down.
    pub(crate) fn place(&self, path: &Path) -> Result<PathBuf, Error> {
        let mut components = path.components();
        let top = match (components.next(), components.next()) {
            (Some(Component::RootDir), Some(Component::Normal(top))) => top,
            _ => return Err(Error::NotOnDisk(path.to_owned())),
        };
        // A symbolic link such as /bin is no place: its target is.
        let real = Path::new("/").join(top).symlink_metadata().is_ok_and(|data| data.is_dir());
        let volatile = top.to_str().is_some_and(|top| VOLATILE.contains(&top));
        if !real || volatile || !components.all(|component| matches!(component, Component::Normal(_))) {
            return Err(Error::NotOnDisk(path.to_owned()));
        }
        Ok(match EMPTY.iter().find(|empty| path.starts_with(empty)) {
            Some(_) => self.directory.join("own").join(relative(path)),
            None => self.upper(path),
        })
    }

    /// Puts a file on the disk while the host is down. `mode` is its permission bits.
    pub(crate) fn write(&self, path: &Path, contents: &[u8], mode: u32) -> Result<(), Error> {
        let place = self.place(path)?;
        if let Some(parent) = place.parent() {
            make_directory(parent)?;
        }
        write_file(&place, contents, mode)
    }

    /// Makes sure that there is something at `path` to mount on.
    pub(crate) fn placeholder(&self, path: &Path, directory: bool) -> Result<(), Error> {
        let place = self.place(path)?;
        if directory {
            return make_directory(&place);
        }
        if place.exists() { Ok(()) } else { self.write(path, b"", 0o644) }
    }

    /// Mounts the disk over the machine's directories, in the mount namespace of this process.
    pub(crate) fn mount(&self) -> Result<(), Error> {
        let attributes = match Privilege::inside() {
            Privilege::Root => "",
            Privilege::UserNamespace => ",userxattr",
        };
        let uppers = self.directory.join("upper");
        let entries = fs::read_dir(&uppers).map_err(Error::io(format!("read {}", uppers.display())))?;
        for top in entries.flatten().map(|entry| entry.file_name()) {
            let (upper, work) = (uppers.join(&top), self.directory.join("work").join(&top));
            make_directory(&work)?;
            let target = Path::new("/").join(&top);
            let options = format!(
                "lowerdir={},upperdir={},workdir={}{attributes}",
                target.display(),
                upper.display(),
                work.display()
            );
            mount(Some("overlay"), &target, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
                .map_err(Error::io(format!("mount an overlay on {}", target.display())))?;
        }
        EMPTY.iter().try_for_each(|path| bind(&self.own(path), Path::new(path)))
    }

    fn upper(&self, path: &Path) -> PathBuf {
        self.directory.join("upper").join(relative(path))
    }

    fn own(&self, path: &str) -> PathBuf {
        self.directory.join("own").join(relative(Path::new(path)))
    }
}

/// Writes a file with the given permission bits.
pub(crate) fn write_file(place: &Path, contents: &[u8], mode: u32) -> Result<(), Error> {
    let what = format!("write {}", place.display());
    fs::write(place, contents).map_err(Error::io(what.clone()))?;
    fs::set_permissions(place, fs::Permissions::from_mode(mode)).map_err(Error::io(what))
}

/// Makes `source` visible at `target` too.
pub(crate) fn bind(source: &Path, target: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    let what = format!("bind {} to {}", source.display(), target.display());
    mount(Some(source), target, None::<&str>, flags, None::<&str>).map_err(Error::io(what))
}

/// Makes a directory and those above it.
pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::io(format!("make {}", path.display())))
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_persists_has_a_place() {
        let disk = HardDisk::at(Path::new("/d"));
        let place = |path: &str| disk.place(Path::new(path)).ok();
        assert_eq!(place("/etc/hostname"), Some("/d/upper/etc/hostname".into()));
        assert_eq!(place("/etc/ha.d/ha.cf"), Some("/d/own/etc/ha.d/ha.cf".into()));
        for path in ["/tmp/x", "/run/x", "/dev/x", "etc/hostname", "/", "/etc/../tmp/x", "/no-such-top/x"] {
            assert_eq!(place(path), None, "{path}");
        }
    }
}
