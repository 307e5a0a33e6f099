//! UDP links and ping nodes on the loopback interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use heartline::config::{Medium, PingNode};
use heartline::media::{MediaEvent, MediaSource};
use heartline_core::framing::FRAME_BYTES_MAX;
use mio::Token;

use crate::host::{FIRST_TOKEN, FORGED, Host};

fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port()
}

fn broadcast(port: u16) -> Medium {
    Medium::Broadcast { interface: "lo".into(), port }
}

fn unicast(peer: IpAddr, port: u16) -> Medium {
    Medium::Unicast { interface: "lo".into(), peer, port }
}

#[test]
fn broadcast_and_unicast_on_one_port_hear_their_own_datagrams_only() {
    let port = free_port();
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut host = Host::new(&[broadcast(port), unicast(here, port)], &[]);
    host.send(b"frame");
    host.run_until(|host| host.frames.len() >= 2);

    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    stranger.set_broadcast(true).unwrap();
    stranger.send_to(b"unicast by a stranger", (Ipv4Addr::LOCALHOST, port)).unwrap();
    stranger.send_to(b"broadcast", ("127.255.255.255", port)).unwrap();
    host.run_until(|host| host.frames.len() >= 3);
    host.send(b"last");
    host.run_until(|host| host.frames.iter().filter(|(_, bytes)| bytes == b"last").count() == 2);

    assert_eq!(host.heard(0), [&b"frame"[..], b"broadcast", b"last"]);
    assert_eq!(host.heard(1), [&b"frame"[..], b"last"]);
    assert_eq!(
        host.said.iter().map(|report| report.text.as_str()).collect::<Vec<_>>(),
        [
            format!("UDP Broadcast heartbeat started on port {port} ({port}) interface lo"),
            format!("ucast: started on port {port} interface lo to 127.0.0.1"),
        ]
    );
}

#[test]
fn datagrams_that_cannot_be_frames_are_dropped() {
    let port = free_port();
    let mut host = Host::new(&[broadcast(port)], &[]);
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    stranger.set_broadcast(true).unwrap();
    for length in [0, FRAME_BYTES_MAX + 1, 9000, FRAME_BYTES_MAX] {
        stranger.send_to(&vec![7; length], ("127.255.255.255", port)).unwrap();
    }
    host.run_until(|host| !host.frames.is_empty());
    assert_eq!(host.frames, [(0, vec![7; FRAME_BYTES_MAX])]);
    // The long ones were not even received.
    assert_eq!((host.counters(0).malformed, host.counters(0).bytes_in), (1, FRAME_BYTES_MAX as u64));
}

#[test]
fn after_too_many_datagrams_at_once_a_link_is_left_alone_for_a_moment() {
    let port = free_port();
    let mut host = Host::new(&[broadcast(port)], &[]);
    let token = Token(FIRST_TOKEN);
    let send_and_take = |host: &mut Host, count: usize| {
        let before = host.frames.len();
        (0..count).for_each(|_| host.send(b"heartbeat"));
        // All that waits is read at once, whatever the quota. Loopback delivers late on a busy machine.
        while host.frames.len() < before + count {
            host.take(token);
        }
    };
    send_and_take(&mut host, 100);
    assert_eq!(host.media.unwatched(0), None);
    let start = host.now();
    send_and_take(&mut host, 200);
    assert_eq!(host.media.unwatched(0), Some(token));
    let pause_ends = host.media.next_deadline().unwrap();
    assert!(pause_ends - start <= host.now() - start + Duration::from_millis(10));
    assert_eq!(host.media.due(pause_ends), Some(token));

    // What came meanwhile is there when the pause is over.
    host.send(b"last");
    host.run_until(|host| host.frames.iter().any(|(_, bytes)| bytes == b"last"));
    host.ahead += Duration::from_secs(1);
    host.take(token);
    assert_eq!((host.media.unwatched(0), host.media.due(host.now())), (None, None));
}

