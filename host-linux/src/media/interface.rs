//! What a broadcast medium must know of its network interface, asked when it is opened and now and then.

use std::net::Ipv4Addr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};

use super::report::MediaError;

/// The index of the interface called `name`, never 0.
///
/// # Errors
/// [`MediaError::NoInterface`].
pub(super) fn index(name: &str) -> Result<u32, MediaError> {
    if_nametoindex(name).map_err(|_| MediaError::NoInterface(name.to_owned()))
}

/// An address of an interface, and the broadcast address that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BroadcastAddress {
    pub(super) own: Ipv4Addr,
    pub(super) broadcast: Ipv4Addr,
}

/// The first address on interface `name` that has a broadcast address.
///
/// # Errors
/// The interface is missing, down, or has no such address.
pub(super) fn broadcast_address(name: &str) -> Result<BroadcastAddress, MediaError> {
    index(name)?;
    let addresses: Vec<InterfaceAddress> = addresses_of(name)?.collect();
    if !addresses.iter().any(|address| address.flags.contains(InterfaceFlags::IFF_UP)) {
        return Err(MediaError::InterfaceDown(name.to_owned()));
    }
    addresses.iter().find_map(broadcast_of).ok_or_else(|| MediaError::NoBroadcastAddress(name.to_owned()))
}

/// Checks that `known` still belongs to interface `name`, which also has to be up.
///
/// # Errors
/// It does not.
pub(super) fn check_broadcast_address(name: &str, known: BroadcastAddress) -> Result<(), MediaError> {
    let kept = addresses_of(name)?.any(|address| {
        address.flags.contains(InterfaceFlags::IFF_UP) && broadcast_of(&address) == Some(known)
    });
    if kept {
        return Ok(());
    }
    broadcast_address(name)?;
    Err(MediaError::BroadcastAddressGone(name.to_owned()))
}

fn addresses_of(name: &str) -> Result<impl Iterator<Item = InterfaceAddress>, MediaError> {
    let all = getifaddrs().map_err(|errno| MediaError::io("list the interfaces")(errno.into()))?;
    Ok(all.filter(move |address| address.interface_name == name))
}

/// `ip addr add` sets no broadcast address unless told, but the kernel accepts the last address of the subnet anyway.
fn broadcast_of(interface: &InterfaceAddress) -> Option<BroadcastAddress> {
    let own = interface.address?.as_sockaddr_in()?.ip();
    let mask = interface.netmask?.as_sockaddr_in()?.ip();
    let configured = interface.broadcast.and_then(|broadcast| Some(broadcast.as_sockaddr_in()?.ip()));
    configured
        .filter(|broadcast| !broadcast.is_unspecified() && *broadcast != own)
        .or_else(|| last_of_subnet(own, mask))
        .map(|broadcast| BroadcastAddress { own, broadcast })
}

fn last_of_subnet(address: Ipv4Addr, mask: Ipv4Addr) -> Option<Ipv4Addr> {
    const HOST_BITS_MIN: u32 = 2; // subnets of one or two addresses have no broadcast address
    (mask.to_bits().count_zeros() >= HOST_BITS_MIN).then_some(address | !mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_of_a_subnet_is_its_broadcast_address() {
        let last = |prefix: u32| {
            last_of_subnet(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::from_bits(u32::MAX << (32 - prefix)))
        };
        assert_eq!(last(24), Some(Ipv4Addr::new(10, 0, 0, 255)));
        assert_eq!(last(30), Some(Ipv4Addr::new(10, 0, 0, 3)));
        assert_eq!(last(31), None);
        assert_eq!(last_of_subnet(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::BROADCAST), None);
    }

    #[test]
    fn loopback_has_a_broadcast_address_of_its_own() {
        let address = broadcast_address("lo").unwrap();
        assert_eq!(address.broadcast, Ipv4Addr::new(127, 255, 255, 255));
        check_broadcast_address("lo", address).unwrap();
        let other = Ipv4Addr::new(10, 0, 0, 255);
        for gone in
            [BroadcastAddress { broadcast: other, ..address }, BroadcastAddress { own: other, ..address }]
        {
            let checked = check_broadcast_address("lo", gone);
            assert!(matches!(checked, Err(MediaError::BroadcastAddressGone(_))));
        }
    }

    #[test]
    fn a_missing_interface_is_named() {
        assert!(matches!(broadcast_address("none0"), Err(MediaError::NoInterface(name)) if name == "none0"));
    }
}
