//! The witness in the null-modem cable: the firmware as it is, between two daemons.

use crate::Outcome;
use heartline::control::snapshot::{Snapshot, WitnessWatch};
use heartline_cluster_tests::{Cluster, LIMIT, Plan, witness_host};
use heartline_core::witness::Side;
use heartline_lab::{PowerFault, World, wait_until};

fn plan() -> Plan {
    Plan::default().dongle().keys("auth 1\n1 sha1 a_secret_of_good_length\n").directive("initdead", "5")
}

/// It votes and watches, and nobody else fences.
fn watched() -> Plan {
    plan().line("quorum witness").line("witness_watchdog 2")
}

/// Both are served, and both are watched over.
fn started(world: World) -> std::result::Result<Cluster, Box<dyn std::error::Error>> {
    let mut cluster = Cluster::provisioned(world, watched())?;
    cluster.start_settled()?;
    cluster.wait_watched()?;
    Ok(cluster)
}

/// Keys come in once, and then only from who has them; who it is and what it did is told.
pub(crate) fn it_is_given_its_keys(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, watched())?;
    let said = cluster.ha1.run_well(&["heartline", "dongle", "ask"])?;
    assert!(said.contains("no keys yet"), "{said}");
    let output = cluster.ha1.run(&["heartline", "dongle", "provision"])?;
    assert!(!output.status.success() && output.stdout.contains("add --yes"), "{}", output.stdout);
    cluster.ha1.run_well(&["heartline", "dongle", "provision", "--yes"])?;
    let said = cluster.ha2.run_well(&["heartline", "dongle", "ask"])?;
    assert!(said.contains("is dongle of ha1 and ha2, since"), "{said}");
    // Whoever has other keys gets nothing.
    let other = "auth 1\n1 sha1 another_secret_of_good_length\n";
    cluster.ha2.host.write("/etc/ha.d/authkeys", other, 0o600)?;
    let output = cluster.ha2.run(&["heartline", "dongle", "provision", "--yes"])?;
    assert!(
        output.stdout.contains("It has other keys: give them with `--old-keys FILE`"),
        "{}",
        output.stdout
    );
    cluster.ha2.host.write("/etc/ha.d/former", &cluster.ha1.host.read("/etc/ha.d/authkeys")?, 0o600)?;
    let with = ["heartline", "dongle", "provision", "--yes", "--old-keys", "/etc/ha.d/former"];
    cluster.ha2.run_well(&with)?;
    cluster.ha1.host.write("/etc/ha.d/authkeys", other, 0o600)?;
    cluster.start_settled()?;
    cluster.wait_watched()?;
    // The line is the daemon's now.
    let output = cluster.ha1.run(&["heartline", "dongle", "ask"])?;
    assert!(!output.status.success() && output.stdout.contains("The daemon runs [pid "), "{}", output.stdout);
    wait_until("the journal is told", LIMIT, || {
        let said = cluster.ha1.run_well(&["heartline", "dongle", "journal"]).unwrap_or_default();
        ["it was given keys and settings", "it armed the watchdog over ha2"]
            .iter()
            .all(|it| said.contains(it))
    })?;
    let said = cluster.ha1.run_well(&["heartline", "dongle", "show"])?;
    assert!(said.starts_with("WITNESS") && said.contains("armed, 2.0 s"), "{said}");
    Ok(cluster.finish()?)
}

/// Frames of both hosts pass, and the cable alone is enough.
pub(crate) fn the_cable_with_it_is_enough(world: World) -> Outcome {
    let mut cluster = started(world)?;
    for (node, peer) in [(&cluster.ha1, "ha2"), (&cluster.ha2, "ha1")] {
        node.wait_link(peer, "/dev/ttyS0", true)?;
    }
    let before = cluster.moves()?;
    cluster.ha1.host.cut_ethernet("eth0")?;
    cluster.ha1.wait_link("ha2", "eth0", false)?;
    cluster.ha1.wait_link("ha2", "/dev/ttyS0", true)?;
    cluster.ha1.host.restore_ethernet("eth0")?;
    cluster.ha1.wait_link("ha2", "eth0", true)?;
    assert_eq!(cluster.moves()?, before, "nothing moved");
    assert_eq!(cluster.resets()?, [""; 0]);
    Ok(cluster.finish()?)
}

/// Every way between the hosts is cut, and one host is cut off from the witness too: it is reset, and the other goes on.
pub(crate) fn of_two_that_lose_each_other_it_keeps_one(world: World) -> Outcome {
    let mut cluster = started(world)?;
    cluster.part("ha1")?;
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!(cluster.resets()?, ["reset ha1"]);
    cluster.ha2.wait_status("why ha1 went down", |status| {
        let reset = witness_host(status, "ha1").and_then(|host| host.reset.as_ref());
        reset.is_some_and(|reset| reset.reason.contains("its watchdog was armed"))
            && status.witness.as_ref().and_then(|it| it.vote.as_ref()).is_some_and(|vote| vote.ours)
    })?;
    cluster.join()?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha1.wait_log(&["WARN", "witness dongle reset this node"])?;
    cluster.wait_watched()?;
    Ok(cluster.finish()?)
}

