//! The cluster: built from a plan, and judged by what is really there.

use crate::client::fetch;
use crate::database;
use crate::dongle::Dongle;
use crate::error::Error;
use crate::fencing;
use crate::node::Node;
use crate::plan::{Group, MOUNT_POINT, Plan};
use crate::service::{SCRIPT, SCRIPT_TEXT};
use crate::watch::{DoubleRun, Watch};
use crate::{LIMIT, Result};
use heartline::control::snapshot::GroupState;
use heartline_lab::{DiskKind, NullModem, PowerSwitch, SharedDisk, Switch, World, wait_until};
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::sync::Arc;

/// The rate of the null-modem cable.
const BAUD: u32 = 19_200;
/// Names under which the program is called too.
const NAMES: [&str; 4] = ["heartbeat", "cl_status", "hb_standby", "hb_takeover"];

/// Two hosts or more, their cables, and the world as their client. When it is lost before [`Cluster::finish`], it reports
/// all that helps to understand why.
#[derive(Debug)]
pub struct Cluster {
    /// The first host.
    pub ha1: Node,
    /// The second host.
    pub ha2: Node,
    /// The hosts beyond these two.
    pub others: Vec<Node>,
    /// The null-modem cable between the first two; with a witness in it, the first host's end of it.
    pub cable: NullModem,
    /// What it was built from.
    pub plan: Plan,
    disk: Option<Arc<SharedDisk>>,
    // Before the power switch, at which it pulls.
    dongle: Option<Dongle>,
    power: Option<PowerSwitch>,
    lans: Vec<Switch>,
    watch: Watch,
    finished: bool,
}

impl Cluster {
    /// Builds the cluster and switches both hosts on. No daemon is started.
    ///
    /// # Errors
    /// What the lab cannot do.
    pub fn build(mut world: World, plan: Plan) -> Result<Self> {
        let (mut ha1, mut ha2) = (world.host("ha1")?, world.host("ha2")?);
        let mut others = Vec::new();
        for name in plan.names().skip(2) {
            others.push(world.host(&name)?);
        }
        let mut lans = vec![world.switch("lan", "10.77.1.0/24")?];
        if plan.second_lan {
            lans.push(world.switch("lan2", "10.77.2.0/24")?);
        }
        for lan in &mut lans {
            lan.connect(&mut ha1)?;
            lan.connect(&mut ha2)?;
            others.iter_mut().try_for_each(|host| lan.connect(host).map(drop))?;
        }
        let mut disk = None;
        if plan.groups.iter().any(|group| group.disk) {
            let shared = world.shared_disk(plan.disk_megabytes)?;
            shared.attach(&mut ha1)?;
            shared.attach(&mut ha2)?;
            others.iter_mut().try_for_each(|host| shared.attach(host))?;
            disk = Some(Arc::new(shared));
        }
        let mut power = None;
        if plan.fences() {
            let switch = world.power_switch()?;
            fencing::install(&switch, &mut ha1)?;
            fencing::install(&switch, &mut ha2)?;
            others.iter_mut().try_for_each(|host| fencing::install(&switch, host))?;
            power = Some(switch);
        }
        let mut dongle = None;
        let cable = if let Some(witness) = plan.dongle {
            let ends = [world.cable_to_world(&mut ha1, BAUD)?, world.cable_to_world(&mut ha2, BAUD)?];
            let switch = match power.take() {
                Some(switch) => switch,
                None => world.power_switch()?,
            };
            let names = [ha1.name(), ha2.name()];
            let (first, built) = Dongle::build(&mut world, witness, ends, names, &switch)?;
            (power, dongle) = (Some(switch), Some(built));
            first
        } else {
            world.null_modem(&mut ha1, &mut ha2, BAUD)?
        };
        let watch = Watch::begin().map_err(Error::io("start a thread"))?;
        let (ha1, ha2) = (Node::new(ha1), Node::new(ha2));
        let others = others.into_iter().map(Node::new).collect();
        let mut cluster =
            Self { ha1, ha2, others, cable, plan, disk, dongle, power, lans, watch, finished: false };
        cluster.write_files()?;
        for node in cluster.nodes_mut() {
            node.boot()?;
            for name in NAMES {
                node.run(&["ln", "-sf", "heartline", &format!("/usr/sbin/{name}")])?;
            }
        }
        Ok(cluster)
    }

