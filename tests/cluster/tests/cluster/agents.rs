//! The real agents of Debian's `resource-agents`, and units of a service manager, in whole clusters.

use crate::Outcome;
use heartline::control::snapshot::GroupState;
use heartline_cluster_tests::{Cluster, Error, Group, LIMIT, Node, Plan, fetch};
use heartline_lab::{World, wait_until};
use std::path::PathBuf;

const ADDRESS: &str = "ip=10.77.1.100::cidr_netmask=24::nic=eth0";
const DISK: &str = "device=/dev/ha-disk::directory=/var/lib/ha::fstype=ext4";
/// The agents that the recorder stands in front of, in the order of the group.
const RECORDED: [&str; 5] = ["IPaddr2", "Filesystem", "apache", "Dummy", "Delay"];
const CALLS: &str = "/var/log/ocf-calls";
/// An agent of a provider of its own: notes the environment and how the agent of the same name ended.
const RECORDER: &str = r#"#!/bin/sh
name=${0##*/}
agent=/usr/lib/ocf/resource.d/heartbeat/$name
[ "$1" = meta-data ] && exec "$agent" meta-data
env > "/var/log/environment-$name-$1"
"$agent" "$1"
code=$?
echo "$name $1 $code" >> /var/log/ocf-calls
exit $code
"#;
const APACHE: &str = "\
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule status_module /usr/lib/apache2/modules/mod_status.so
ServerName cluster
Listen 80
User www-data
Group www-data
PidFile /run/apache2.pid
DefaultRuntimeDir /run
ErrorLog /var/log/httpd.log
StartServers 1
DocumentRoot /var/www
<Location /server-status>
    SetHandler server-status
</Location>
";

/// What the agents of Debian need; without it there is nothing to test.
fn require(path: &str) -> Outcome {
    let missing = || format!("{path} is missing: `cargo xtask test` installs what is needed");
    if PathBuf::from(path).exists() { Ok(()) } else { Err(missing().into()) }
}

/// Waits until a node runs the group, by its own word, and a client gets its page.
fn wait_serves(cluster: &Cluster, owner: &str) -> Outcome {
    let Some(group) = cluster.plan.all_groups().first() else { return Err("there is no group".into()) };
    let page = || fetch(group.address, group.port);
    let served = wait_until("the page is there", LIMIT, || page().as_deref() == Some(owner));
    served.map_err(|_| Error::NotYet {
        expected: format!("a client gets the page of {owner}"),
        seen: format!("it gets {:?}", page()),
    })?;
    let owner = cluster.nodes().into_iter().find(|node| node.name() == owner);
    wait_running(owner.ok_or("there is no such host")?)
}

/// Waits until a node says that it runs the only group.
fn wait_running(node: &Node) -> Outcome {
    let name = node.name().to_owned();
    node.wait_status("the group runs here", |status| {
        let mut groups = status.groups.iter();
        groups.any(|group| group.state == GroupState::Running && group.owner.as_ref() == Some(&name))
    })?;
    Ok(())
}

fn recorded_cluster(world: World) -> Result<Cluster, Box<dyn std::error::Error>> {
    let words = [
        format!("ocf:recorder:IPaddr2::{ADDRESS}"),
        format!("ocf:recorder:Filesystem::{DISK}"),
        "ocf:recorder:apache::configfile=/etc/ha.d/httpd.conf::statusurl=http://127.0.0.1/server-status"
            .to_owned(),
        "ocf:recorder:Dummy".to_owned(),
        "ocf:recorder:Delay::startdelay=0::stopdelay=0::mondelay=0".to_owned(),
    ];
    let group = Group::web("ha1").with_disk().of(&words.join(" "));
    let cluster = Cluster::build(world, Plan::default().groups([group]))?;
    for node in cluster.nodes() {
        node.host.write("/etc/ha.d/httpd.conf", APACHE, 0o644)?;
        for agent in RECORDED {
            node.host.write(format!("/usr/lib/ocf/resource.d/recorder/{agent}"), RECORDER, 0o755)?;
        }
    }
    Ok(cluster)
}

/// The recorded calls of a host with one of these verbs, each with its exit status.
fn calls(node: &Node, verbs: &[&str]) -> Vec<String> {
    let text = node.host.read(CALLS).unwrap_or_default();
    let wanted = text.lines().filter(|call| verbs.contains(&call.split(' ').nth(1).unwrap_or_default()));
    wanted.map(str::to_owned).collect()
}

fn all(verb: &str, code: u8) -> Vec<String> {
    RECORDED.iter().map(|agent| format!("{agent} {verb} {code}")).collect()
}

fn backwards(mut calls: Vec<String>) -> Vec<String> {
    calls.reverse();
    calls
}

/// Address, disk, web server and two that do nothing: they start from left to right, stop from right to left, and
/// answer with the numbers of their standard.
pub(crate) fn real_agents_fail_over(world: World) -> Outcome {
    require("/usr/lib/ocf/resource.d/heartbeat/IPaddr2")?;
    require("/usr/sbin/apache2")?;
    let mut cluster = recorded_cluster(world)?;
    let check = cluster.ha1.run(&["heartline", "check"])?;
    assert!(!check.stdout.contains("haresources:"), "{}", check.stdout);
    cluster.start()?;
    wait_serves(&cluster, "ha1")?;
    assert_eq!(calls(&cluster.ha1, &["start", "stop"]), all("start", 0));
    // They were asked before: once whether any of them runs, then each before its start.
    assert_eq!(calls(&cluster.ha2, &["monitor"]), all("monitor", 7));
    assert_eq!(calls(&cluster.ha1, &["monitor"])[..5], all("monitor", 7));
    the_environment_is_that_of_the_standard(&cluster.ha1);

    cluster.ha1.power_cut()?;
    wait_serves(&cluster, "ha2")?;
    assert_eq!(calls(&cluster.ha2, &["start", "stop"]), all("start", 0));
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    wait_serves(&cluster, "ha1")?;
    assert_eq!(calls(&cluster.ha2, &["stop"]), backwards(all("stop", 0)));
    // After a crash of its daemon they are found running.
    let before = calls(&cluster.ha1, &["start", "stop"]);
    cluster.ha1.kill()?;
    cluster.ha1.start()?;
    wait_serves(&cluster, "ha1")?;
    let monitors = calls(&cluster.ha1, &["monitor"]);
    let (mut running, expected) = (monitors, all("monitor", 0));
    running.retain(|call| call.ends_with(" 0"));
    assert_eq!(running[running.len().saturating_sub(5)..], expected);
    assert_eq!(calls(&cluster.ha1, &["start", "stop"]), before);
    Ok(cluster.finish()?)
}

fn the_environment_is_that_of_the_standard(node: &Node) {
    let environment = |agent: &str| node.host.read(format!("/var/log/environment-{agent}-start"));
    let expected = [
        ("IPaddr2", "OCF_RESKEY_ip=10.77.1.100"),
        ("IPaddr2", "OCF_RESKEY_nic=eth0"),
        ("Dummy", "OCF_ROOT=/usr/lib/ocf"),
        ("Dummy", "OCF_RA_VERSION_MAJOR=1"),
        ("Dummy", "OCF_RESOURCE_PROVIDER=recorder"),
        ("Dummy", "OCF_RESOURCE_TYPE=Dummy"),
        ("Dummy", "OCF_RESOURCE_INSTANCE=recorder_Dummy"),
        ("Dummy", "OCF_RESKEY_CRM_meta_timeout=120000"),
        ("Dummy", "HA_CURHOST=ha1"),
    ];
    for (agent, line) in expected {
        let environment = environment(agent).unwrap_or_default();
        assert!(environment.lines().any(|it| it == line), "{agent} {line}: {environment}");
    }
}

/// PostgreSQL on the shared disk: a row that was acknowledged before the power was cut is there after it.
pub(crate) fn a_database_fails_over(world: World) -> Outcome {
    require("/usr/lib/ocf/resource.d/heartbeat/pgsql")?;
    let programs = postgresql()?;
    let words = format!(
        "ocf:heartbeat:IPaddr2::{ADDRESS} ocf:heartbeat:Filesystem::{DISK} ocf:heartbeat:pgsql\
         ::pgctl={programs}/pg_ctl::psql={programs}/psql::pgdata=/var/lib/ha/data\
         ::config=/var/lib/ha/data/postgresql.conf::socketdir=/run/postgresql::pgport=5432"
    );
    let group = Group::web("ha1").with_disk().of(&words);
    let mut cluster = Cluster::build(world, Plan::default().groups([group]).disk_megabytes(128))?;
    let make = format!(
        "mount -t ext4 /dev/ha-disk /var/lib/ha && install -d -o postgres /var/lib/ha/data && \
         su postgres -c '{programs}/initdb --no-sync --wal-segsize=1 -D /var/lib/ha/data' && umount /var/lib/ha"
    );
    cluster.ha1.run_well(&["sh", "-c", &make])?;
    cluster.start()?;
    wait_running(&cluster.ha1)?;
    let psql = format!("{programs}/psql -h /run/postgresql -U postgres -Atc");
    let ask = |node: &mut Node, statement: &str| {
        node.run_well(&["sh", "-c", &format!("su postgres -c \"{psql} '{statement}'\"")])
    };
    ask(&mut cluster.ha1, "create table t (n int)")?;
    ask(&mut cluster.ha1, "insert into t values (42)")?;
    cluster.ha1.power_cut()?;
    wait_running(&cluster.ha2)?;
    assert_eq!(ask(&mut cluster.ha2, "select n from t")?, "42");
    Ok(cluster.finish()?)
}

/// The directory with the programs of the installed PostgreSQL.
fn postgresql() -> Result<String, Box<dyn std::error::Error>> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin"));
    let found = programs.filter(|programs| programs.join("initdb").exists()).max();
    let found = found.ok_or("PostgreSQL is missing: `cargo xtask test` installs what is needed")?;
    Ok(found.display().to_string())
}