#[test]
fn a_flood_does_not_crowd_out_a_peer() {
    let port = free_port();
    let mut host = Host::new(&[broadcast(port)], &[]);
    let sender = |last| {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.connect(("127.255.255.255", port)).unwrap();
        socket
    };
    let (peer, flooder) = (sender(2), sender(3));
    let heartbeat = |host: &mut Host, number: usize| {
        peer.send(b"heartbeat").unwrap();
        host.run_until(|host| {
            host.frames.iter().filter(|(_, bytes)| bytes == b"heartbeat").count() == number
        });
    };
    heartbeat(&mut host, 1);
    // More than fit into the receive buffer, between any two heartbeats.
    for number in 2..20 {
        (0..1_000).for_each(|_| assert!(flooder.send(FORGED).is_ok()));
        host.take(Token(FIRST_TOKEN));
        heartbeat(&mut host, number);
    }
    let forged = host.frames.iter().filter(|(_, bytes)| bytes == FORGED).count();
    assert!(forged < 1_000 && host.turned_away[0] > 0, "{forged} {:?}", host.turned_away);
    let read = host.counters(0).frames_in;
    (0..100).for_each(|_| assert!(flooder.send(FORGED).is_ok()));
    heartbeat(&mut host, 20);
    assert_eq!(host.counters(0).frames_in, read + 1, "the kernel drops the flood");

    // After a while it is looked at again.
    host.skip(Duration::from_secs(10));
    flooder.send(FORGED).unwrap();
    heartbeat(&mut host, 21);
    assert_eq!(host.counters(0).frames_in, read + 3);
}

#[test]
fn an_absent_unicast_peer_costs_frames_and_not_the_link() {
    let port = free_port();
    let absent = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let mut host = Host::new(&[unicast(absent, port)], &[]);
    for _ in 0..5 {
        host.send(b"anybody?");
        host.take(Token(FIRST_TOKEN));
    }
    assert!(host.media.is_open(0));
    assert_eq!((host.frames.len(), host.media.reports().count()), (0, 1));
}

#[test]
fn a_missing_interface_fails_its_own_link_only() {
    let port = free_port();
    let missing = Medium::Broadcast { interface: "none0".into(), port };
    let mut host = Host::new(&[missing, broadcast(port)], &[]);
    host.send(b"frame");
    host.run_until(|host| !host.frames.is_empty());
    assert_eq!(host.frames, [(1, b"frame".to_vec())]);
    assert_eq!(host.said[0].event, MediaEvent::Failed);
    assert_eq!(host.said[0].text, "bcast none0: there is no interface none0.");
}

#[test]
fn tokens_of_others_are_ignored() {
    let mut host = Host::new(&[broadcast(free_port())], &[]);
    for token in [0, FIRST_TOKEN + host.media.token_count(), usize::MAX] {
        host.take(Token(token));
    }
    assert!(host.frames.is_empty());
}

#[test]
fn ping_nodes_that_answer_are_heard_once_per_request() {
    let (four, six) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let pings = [
        PingNode { name: "127.0.0.1".into(), hosts: vec![four] },
        PingNode { name: "both".into(), hosts: vec![four, six] },
    ];
    let mut host = Host::new(&[], &pings);
    host.said.extend(host.media.reports());
    if host.has_said(MediaSource::Icmp, MediaEvent::Failed) {
        eprintln!("skipped: this user may not use ICMP");
        return;
    }
    let said: Vec<&str> = host.said.iter().map(|report| report.text.as_str()).collect();
    assert_eq!(said, ["ping heartbeat started.", "ping group heartbeat started."]);
    for round in 1..=3 {
        host.ping();
        host.run_until(|host| host.pongs.len() >= 3 * round);
    }
    host.pongs.sort_unstable();
    assert_eq!(host.pongs, [0, 0, 0, 1, 1, 1, 1, 1, 1]);
}
