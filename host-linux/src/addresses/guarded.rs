//! Which addresses the groups of a configuration keep on this host.

use std::net::IpAddr;

use crate::config::{Group, floating_address};

/// An address that must be here as long as its group runs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The number of the group.
    pub group: usize,
    /// The place of the resource in it.
    pub resource: usize,
    /// The address.
    pub address: IpAddr,
    /// The interface, where the resource names one; else it may be on any but the loopback interface.
    pub interface: Option<String>,
}

/// The addresses of these groups.
#[must_use]
pub fn guarded(groups: &[Group]) -> Vec<Guarded> {
    let mut guarded = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        for (place, resource) in group.resources.iter().enumerate() {
            let Some((address, interface)) = floating_address(resource) else { continue };
            let interface = interface.map(str::to_owned);
            guarded.push(Guarded { group: number, resource: place, address, interface });
        }
    }
    guarded
}
