//! Two hosts with an Ethernet cable between them: two network namespaces and a veth pair.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::Duration;

use heartline::clock;
use heartline::config::{Medium, PingNode};
use heartline::media::{MediaEvent, MediaSource};
use nix::sched::{CloneFlags, setns, unshare};

use crate::host::{Host, PATIENCE};

const PORT: u16 = 694;
const LINK: MediaSource = MediaSource::Link(0);

/// Two namespaces, each with an `eth0`: 10.0.0.1 and fd00::1 in the first, 10.0.0.2 and fd00::2 in the second.
///
/// They belong to the calling thread and to whoever holds their files, and leave nothing behind.
struct Ethernet {
    namespaces: [File; 2],
}

impl Ethernet {
    fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: namespaces need root");
            return None;
        }
        let ethernet = Self { namespaces: [new_namespace(), new_namespace()] };
        ethernet.plug_in();
        Some(ethernet)
    }

    fn plug_in(&self) {
        self.ip(0, "link add eth0 type veth peer name eth1");
        let second = format!("/proc/{}/fd/{}", std::process::id(), self.namespaces[1].as_raw_fd());
        self.ip(0, &format!("link set eth1 netns {second}"));
        self.ip(1, "link set eth1 name eth0");
        for host in [0, 1] {
            self.ip(host, "link set lo up");
            self.ip(host, "link set eth0 addrgenmode none");
            self.ip(host, "link set eth0 up");
            self.add_address(host);
        }
        self.wait_for_carrier();
    }

    /// Until the kernel has noticed that both ends are up, it drops what is sent.
    fn wait_for_carrier(&self) {
        let give_up = clock::monotonic() + PATIENCE;
        let ready = |host| {
            self.enter(host);
            let output = Command::new("ip").args(["link", "show", "eth0"]).output().unwrap().stdout;
            let text = String::from_utf8(output).unwrap();
            text.contains("state UP") && !text.contains("qdisc noop ")
        };
        while !(ready(0) && ready(1)) {
            assert!(clock::monotonic() < give_up, "no carrier");
        }
    }

    fn add_address(&self, host: usize) {
        self.ip(host, &format!("addr add 10.0.0.{}/24 dev eth0", host + 1));
        self.ip(host, &format!("addr add fd00::{}/64 dev eth0 nodad", host + 1));
    }

    fn enter(&self, host: usize) {
        setns(&self.namespaces[host], CloneFlags::CLONE_NEWNET).unwrap();
    }

    fn ip(&self, host: usize, arguments: &str) {
        self.enter(host);
        let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    }

    fn host(&self, host: usize, media: &[Medium], pings: &[PingNode]) -> Host {
        Host::within(Some(self.namespaces[host].try_clone().unwrap()), media, pings)
    }
}

