//! Ethernet: a bridge in the world, and the ports of hosts on it.

use crate::boot::disable_address_detection;
use crate::command::{feed, run, tool};
use crate::error::Error;
use crate::host::Host;
use crate::world::HOSTS_FILE;
use nix::unistd::Pid;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::Ipv4Addr;

/// An Ethernet switch: no spanning tree, no delay, its own address fixed.
#[derive(Debug)]
pub struct Switch {
    name: String,
    number: u8,
    network: u32,
    prefix: u8,
    next: u32,
}

impl Switch {
    pub(crate) fn prepare_network() -> Result<(), Error> {
        disable_address_detection();
        run(&mut tool("ip link set lo up")).map(drop)
    }

    pub(crate) fn new(name: &str, number: u8, network: &str) -> Result<Self, Error> {
        let (address, prefix) = parse_network(network)?;
        let switch = Self { name: name.to_owned(), number, network: address, prefix, next: 1 };
        let hardware = format!("02:48:4c:{number:02x}:00:fe");
        let commands = format!(
            "link add {name} address {hardware} type bridge forward_delay 0 stp_state 0 mcast_snooping 0\n\
             address add {}/{prefix} brd + dev {name}\n\
             link set {name} up\n",
            switch.address()
        );
        feed(&mut tool("ip -batch -"), &commands)?;
        Ok(switch)
    }

    /// The world's own address on this switch: the last of the network.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network + self.size() - 2)
    }

    /// The length of the network's prefix, 8 to 29.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Gives a host its next Ethernet interface (`eth0` first) with the next free address of the network (the
    /// first host gets `.1`), at once or at its next boot. The cable stays plugged over reboots. All hosts find
    /// the first address under the host's name, others under `NAME-INTERFACE`.
    ///
    /// # Errors
    /// [`Error::NoAddress`] when the network is full.
    pub fn connect(&mut self, host: &mut Host) -> Result<Ipv4Addr, Error> {
        // The first address names the network, the last two are the world's and the broadcast.
        if self.next >= self.size() - 2 {
            return Err(Error::NoAddress(self.name.clone()));
        }
        let address = Ipv4Addr::from_bits(self.network + self.next);
        let index = host.ports().len();
        let interface = format!("eth{index}");
        let name = if index == 0 { host.name().to_owned() } else { format!("{}-{interface}", host.name()) };
        let port = Port {
            world_side: format!("h{}-{interface}", host.number()),
            bridge: self.name.clone(),
            address,
            prefix: self.prefix,
            hardware: format!("02:48:4c:{:02x}:{:02x}:{index:02x}", self.number, host.number()),
            interface,
            plugged: true,
            lost_in: 0,
            lost_out: 0,
        };
        append_host(&format!("{address} {name}\n"))?;
        host.add_port(port)?;
        self.next += 1;
        Ok(address)
    }

    fn size(&self) -> u32 {
        1 << (32 - self.prefix)
    }
}

/// A host's end of a cable to a switch, and what is wrong with that cable.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) interface: String,
    pub(crate) address: Ipv4Addr,
    world_side: String,
    bridge: String,
    prefix: u8,
    hardware: String,
    plugged: bool,
    lost_in: u8,
    lost_out: u8,
}

impl Port {
    /// Gives the interface to the host whose process 1 is `init`, in the state that its cable is in.
    pub(crate) fn plug(&self, init: Pid) -> Result<(), Error> {
        let Self { interface, world_side, bridge, address, prefix, hardware, .. } = self;
        let world = format!(
            "link add {world_side} type veth peer name {interface} address {hardware} netns {init}\n\
             link set {world_side} master {bridge}\n\
             {}\n",
            self.cable_command()
        );
        let host = format!(
            "address add {address}/{prefix} brd + dev {interface}\n\
             link set {interface} up\n"
        );
        feed(&mut tool("ip -batch -"), &world)?;
        feed(&mut tool(&format!("nsenter --target {init} --net ip -batch -")), &host)?;
        self.apply_losses(init)
    }

