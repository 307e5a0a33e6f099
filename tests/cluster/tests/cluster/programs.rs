//! The administrator's programs beside the groups: clients, event scripts, `notify` commands.

use crate::Outcome;
use heartline_cluster_tests::{Cluster, LIMIT, Node, Plan};
use heartline_lab::{Ended, World, wait_until};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

/// A client: notes who it is and what it has, and goes when it is asked to.
const KEEPER: &str = "/usr/local/bin/keeper";
const KEEPER_TEXT: &str = r#"#!/bin/bash
streams=$(readlink /proc/$$/fd/{0,1,2} | tr '\n' ' ')
policy=$(cut -d' ' -f41 /proc/$$/stat)
groups=$(id -G | tr ' ' ,)
echo "$1 pid=$$ uid=$(id -u) gid=$(id -g) groups=$groups policy=$policy host=$HA_CURHOST fds=$streams" >> /var/tmp/keepers
ls -l /proc/$$/fd > "/var/tmp/descriptors.$1"
sleep infinity &
trap 'kill %1; exit 0' TERM
wait
"#;
const KEEPERS: &str = "/var/tmp/keepers";

fn keeper(node: &Node) -> Outcome {
    node.host.write(KEEPER, KEEPER_TEXT, 0o755)?;
    node.host.write(KEEPERS, "", 0o666)?;
    Ok(())
}

/// The lives of a client on a host so far, each as its words.
fn lives(node: &Node, name: &str) -> Vec<String> {
    let record = node.host.read(KEEPERS).unwrap_or_default();
    record.lines().filter(|line| line.split(' ').next() == Some(name)).map(str::to_owned).collect()
}

/// Waits until a client has had so many lives; gives its command line on the host.
fn wait_lives(node: &Node, name: &str, count: usize) -> Outcome {
    wait_until(&format!("{name} lives for the {count}. time"), LIMIT, || lives(node, name).len() >= count)?;
    Ok(())
}

/// Those of these clients that run on a host.
fn keepers(node: &Node) -> Vec<String> {
    let lines = node.processes().unwrap_or_default();
    lines.iter().filter_map(|line| line.split(&format!("{KEEPER} ")).nth(1)).map(str::to_owned).collect()
}

/// The process number of a client, as the world counts.
fn pid(node: &Node, name: &str) -> Result<Pid, Box<dyn std::error::Error>> {
    let pids = node.host.pids_of("keeper")?;
    let of_name = |pid: &Pid| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains(&format!("{KEEPER}\0{name}\0"))
    };
    Ok(pids.into_iter().find(of_name).ok_or_else(|| format!("{name} does not run"))?)
}