/// A daemon that gets no time, and one that is killed while its service runs on: both hosts are reset.
pub(crate) fn a_host_without_heartbeat_is_reset(world: World) -> Outcome {
    let mut cluster = started(world)?;
    cluster.ha1.freeze()?;
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.wait_watched()?;
    cluster.ha1.kill()?;
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!(cluster.resets()?, ["reset ha1", "reset ha1"]);
    Ok(cluster.finish()?)
}

/// An end in good order disarms; a restart with the services kept does not, and is no end.
pub(crate) fn an_orderly_end_disarms(world: World) -> Outcome {
    let mut cluster = started(world)?;
    let before = cluster.moves()?;
    cluster.ha1.run_well(&["heartline", "restart", "--keep-services"])?;
    cluster.wait_watched()?;
    assert_eq!(cluster.moves()?, before, "nothing moved");
    cluster.ha1.stop()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha2.wait_status("ha1 is not watched over", |status| {
        witness_host(status, "ha1").is_some_and(|host| host.watchdog == WitnessWatch::Off && !host.heard)
    })?;
    assert_eq!(cluster.resets()?, [""; 0]);
    Ok(cluster.finish()?)
}

/// Its loss is an alarm, and no more; also its own reset.
pub(crate) fn its_loss_moves_nothing(world: World) -> Outcome {
    let mut cluster = started(world)?;
    let before = cluster.moves()?;
    cluster.dongle()?.power_off();
    for node in cluster.nodes() {
        node.wait_status("it is missed", |status| {
            status.warnings.iter().any(|it| it.starts_with("Witness dongle is lost"))
        })?;
        node.wait_log(&["ERROR", "Witness dongle is lost"])?;
    }
    cluster.dongle()?.power_on()?;
    cluster.wait_watched()?;
    let lives = cluster.dongle()?.lives();
    cluster.dongle()?.reset()?;
    wait_until("it begins anew", LIMIT, || cluster.dongle().is_ok_and(|dongle| dongle.lives() > lives))?;
    cluster.wait_watched()?;
    assert_eq!(cluster.moves()?, before, "nothing moved");
    assert_eq!(cluster.resets()?, [""; 0]);
    Ok(cluster.finish()?)
}