fn new_namespace() -> File {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn broadcast() -> Medium {
    Medium::Broadcast { interface: "eth0".into(), port: PORT }
}

fn unicast(peer: &str) -> Medium {
    Medium::Unicast { interface: "eth0".into(), peer: peer.parse().unwrap(), port: PORT }
}

/// Every kind of link to host `peer`, all on one interface and one port.
fn every_link(peer: usize) -> Vec<Medium> {
    vec![
        broadcast(),
        unicast(&format!("10.0.0.{peer}")),
        unicast("10.0.0.99"),
        unicast(&format!("fd00::{peer}")),
        Medium::Multicast {
            interface: "eth0".into(),
            group: Ipv4Addr::new(239, 0, 0, 43),
            port: PORT,
            ttl: 1,
            loopback: false,
        },
        Medium::Multicast6 {
            interface: "eth0".into(),
            group: "ff02::694".parse().unwrap(),
            port: PORT,
            hops: 1,
            loopback: false,
        },
    ]
}

#[test]
fn every_kind_of_link_works_beside_all_others_on_one_port() {
    let Some(ethernet) = Ethernet::new() else { return };
    let mut hosts = [ethernet.host(0, &every_link(2), &[]), ethernet.host(1, &every_link(1), &[])];
    for sender in [0, 1] {
        hosts[sender].send(b"first");
        hosts[sender].send(b"second");
        // Two frames on every link but the one to nobody; nobody has heard its own broadcasts.
        hosts[1 - sender].run_until(|host| host.frames.len() >= 10);
        let heard = [0, 1, 2, 3, 4, 5].map(|link| hosts[1 - sender].heard(link).len());
        assert_eq!(heard, [2, 2, 0, 2, 2, 2]);
        assert!(
            [0, 1, 3, 4, 5].iter().all(|link| hosts[1 - sender].heard(*link) == [&b"first"[..], b"second"])
        );
    }
}

#[test]
fn only_the_peer_is_heard_on_a_unicast_link() {
    let Some(ethernet) = Ethernet::new() else { return };
    ethernet.ip(1, "addr add 10.0.0.3/24 dev eth0");
    let mut host = ethernet.host(0, &[unicast("10.0.0.2")], &[]);
    ethernet.enter(1);
    let stranger = UdpSocket::bind(("10.0.0.3", PORT)).unwrap();
    stranger.send_to(b"stranger", ("10.0.0.1", PORT)).unwrap();
    let peer = UdpSocket::bind(("10.0.0.2", PORT)).unwrap();
    peer.send_to(b"peer", ("10.0.0.1", PORT)).unwrap();
    host.run_until(|host| !host.frames.is_empty());
    assert_eq!(host.frames, [(0, b"peer".to_vec())]);
}

/// Sends from both, letting seconds pass, until the second host hears the first again.
fn works_again(sender: &mut Host, receiver: &mut Host) {
    sender.skip(Duration::from_secs(10));
    receiver.skip(Duration::from_secs(10));
    sender.send(b"again");
    receiver.send(b"here too");
    receiver.run_until(|host| host.frames.iter().any(|(_, bytes)| bytes == b"again"));
    for host in [sender, receiver] {
        host.run_until(|host| host.has_said(LINK, MediaEvent::Reopened));
        let failed = host.said.iter().filter(|report| report.event == MediaEvent::Failed).count();
        assert_eq!(failed, 1, "{:?}", host.said);
        host.said.clear();
    }
}

#[test]
fn a_broadcast_link_comes_back_with_the_interface_and_its_address() {
    let Some(ethernet) = Ethernet::new() else { return };
    let mut hosts = [ethernet.host(0, &[broadcast()], &[]), ethernet.host(1, &[broadcast()], &[])];
    let failed = |host: &Host, text: &str| host.said.iter().any(|report| report.text == text);

    // The address goes: nothing but the look at the interface shows it.
    for (number, host) in hosts.iter_mut().enumerate() {
        ethernet.ip(number, "addr flush dev eth0");
        host.skip(Duration::from_secs(5));
        host.run_until(|host| failed(host, "bcast eth0: interface eth0 has no address to broadcast from."));
    }
    (0..2).for_each(|number| ethernet.add_address(number));
    let [first, second] = &mut hosts;
    works_again(first, second);

    // Down: the next frame shows it.
    for (number, host) in hosts.iter_mut().enumerate() {
        ethernet.ip(number, "link set eth0 down");
        host.send(b"lost");
        host.run_until(|host| host.has_said(LINK, MediaEvent::Failed));
        assert!(!host.media.is_open(0));
    }
    (0..2).for_each(|number| ethernet.ip(number, "link set eth0 up"));
    ethernet.wait_for_carrier();
    let [first, second] = &mut hosts;
    works_again(first, second);

    // Another subnet: the old broadcast address is nobody's now.
    for (number, host) in hosts.iter_mut().enumerate() {
        ethernet.ip(number, "addr flush dev eth0");
        ethernet.ip(number, &format!("addr add 10.9.0.{}/16 dev eth0", number + 1));
        host.skip(Duration::from_secs(5));
        host.run_until(|host| {
            failed(host, "bcast eth0: interface eth0 no longer has its broadcast address.")
        });
    }
    let [first, second] = &mut hosts;
    works_again(first, second);
}

#[test]
fn links_come_back_when_the_interface_was_pulled_out() {
    let Some(ethernet) = Ethernet::new() else { return };
    for media in [broadcast(), unicast("10.0.0.1"), every_link(1).remove(5)] {
        let mut host = ethernet.host(1, &[media], &[]);
        host.send(b"before");
        ethernet.ip(0, "link del eth0");
        host.send(b"lost");
        host.run_until(|host| host.has_said(LINK, MediaEvent::Failed));
        host.skip(Duration::from_secs(1));
        assert!(!host.media.is_open(0));

        ethernet.plug_in();
        host.skip(Duration::from_secs(10));
        host.send(b"again");
        host.run_until(|host| host.has_said(LINK, MediaEvent::Reopened));
    }
}

#[test]
fn ping_nodes_are_asked_over_the_network_and_trouble_is_said_once() {
    let Some(ethernet) = Ethernet::new() else { return };
    let node = |name: &str, hosts: &[&str]| PingNode {
        name: name.into(),
        hosts: hosts.iter().map(|host| host.parse::<IpAddr>().unwrap()).collect(),
    };
    let pings = [node("10.0.0.2", &["10.0.0.2"]), node("far", &["192.0.2.1", "fd00::2"])];
    // Without and with the right to a socket for echo requests alone.
    for groups in ["1 0", "0 0"] {
        ethernet.enter(0);
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", groups).unwrap();
        let mut host = ethernet.host(0, &[], &pings);
        for round in 1..=3 {
            host.ping();
            host.run_until(|host| host.pongs.len() >= 2 * round);
        }
        host.pongs.sort_unstable();
        assert_eq!(host.pongs, [0, 0, 0, 1, 1, 1], "ping_group_range {groups}");
        let troubles: Vec<(MediaSource, &str)> = host
            .said
            .iter()
            .filter(|report| report.event == MediaEvent::Failed)
            .map(|report| (report.source, report.text.as_str()))
            .collect();
        let expected = "ping far: cannot ask 192.0.2.1: Network is unreachable (os error 101).";
        assert_eq!(troubles, [(MediaSource::Ping(1), expected)]);

        ethernet.ip(0, "route add default via 10.0.0.2");
        host.ping();
        host.run_until(|host| host.has_said(MediaSource::Ping(1), MediaEvent::Reopened));
        ethernet.ip(0, "route del default");
    }
}
