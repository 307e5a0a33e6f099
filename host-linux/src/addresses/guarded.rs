//! Which addresses the groups of a configuration keep on this host.

use std::net::IpAddr;

use crate::config::{Group, floating_address};

/// An address that must be here as long as its group runs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The number of the group.
    pub group: usize,
    /// The address.
    pub address: IpAddr,
    /// The interface, where the resource names one; else it may be on any but the loopback interface.
    pub interface: Option<String>,
}

/// The addresses of these groups.
#[must_use]
pub fn guarded(groups: &[Group]) -> Vec<Guarded> {
    let resources = groups
        .iter()
        .enumerate()
        .flat_map(|(group, it)| it.resources.iter().map(move |resource| (group, resource)));
    resources
        .filter_map(|(group, resource)| {
            let (address, interface) = floating_address(resource)?;
            Some(Guarded { group, address, interface: interface.map(str::to_owned) })
        })
        .collect()
}
