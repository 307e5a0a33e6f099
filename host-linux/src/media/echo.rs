//! ICMP echo packets of both families: written, and read back out of what a socket delivers.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Slice, Icmpv4Type, Icmpv6Header, Icmpv6Slice, Icmpv6Type,
    Ipv4HeaderSlice,
};

/// Echo header, cookie, number of the target.
pub(super) const REQUEST_BYTES: usize = 8 + COOKIE_BYTES + 2;
const COOKIE_BYTES: usize = 8;

/// How a socket delivers what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The kernel chooses the identifier and delivers answers to it only.
    Datagram,
    /// Everything that comes in; in IPv4 with the IP header before it.
    Raw,
}

/// One request, or the request that an answer echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Echo {
    /// Index of the target that is asked.
    pub(super) target: u16,
    /// Counts the requests to this target.
    pub(super) sequence: u16,
}

/// Marks requests so that nobody can answer one that he has not received.
pub(super) struct Marks {
    // A hash with a random key of this process: what a stranger cannot compute, and nobody needs to keep.
    key: RandomState,
    identifier: u16,
}

impl Marks {
    pub(super) fn new() -> Self {
        let key = RandomState::new();
        let [a, b, ..] = key.hash_one("identifier").to_be_bytes();
        Self { key, identifier: u16::from_be_bytes([a, b]) }
    }

    /// The ICMP message that asks the target at `address`.
    pub(super) fn request(&self, address: IpAddr, echo: Echo) -> [u8; REQUEST_BYTES] {
        let header = IcmpEchoHeader { id: self.identifier, seq: echo.sequence };
        let [t0, t1] = echo.target.to_be_bytes();
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.cookie(echo);
        let data = [c0, c1, c2, c3, c4, c5, c6, c7, t0, t1];
        let mut packet = [0; REQUEST_BYTES];
        let (head, tail) = packet.split_at_mut(REQUEST_BYTES - data.len());
        match address {
            IpAddr::V4(_) => head.copy_from_slice(
                &Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(header), &data).to_bytes(),
            ),
            // The kernel adds the checksum, which covers addresses that it chooses.
            IpAddr::V6(_) => {
                head.copy_from_slice(&Icmpv6Header::new(Icmpv6Type::EchoRequest(header)).to_bytes());
            }
        }
        tail.copy_from_slice(&data);
        packet
    }

    /// The request that `packet`, received from `sender`, answers, if it answers one of ours.
    pub(super) fn answered(&self, packet: &[u8], sender: IpAddr, delivery: Delivery) -> Option<Echo> {
        let (header, data) = match sender {
            IpAddr::V4(_) => echo_reply4(packet, delivery)?,
            IpAddr::V6(_) => echo_reply6(packet)?,
        };
        let (cookie, target) = data.split_first_chunk::<COOKIE_BYTES>()?;
        let echo = Echo { target: u16::from_be_bytes(*target.first_chunk()?), sequence: header.seq };
        let ours = delivery == Delivery::Datagram || header.id == self.identifier;
        (ours && *cookie == self.cookie(echo)).then_some(echo)
    }

    fn cookie(&self, echo: Echo) -> [u8; COOKIE_BYTES] {
        self.key.hash_one((echo.target, echo.sequence)).to_be_bytes()
    }
}

fn echo_reply4(packet: &[u8], delivery: Delivery) -> Option<(IcmpEchoHeader, &[u8])> {
    let message = match delivery {
        Delivery::Datagram => packet,
        Delivery::Raw => packet.get(Ipv4HeaderSlice::from_slice(packet).ok()?.slice().len()..)?,
    };
    let slice = Icmpv4Slice::from_slice(message).ok()?;
    match slice.icmp_type() {
        Icmpv4Type::EchoReply(header) => Some((header, slice.payload())),
        _ => None,
    }
}

fn echo_reply6(packet: &[u8]) -> Option<(IcmpEchoHeader, &[u8])> {
    let slice = Icmpv6Slice::from_slice(packet).ok()?;
    match slice.icmp_type() {
        Icmpv6Type::EchoReply(header) => Some((header, slice.payload())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
    const ECHO: Echo = Echo { target: 3, sequence: 0x1234 };

    /// What a host makes of a request.
    fn reply(mut request: [u8; REQUEST_BYTES], address: IpAddr) -> [u8; REQUEST_BYTES] {
        request[0] = if address.is_ipv4() { 0 } else { 129 };
        request
    }

    #[test]
    fn a_request_is_a_valid_icmp_message() {
        let packet = Marks::new().request(V4, ECHO);
        assert_eq!((packet[0], packet[1], &packet[6..8]), (8, 0, &[0x12, 0x34][..]));
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!(Marks::new().request(V6, ECHO)[0], 128);
    }

    #[test]
    fn an_answer_to_an_own_request_counts() {
        let marks = Marks::new();
        for address in [V4, V6] {
            let answer = reply(marks.request(address, ECHO), address);
            assert_eq!(marks.answered(&answer, address, Delivery::Datagram), Some(ECHO));
        }
        let mut with_ip_header = vec![0; 20];
        with_ip_header[0] = 0x45;
        with_ip_header[3] = 20 + 18;
        with_ip_header.extend_from_slice(&reply(marks.request(V4, ECHO), V4));
        assert_eq!(marks.answered(&with_ip_header, V4, Delivery::Raw), Some(ECHO));
    }

    #[test]
    fn what_is_no_answer_to_an_own_request_does_not_count() {
        let marks = Marks::new();
        let request = marks.request(V6, ECHO);
        let answer = reply(request, V6);
        let wrong = |change: &dyn Fn(&mut [u8; REQUEST_BYTES])| {
            let mut packet = answer;
            change(&mut packet);
            marks.answered(&packet, V6, Delivery::Raw)
        };
        assert_eq!(wrong(&|_| {}), Some(ECHO));
        assert_eq!(wrong(&|packet| *packet = request), None, "the request itself");
        assert_eq!(wrong(&|packet| packet[4] ^= 1), None, "another identifier");
        assert_eq!(wrong(&|packet| packet[7] ^= 1), None, "another sequence number");
        assert_eq!(wrong(&|packet| packet[15] ^= 1), None, "another cookie");
        assert_eq!(wrong(&|packet| packet[17] ^= 1), None, "another target");
        assert_eq!(Marks::new().answered(&answer, V6, Delivery::Datagram), None, "another process");
    }

    proptest! {
        #[test]
        fn no_packet_is_trouble(packet in proptest::collection::vec(any::<u8>(), 0..100)) {
            let marks = Marks::new();
            for delivery in [Delivery::Raw, Delivery::Datagram] {
                prop_assert_eq!(marks.answered(&packet, V4, delivery), None);
                prop_assert_eq!(marks.answered(&packet, V6, delivery), None);
            }
        }
    }
}