    /// Takes away what a host that went down has left: the kernel would do so too, but later.
    pub(crate) fn unplug(&self) {
        let _ = run(&mut tool(&format!("ip link delete {}", self.world_side)));
    }

    /// Cuts or mends the cable; `init` is that of a host that is up.
    pub(crate) fn set_cable(&mut self, plugged: bool, init: Option<Pid>) -> Result<(), Error> {
        self.plugged = plugged;
        match init {
            Some(_) => run(&mut tool(&format!("ip {}", self.cable_command()))).map(drop),
            None => Ok(()),
        }
    }

    /// Loses so many of a hundred frames on the way into the host and out of it; 100 and more are all.
    pub(crate) fn set_losses(&mut self, lost_in: u8, lost_out: u8, init: Option<Pid>) -> Result<(), Error> {
        (self.lost_in, self.lost_out) = (lost_in, lost_out);
        init.map_or(Ok(()), |init| self.apply_losses(init))
    }

    pub(crate) fn losses(&self) -> (u8, u8) {
        (self.lost_in, self.lost_out)
    }

    fn cable_command(&self) -> String {
        format!("link set {} {}", self.world_side, if self.plugged { "up" } else { "down" })
    }

    /// Frames are dropped where they come in, on either end of the cable: that works with every kernel, and
    /// before any rule or protocol of the host sees them.
    fn apply_losses(&self, init: Pid) -> Result<(), Error> {
        feed(&mut tool("nft -f -"), &loss_table(&self.world_side, self.lost_out))?;
        let inside = format!("nsenter --target {init} --net nft -f -");
        feed(&mut tool(&inside), &loss_table(&self.interface, self.lost_in))
    }
}

/// Replaces the table that loses frames coming in at `interface`, in one transaction.
fn loss_table(interface: &str, percent: u8) -> String {
    let table = format!("netdev loss-{interface}");
    let condition =
        if percent >= 100 { String::new() } else { format!("numgen random mod 100 < {percent} ") };
    let clear = format!("table {table}\ndelete table {table}\n");
    if percent == 0 {
        return clear;
    }
    format!(
        "{clear}table {table} {{\nchain ingress {{\n\
         type filter hook ingress device \"{interface}\" priority 0;\n{condition}drop\n}}\n}}\n"
    )
}

fn append_host(line: &str) -> Result<(), Error> {
    let what = || Error::io(format!("write {HOSTS_FILE}"));
    let mut file = OpenOptions::new().append(true).open(HOSTS_FILE).map_err(what())?;
    file.write_all(line.as_bytes()).map_err(what())
}

fn parse_network(text: &str) -> Result<(u32, u8), Error> {
    let error = || Error::Network(text.to_owned());
    let (address, prefix) = text.split_once('/').ok_or_else(error)?;
    let address: Ipv4Addr = address.parse().map_err(|_| error())?;
    let prefix: u8 = prefix.parse().map_err(|_| error())?;
    if !(8..=29).contains(&prefix) || address.to_bits() & (u32::MAX >> prefix) != 0 {
        return Err(error());
    }
    Ok((address.to_bits(), prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_checked() {
        assert_eq!(parse_network("10.77.1.0/24").unwrap(), (0x0a4d_0100, 24));
        for wrong in ["10.77.1.0", "10.77.1.1/24", "10.77.1.0/31", "10.77.1.0/x", "x/24", "10.77.1/24"] {
            assert!(matches!(parse_network(wrong), Err(Error::Network(_))), "{wrong}");
        }
    }

    #[test]
    fn a_whole_loss_needs_no_dice() {
        assert!(loss_table("eth0", 100).contains("priority 0;\ndrop\n"));
        assert!(loss_table("eth0", 30).contains("mod 100 < 30 drop\n"));
        assert!(!loss_table("eth0", 0).contains("chain"));
    }
}
