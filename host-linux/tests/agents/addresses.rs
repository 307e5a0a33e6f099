//! The watch over addresses: what the kernel tells of them, also when it tells too much.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use heartline::addresses::{Guarded, Watcher};
use mio::{Events, Poll, Token};

use super::namespaces::{entered, run};

/// Reached only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

struct Loop {
    poll: Poll,
    watcher: Watcher,
}

impl Loop {
    /// Watches over these addresses, the first one of group 0 and so on.
    fn watching(addresses: &[(&str, Option<&str>)]) -> Self {
        let poll = Poll::new().unwrap();
        let guarded = addresses.iter().enumerate().map(|(group, (address, interface))| Guarded {
            group,
            resource: 0,
            address: address.parse().unwrap(),
            interface: interface.map(str::to_owned),
        });
        let registry = poll.registry().try_clone().unwrap();
        let watcher = Watcher::open(registry, Token(1), guarded.collect()).unwrap();
        Self { poll, watcher }
    }

    /// Waits until just these groups lack an address.
    fn wait_absent(&mut self, groups: &[usize]) {
        let mut events = Events::with_capacity(8);
        loop {
            let absent: Vec<usize> = self.watcher.absent().map(|guarded| guarded.group).collect();
            if absent == groups {
                return;
            }
            self.poll.poll(&mut events, Some(PATIENCE)).unwrap();
            assert!(!events.is_empty(), "absent are {absent:?}, not {groups:?}");
            self.watcher.ready();
        }
    }
}

fn in_batch(lines: &str) {
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success());
}

#[test]
fn addresses_are_missed_and_found_again() {
    if !entered("addresses::addresses_are_missed_and_found_again") {
        return;
    }
    run("ip link add here type veth peer name peer");
    run("ip link set here up");
    run("ip addr add 10.0.0.1/24 dev here");
    run("ip addr add 2001:db8::1/64 dev here nodad");
    let mut watch = Loop::watching(&[
        ("10.0.0.1", Some("here")),
        ("2001:db8::1", None),
        ("10.0.0.2", None),
        ("10.0.0.1", Some("there")),
    ]);
    watch.wait_absent(&[2, 3]);
    for (change, absent) in [
        ("ip addr add 10.0.0.2/24 dev here", &[3][..]),
        ("ip addr del 10.0.0.2/24 dev here", &[2, 3]),
        // With the first address of a network go the others.
        ("ip addr add 10.0.0.2/24 dev here", &[3]),
        ("ip addr del 10.0.0.1/24 dev here", &[0, 2, 3]),
        ("ip addr add 10.0.0.1/24 dev here", &[2, 3]),
        // The kernel takes the IPv6 addresses of an interface that goes down, and not the others.
        ("ip link set here down", &[0, 1, 2, 3]),
        ("ip link set here up", &[1, 2, 3]),
        ("ip addr add 2001:db8::1/64 dev here nodad", &[2, 3]),
        ("ip link set here down", &[0, 1, 2, 3]),
        ("ip link set here name there", &[0, 1, 2, 3]),
        ("ip link set there up", &[0, 1, 2]),
        ("ip link del there", &[0, 1, 2, 3]),
    ] {
        run(change);
        watch.wait_absent(absent);
    }
}

#[test]
fn a_port_that_leaves_its_bridge_keeps_its_address() {
    if !entered("addresses::a_port_that_leaves_its_bridge_keeps_its_address") {
        return;
    }
    run("ip link add name bridge type bridge");
    run("ip link add here type veth peer name peer");
    run("ip link set here up master bridge");
    run("ip addr add 10.0.0.1/24 dev here");
    let mut watch = Loop::watching(&[("10.0.0.1", None), ("10.0.0.2", None)]);
    watch.wait_absent(&[1]);
    run("ip link set here nomaster");
    // The kernel tells things in their order: what came before this was heard too.
    run("ip addr add 10.0.0.2/32 dev here");
    watch.wait_absent(&[]);
}

#[test]
fn what_is_lost_in_a_flood_is_looked_up() {
    if !entered("addresses::what_is_lost_in_a_flood_is_looked_up") {
        return;
    }
    run("ip link add here type veth peer name peer");
    run("ip link set here up");
    let crowd: Vec<IpAddr> = (0..2000_u32).map(|n| IpAddr::from((0x0a01_0000 + n).to_be_bytes())).collect();
    let batch = |verb: &str| {
        crowd.iter().fold(String::new(), |mut lines, address| {
            writeln!(lines, "addr {verb} {address}/32 dev here").unwrap();
            lines
        })
    };
    run("ip addr add 10.0.0.1/32 dev here");
    let mut watch = Loop::watching(&[("10.0.0.1", None), ("10.1.7.207", None), ("10.0.0.2", None)]);
    watch.wait_absent(&[1, 2]);
    // Far more than the kernel keeps for a reader that is busy.
    in_batch(&(batch("add") + "addr del 10.0.0.1/32 dev here\naddr add 10.0.0.2/32 dev here\n"));
    watch.wait_absent(&[0]);
    in_batch(&("addr add 10.0.0.1/32 dev here\n".to_owned() + &batch("del")));
    watch.wait_absent(&[1]);
}