pub(crate) fn clients_are_kept_running(world: World) -> Outcome {
    let plan = Plan::default()
        .line(&format!("respawn nobody {KEEPER} first"))
        .line(&format!("respawn root {KEEPER} last"));
    let mut cluster = Cluster::build(world, plan)?;
    let groups = cluster.ha1.host.read("/etc/group")?;
    for node in cluster.nodes() {
        node.host.write("/etc/group", format!("{groups}extra:x:4242:nobody\n"), 0o644)?;
        keeper(node)?;
    }
    cluster.start_settled()?;
    for name in ["first", "last"] {
        wait_lives(&cluster.ha1, name, 1)?;
    }
    let words = lives(&cluster.ha1, "first").concat();
    for part in [
        "uid=65534 gid=65534 groups=65534,4242 ",
        "policy=0 ",
        "host=ha1 ",
        "fds=/dev/null /dev/null /dev/null",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // Nothing is open that the daemon has, or was given by its parents: 255 is the script itself.
    let listing = || cluster.ha1.host.read("/var/tmp/descriptors.first").unwrap_or_default();
    wait_until("the descriptors are listed", LIMIT, || listing().contains("/usr/local/bin/keeper"))?;
    let listing = listing();
    let open: Vec<&str> =
        listing.lines().filter_map(|line| line.split(" -> ").next()?.split(' ').next_back()).collect();
    assert_eq!(open[1..], ["0", "1", "2", "255"], "{listing}");
    assert!(lives(&cluster.ha1, "last").concat().contains("uid=0 gid=0 "));
    cluster.ha1.wait_log(&["info: Starting child client \"/usr/local/bin/keeper first\" (65534,65534)"])?;
    // Whatever ends it, with all that it has started, it lives again.
    killpg(pid(&cluster.ha1, "first")?, Signal::SIGKILL)?;
    wait_lives(&cluster.ha1, "first", 2)?;
    cluster.ha1.wait_log(&["ERROR: Client /usr/local/bin/keeper first killed by signal 9."])?;
    cluster.ha1.wait_log(&["ERROR: Respawning client \"/usr/local/bin/keeper first\":"])?;
    // A daemon that is killed leaves them behind; the next one has them once.
    cluster.ha1.kill()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    wait_lives(&cluster.ha1, "last", 2)?;
    wait_lives(&cluster.ha1, "first", 3)?;
    // What a client forks looks like another one for a moment.
    wait_until("each client runs once", LIMIT, || {
        let mut running = keepers(&cluster.ha1);
        running.sort();
        running == ["first", "last"]
    })?;
    // The groups are stopped first, then the clients, the last one first.
    cluster.ha1.stop()?;
    assert_eq!(keepers(&cluster.ha1), Vec::<String>::new());
    let log = cluster.ha1.log();
    let places = ["10.77.1.100/24/eth0 is stopped here", "keeper last is stopped", "keeper first is stopped"];
    let places: Vec<_> = places.iter().map(|text| log.rfind(text)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    Ok(cluster.finish()?)
}

pub(crate) fn a_client_ends_itself_with_a_hundred(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().line("respawn root /usr/local/bin/once"))?;
    for node in cluster.nodes() {
        node.host.write("/usr/local/bin/once", "#!/bin/sh\necho once >> /var/tmp/once\nexit 100\n", 0o755)?;
    }
    cluster.start_settled()?;
    cluster.ha1.wait_log(&["Client /usr/local/bin/once exited with return code 100."])?;
    cluster.ha1.wait_log(&["is not started again"])?;
    cluster.ha1.run_well(&["hb_standby", "all"])?;
    cluster.settled(&[("web", "ha2")])?;
    assert_eq!(cluster.ha1.host.read("/var/tmp/once")?, "once\n");
    Ok(cluster.finish()?)
}

pub(crate) fn a_reload_starts_and_ends_clients(world: World) -> Outcome {
    let line = |name: &str| format!("respawn root {KEEPER} {name}");
    let mut cluster = Cluster::build(world, Plan::default().line(&line("stays")).line(&line("goes")))?;
    for node in cluster.nodes() {
        keeper(node)?;
    }
    cluster.start_settled()?;
    for name in ["stays", "goes"] {
        wait_lives(&cluster.ha1, name, 1)?;
    }
    let before = pid(&cluster.ha1, "stays")?;
    cluster.plan = Plan::default().line(&line("comes")).line(&line("stays"));
    for node in cluster.nodes() {
        cluster.rewrite(node, &cluster.plan)?;
        node.reload("Configuration reread.")?;
    }
    wait_lives(&cluster.ha1, "comes", 1)?;
    cluster.ha1.wait_log(&["Client /usr/local/bin/keeper goes is stopped."])?;
    assert_eq!(pid(&cluster.ha1, "stays")?, before);
    assert!(pid(&cluster.ha1, "goes").is_err());
    Ok(cluster.finish()?)
}

pub(crate) fn a_failed_failfast_client_reboots_its_host(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().line(&format!("failfast root {KEEPER} vital")))?;
    for node in cluster.nodes() {
        keeper(node)?;
    }
    cluster.start_settled()?;
    wait_lives(&cluster.ha1, "vital", 1)?;
    // In maintenance nothing is rebooted either.
    cluster.ha1.run_well(&["heartline", "maintenance", "on"])?;
    kill(pid(&cluster.ha1, "vital")?, Signal::SIGKILL)?;
    cluster.ha1.wait_log(&["In maintenance this host is not rebooted"])?;
    wait_lives(&cluster.ha1, "vital", 2)?;
    cluster.ha1.run_well(&["heartline", "maintenance", "off"])?;
    cluster.settled(&[("web", "ha1")])?;
    kill(pid(&cluster.ha1, "vital")?, Signal::SIGKILL)?;
    assert_eq!(cluster.ha1.host.wait_down(LIMIT)?, Ended::Restart);
    cluster.ha1.forget_daemon();
    cluster.settled(&[("web", "ha2")])?;
    let reason = cluster.ha1.host.read("/var/lib/heartbeat/last_reboot_reason")?;
    assert!(reason.contains("Rebooting system.  Reason: /usr/local/bin/keeper vital"), "{reason}");
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    // An end that was ordered is none.
    cluster.ha1.stop()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

/// As Debian's package heartbeat installs it: it would take the resources of a dead node over.
const STATUS_OF_HEARTBEAT: &str =
    "#!/bin/sh\n. $HA_FUNCS\n\ncase $HA_st in\n  dead)\t$HA_NOARCHBIN/mach_down $HA_src;;\nesac\n";
const TELLER: &str =
    "#!/bin/sh\necho \"$1 $HA_t $HA_src $HA_node $HA_ifname $HA_st $HA_OSTATUS\" >> /var/tmp/events\n";

pub(crate) fn event_scripts_hear_what_the_original_told_them(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default())?;
    cluster.ha1.host.write("/etc/ha.d/rc.d/status", STATUS_OF_HEARTBEAT, 0o755)?;
    cluster.ha1.host.write("/etc/ha.d/rc.d/ifstat", TELLER, 0o755)?;
    cluster.ha2.host.write("/etc/ha.d/rc.d/status", TELLER, 0o755)?;
    cluster.ha2.host.write("/etc/ha.d/rc.d/own", TELLER, 0o755)?;
    let said = cluster.ha1.run_well(&["heartline", "check"])?;
    for part in ["rc.d/status", "`mach_down` would move resources", "rc.d/ifstat", "is run when a link"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    cluster.start_settled()?;
    let told = |node: &Node, words: &str| -> Outcome {
        let events = || node.host.read("/var/tmp/events").unwrap_or_default();
        let what = format!("{} hears `{words}`", node.name());
        wait_until(&what, LIMIT, || events().lines().any(|told| told.starts_with(words)))?;
        Ok(())
    };
    told(&cluster.ha1, "ifstat ifstat ha1 ha2 eth0 up ")?;
    cluster.ha1.wait_log(&["rc.d/status: info: this event script is not run"])?;
    told(&cluster.ha2, "status status ha1   active ")?;
    cluster.ha1.power_cut()?;
    told(&cluster.ha2, "status status ha1   dead active")?;
    cluster.ha2.wait_log(&["info: Running /etc/ha.d/rc.d/status status"])?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha2.power_cut()?;
    told(&cluster.ha1, "ifstat ifstat ha1 ha2 eth0 dead active")?;
    cluster.wait_runs("web", "ha1")?;
    assert!(!cluster.ha1.log().contains("Running /etc/ha.d/rc.d/status"));
    Ok(cluster.finish()?)
}

pub(crate) fn a_command_is_notified_of_a_failover(world: World) -> Outcome {
    let plan = Plan::default()
        .line("notify info /usr/local/bin/told all")
        .line("notify warn /usr/local/bin/told warnings")
        .line("notify crit /usr/local/bin/hangs");
    let mut cluster = Cluster::build(world, plan)?;
    for node in cluster.nodes() {
        node.host.write("/usr/local/bin/told", "#!/bin/sh\ncat >> /var/tmp/$1\n", 0o755)?;
        node.host.write("/usr/local/bin/hangs", "#!/bin/sh\nsleep infinity\n", 0o755)?;
    }
    cluster.start_settled()?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha2.stop()?;
    let read = |file: &str| -> Result<Vec<Value>, Box<dyn std::error::Error>> {
        let text = cluster.ha2.host.read(format!("/var/tmp/{file}"))?;
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    };
    let (all, log) = (read("all")?, cluster.ha2.log());
    for notice in &all {
        assert!(notice["time"].as_str().is_some_and(|time| time.contains('T')), "{notice}");
        assert_eq!(notice["node"], "ha2");
        let (level, text) = (notice["level"].as_str(), notice["text"].as_str());
        let (level, text) = (level.unwrap_or_default(), text.unwrap_or_default());
        let said = log.lines().find(|line| line.ends_with(&format!(": {text}")));
        assert!(said.is_some_and(|line| line.to_lowercase().contains(&format!(": {level}: "))), "{notice}");
    }
    // The story in its order, to its end.
    let mut kinds = all.iter().map(|notice| notice["notice"].as_str().unwrap_or_default());
    for kind in
        ["link_up", "member_dead", "claiming", "unprotected", "starting", "started", "stopped", "phase"]
    {
        assert!(kinds.any(|told| told == kind), "{kind} is not told in its turn: {all:?}");
    }
    let dead = all.iter().find(|notice| notice["notice"] == "member_dead").ok_or("nobody is dead")?;
    assert_eq!(
        (&dead["member"], &dead["level"], &dead["limit_ms"]),
        (&"ha1".into(), &"warn".into(), &1000.into())
    );
    let grave: Vec<&Value> = all.iter().filter(|notice| notice["level"] != "info").collect();
    assert_eq!(read("warnings")?.iter().collect::<Vec<_>>(), grave);
    Ok(cluster.finish()?)
}
