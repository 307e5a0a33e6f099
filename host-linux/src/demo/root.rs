//! A root directory of the world's own. Administrators put a mount point such as `/ha` right below `/`, where this
//! machine has no such directory and is not to get one.

use std::fs::{self, DirEntry, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::unistd::{chdir, pivot_root};

use super::error::DemoError;

/// Covered by the new root for a moment; every Debian machine has it.
const PLACE: &str = "/mnt";
/// Where the machine's root directory stays visible: running programs still name their files by it.
const MACHINE: &str = ".machine";

/// Gives the world that this process is in a root directory that shows all that the machine's own does, and an empty
/// directory at `extra`. To be called before any host boots.
pub(super) fn renew(extra: &str) -> Result<(), DemoError> {
    make(extra).map_err(DemoError::io(format!("give the world a root directory with {extra}")))
}

fn make(extra: &str) -> io::Result<()> {
    let tmpfs = Some("tmpfs");
    mount(tmpfs, PLACE, tmpfs, MsFlags::MS_NOSUID, Some("mode=755"))?;
    let machine = Path::new(PLACE).join(MACHINE);
    fs::create_dir(&machine)?;
    pivot_root(PLACE, &machine)?;
    chdir("/")?;
    for entry in fs::read_dir(Path::new("/").join(MACHINE))? {
        show(&entry?)?;
    }
    fs::create_dir_all(extra)
}

/// Makes one entry of the machine's root directory visible in the new one.
fn show(entry: &DirEntry) -> io::Result<()> {
    let (source, target) = (entry.path(), Path::new("/").join(entry.file_name()));
    let kind = entry.file_type()?;
    if kind.is_symlink() {
        return symlink(fs::read_link(source)?, target);
    }
    if kind.is_dir() {
        fs::create_dir(&target)?;
    } else {
        File::create(&target)?;
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    Ok(mount(Some(&source), &target, None::<&str>, flags, None::<&str>)?)
}
