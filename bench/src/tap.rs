//! A tap on the switch: sees every frame that a host sends, with the time at which the kernel got it. What is not
//! a heartbeat and not an answer to the client is passed over.

use crate::error::Error;
use etherparse::{Icmpv4Type, NetSlice, SlicedPacket, TransportSlice};
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Heartbeat's registered port, and Heartline's.
const HEARTBEAT_PORT: u16 = 694;
/// The protocol number of VRRP in IPv4.
const VRRP: u8 = 112;
/// Enough for some hundred milliseconds of a client that does not get the processor.
const BUFFER: usize = 8 << 20;
/// The longest frame; heartbeat's datagrams are shorter.
const FRAME_MAX: usize = 2048;

/// A frame that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When the kernel got it, on the scale of [`clock::now`](crate::clock::now).
    pub(crate) at: Duration,
    /// The hardware address of the host that sent it.
    pub(crate) from: [u8; 6],
    /// What it is.
    pub(crate) what: What,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// An answer to the client's echo request.
    Answer,
    /// A heartbeat, or an advertisement of VRRP.
    Heartbeat {
        /// The length of the message, without the headers of UDP and IP, in bytes.
        message: usize,
        /// The length of the whole Ethernet frame as captured, without padding and check sum.
        frame: usize,
    },
}

/// The capture.
#[derive(Debug)]
pub(crate) struct Tap {
    socket: OwnedFd,
    switch: usize,
}

impl Tap {
    /// Listens to everything that enters the switch called `switch`, from now on.
    pub(crate) fn open(switch: &str) -> Result<Self, Error> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
            .map_err(Error::io("open a packet socket"))?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).map_err(Error::io("ask for time stamps"))?;
        // Without the right to it, the usual size must do.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
        let switch = if_nametoindex(switch).map_err(Error::io("find the switch"))?;
        Ok(Self { socket, switch: usize::try_from(switch).unwrap_or_default() })
    }

    /// Hands over everything that has come since.
    pub(crate) fn drain(&self, take: &mut dyn FnMut(Seen)) -> Result<(), Error> {
        let mut bytes = [0; FRAME_MAX];
        let mut control = nix::cmsg_space!(TimeSpec);
        loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let message = recvmsg::<LinkAddr>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::empty(),
            );
            let message = match message {
                Ok(message) => message,
                Err(nix::Error::EAGAIN) => return Ok(()),
                // Also seen when an interface goes away with its host.
                Err(nix::Error::EINTR | nix::Error::ENETDOWN) => continue,
                Err(error) => return Err(Error::io("capture frames")(error)),
            };
            let at = message.cmsgs().ok().and_then(|mut messages| {
                messages.find_map(|message| match message {
                    ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
                    _ => None,
                })
            });
            let sent_by_host = message
                .address
                .is_some_and(|link| link.pkttype() != libc::PACKET_OUTGOING && link.ifindex() != self.switch);
            let length = message.bytes;
            if let (Some(at), true) = (at, sent_by_host)
                && let Some((from, what)) = bytes.get(..length).and_then(recognise)
            {
                take(Seen { at, from, what });
            }
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn recognise(frame: &[u8]) -> Option<([u8; 6], What)> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let from = frame.get(6..12)?.try_into().ok()?;
    let heartbeat = |message: &[u8]| What::Heartbeat { message: message.len(), frame: frame.len() };
    let what = match (packet.net?, packet.transport) {
        (_, Some(TransportSlice::Udp(udp))) if udp.destination_port() == HEARTBEAT_PORT => {
            heartbeat(udp.payload())
        }
        (_, Some(TransportSlice::Icmpv4(icmp))) => match icmp.icmp_type() {
            Icmpv4Type::EchoReply(_) => What::Answer,
            _ => return None,
        },
        (NetSlice::Ipv4(ip), None) if ip.payload().ip_number.0 == VRRP => heartbeat(ip.payload().payload),
        _ => return None,
    };
    Some((from, what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{IpNumber, PacketBuilder, PacketBuilderStep};

    const MAC: [u8; 6] = [2, 0x48, 0x4c, 1, 2, 0];

    fn ip() -> PacketBuilderStep<etherparse::IpHeaders> {
        PacketBuilder::ethernet2(MAC, [0xff; 6]).ipv4([10, 77, 1, 2], [10, 77, 1, 254], 64)
    }

    #[test]
    fn heartbeats_are_measured_in_both_lengths() {
        let (mut udp, mut vrrp) = ([0; 14 + 20 + 8 + 5], [0; 14 + 20 + 12]);
        ip().udp(694, 694).write_to_slice(&mut udp, b"hello").unwrap();
        ip().write_to_slice(&mut vrrp, IpNumber(VRRP), &[0; 12]).unwrap();
        assert_eq!(recognise(&udp), Some((MAC, What::Heartbeat { message: 5, frame: 47 })));
        assert_eq!(recognise(&vrrp), Some((MAC, What::Heartbeat { message: 12, frame: 46 })));
    }

    #[test]
    fn only_replies_are_answers() {
        let mut frame = [0; 14 + 20 + 8];
        ip().icmpv4_echo_reply(1, 2).write_to_slice(&mut frame, &[]).unwrap();
        assert_eq!(recognise(&frame), Some((MAC, What::Answer)));
        ip().icmpv4_echo_request(1, 2).write_to_slice(&mut frame, &[]).unwrap();
        assert_eq!(recognise(&frame), None);
    }

    #[test]
    fn other_traffic_is_passed_over() {
        let mut frame = [0; 14 + 20 + 8];
        ip().udp(694, 53).write_to_slice(&mut frame, &[]).unwrap();
        assert_eq!(recognise(&frame), None);
        assert_eq!(recognise(&frame[..20]), None);
        assert_eq!(recognise(&[]), None);
    }
}
