//! The agents `IPaddr`, `IPaddr2` and `IPv6addr`: one address on one interface, known to the neighbours.
//! An address on the loopback interface is another matter (LVS real servers keep theirs there) unless it is named.

use std::net::{IpAddr, Ipv4Addr};

use nix::errno::Errno;

use super::announce::announce;
use super::interfaces::{Interface, interfaces};
use super::ip_argument::IpArgument;
use super::netlink::{AssignedAddress, Netlink, NetlinkError, NewAddress, family_of};
use super::{Agent, AgentError, say};

/// One address of `haresources`.
pub(super) struct AddressAgent {
    argument: IpArgument,
}

/// Why an address could not be added, removed, found or announced.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddressError {
    #[error("the interfaces of this host cannot be listed: {0}")]
    Interfaces(nix::Error),
    #[error("this host has no interface {0}")]
    NoInterface(String),
    #[error("no connected network contains {0}; name the prefix length and the interface, as in {0}/24/eth0")]
    NoNetwork(IpAddr),
    #[error(
        "no network of {interface} contains {address}; name the prefix length, as in {address}/24/{interface}"
    )]
    NoPrefix { address: IpAddr, interface: String },
    #[error("{address} is on {holder}, not on {wanted}; remove it there first")]
    OnOtherInterface { address: IpAddr, holder: String, wanted: String },
    #[error("{0} is not on this host, so it is not announced")]
    NotHere(IpAddr),
    #[error("cannot {action} {address}: {error}")]
    Netlink { action: &'static str, address: IpAddr, error: NetlinkError },
    #[error("cannot announce {address} on {interface}: {error}")]
    Announce { address: IpAddr, interface: String, error: super::announce::AnnounceError },
}

impl AddressError {
    /// Whether another host may well succeed with the same order.
    pub(super) fn is_about_this_host(&self) -> bool {
        matches!(self, Self::NoInterface(_) | Self::NoNetwork(_) | Self::NoPrefix { .. })
    }
}

impl Agent for AddressAgent {
    fn start(&self) -> Result<(), AgentError> {
        let mut host = Host::open(self.argument.address)?;
        let interface = self.assign(&mut host)?;
        if !interface.is_up {
            let brought_up = host.netlink.bring_up(interface.index);
            brought_up.map_err(self.failed_to("bring up the interface of"))?;
            say(format_args!("{} was down and is up now", interface.name));
        }
        // The address is here: a silent neighbourhood is bad, but no reason to give it up again.
        if let Err(error) = self.announce_on(&interface) {
            say(error);
        }
        Ok(())
    }

    fn stop(&self) -> Result<(), AgentError> {
        let address = self.argument.address;
        let mut host = Host::open(address)?;
        for assigned in host.assigned(&self.argument) {
            let interface = host.name_of(assigned.interface_index);
            host.keep_secondaries_of(&assigned, &interface);
            match host.netlink.remove_address(&assigned) {
                Ok(()) => say(format_args!("{address}/{} removed from {interface}", assigned.prefix_length)),
                Err(NetlinkError::Refused(Errno::EADDRNOTAVAIL | Errno::ENODEV)) => {}
                Err(error) => return Err(self.failed_to("remove")(error).into()),
            }
        }
        Ok(())
    }

    /// An address on an interface that is down reaches nobody; a start brings the interface up.
    fn is_running(&self) -> Result<bool, AgentError> {
        let host = Host::open(self.argument.address)?;
        let is_up = |assigned: &AssignedAddress| {
            host.interface(assigned.interface_index).is_some_and(|interface| interface.is_up)
        };
        Ok(host.assigned(&self.argument).iter().any(is_up))
    }

    fn announce(&self) -> Result<(), AgentError> {
        let address = self.argument.address;
        let host = Host::open(address)?;
        let assigned = host.assigned(&self.argument);
        let interface = assigned.first().and_then(|assigned| host.interface(assigned.interface_index));
        self.announce_on(interface.ok_or(AddressError::NotHere(address))?)?;
        Ok(())
    }
}

