//! The network interfaces of this host, as the address agents need them. Addresses are in `netlink.rs`.

use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::LinkAddr;

/// One interface.
#[derive(Debug, Clone)]
pub(super) struct Interface {
    pub(super) name: String,
    /// The kernel's number of it, never 0.
    pub(super) index: u32,
    /// Whether it was administratively up.
    pub(super) is_up: bool,
    pub(super) is_loopback: bool,
    /// Where neighbours can be told about addresses: Ethernet, and not without neighbour discovery.
    pub(super) ethernet: Option<EthernetEnd>,
}

/// This host's end of an Ethernet.
#[derive(Debug, Clone, Copy)]
pub(super) struct EthernetEnd {
    pub(super) hardware_address: [u8; 6],
    /// Names the interface to a packet socket.
    pub(super) link: LinkAddr,
}

/// All interfaces.
pub(super) fn interfaces() -> nix::Result<Vec<Interface>> {
    Ok(getifaddrs()?
        .filter_map(|entry| {
            let link = *entry.address.as_ref()?.as_link_addr()?;
            Some(Interface {
                index: u32::try_from(link.ifindex()).ok()?,
                is_up: entry.flags.contains(InterfaceFlags::IFF_UP),
                is_loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
                ethernet: ethernet_end(link, entry.flags),
                name: entry.interface_name,
            })
        })
        .collect())
}

fn ethernet_end(link: LinkAddr, flags: InterfaceFlags) -> Option<EthernetEnd> {
    if link.hatype() != libc::ARPHRD_ETHER || flags.contains(InterfaceFlags::IFF_NOARP) {
        return None;
    }
    let hardware_address = link.addr()?;
    Some(EthernetEnd { hardware_address, link })
}