/// `stonith_host * dongle`: the takeover waits for the pulled line, and its reason is kept.
pub(crate) fn it_fences_in_a_takeover(world: World) -> Outcome {
    let plan = plan().fencing("dongle dongle").directive("fence_delay", "1");
    let mut cluster = Cluster::provisioned(world, plan)?;
    cluster.start_settled()?;
    cluster.ha2.wait_status("the device works", |status| {
        status.fencing.devices.iter().any(|it| it.kind == "dongle" && it.checked_s_ago.is_some())
    })?;
    // The service runs on.
    cluster.ha1.kill()?;
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!(cluster.resets()?, ["reset ha1"]);
    cluster.ha2.wait_status("who fenced ha1", |status| {
        status.fencing.history.last().is_some_and(|it| it.victim == "ha1" && it.device == "dongle")
    })?;
    cluster.ha2.wait_status("the witness tells why", |status| {
        let deeds = status.witness.as_ref().map_or(&[][..], |it| it.deeds.as_slice());
        deeds.iter().any(|deed| deed.text == "it reset ha1, since the other node asked for it")
    })?;
    // What it cannot do the next device does, and without one the takeover waits.
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.dongle()?.power_off();
    cluster.ha2.wait_status("the device is missed", |status| {
        status
            .warnings
            .iter()
            .any(|it| it == "Fencing device dongle does not work: the witness is not heard.")
    })?;
    cluster.ha1.kill()?;
    cluster.ha2.wait_log(&["ERROR", "Host ha1 not reset by [dongle]: it is not heard"])?;
    assert_eq!(cluster.owners("web"), ["ha1"], "nothing is taken over");
    cluster.dongle()?.power_on()?;
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

/// Where the power is read back, a pulled line is not enough: while the power stays on nothing is taken over.
pub(crate) fn what_keeps_its_power_was_not_reset(world: World) -> Outcome {
    let plan = plan().fencing("dongle dongle").directive("fence_delay", "0");
    let mut cluster = Cluster::build(world, plan)?;
    cluster.provision_with(&["--sense", "read-back", "--reset", "2"])?;
    cluster.start_settled()?;
    cluster.power()?.set_fault(PowerFault::Fails);
    cluster.ha1.kill()?;
    cluster.ha2.wait_log(&["ERROR", "Host ha1 not reset by [dongle]", "the power stayed on"])?;
    cluster.ha2.wait_status("the witness tells of it", |status| {
        let deeds = status.witness.as_ref().map_or(&[][..], |witness| witness.deeds.as_slice());
        deeds.iter().any(|deed| deed.acted && deed.text.contains("stayed on"))
    })?;
    assert_eq!(cluster.owners("web"), ["ha1"], "nothing is taken over");
    cluster.power()?.set_fault(PowerFault::None);
    cluster.ha1.wait_down()?;
    cluster.dongle()?.sense(Side::A, false);
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha2.wait_status("who fenced ha1", |status| {
        status.fencing.history.last().is_some_and(|it| it.victim == "ha1" && it.device == "dongle")
    })?;
    Ok(cluster.finish()?)
}

/// Garbage at one side stays there.
pub(crate) fn garbage_on_one_side_stays_there(world: World) -> Outcome {
    let mut cluster = started(world)?;
    let before = cluster.moves()?;
    cluster.dongle()?.far_cable.noise(400, 7)?;
    cluster.ha1.wait_status("the witness tells of it", |status| {
        let counters = status.witness.as_ref().map_or(&[][..], |it| it.counters.as_slice());
        counters.iter().any(|it| it.side == "b" && it.bad_frames > 50)
            && counters.iter().any(|it| it.side == "a" && it.bad_frames == 0)
    })?;
    let garbage =
        |status: &Snapshot| status.media.first().map(|it| it.garbage + u64::from(it.refused.malformed));
    assert_eq!(garbage(&cluster.ha1.status()?), Some(0), "none of it crossed");
    cluster.dongle()?.far_cable.noise(0, 7)?;
    cluster.wait_watched()?;
    assert_eq!(cluster.moves()?, before, "nothing moved");
    assert_eq!(cluster.resets()?, [""; 0]);
    Ok(cluster.finish()?)
}

/// The other is down for good, and the survivor's daemon starts anew: it cannot know whether the other came up after the
/// reset that the witness tells of, and says what it waits for.
pub(crate) fn a_reset_before_the_start_of_a_daemon_is_no_proof(world: World) -> Outcome {
    let mut cluster = started(world)?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha2.stop()?;
    cluster.ha2.start()?;
    cluster.ha2.wait_status("whose reset is waited for", |status| {
        let reason = status.groups.first().and_then(|group| group.reason.as_deref());
        reason.is_some_and(|it| it.contains("has reset ha1 once more, or heartline confirm-down ha1"))
    })?;
    assert_eq!(cluster.owners("web"), [""; 0]);
    cluster.ha2.run_well(&["heartline", "confirm-down", "--yes", "ha1"])?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

/// One that was there from the start is not needed for it, and the reason of a missing vote is told.
pub(crate) fn without_it_both_start_and_nobody_takes_over(world: World) -> Outcome {
    let mut cluster = Cluster::provisioned(world, watched())?;
    cluster.dongle()?.power_off();
    cluster.start_settled()?;
    cluster.ha1.power_cut()?;
    cluster.ha2.wait_status("what is missing", |status| {
        status.warnings.iter().any(|it| it.starts_with("No quorum: 2 of 3 members"))
    })?;
    assert_eq!(cluster.owners("web"), [""; 0]);
    cluster.dongle()?.power_on()?;
    cluster.ha2.wait_status("whose reset is waited for", |status| {
        let reason = status.groups.first().and_then(|group| group.reason.as_deref());
        reason.is_some_and(|it| it.contains("until the witness has reset ha1"))
    })?;
    assert_eq!(cluster.owners("web"), [""; 0], "a witness that was not there knows nothing");
    cluster.ha2.run_well(&["heartline", "confirm-down", "--yes", "ha1"])?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

/// When the power sense of a host goes dark and the host is silent, its dead time is not waited out.
pub(crate) fn a_death_notice_is_believed(world: World) -> Outcome {
    let plan = plan().line("quorum witness").line("witness_watchdog 60").directive("deadtime", "40");
    let plan = plan.directive("initdead", "40").directive("warntime", "20");
    let mut cluster = Cluster::provisioned(world, plan)?;
    cluster.start_settled()?;
    cluster.wait_armed()?;
    cluster.ha1.power_cut()?;
    cluster.dongle()?.sense(Side::A, false);
    // Shorter than the dead time.
    cluster.ha2.wait_log(&["WARN", "node ha1: its power is gone, as the witness says"])?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha2.wait_log(&["WARN", "node ha1 was reset by witness dongle", "its power gone"])?;
    Ok(cluster.finish()?)
}

/// What is changed in the files of running daemons: what would have a host reset is refused.
pub(crate) fn a_reload_that_would_end_in_a_reset_is_refused(world: World) -> Outcome {
    let mut cluster = started(world)?;
    let without = Plan::default().keys("auth 1\n1 sha1 a_secret_of_good_length\n").directive("initdead", "5");
    cluster.rewrite(&cluster.ha1, &without)?;
    cluster.ha1.reload("witness dongle watches over this host")?;
    // In two steps it is no danger.
    for next in [plan(), without] {
        for node in cluster.nodes() {
            cluster.rewrite(node, &next)?;
            node.reload("Configuration reread.")?;
        }
        if next.ha_cf(2).contains("witness") {
            for node in cluster.nodes() {
                node.wait_status("nobody is watched over", |status| {
                    let off =
                        |name| witness_host(status, name).is_some_and(|it| it.watchdog == WitnessWatch::Off);
                    off("ha1") && off("ha2")
                })?;
            }
        }
    }
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha1.stop()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.resets()?, [""; 0]);
    Ok(cluster.finish()?)
}

/// Both hosts sign with a key that the witness was not given: it is deaf, says so, and resets nobody.
pub(crate) fn a_key_that_it_does_not_have_makes_it_deaf_and_no_more(world: World) -> Outcome {
    let mut cluster = started(world)?;
    let before = cluster.moves()?;
    let both = "1 sha1 a_secret_of_good_length\n2 sha256 another_of_good_length\n";
    // First both know both.
    for signing in [1, 2] {
        for node in cluster.nodes() {
            cluster.rewrite(node, &watched().keys(&format!("auth {signing}\n{both}")))?;
            node.reload("Configuration reread.")?;
        }
    }
    for node in cluster.nodes() {
        node.wait_status("the witness is deaf", |status| {
            status.warnings.iter().any(|it| it.contains("or it was not given the key that signs here"))
        })?;
    }
    wait_until("it holds both for silent", LIMIT, || {
        cluster.ha1.status().is_ok_and(|status| {
            let withheld =
                |name| witness_host(&status, name).is_some_and(|it| it.watchdog == WitnessWatch::Withheld);
            withheld("ha1") && withheld("ha2")
        })
    })?;
    assert_eq!(cluster.resets()?, [""; 0]);
    // In maintenance the daemon makes room for whoever gives it the key.
    cluster.ha1.run_well(&["heartline", "maintenance", "on"])?;
    cluster.ha1.stop()?;
    cluster.ha1.run_well(&["heartline", "dongle", "provision", "--yes"])?;
    cluster.ha1.start()?;
    cluster.ha1.wait_status("it is up", |status| status.maintenance)?;
    cluster.ha1.run_well(&["heartline", "maintenance", "off"])?;
    cluster.wait_watched()?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before, "nothing moved");
    assert_eq!(cluster.resets()?, [""; 0]);
    Ok(cluster.finish()?)
}

/// In the order that the manual gives, nobody ever misses the witness but while it starts anew; and what it was given outlives
/// its power.
pub(crate) fn its_keys_are_changed_without_a_gap(world: World) -> Outcome {
    let mut cluster = started(world)?;
    let before = cluster.moves()?;
    let keys = ["1 sha1 a_secret_of_good_length\n", "2 sha256 another_of_good_length\n"];
    let sign = |cluster: &Cluster, text: &str| -> Outcome {
        for node in cluster.nodes() {
            cluster.rewrite(node, &watched().keys(text))?;
            node.reload("Configuration reread.")?;
        }
        Ok(())
    };
    sign(&cluster, &format!("auth 1\n{}", keys.concat()))?;
    cluster.ha1.run_well(&["heartline", "maintenance", "on"])?;
    cluster.ha1.stop()?;
    cluster.provision()?;
    cluster.ha1.start()?;
    cluster.ha1.wait_status("it is up", |status| status.maintenance)?;
    cluster.ha1.run_well(&["heartline", "maintenance", "off"])?;
    cluster.wait_watched()?;
    sign(&cluster, &format!("auth 2\n{}", keys.concat()))?;
    cluster.wait_watched()?;
    sign(&cluster, &format!("auth 2\n{}", keys[1]))?;
    cluster.wait_watched()?;
    cluster.ha2.run_well(&["heartline", "restart", "--keep-services"])?;
    cluster.wait_watched()?;
    cluster.dongle()?.power_off();
    for node in cluster.nodes() {
        node.wait_status("it is missed", |status| {
            status.warnings.iter().any(|it| it.starts_with("Witness dongle is lost"))
        })?;
    }
    cluster.dongle()?.power_on()?;
    cluster.wait_watched()?;
    cluster.settled(&[("web", "ha1")])?;
    assert_eq!(cluster.moves()?, before, "nothing moved");
    assert_eq!(cluster.resets()?, [""; 0]);
    Ok(cluster.finish()?)
}
