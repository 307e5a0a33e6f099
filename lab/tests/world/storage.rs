//! The shared disk.

use crate::{Outcome, say};
use heartline_lab::{DiskKind, SharedDisk, World};

pub(crate) fn a_disk_moves_from_host_to_host(mut world: World) -> Outcome {
    let (mut ha1, mut ha2) = (world.host("ha1")?, world.host("ha2")?);
    let disk = world.shared_disk(16)?;
    println!("the shared disk: {:?}", disk.kind());
    disk.attach(&mut ha1)?;
    disk.attach(&mut ha2)?;
    ha1.write("/var/data/.keep", "", 0o644)?;
    ha2.write("/var/data/.keep", "", 0o644)?;
    ha1.boot()?;
    ha2.boot()?;
    let mount = disk.mount_line("/var/data").join(" ");
    let node = if *disk.kind() == DiskKind::Block { "-b" } else { "-d" };
    say(&ha2, &format!("test {node} {}", SharedDisk::DEVICE))?;
    assert!(!disk.is_mounted_on(&ha1));
    say(&ha1, &mount)?;
    assert!(disk.is_mounted_on(&ha1) && !disk.is_mounted_on(&ha2));
    say(&ha1, "echo from ha1 > /var/data/file; sync")?;
    say(&ha2, "test ! -e /var/data/file")?;
    ha1.power_cut()?;
    assert!(!disk.is_mounted_on(&ha1));
    say(&ha2, &mount)?;
    assert_eq!(say(&ha2, "cat /var/data/file")?, "from ha1");
    ha1.boot()?;
    assert!(!disk.is_mounted_on(&ha1) && disk.is_mounted_on(&ha2));
    say(&ha2, "umount /var/data")?;
    assert!(!disk.is_mounted_on(&ha2));
    say(&ha1, &mount)?;
    assert_eq!(say(&ha1, "cat /var/data/file")?, "from ha1");
    Ok(())
}