    /// The hosts.
    pub fn nodes(&self) -> Vec<&Node> {
        [&self.ha1, &self.ha2].into_iter().chain(&self.others).collect()
    }

    /// The hosts.
    pub fn nodes_mut(&mut self) -> Vec<&mut Node> {
        [&mut self.ha1, &mut self.ha2].into_iter().chain(&mut self.others).collect()
    }

    /// One host.
    ///
    /// # Errors
    /// There is no such host.
    pub fn node(&mut self, name: &str) -> Result<&mut Node> {
        let found = self.nodes_mut().into_iter().find(|node| node.name() == name);
        found.ok_or_else(|| Error::Wrong(format!("there is no host {name}")))
    }

    /// The address of the world on the first Ethernet.
    #[must_use]
    pub fn client_address(&self) -> IpAddr {
        self.lans.first().map_or(IpAddr::from([0, 0, 0, 0]), |lan| lan.address().into())
    }

    /// The power switch that the fencing devices work.
    ///
    /// # Errors
    /// The plan has no fencing device.
    pub fn power(&self) -> Result<&PowerSwitch> {
        self.power.as_ref().ok_or_else(|| Error::Wrong("nobody fences".to_owned()))
    }

    /// The witness in the cable.
    ///
    /// # Errors
    /// The plan has none.
    pub fn dongle(&mut self) -> Result<&mut Dongle> {
        self.dongle.as_mut().ok_or_else(|| Error::Wrong("there is no dongle".to_owned()))
    }

    /// The shared disk.
    ///
    /// # Errors
    /// No group needs one.
    pub fn disk(&self) -> Result<&Arc<SharedDisk>> {
        self.disk.as_ref().ok_or_else(|| Error::Wrong("there is no shared disk".to_owned()))
    }

    /// The hosts that have the disk mounted.
    #[must_use]
    pub fn mounted_on(&self) -> Vec<&str> {
        let mounted = |node: &Node| self.disk.as_ref().is_some_and(|disk| disk.is_mounted_on(&node.host));
        self.those(mounted)
    }

    /// Has somebody look all the time who mounts the disk.
    ///
    /// # Errors
    /// There is none.
    pub fn guard_disk(&self) -> Result<database::Guard> {
        let hosts = self.nodes().iter().map(|node| node.name().to_owned()).collect();
        database::Guard::begin(Arc::clone(self.disk()?), hosts)
    }

    /// Cuts every way between the two hosts; clients still reach the other than this one.
    ///
    /// # Errors
    /// What the lab cannot do.
    pub fn part(&mut self, name: &str) -> Result<()> {
        self.cable.cut()?;
        Ok(self.node(name)?.host.cut_ethernet("eth0")?)
    }

    /// Joins them again.
    ///
    /// # Errors
    /// What the lab cannot do.
    pub fn join(&mut self) -> Result<()> {
        self.cable.restore()?;
        self.ha1.host.restore_ethernet("eth0")?;
        Ok(self.ha2.host.restore_ethernet("eth0")?)
    }

    /// Cuts the wire of the null-modem cable on which a host sends.
    ///
    /// # Errors
    /// There is no such host.
    pub fn cut_serial_from(&mut self, name: &str) -> Result<()> {
        let node = if name == self.ha1.name() { &self.ha1 } else { &self.ha2 };
        Ok(self.cable.cut_direction(&node.host)?)
    }

