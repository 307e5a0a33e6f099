//! Booting, losing power, rebooting; disks and processes of hosts.

use crate::{LIMIT, Outcome, pings, say, two_hosts};
use heartline_lab::{Ended, Error, World, wait_until};
use std::fs;
use std::path::Path;

pub(crate) fn a_power_cut_ends_everything_at_once(mut world: World) -> Outcome {
    let (_lan, mut ha1, mut ha2) = two_hosts(&mut world)?;
    ha1.boot()?;
    ha2.boot()?;
    assert!(matches!(ha1.boot(), Err(Error::Up(_))));
    let job = ha1.spawn(&["sh", "-c", "echo on; exec sleep 1000"])?;
    wait_until("the job speaks", LIMIT, || job.said() == "on\n")?;
    say(&ha1, "setsid sleep 1001 > /dev/null 2>&1 &")?;
    wait_until("two sleep", LIMIT, || ha1.pids_of("sleep").is_ok_and(|pids| pids.len() == 2))?;
    assert_eq!(ha2.pids_of("sleep")?, []);
    ha1.power_cut()?;
    assert!(!ha1.booted()?);
    assert!(matches!(ha1.pids_of("sleep"), Err(Error::Down(_))));
    assert!(matches!(ha1.run(&["true"]), Err(Error::Down(_))));
    assert!(matches!(ha1.power_cut(), Err(Error::Down(_))));
    assert!(!job.wait(LIMIT)?.status.success());
    assert!(!pings(&ha2, "ha1")?);
    // Again and again: nothing may be in the way of the next boot.
    for _ in 0..5 {
        ha1.boot()?;
        assert!(pings(&ha2, "ha1")?);
        ha1.power_cut()?;
    }
    Ok(())
}

pub(crate) fn the_disk_survives_and_the_rest_is_fresh(mut world: World) -> Outcome {
    let mut ha1 = world.host("ha1")?;
    let script = "#!/bin/sh\necho \"script $1\"\n";
    ha1.write("/etc/init.d/service", script, 0o755)?;
    ha1.write("/etc/ha.d/ha.cf", "node ha1\n", 0o644)?;
    let machine = fs::read_dir("/etc")?.count();
    fs::create_dir("/run/lab/shared")?;
    ha1.bind(Path::new("/run/lab/shared"), Path::new("/var/shared"))?;
    ha1.boot()?;
    assert_eq!(say(&ha1, "/etc/init.d/service start; cat /etc/ha.d/*")?, "script start\nnode ha1");
    assert_eq!(say(&ha1, "ls /var/log /var/lib/heartbeat | grep -v :")?.trim(), "");
    say(&ha1, "test -f /etc/passwd && test -c /dev/null && test -x /usr/sbin/heartline && echo > /dev/null")?;
    for file in
        ["/etc/mine", "/etc/ha.d/mine", "/var/lib/heartbeat/mine", "/var/log/mine", "/run/mine", "/tmp/mine"]
    {
        say(&ha1, &format!("echo kept > {file}"))?;
    }
    say(&ha1, "echo shared > /var/shared/file; echo x > /dev/shm/mine")?;
    assert_eq!(ha1.read("/var/log/mine")?, "kept\n");
    ha1.write("/etc/ha.d/haresources", "ha1 service\n", 0o644)?;
    ha1.power_cut()?;
    assert_eq!(ha1.read("/var/log/mine")?, "kept\n");
    assert_eq!(ha1.read("/etc/mine")?, "kept\n");
    assert!(ha1.read("/tmp/mine").is_err());
    ha1.boot()?;
    assert_eq!(
        say(&ha1, "cat /etc/ha.d/haresources /etc/mine /var/lib/heartbeat/mine")?,
        "ha1 service\nkept\nkept"
    );
    say(&ha1, "test ! -e /run/mine && test ! -e /tmp/mine && test ! -e /dev/shm/mine")?;
    assert_eq!(fs::read_to_string("/run/lab/shared/file")?, "shared\n");
    assert_eq!(fs::read_dir("/etc")?.count(), machine, "the machine's own /etc is as it was");
    assert!(!Path::new("/etc/mine").exists());
    Ok(())
}

pub(crate) fn a_host_reboots_itself(mut world: World) -> Outcome {
    let (_lan, mut ha1, mut ha2) = two_hosts(&mut world)?;
    ha2.boot()?;
    for (how, expected) in [("restart", Ended::Restart), ("halt", Ended::PowerOff)] {
        ha1.boot()?;
        assert!(pings(&ha2, "ha1")?);
        let job = ha1.spawn(&[ha1.helper().as_os_str(), how.as_ref()])?;
        assert_eq!(ha1.wait_down(LIMIT)?, expected);
        assert_eq!(ha1.reap()?, None);
        assert!(!ha1.booted()?);
        drop(job);
    }
    assert!(matches!(ha1.wait_down(LIMIT), Err(Error::Down(_))));
    Ok(())
}

pub(crate) fn orphans_are_reaped_and_processes_freeze(mut world: World) -> Outcome {
    let mut ha1 = world.host("ha1")?;
    ha1.boot()?;
    // Its parent ends first: the orphan is the host's to reap.
    say(&ha1, "(setsid sh -c 'sleep 0.1; exit 3' > /dev/null 2>&1 &)")?;
    wait_until("nothing but process 1 and ls is left", LIMIT, || {
        say(&ha1, "exec ls -d /proc/[0-9]*").is_ok_and(|list| list.lines().count() == 2)
    })?;
    assert_eq!(ha1.run(&["sh", "-c", "echo out; echo err >&2; exit 7"])?.status.code(), Some(7));
    let job = ha1.spawn(&["sleep", "1000"])?;
    let state = || -> Option<String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", job.pid().ok()?)).ok()?;
        Some(stat.rsplit(')').next()?.trim_start().get(..1)?.to_owned())
    };
    wait_until("it sleeps", LIMIT, || ha1.pids_of("sleep").is_ok_and(|pids| pids.len() == 1))?;
    let pids = ha1.pids_of("sleep")?;
    assert_eq!(pids, [job.pid()?]);
    ha1.freeze(&pids)?;
    wait_until("it is stopped", LIMIT, || state().as_deref() == Some("T"))?;
    ha1.thaw(&pids)?;
    wait_until("it goes on", LIMIT, || state().as_deref() == Some("S"))?;
    drop(job);
    wait_until("it was killed", LIMIT, || ha1.pids_of("sleep").is_ok_and(|pids| pids.is_empty()))?;
    Ok(())
}

pub(crate) fn a_host_that_cannot_boot_says_why(mut world: World) -> Outcome {
    let mut ha1 = world.host("ha1")?;
    ha1.bind(Path::new("/run/lab/none"), Path::new("/etc/none"))?;
    let error = ha1.boot().err().ok_or("it booted")?.to_string();
    assert!(error.starts_with("host ha1 did not boot: ") && error.contains("/run/lab/none"), "{error}");
    assert!(matches!(ha1.bind(Path::new("/etc"), Path::new("/tmp/x")), Err(Error::NotOnDisk(_))));
    assert!(matches!(world.host("ha1"), Err(Error::Name(_))));
    assert!(matches!(world.host("Ha 2"), Err(Error::Name(_))));
    Ok(())
}