impl AddressAgent {
    pub(super) fn new(argument: IpArgument) -> Self {
        Self { argument }
    }

    /// Sees to it that an interface has the address, and says which.
    fn assign(&self, host: &mut Host) -> Result<Interface, AddressError> {
        let address = self.argument.address;
        let wanted = self.wanted_interface(host)?;
        if let Some(interface) = host
            .assigned(&self.argument)
            .first()
            .and_then(|assigned| host.interface(assigned.interface_index))
        {
            say(format_args!("{address} is already on {}", interface.name));
            return Ok(interface.clone());
        }
        if let (Some(wanted), Some(holder)) = (&wanted, host.holder()) {
            let (holder, wanted) = (holder.name.clone(), wanted.name.clone());
            return Err(AddressError::OnOtherInterface { address, holder, wanted });
        }
        let (interface, prefix_length) = self.place(host, wanted)?;
        let broadcast = self.argument.broadcast.or_else(|| default_broadcast(address, prefix_length));
        let new = NewAddress {
            interface_index: interface.index,
            address,
            prefix_length,
            label: self.argument.label.clone(),
            broadcast,
        };
        match host.netlink.add_address(&new) {
            Ok(()) => say(format_args!("{address}/{prefix_length} added to {}", interface.name)),
            Err(NetlinkError::Refused(Errno::EEXIST)) => {
                say(format_args!("{address} is already on {}", interface.name));
            }
            Err(error) => return Err(self.failed_to("add")(error)),
        }
        Ok(interface)
    }

    fn wanted_interface(&self, host: &Host) -> Result<Option<Interface>, AddressError> {
        let Some(name) = &self.argument.interface else { return Ok(None) };
        let interface = host.interfaces.iter().find(|interface| interface.name == *name);
        interface.map_or_else(
            || Err(AddressError::NoInterface(name.clone())),
            |interface| Ok(Some(interface.clone())),
        )
    }

    /// Interface and prefix length, as written or else from the connected network that contains the address.
    fn place(&self, host: &mut Host, wanted: Option<Interface>) -> Result<(Interface, u8), AddressError> {
        let address = self.argument.address;
        if let (Some(interface), Some(prefix_length)) = (&wanted, self.argument.prefix_length) {
            return Ok((interface.clone(), prefix_length));
        }
        let through = wanted.as_ref().map(|interface| interface.index);
        let route = host.netlink.route_to(address, through).map_err(self.failed_to("find the route to"))?;
        let connected = route.filter(|route| !route.has_gateway && route.prefix_length > 0);
        let found =
            connected.and_then(|route| Some((host.interface(route.interface_index)?, route.prefix_length)));
        match (found, wanted) {
            (Some((interface, prefix_length)), _) => {
                Ok((interface.clone(), self.argument.prefix_length.unwrap_or(prefix_length)))
            }
            (None, Some(interface)) => Err(AddressError::NoPrefix { address, interface: interface.name }),
            (None, None) => Err(AddressError::NoNetwork(address)),
        }
    }

    fn announce_on(&self, interface: &Interface) -> Result<(), AddressError> {
        let address = self.argument.address;
        match announce(interface, address) {
            Ok(true) => say(format_args!("{address} announced on {}", interface.name)),
            Ok(false) => {}
            Err(error) => {
                return Err(AddressError::Announce { address, interface: interface.name.clone(), error });
            }
        }
        Ok(())
    }

    fn failed_to(&self, action: &'static str) -> impl FnOnce(NetlinkError) -> AddressError {
        let address = self.argument.address;
        move |error| AddressError::Netlink { action, address, error }
    }
}

/// This host as it was when the verb began.
struct Host {
    netlink: Netlink,
    interfaces: Vec<Interface>,
    /// All addresses of the family in question.
    addresses: Vec<AssignedAddress>,
    address: IpAddr,
}

