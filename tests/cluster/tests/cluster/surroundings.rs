//! What the daemon makes of itself, and what a resource agent finds around it, whoever started the daemon.

use crate::Outcome;
use heartline_cluster_tests::{Cluster, Group, Plan};
use heartline_lab::World;
use std::collections::BTreeMap;

/// A resource that writes down what it is started with. The shell ignores a signal and opens files for itself alone: its
/// children tell what it was given.
const SPY: &str = r#"#!/bin/bash
if [[ ${!#} == start ]]; then
    {
        read -r stat < "/proc/$$/stat"; set -- ${stat##*) }
        echo "nice=${17}"
        echo "priority=${38}"
        echo "policy=${39}"
        echo "group=$(($3 == $$))"
        echo "descriptors=$(ls -x /proc/self/fd)"
        echo "input=$(readlink /proc/self/fd/0)"
        echo "oom=$(< /proc/$$/oom_score_adj)"
        echo "umask=$(umask)"
        echo "directory=$PWD"
        while IFS=$':\t' read -r name value; do
            case $name in SigBlk | SigIgn | VmLck) echo "$name=$value" ;; esac
        done < <(cat /proc/self/status)
        while IFS= read -rd '' variable; do echo "env.${variable%%=*}=${variable#*=}"; done < "/proc/$$/environ"
    } > /var/log/spied
    touch /run/spy
fi
[[ ${!#} == stop ]] && rm -f /run/spy
[[ ${!#} == status ]] && { if [[ -e /run/spy ]]; then echo running; else echo stopped; fi; }
exit 0
"#;

/// Ignores and blocks signals, has descriptors open, and so on: all that a child would inherit.
const CARELESS_PARENT: &str = "trap '' HUP INT QUIT TSTP TTOU USR1 PIPE; umask 077; cd /tmp; export HOSTILE=1 IFS=x; \
                               exec 7< /etc/hostname 9> /tmp/nine; exec nice -n 5 /usr/sbin/heartline daemon";

pub(crate) fn an_agent_starts_with_clean_surroundings(world: World) -> Outcome {
    let plan = Plan::default().directive("rtprio", "7").directive("env", "COLOUR=red");
    let mut cluster = Cluster::build(world, plan)?;
    for node in cluster.nodes() {
        node.host.write("/etc/ha.d/resource.d/spy", SPY, 0o755)?;
        let resources = cluster.haresources(&[Group::web("ha1")]).replace(" svc::", " spy::a::b svc::");
        node.host.write("/etc/ha.d/haresources", resources, 0o644)?;
    }
    cluster.ha1.start_with(&["bash", "-c", CARELESS_PARENT])?;
    cluster.ha2.start()?;
    cluster.settled(&[("web", "ha1")])?;

    let text = cluster.ha1.host.read("/var/log/spied")?;
    let found: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    for (what, expected) in [
        ("nice", "0"),
        ("priority", "0"),
        ("policy", "0"),
        ("group", "1"),
        ("descriptors", "0  1  2  3"),
        ("input", "/dev/null"),
        ("oom", "0"),
        ("umask", "0022"),
        ("directory", "/"),
        ("SigBlk", "0000000000000000"),
        // Two that the C library keeps for itself.
        ("SigIgn", "0000000180000000"),
        ("VmLck", "       0 kB"),
        ("env.HA_CURHOST", "ha1"),
        ("env.HA_DIR", "/etc/ha.d/"),
        ("env.HA_deadtime", "1"),
        ("env.HA_COLOUR", "red"),
        ("env.OCF_ROOT", "/usr/lib/ocf"),
        ("env.HOME", "/"),
    ] {
        assert_eq!(found.get(what).copied(), Some(expected), "{what} in\n{text}");
    }
    let strange = |name: &&&str| {
        let own =
            |name: &str| name.starts_with("HA_") || name.starts_with("OCF_") || name.starts_with("HOME");
        name.strip_prefix("env.").is_some_and(|name| !own(name) && name != "PATH")
    };
    assert_eq!(found.keys().find(strange), None, "{text}");
    Ok(cluster.finish()?)
}

/// As `rtprio` says, locked into memory, and spared when memory runs out.
pub(crate) fn the_daemon_is_real_time_and_locked(world: World) -> Outcome {
    let mut cluster = Cluster::build(world, Plan::default().directive("rtprio", "7"))?;
    cluster.rewrite(&cluster.ha2, &cluster.plan.clone().directive("realtime", "off"))?;
    cluster.start_settled()?;
    // Not every container has the right to it.
    let spared = cluster.ha1.run(&["sh", "-c", "echo -1000 > /proc/self/oom_score_adj"])?.status.success();
    let spared = if spared { "-1000" } else { "0" };
    for (name, expected) in [("ha1", ("2", "7", true, spared)), ("ha2", ("0", "0", false, "0"))] {
        let node = cluster.node(name)?;
        let [pid] = node.host.pids_of("heartline")?[..] else {
            return Err(format!("{name} has more than one daemon, or none").into());
        };
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let (stat, status) = (read("stat")?, read("status")?);
        // Fields 40 and 41 of all, counted from the one after the name.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let locked = status.lines().any(|line| line.starts_with("VmLck:") && !line.ends_with(" 0 kB"));
        let oom = read("oom_score_adj")?;
        assert_eq!((fields[38], fields[37], locked, oom.trim()), expected, "{name}\n{status}");
    }
    Ok(cluster.finish()?)
}
