//! What is where: the interfaces of this host and their addresses, and what the kernel's messages change of it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::LinkFlags;

use super::guarded::Guarded;
use crate::rtnetlink::{self, Message};

/// The interfaces and addresses of this host.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By the kernel's number.
    links: BTreeMap<u32, Link>,
    addresses: BTreeSet<(IpAddr, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) is_up: bool,
    pub(super) is_loopback: bool,
}

/// One thing that the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Link(u32, Link),
    LinkGone(u32),
    Address(u32, IpAddr),
    AddressGone(u32, IpAddr),
}

impl Table {
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Link(index, link) => {
                self.links.insert(index, link);
            }
            Change::LinkGone(index) => {
                self.links.remove(&index);
                self.addresses.retain(|(_, on)| *on != index);
            }
            Change::Address(index, address) => {
                self.addresses.insert((address, index));
            }
            Change::AddressGone(index, address) => {
                self.addresses.remove(&(address, index));
            }
        }
    }

    /// Whether an address is where it should be, on an interface that is up: the one that it names, else any but the
    /// loopback interface, as the agents have it.
    pub(super) fn has(&self, guarded: &Guarded) -> bool {
        let anywhere = (guarded.address, u32::MIN)..=(guarded.address, u32::MAX);
        let mut holders = self.addresses.range(anywhere).filter_map(|(_, index)| self.links.get(index));
        holders.any(|link| {
            let is_meant = match &guarded.interface {
                Some(name) => link.name == *name,
                None => !link.is_loopback,
            };
            is_meant && link.is_up
        })
    }
}

/// What a message tells, if it is about an interface or an address.
pub(super) fn change(message: &Message) -> Option<Change> {
    match message {
        Message::NewLink(message) => link(message),
        // Of another family it tells of a bridge that lost a port, which goes on as an interface.
        Message::DelLink(message) if is_about_the_interface(message) => {
            Some(Change::LinkGone(message.header.index))
        }
        Message::NewAddress(message) => {
            // Another host has it too, and the kernel does not use ours.
            let is_refused = message.header.flags.contains(AddressHeaderFlags::Dadfailed);
            let (index, address) = (message.header.index, local_address(message)?);
            Some(if is_refused {
                Change::AddressGone(index, address)
            } else {
                Change::Address(index, address)
            })
        }
        Message::DelAddress(message) => {
            Some(Change::AddressGone(message.header.index, local_address(message)?))
        }
        _ => None,
    }
}

fn is_about_the_interface(message: &rtnetlink::Link) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

fn link(message: &rtnetlink::Link) -> Option<Change> {
    let name = message.name.clone()?;
    let flags = message.header.flags;
    is_about_the_interface(message).then(|| {
        let (is_up, is_loopback) = (flags.contains(LinkFlags::Up), flags.contains(LinkFlags::Loopback));
        Change::Link(message.header.index, Link { name, is_up, is_loopback })
    })
}

/// IFA_ADDRESS is the peer's on a point-to-point interface; IFA_LOCAL is always ours but may be missing.
fn local_address(message: &AddressMessage) -> Option<IpAddr> {
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
    find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    })
    .or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

    fn guarded(interface: Option<&str>) -> Guarded {
        Guarded { group: 0, resource: 0, address: IP, interface: interface.map(str::to_owned) }
    }

    fn up(name: &str) -> Link {
        Link { name: name.to_owned(), is_up: true, is_loopback: name == "lo" }
    }

    /// `lo` and `eth0`, and the address on this interface.
    fn table(on: u32) -> Table {
        let mut table = Table::default();
        for change in [Change::Link(1, up("lo")), Change::Link(2, up("eth0")), Change::Address(on, IP)] {
            table.apply(change);
        }
        table
    }

    #[test]
    fn an_address_counts_where_the_agents_look_for_it() {
        for (on, interface, there) in [
            (2, None, true),
            (2, Some("eth0"), true),
            (2, Some("eth1"), false),
            (1, None, false),
            (1, Some("lo"), true),
        ] {
            assert_eq!(table(on).has(&guarded(interface)), there, "{on} {interface:?}");
        }
    }

    #[test]
    fn it_goes_with_its_interface_and_comes_back_with_it() {
        let down = Change::Link(2, Link { is_up: false, ..up("eth0") });
        for (gone, back) in [
            (down, vec![Change::Link(2, up("eth0"))]),
            (Change::LinkGone(2), vec![Change::Link(7, up("eth0")), Change::Address(7, IP)]),
            (Change::AddressGone(2, IP), vec![Change::Address(2, IP)]),
        ] {
            let mut table = table(2);
            table.apply(gone.clone());
            assert!(!table.has(&guarded(None)), "{gone:?}");
            back.into_iter().for_each(|change| table.apply(change));
            assert!(table.has(&guarded(None)), "{gone:?}");
        }
        let mut elsewhere = table(2);
        elsewhere.apply(Change::AddressGone(1, IP));
        elsewhere.apply(Change::LinkGone(1));
        assert!(elsewhere.has(&guarded(None)));
    }

    #[test]
    fn a_port_that_leaves_its_bridge_is_still_there() {
        let mut message = rtnetlink::Link::default();
        message.header.index = 2;
        assert_eq!(change(&Message::DelLink(message.clone())), Some(Change::LinkGone(2)));
        message.header.interface_family = AddressFamily::Bridge;
        assert_eq!(change(&Message::DelLink(message)), None);
    }

    #[test]
    fn an_address_that_another_host_has_is_not_here() {
        let mut message = AddressMessage::default();
        message.header.index = 2;
        message.attributes =
            vec![AddressAttribute::Address("2001:db8::1".parse().unwrap()), AddressAttribute::Local(IP)];
        assert_eq!(change(&Message::NewAddress(message.clone())), Some(Change::Address(2, IP)));
        message.header.flags = AddressHeaderFlags::Dadfailed;
        assert_eq!(change(&Message::NewAddress(message)), Some(Change::AddressGone(2, IP)));
    }
}
