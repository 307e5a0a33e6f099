//! Switches, cables, losses.

use crate::{LIMIT, Outcome, pings, say, two_hosts};
use heartline_lab::{Error, Host, World, wait_until};
use std::process::Command;

pub(crate) fn hosts_reach_each_other(mut world: World) -> Outcome {
    let (lan, mut ha1, mut ha2) = two_hosts(&mut world)?;
    let mut wan = world.switch("wan", "10.77.2.0/28")?;
    wan.connect(&mut ha1)?;
    ha1.boot()?;
    ha2.boot()?;
    // A second interface may come while the host is up.
    wan.connect(&mut ha2)?;
    assert_eq!(say(&ha1, "hostname; cat /etc/hostname")?, "ha1\nha1");
    assert_eq!(ha2.address("eth0")?.to_string(), "10.77.1.2");
    assert!(pings(&ha1, "ha2")?);
    assert!(pings(&ha1, "ha2-eth1")?);
    assert!(pings(&ha2, &lan.address().to_string())?);
    assert!(pings(&ha2, &wan.address().to_string())?);
    let broadcast = say(&ha1, "ip -4 -o address show eth0")?;
    assert!(broadcast.contains("10.77.1.1/24 brd 10.77.1.255"), "{broadcast}");
    assert!(Command::new("ping").args(["-c1", "-W1", "10.77.1.2"]).output()?.status.success());
    Ok(())
}

pub(crate) fn cables_are_cut_and_mended(mut world: World) -> Outcome {
    let (_lan, mut ha1, mut ha2) = two_hosts(&mut world)?;
    ha1.boot()?;
    ha2.boot()?;
    ha1.cut_ethernet("eth0")?;
    wait_until("ha1 has no carrier", LIMIT, || has_carrier(&ha1) == Some(false))?;
    assert!(!pings(&ha2, "ha1")?);
    // A cut cable is still cut after a reboot.
    ha1.power_cut()?;
    ha1.boot()?;
    assert_eq!(has_carrier(&ha1), Some(false));
    ha1.restore_ethernet("eth0")?;
    wait_until("ha1 is back", LIMIT, || pings(&ha2, "ha1").unwrap_or(false))?;
    assert!(ha1.cut_ethernet("eth7").is_err());
    Ok(())
}

fn has_carrier(host: &Host) -> Option<bool> {
    say(host, "ip -o link show eth0").ok().map(|line| !line.contains("NO-CARRIER"))
}

pub(crate) fn frames_are_lost_one_way_and_by_chance(mut world: World) -> Outcome {
    let (_lan, mut ha1, mut ha2) = two_hosts(&mut world)?;
    ha1.boot()?;
    ha2.boot()?;
    assert!(pings(&ha1, "ha2")?);
    for outgoing in [false, true] {
        lose(&mut ha1, outgoing, 100)?;
        let before = received(&ha2)?;
        assert!(!pings(&ha1, "ha2")?);
        // The other way still works: what ha1 sends arrives, unless that is what is lost.
        assert_eq!(received(&ha2)? == before, outgoing, "outgoing {outgoing}");
        lose(&mut ha1, outgoing, 50)?;
        let flood = say(&ha1, "ping -q -c100 -i0.01 -W1 ha2 || true")?;
        assert!(!flood.contains(" 0% packet loss") && !flood.contains(" 100% packet loss"), "{flood}");
        lose(&mut ha1, outgoing, 0)?;
        assert!(pings(&ha1, "ha2")?);
    }
    ha1.drop_incoming("eth0", 100)?;
    ha1.power_cut()?;
    ha1.boot()?;
    assert!(!pings(&ha1, "ha2")?, "a loss lasts over a reboot");
    Ok(())
}

fn lose(host: &mut Host, outgoing: bool, percent: u8) -> Result<(), Error> {
    if outgoing { host.drop_outgoing("eth0", percent) } else { host.drop_incoming("eth0", percent) }
}

/// What a host has counted of ICMP.
fn received(host: &Host) -> Result<String, Box<dyn std::error::Error>> {
    say(host, "grep ^Icmp: /proc/net/snmp")
}