impl Host {
    fn open(address: IpAddr) -> Result<Self, AddressError> {
        let failed = |error| AddressError::Netlink { action: "look for", address, error };
        let mut netlink = Netlink::open().map_err(failed)?;
        let addresses = netlink.addresses(family_of(address)).map_err(failed)?;
        let interfaces = interfaces().map_err(AddressError::Interfaces)?;
        Ok(Self { netlink, interfaces, addresses, address })
    }

    /// Where the argument's address is: on its interface if it names one, else on any but the loopback interface.
    fn assigned(&self, argument: &IpArgument) -> Vec<AssignedAddress> {
        let is_meant = |interface: &Interface| match &argument.interface {
            Some(name) => interface.name == *name,
            None => !interface.is_loopback,
        };
        self.addresses
            .iter()
            .filter(|assigned| assigned.address == argument.address)
            .filter(|assigned| self.interface(assigned.interface_index).is_some_and(is_meant))
            .cloned()
            .collect()
    }

    /// Any interface but the loopback one that has the address.
    fn holder(&self) -> Option<&Interface> {
        let mut holders = self.addresses.iter().filter(|assigned| assigned.address == self.address);
        holders.find_map(|assigned| {
            self.interface(assigned.interface_index).filter(|interface| !interface.is_loopback)
        })
    }

    fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.index == index)
    }

    fn name_of(&self, index: u32) -> String {
        self.interface(index).map_or_else(|| format!("interface {index}"), |interface| interface.name.clone())
    }

    /// Without this the kernel would remove, with the first address of a network, all others of it: other resources.
    fn keep_secondaries_of(&self, assigned: &AssignedAddress, interface: &str) {
        let takes_others_along = !assigned.is_secondary
            && self.addresses.iter().any(|other| {
                other.is_secondary
                    && other.interface_index == assigned.interface_index
                    && other.prefix_length == assigned.prefix_length
                    && same_network(other.address, assigned.address, assigned.prefix_length)
            });
        if !takes_others_along {
            return;
        }
        let setting = format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries");
        if std::fs::read_to_string(&setting).is_ok_and(|value| value.trim() == "1") {
            return;
        }
        match std::fs::write(&setting, "1") {
            Ok(()) => {
                say(format_args!("promote_secondaries set on {interface}, so that its other addresses stay"))
            }
            Err(error) => say(format_args!(
                "{setting} cannot be set ({error}): other addresses of the network may be lost with this one"
            )),
        }
    }
}

fn same_network(one: IpAddr, other: IpAddr, prefix_length: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits()) & network_mask(prefix_length) == 0
        }
        // IPv6 has no secondary addresses in this sense.
        _ => false,
    }
}

fn network_mask(prefix_length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_length.min(32))).unwrap_or(0)
}

/// The last address of the network; none where a network has no room for one.
fn default_broadcast(address: IpAddr, prefix_length: u8) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) if prefix_length <= 30 => {
            Some(Ipv4Addr::from_bits(address.to_bits() | !network_mask(prefix_length)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_broadcast_address_is_the_last_of_the_network() {
        for (address, prefix_length, expected) in [
            ("10.0.0.1", 24, Some("10.0.0.255")),
            ("10.0.5.1", 22, Some("10.0.7.255")),
            ("10.0.0.1", 0, Some("255.255.255.255")),
            ("10.0.0.1", 30, Some("10.0.0.3")),
            ("10.0.0.1", 31, None),
            ("10.0.0.1", 32, None),
            ("2001:db8::1", 64, None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(default_broadcast(v4(address), prefix_length), expected, "{address}/{prefix_length}");
        }
    }

    #[test]
    fn networks_are_compared_by_their_prefix() {
        assert!(same_network(v4("10.0.0.1"), v4("10.0.0.254"), 24));
        assert!(!same_network(v4("10.0.0.1"), v4("10.0.1.1"), 24));
        assert!(same_network(v4("10.0.0.1"), v4("192.168.0.1"), 0));
        assert!(!same_network(v4("10.0.0.1"), v4("10.0.0.2"), 32));
    }
}