/// No systemd runs in the laboratory: this stands in for its `systemctl`, for units that run the service of the tests.
const STAND_IN: &str = r#"#!/bin/bash
unit=${2%.service}
svc() { /etc/ha.d/resource.d/svc "$unit" 80 "$1"; }
echo "$*" >> /var/log/systemctl-calls
if [[ $1 == is-enabled ]]; then
    cat "/var/lib/svc/$unit.enabled" 2> /dev/null || echo disabled
    exit
fi
if [[ $unit != web ]]; then
    [[ $1 == is-active ]] && echo inactive && exit 3
    echo "Unit $unit.service not found." >&2
    exit 5
fi
case $1 in
    start | stop) svc "$1" ;;
    is-active) if [[ $(svc status) == running ]]; then echo active; else echo inactive; exit 3; fi ;;
    *) exit 1 ;;
esac
"#;

pub(crate) fn a_unit_fails_over(world: World) -> Outcome {
    let group = Group::web("ha1").of("10.77.1.100/24/eth0 systemd:web");
    let mut cluster = Cluster::build(world, Plan::default().groups([group]))?;
    for node in cluster.nodes() {
        node.host.write("/usr/local/sbin/systemctl", STAND_IN, 0o755)?;
        node.host.write("/etc/systemd/system/web.service", "[Service]\n", 0o644)?;
    }
    let check = |cluster: &mut Cluster| cluster.ha1.run(&["heartline", "check"]);
    assert!(!check(&mut cluster)?.stdout.contains("systemd"));
    cluster.ha1.host.write("/var/lib/svc/web.enabled", "enabled\n", 0o644)?;
    let said = check(&mut cluster)?.stdout;
    assert!(
        said.contains("systemd starts `web` at boot") && said.contains("systemctl disable web"),
        "{said}"
    );

    cluster.start_settled()?;
    cluster.ha1.wait_log(&["WARN", "systemd starts `web` at boot"])?;
    cluster.ha1.power_cut()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    let orders = cluster.ha2.host.read("/var/log/systemctl-calls")?;
    let orders: Vec<&str> = orders.lines().filter(|call| !call.starts_with("is-")).collect();
    assert_eq!(orders, ["start web", "stop web"]);
    Ok(cluster.finish()?)
}

/// The daemon of a host without the unit says so, and leaves the group to the other.
pub(crate) fn a_unit_that_is_missing_moves_its_group(world: World) -> Outcome {
    let group = Group::web("ha1").of("10.77.1.100/24/eth0 systemd:web");
    let mut cluster = Cluster::build(world, Plan::default().groups([group]))?;
    cluster.ha1.host.write("/usr/local/sbin/systemctl", STAND_IN.replace("!= web", "!= other"), 0o755)?;
    cluster.ha2.host.write("/usr/local/sbin/systemctl", STAND_IN, 0o755)?;
    cluster.ha2.host.write("/etc/systemd/system/web.service", "[Service]\n", 0o644)?;
    cluster.start()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.wait_log(&["ERROR", "systemd has no unit `web`"])?;
    cluster.ha1.wait_log(&["Unit web.service not found."])?;
    Ok(cluster.finish()?)
}
