//! The few questions and orders to the kernel's rtnetlink that the address agents need, one at a time.
//! What they are good for is decided in `ipaddr.rs`.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{
    DecodeError, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkHeader};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteType};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::TimeVal;

use crate::rtnetlink::Message;

/// The kernel answers at once; this only keeps a broken one from holding us.
const ANSWER_SECONDS_MAX: i64 = 5;
/// How often a list is asked for again that changed while the kernel made it and so may lack an entry.
const LISTINGS_MAX: usize = 10;

/// An address that an interface has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AssignedAddress {
    pub(super) interface_index: u32,
    pub(super) address: IpAddr,
    pub(super) prefix_length: u8,
    /// IPv4: the kernel removes it with the first address of the same network, unless it is told to promote it.
    pub(super) is_secondary: bool,
}

/// An address that an interface shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewAddress {
    pub(super) interface_index: u32,
    pub(super) address: IpAddr,
    pub(super) prefix_length: u8,
    pub(super) label: Option<String>,
    pub(super) broadcast: Option<Ipv4Addr>,
}

/// The entry of the routing table that leads to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) interface_index: u32,
    /// 0 for a default route.
    pub(super) prefix_length: u8,
    pub(super) has_gateway: bool,
}

/// What went wrong between us and the kernel.
#[derive(Debug, thiserror::Error)]
pub(super) enum NetlinkError {
    #[error("the netlink socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("the kernel's answer could not be read: {0}")]
    Malformed(#[from] DecodeError),
    #[error("{0}")]
    Refused(Errno),
    #[error("the addresses of this host changed each time they were listed")]
    Unsettled,
}

/// A connection to the kernel.
pub(super) struct Netlink {
    socket: Socket,
    sequence_number: u32,
}

impl Netlink {
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::new(ANSWER_SECONDS_MAX, 0)).map_err(io::Error::from)?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence_number: 0 })
    }

    /// All addresses of one family on all interfaces.
    pub(super) fn addresses(&mut self, family: AddressFamily) -> Result<Vec<AssignedAddress>, NetlinkError> {
        let mut question = AddressMessage::default();
        question.header.family = family;
        for _ in 0..LISTINGS_MAX {
            match self.exchange(Message::GetAddress(question.clone()), NLM_F_DUMP) {
                Err(NetlinkError::Unsettled) => {}
                Err(error) => return Err(error),
                Ok(answers) => return Ok(answers.iter().filter_map(listed_address).collect()),
            }
        }
        Err(NetlinkError::Unsettled)
    }

    /// Gives an interface an address; an IPv6 address answers at once, without a search for duplicates.
    /// `Refused(EEXIST)` where it has it already.
    pub(super) fn add_address(&mut self, new: &NewAddress) -> Result<(), NetlinkError> {
        let mut message = address_message(new.interface_index, new.address, new.prefix_length);
        if new.address.is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
        }
        message.attributes.extend(new.broadcast.map(AddressAttribute::Broadcast));
        message.attributes.extend(new.label.clone().map(AddressAttribute::Label));
        let flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
        self.exchange(Message::NewAddress(message), flags).map(drop)
    }

    /// Takes an address from an interface. `Refused(EADDRNOTAVAIL)` where it does not have it.
    pub(super) fn remove_address(&mut self, assigned: &AssignedAddress) -> Result<(), NetlinkError> {
        let message = address_message(assigned.interface_index, assigned.address, assigned.prefix_length);
        self.exchange(Message::DelAddress(message), NLM_F_ACK).map(drop)
    }

    /// Brings an interface up.
    pub(super) fn bring_up(&mut self, interface_index: u32) -> Result<(), NetlinkError> {
        let up = LinkHeader {
            index: interface_index,
            flags: LinkFlags::Up,
            change_mask: LinkFlags::Up,
            ..LinkHeader::default()
        };
        self.exchange(Message::SetLink(up), NLM_F_ACK).map(drop)
    }

    /// The route to an address, through one interface if given; none where there is no ordinary one.
    pub(super) fn route_to(
        &mut self,
        address: IpAddr,
        through: Option<u32>,
    ) -> Result<Option<Route>, NetlinkError> {
        let mut question = RouteMessage::default();
        question.header.address_family = family_of(address);
        question.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
        // The entry of the table is wanted, with its prefix, not the result for this one address.
        question.header.flags = RouteFlags::FibMatch;
        question.attributes.push(RouteAttribute::Destination(RouteAddress::from(address)));
        question.attributes.extend(through.map(RouteAttribute::Oif));
        match self.exchange(Message::GetRoute(question), NLM_F_ACK) {
            Ok(answers) => Ok(answers.iter().find_map(|answer| match answer {
                Message::NewRoute(message) => route(message),
                _ => None,
            })),
            Err(NetlinkError::Refused(
                Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL | Errno::ESRCH,
            )) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends one request and collects what comes back until its end: the end of the list or the acknowledgement.
    fn exchange(&mut self, request: Message, flags: u16) -> Result<Vec<Message>, NetlinkError> {
        self.sequence_number += 1;
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence_number;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;

        let mut answers = Vec::new();
        let mut is_settled = true;
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                let answer = NetlinkMessage::<Message>::deserialize(rest)?;
                let length = usize::try_from(answer.header.length).unwrap_or(usize::MAX);
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
                if answer.header.sequence_number != self.sequence_number {
                    continue;
                }
                is_settled &= answer.header.flags & NLM_F_DUMP_INTR == 0;
                match answer.payload {
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    NetlinkPayload::Done(_) if !is_settled => return Err(NetlinkError::Unsettled),
                    NetlinkPayload::Done(done) if done.code == 0 => return Ok(answers),
                    NetlinkPayload::Done(done) => return Err(refused(done.code)),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                    NetlinkPayload::Error(error) => return Err(refused(error.raw_code())),
                    _ => {}
                }
            }
        }
    }
}

fn refused(code: i32) -> NetlinkError {
    NetlinkError::Refused(Errno::from_raw(code.saturating_neg()))
}

/// The netlink name of an address's family.
pub(super) fn family_of(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn address_message(interface_index: u32, address: IpAddr, prefix_length: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family_of(address);
    message.header.index = interface_index;
    message.header.prefix_len = prefix_length;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}

fn listed_address(answer: &Message) -> Option<AssignedAddress> {
    match answer {
        Message::NewAddress(message) => assigned_address(message),
        _ => None,
    }
}

fn assigned_address(message: &AddressMessage) -> Option<AssignedAddress> {
    // IFA_ADDRESS is the peer's on a point-to-point interface; IFA_LOCAL is always ours but may be missing.
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })?;
    Some(AssignedAddress {
        interface_index: message.header.index,
        address,
        prefix_length: message.header.prefix_len,
        is_secondary: message.header.flags.contains(AddressHeaderFlags::Secondary),
    })
}

fn route(message: &RouteMessage) -> Option<Route> {
    if message.header.kind != RouteType::Unicast {
        return None;
    }
    let interface_index = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })?;
    let has_gateway = message
        .attributes
        .iter()
        .any(|attribute| matches!(attribute, RouteAttribute::Gateway(_) | RouteAttribute::Via(_)));
    Some(Route { interface_index, prefix_length: message.header.destination_prefix_length, has_gateway })
}
