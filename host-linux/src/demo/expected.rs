//! What a step expects of the cluster, what is seen, and the differences in words.

use crate::control::Snapshot;
use crate::control::snapshot::{GroupState, Node, NodeKind, NodeStatus};

/// The names of the two hosts.
pub(super) const HOSTS: [&str; 2] = ["ha1", "ha2"];

/// What one host shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    /// Whether the service's address is on one of its interfaces.
    pub(super) holds_address: bool,
    /// Whether it has the shared disk mounted.
    pub(super) holds_disk: bool,
    /// What `heartline status --json` says; nothing while no daemon answers.
    pub(super) snapshot: Option<Snapshot>,
}

/// What the cluster should look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// The host with address, disk and web server.
    pub(super) owner: usize,
    /// On which hosts a daemon runs.
    pub(super) daemons: [bool; 2],
    /// Whether heartbeats pass over Ethernet.
    pub(super) ethernet: bool,
    /// Whether heartbeats pass over the serial line.
    pub(super) serial: bool,
}

impl Expected {
    /// Both daemons run, all cables are whole.
    pub(super) fn whole(owner: usize) -> Self {
        Self { owner, daemons: [true; 2], ethernet: true, serial: true }
    }

    /// Only the owner's daemon runs.
    pub(super) fn alone(owner: usize) -> Self {
        let mut daemons = [false; 2];
        daemons[owner] = true;
        Self { daemons, ..Self::whole(owner) }
    }

    /// Whether the next failure of a cable would part the hosts.
    pub(super) fn one_path_left(&self) -> bool {
        self.ethernet != self.serial
    }

    /// What is not as expected, one clause each; nothing if all is.
    pub(super) fn differences(&self, sights: &[Sight; 2]) -> Vec<String> {
        let mut found = Vec::new();
        for (host, sight) in sights.iter().enumerate() {
            self.compare_holdings(host, sight, &mut found);
            self.compare_status(host, sight, &mut found);
        }
        found
    }

    fn compare_holdings(&self, host: usize, sight: &Sight, found: &mut Vec<String>) {
        let (name, owns) = (HOSTS[host], host == self.owner);
        for (what, holds) in [("the address", sight.holds_address), ("the disk", sight.holds_disk)] {
            if holds != owns {
                found.push(format!("{name} {} {what}", if holds { "holds" } else { "lacks" }));
            }
        }
    }

    fn compare_status(&self, host: usize, sight: &Sight, found: &mut Vec<String>) {
        let name = HOSTS[host];
        let snapshot = match (&sight.snapshot, self.daemons[host]) {
            (Some(snapshot), true) => snapshot,
            (None, false) => return,
            (Some(_), false) => return found.push(format!("a daemon runs on {name}")),
            (None, true) => return found.push(format!("no daemon answers on {name}")),
        };
        let state = if host == self.owner { GroupState::Running } else { GroupState::Idle };
        for group in &snapshot.groups {
            if group.state != state {
                found.push(format!("{name} says: {} is {} here", group.name, group.state.word()));
            }
            if group.owner.as_deref() != Some(HOSTS[self.owner]) {
                let owner = group.owner.as_deref().unwrap_or("nobody");
                found.push(format!("{name} says: {} runs on {owner}", group.name));
            }
        }
        let peer = HOSTS[1 - host];
        match snapshot.nodes.iter().find(|node| node.kind == NodeKind::Normal && node.name == peer) {
            Some(node) => self.compare_peer(name, node, self.daemons[1 - host], found),
            None => found.push(format!("{name} does not know {peer}")),
        }
    }

    /// What `name` says of its peer.
    fn compare_peer(&self, name: &str, peer: &Node, runs: bool, found: &mut Vec<String>) {
        let gone = matches!(peer.status, NodeStatus::Dead | NodeStatus::Left);
        let as_it_is = if runs { peer.status == NodeStatus::Active } else { gone };
        if !as_it_is {
            found.push(format!("{name} says: {} is {}", peer.name, peer.status.word()));
        }
        for link in peer.links.iter().filter(|_| runs) {
            let carries = if link.kind == "serial" { self.serial } else { self.ethernet };
            if link.up != carries {
                let state = if link.up { "up" } else { "down" };
                found.push(format!("{name} says: {} to {} is {state}", link.name, peer.name));
            }
        }
    }
}