    /// Starts all daemons.
    ///
    /// # Errors
    /// They cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.nodes_mut().into_iter().try_for_each(Node::start)
    }

    /// Starts all daemons, and waits until every group is where it belongs.
    ///
    /// # Errors
    /// As [`Cluster::settled`].
    pub fn start_settled(&mut self) -> Result<()> {
        self.start()?;
        let home: Vec<_> =
            self.plan.groups.iter().map(|group| (group.service.clone(), group.preferred.clone())).collect();
        let home: Vec<_> = home.iter().map(|(service, node)| (service.as_str(), node.as_str())).collect();
        self.settled(&home)
    }

    /// Writes the three files anew on one host, from another plan.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn rewrite(&self, node: &Node, plan: &Plan) -> Result<()> {
        // Addresses are given in the order of the hosts, from 1.
        let peer = if node.name() == self.ha1.name() { 2 } else { 1 };
        node.host.write("/etc/ha.d/ha.cf", plan.ha_cf(peer), 0o644)?;
        node.host.write("/etc/ha.d/authkeys", &plan.keys, 0o600)?;
        node.host.write("/etc/ha.d/haresources", self.haresources(&plan.groups), 0o644)?;
        Ok(())
    }

    /// `haresources` with these groups.
    #[must_use]
    pub fn haresources(&self, groups: &[Group]) -> String {
        let options = match self.disk.as_ref().map(|disk| disk.kind()) {
            Some(DiskKind::Folder { .. }) => "none::bind",
            Some(DiskKind::Block) | None => "ext4::rw",
        };
        let disk = format!("Filesystem::{}::{MOUNT_POINT}::{options}", SharedDisk::DEVICE);
        groups.iter().map(|group| group.line(&disk)).collect()
    }

    /// Waits until each of these services has settled on the host named with it: its process, its address and its
    /// disk are there and nowhere else, a client gets the host's name, and every daemon that listens says so too.
    ///
    /// # Errors
    /// [`Error::NotYet`], with what is different at last.
    pub fn settled(&self, expected: &[(&str, &str)]) -> Result<()> {
        self.wait(&format!("{expected:?} is so"), || {
            expected.iter().find_map(|(service, owner)| self.differs(service, Some(owner)))
        })
    }

    /// Waits until a service has settled on either host.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn settled_somewhere(&self, service: &str) -> Result<()> {
        self.wait(&format!("{service} has settled"), || {
            let owners = self.owners(service);
            self.differs(service, Some(owners.first().copied().unwrap_or("one host")))
        })
    }

    /// Waits until nobody runs a service, and every daemon that listens says so too.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn nobody_runs(&self, service: &str) -> Result<()> {
        self.wait(&format!("nobody runs {service}"), || self.differs(service, None))
    }

    /// Waits until a host really runs a service, whatever else is the case.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn wait_runs(&self, service: &str, owner: &str) -> Result<()> {
        self.wait(&format!("{owner} runs {service}"), || {
            let owners = self.owners(service);
            (!owners.contains(&owner)).then(|| format!("{service} runs on {owners:?}"))
        })
    }

    /// The hosts that really run a service.
    #[must_use]
    pub fn owners(&self, service: &str) -> Vec<&str> {
        self.those(|node| node.runs(service))
    }

    /// How often the services were started and stopped on each host: the same before and after when nothing moved.
    ///
    /// # Errors
    /// A record cannot be understood.
    pub fn moves(&self) -> Result<Vec<Vec<String>>> {
        let groups = self.plan.groups.iter();
        groups.flat_map(|group| self.nodes().into_iter().map(|node| node.moves(group))).collect()
    }

    /// The times in which two hosts ran the same service.
    #[must_use]
    pub fn double_runs(&self) -> Vec<DoubleRun> {
        self.watch.seen()
    }

    /// Ends the scenario: both daemons are asked to leave, end with status 0, and leave nothing behind; at no time
    /// did two hosts run the same service.
    ///
    /// # Errors
    /// Any of this is not so.
    pub fn finish(self) -> Result<()> {
        let seen = self.double_runs();
        if !seen.is_empty() {
            return Err(Error::Wrong(format!("two hosts ran the same service at once: {seen:?}")));
        }
        self.finish_after_double_run()
    }

    /// As [`Cluster::finish`], after something in which two hosts must run the same service for a while: the other
    /// cannot be reached, and nobody fences.
    ///
    /// # Errors
    /// Any of the rest is not so, or they still do.
    pub fn finish_after_double_run(mut self) -> Result<()> {
        if let Some(run) = self.double_runs().into_iter().find(|run| run.goes_on) {
            return Err(Error::Wrong(format!("two hosts still run {}", run.service)));
        }
        for node in self.nodes_mut() {
            if node.has_daemon() {
                node.signal(Signal::SIGTERM)?;
            }
        }
        for node in self.nodes_mut() {
            if node.has_daemon() {
                node.wait_stopped()?;
            }
        }
        self.nothing_left()?;
        self.finished = true;
        Ok(())
    }

    /// Waits until no process, address or mount of a group is left on any host that is up.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn nothing_left(&mut self) -> Result<()> {
        let mut up = Vec::new();
        for node in self.nodes_mut() {
            up.push(node.host.booted()?);
        }
        self.wait("nothing is left behind", || {
            let nodes = self.nodes().into_iter().zip(&up).filter(|(_, up)| **up).map(|(node, _)| node);
            nodes.map(|node| self.left_on(node)).find(Option::is_some).flatten()
        })
    }

    fn left_on(&self, node: &Node) -> Option<String> {
        let name = node.name();
        let processes = node.processes().unwrap_or_default();
        if !processes.is_empty() {
            return Some(format!("{name} has processes: {processes:?}"));
        }
        if let Some(group) = self.plan.groups.iter().find(|group| node.has_address(group.address)) {
            return Some(format!("{name} has the address {}", group.address));
        }
        let mounted = self.disk.as_ref().is_some_and(|disk| disk.is_mounted_on(&node.host));
        mounted.then(|| format!("{name} has the disk mounted"))
    }

    /// How a service is not as expected; nothing when it is.
    fn differs(&self, service: &str, owner: Option<&str>) -> Option<String> {
        let Some(group) = self.plan.groups.iter().find(|group| group.service == service) else {
            return Some(format!("there is no group with {service}"));
        };
        let expected: Vec<&str> = owner.into_iter().collect();
        let owners = self.owners(service);
        if owners != expected {
            return Some(format!("{service} runs on {owners:?}"));
        }
        let owners = self.those(|node| node.has_address(group.address));
        if owners != expected {
            return Some(format!("{} is on {owners:?}", group.address));
        }
        if let (Some(disk), true) = (&self.disk, group.disk) {
            let owners = self.those(|node| disk.is_mounted_on(&node.host));
            if owners != expected {
                return Some(format!("the disk is mounted on {owners:?}"));
            }
        }
        let listening = self.nodes().into_iter().filter(|node| node.listens());
        listening.map(|node| says(node, group, owner)).find(Option::is_some).flatten().or_else(|| {
            let answer = fetch(group.address, group.port);
            (answer.as_deref() != owner).then(|| format!("a client of {} gets {answer:?}", group.address))
        })
    }

    fn those(&self, condition: impl Fn(&Node) -> bool) -> Vec<&str> {
        self.nodes().into_iter().filter(|node| condition(node)).map(Node::name).collect()
    }

    /// Waits until `differs` finds nothing any more.
    fn wait(&self, what: &str, mut differs: impl FnMut() -> Option<String>) -> Result<()> {
        let mut seen = None;
        let result = wait_until(what, LIMIT, || {
            seen = differs();
            seen.is_none()
        });
        result.map_err(|_| Error::NotYet { expected: what.to_owned(), seen: seen.unwrap_or_default() })
    }

    fn write_files(&self) -> Result<()> {
        for node in self.nodes() {
            self.rewrite(node, &self.plan)?;
            node.host.write(SCRIPT, SCRIPT_TEXT, 0o755)?;
            database::install(node)?;
            node.host.write("/var/www/index.html", format!("{}\n", node.name()), 0o644)?;
            // Directories come with their first file.
            node.host.write("/var/lib/svc/.keep", "", 0o644)?;
            node.host.write(format!("{MOUNT_POINT}/.keep"), "", 0o644)?;
        }
        Ok(())
    }

    fn report(&self) -> String {
        let reports: String = self.nodes().into_iter().map(Node::report).collect();
        format!("{reports}---- double runs: {:?}\n", self.double_runs())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.finished {
            eprint!("{}", self.report());
        }
    }
}

/// How the word of a daemon about a group differs from what is expected; nothing when it agrees.
fn says(node: &Node, group: &Group, owner: Option<&str>) -> Option<String> {
    let status = match node.status() {
        Ok(status) => status,
        Err(error) => return Some(error.to_string()),
    };
    let name = group.name();
    let Some(known) = status.groups.iter().find(|known| known.name == name) else {
        return Some(format!("{} knows no group {name}", node.name()));
    };
    let here = owner == Some(node.name());
    let right = match known.state {
        GroupState::Running => here,
        GroupState::Idle | GroupState::Failed => !here,
        GroupState::Claiming | GroupState::Starting | GroupState::Stopping | GroupState::Unknown => false,
    };
    let agrees = right && known.owner.as_deref() == owner;
    (!agrees).then(|| {
        let (state, owner) = (known.state.word(), &known.owner);
        format!("{} says that {name} is {state} here and runs on {owner:?}", node.name())
    })
}
