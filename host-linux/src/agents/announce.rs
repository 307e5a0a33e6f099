//! Telling the neighbours where an address is now: gratuitous ARP, unsolicited neighbour advertisements.
//! One burst at a time and no waiting; whoever wants it repeated asks again.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use etherparse::icmpv6::NeighborAdvertisementHeader;
use etherparse::{ArpHardwareId, ArpOperation, ArpPacket, EtherType, Icmpv6Type, PacketBuilder};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};
use socket2::{Domain, SockRef};

use super::interfaces::Interface;

/// How often each frame of a burst is sent: a lost one shall not cost an outage until the next burst.
const COPIES: usize = 2;

const ETHERNET_BROADCAST: [u8; 6] = [0xff; 6];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_ETHERNET: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
/// Neighbours drop advertisements that may have come from beyond a router (RFC 4861, 7.1.2).
const NEIGHBOR_DISCOVERY_HOP_LIMIT: u8 = 255;
const OPTION_TARGET_LINK_LAYER_ADDRESS: u8 = 2;
/// In units of 8 bytes.
const OPTION_LENGTH: u8 = 1;

/// Why the neighbours were not told.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnnounceError {
    #[error("the frame could not be built: {0}")]
    Frame(String),
    #[error("the packet socket failed: {0}")]
    Send(#[from] io::Error),
}

/// A socket through which the address agents announce, if it is their standard input.
///
/// They open one themselves otherwise, but the kernel takes 10 to 20 milliseconds to close the last descriptor of a
/// packet socket, and the agent's end waits for it. A daemon that keeps one open spares every start this wait.
///
/// # Errors
///
/// Without the capability `CAP_NET_RAW`, or without descriptors left.
pub fn announcing_socket() -> io::Result<OwnedFd> {
    // Protocol 0: such a socket sends and never receives.
    Ok(socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?)
}

/// Sends one burst on the interface; false where it has no neighbours to tell (loopback, tunnels).
pub(super) fn announce(interface: &Interface, address: IpAddr) -> Result<bool, AnnounceError> {
    let Some(end) = interface.ethernet.as_ref().filter(|_| !interface.is_loopback) else {
        return Ok(false);
    };
    let frames = match address {
        IpAddr::V4(address) => gratuitous_arp(end.hardware_address, address)?,
        IpAddr::V6(address) => {
            vec![neighbor_advertisement(end.hardware_address, address, is_router(&interface.name))?]
        }
    };
    let stdin = io::stdin();
    let own_socket;
    let socket = if SockRef::from(&stdin).domain().is_ok_and(|domain| domain == Domain::PACKET) {
        stdin.as_raw_fd()
    } else {
        own_socket = announcing_socket()?;
        own_socket.as_raw_fd()
    };
    for frame in std::iter::repeat_n(&frames, COPIES).flatten() {
        sendto(socket, frame, &end.link, MsgFlags::empty()).map_err(io::Error::from)?;
    }
    Ok(true)
}

/// Both forms, as some neighbours heed only one: the request (RFC 5227) and the reply.
fn gratuitous_arp(mine: [u8; 6], address: Ipv4Addr) -> Result<Vec<Vec<u8>>, AnnounceError> {
    // Linux takes a reply for gratuitous only where both hardware addresses are the sender's.
    [(ArpOperation::REQUEST, [0; 6]), (ArpOperation::REPLY, mine)]
        .into_iter()
        .map(|(operation, target_hardware)| {
            let packet = ArpPacket::new(
                ArpHardwareId::ETHERNET,
                EtherType::IPV4,
                operation,
                &mine,
                &address.octets(),
                &target_hardware,
                &address.octets(),
            )
            .map_err(|error| AnnounceError::Frame(error.to_string()))?;
            let builder = PacketBuilder::ethernet2(mine, ETHERNET_BROADCAST).arp(packet);
            let mut frame = vec![0; builder.size()];
            builder.write_to_slice(&mut frame).map_err(|error| AnnounceError::Frame(error.to_string()))?;
            Ok(frame)
        })
        .collect()
}

fn neighbor_advertisement(mine: [u8; 6], address: Ipv6Addr, router: bool) -> Result<Vec<u8>, AnnounceError> {
    let mut payload = address.octets().to_vec();
    payload.extend([OPTION_TARGET_LINK_LAYER_ADDRESS, OPTION_LENGTH]);
    payload.extend(mine);
    let header = NeighborAdvertisementHeader { router, solicited: false, r#override: true };
    let builder = PacketBuilder::ethernet2(mine, ALL_NODES_ETHERNET)
        .ipv6(address.octets(), ALL_NODES.octets(), NEIGHBOR_DISCOVERY_HOP_LIMIT)
        .icmpv6(Icmpv6Type::NeighborAdvertisement(header));
    let mut frame = vec![0; builder.size(payload.len())];
    builder.write_to_slice(&mut frame, &payload).map_err(|error| AnnounceError::Frame(error.to_string()))?;
    Ok(frame)
}

/// A neighbour would drop its default route through us if a router's advertisement said that it is none.
fn is_router(interface: &str) -> bool {
    std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{interface}/forwarding"))
        .is_ok_and(|setting| setting.trim() == "1")
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    const MINE: [u8; 6] = [2, 0, 0, 0, 0, 1];

    #[test]
    fn arp_says_the_same_in_both_forms() {
        let address = Ipv4Addr::new(10, 0, 0, 1);
        let frames = gratuitous_arp(MINE, address).unwrap();
        let operations: Vec<_> = frames
            .iter()
            .map(|frame| {
                assert_eq!(frame[..6], ETHERNET_BROADCAST);
                let packet = SlicedPacket::from_ethernet(frame).unwrap();
                let Some(NetSlice::Arp(arp)) = packet.net else { panic!("not ARP") };
                assert_eq!(arp.sender_hw_addr(), MINE);
                assert_eq!(arp.sender_protocol_addr(), address.octets());
                assert_eq!(arp.target_protocol_addr(), address.octets());
                (arp.operation(), arp.target_hw_addr().to_vec())
            })
            .collect();
        let expected = [(ArpOperation::REQUEST, vec![0; 6]), (ArpOperation::REPLY, MINE.to_vec())];
        assert_eq!(operations, expected);
    }

    #[test]
    fn a_neighbor_advertisement_is_one_that_receivers_accept() {
        let address: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let frame = neighbor_advertisement(MINE, address, true).unwrap();
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        let Some(NetSlice::Ipv6(ip)) = packet.net else { panic!("not IPv6") };
        assert_eq!(ip.header().hop_limit(), NEIGHBOR_DISCOVERY_HOP_LIMIT);
        assert_eq!(ip.header().source_addr(), address);
        assert_eq!(ip.header().destination_addr(), ALL_NODES);
        let Some(TransportSlice::Icmpv6(icmp)) = packet.transport else { panic!("not ICMPv6") };
        assert!(icmp.is_checksum_valid(address.octets(), ALL_NODES.octets()));
        let Icmpv6Type::NeighborAdvertisement(header) = icmp.icmp_type() else {
            panic!("not an advertisement")
        };
        assert_eq!((header.router, header.solicited, header.r#override), (true, false, true));
        assert_eq!(icmp.payload()[..16], address.octets());
        assert_eq!(icmp.payload()[16..], [2, 1, 2, 0, 0, 0, 0, 1]);
    }
}