/// The epochs of the groups as a host knows them: they change whenever anything moves, even there and back.
pub(super) fn epochs(sight: &Sight) -> Vec<u64> {
    let groups = sight.snapshot.iter().flat_map(|snapshot| &snapshot.groups);
    groups.map(|group| group.epoch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::snapshot::{Fencing, Group, Holdings, Link, Phase, Times};

    /// What a host says when `owner` runs the group and all is well.
    fn snapshot(host: usize, owner: usize) -> Snapshot {
        let link = |name: &str, kind: &str| Link {
            name: name.to_owned(),
            kind: kind.to_owned(),
            up: true,
            heard_ms_ago: Some(1),
        };
        let node = |name: &str| Node {
            name: name.to_owned(),
            kind: NodeKind::Normal,
            status: NodeStatus::Active,
            phase: Some(Phase::Active),
            generation: Some(1),
            links: vec![link("/dev/ttyS0", "serial"), link("eth0", "bcast")],
            hears_us: true,
            configuration_agrees: true,
            heard_ms_ago: Some(1),
        };
        Snapshot {
            media: Vec::new(),
            remarks: Vec::new(),
            version: String::new(),
            pid: 1,
            this_node: HOSTS[host].to_owned(),
            managed_by: "haresources".to_owned(),
            times: Times { keepalive_ms: 1, deadtime_ms: 1, warntime_ms: 1, initdead_ms: 1, deadping_ms: 1 },
            nodes: HOSTS.map(node).to_vec(),
            groups: vec![Group {
                name: "10.77.1.46".to_owned(),
                preferred: HOSTS[0].to_owned(),
                resources: vec!["10.77.1.46".to_owned()],
                owner: Some(HOSTS[owner].to_owned()),
                state: if host == owner { GroupState::Running } else { GroupState::Idle },
                epoch: 3,
                elsewhere: Vec::new(),
                reason: None,
                failures: None,
            }],
            fencing: Fencing::default(),
            rscstatus: Holdings::Local,
            maintenance: false,
            ipfail: true,
            quorum: None,
            watchdog: None,
            witness: None,
            parameters: std::collections::BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    fn sights(owner: usize) -> [Sight; 2] {
        [0, 1].map(|host| Sight {
            holds_address: host == owner,
            holds_disk: host == owner,
            snapshot: Some(snapshot(host, owner)),
        })
    }

    #[test]
    fn a_whole_cluster_is_as_expected_with_its_owner_only() {
        for owner in [0, 1] {
            assert_eq!(Expected::whole(owner).differences(&sights(owner)), [""; 0]);
            assert!(!Expected::whole(1 - owner).differences(&sights(owner)).is_empty());
        }
        assert_eq!(epochs(&sights(0)[0]), [3]);
    }

    #[test]
    fn two_holders_are_a_difference() {
        let mut both = sights(0);
        both[1].holds_disk = true;
        assert_eq!(Expected::whole(0).differences(&both), ["ha2 holds the disk"]);
    }

    #[test]
    fn a_link_must_be_as_its_cable() {
        let mut cut = sights(0);
        for (host, sight) in cut.iter_mut().enumerate() {
            sight.snapshot.as_mut().unwrap().nodes[1 - host].links[1].up = false;
        }
        assert_eq!(Expected::whole(0).differences(&cut).len(), 2);
        let expected = Expected { ethernet: false, ..Expected::whole(0) };
        assert_eq!(expected.differences(&cut), [""; 0]);
        assert_eq!(expected.differences(&sights(0)).len(), 2);
    }

    #[test]
    fn a_host_without_daemon_is_known_to_be_gone() {
        let mut alone = sights(1);
        alone[0] = Sight::default();
        let expected = Expected::alone(1);
        assert_eq!(expected.differences(&alone), ["ha2 says: ha1 is active"]);
        alone[1].snapshot.as_mut().unwrap().nodes[0].status = NodeStatus::Dead;
        assert_eq!(expected.differences(&alone), [""; 0]);
        assert!(!Expected::whole(1).differences(&alone).is_empty());
    }
}
