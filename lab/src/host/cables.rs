//! What a host is wired to, and what is wrong with the wires.

use super::Host;
use crate::boot::Bind;
use crate::error::Error;
use crate::switch::Port;
use nix::unistd::Pid;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

impl Host {
    /// The address of an interface such as `eth0`.
    ///
    /// # Errors
    /// [`Error::NoInterface`].
    pub fn address(&self, interface: &str) -> Result<Ipv4Addr, Error> {
        let index = self.port_index(interface)?;
        Ok(self.ports[index].address)
    }

    /// Cuts the cable at an interface: it loses its carrier until the cable is mended, also over reboots.
    ///
    /// # Errors
    /// [`Error::NoInterface`].
    pub fn cut_ethernet(&mut self, interface: &str) -> Result<(), Error> {
        let (index, init) = self.port_and_init(interface)?;
        self.ports[index].set_cable(false, init)
    }

    /// Mends what [`Host::cut_ethernet`] cut.
    ///
    /// # Errors
    /// [`Error::NoInterface`].
    pub fn restore_ethernet(&mut self, interface: &str) -> Result<(), Error> {
        let (index, init) = self.port_and_init(interface)?;
        self.ports[index].set_cable(true, init)
    }

    /// Loses so many of a hundred frames on their way to the host, by chance; 0 ends it, 100 and more lose all.
    /// The carrier stays.
    ///
    /// # Errors
    /// [`Error::NoInterface`].
    pub fn drop_incoming(&mut self, interface: &str, percent: u8) -> Result<(), Error> {
        let (index, init) = self.port_and_init(interface)?;
        let (_, lost_out) = self.ports[index].losses();
        self.ports[index].set_losses(percent, lost_out, init)
    }

    /// As [`Host::drop_incoming`], for what the host sends.
    ///
    /// # Errors
    /// [`Error::NoInterface`].
    pub fn drop_outgoing(&mut self, interface: &str, percent: u8) -> Result<(), Error> {
        let (index, init) = self.port_and_init(interface)?;
        let (lost_in, _) = self.ports[index].losses();
        self.ports[index].set_losses(lost_in, percent, init)
    }

    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    pub(crate) fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Adds an interface, at once when the host is up.
    pub(crate) fn add_port(&mut self, port: Port) -> Result<(), Error> {
        if let Ok(init) = self.init() {
            port.plug(init)?;
        }
        self.ports.push(port);
        Ok(())
    }

    /// Makes a terminal of the world the host's next serial port, and gives its path on the host.
    pub(crate) fn add_serial_port(&mut self, terminal: &Path) -> Result<PathBuf, Error> {
        self.needs_down()?;
        let target = PathBuf::from(format!("/dev/ttyS{}", self.serial_ports));
        self.binds.push(Bind { source: terminal.to_owned(), target: target.clone() });
        self.serial_ports += 1;
        Ok(target)
    }

    fn port_index(&self, interface: &str) -> Result<usize, Error> {
        self.ports
            .iter()
            .position(|port| port.interface == interface)
            .ok_or_else(|| Error::NoInterface { host: self.name.clone(), interface: interface.to_owned() })
    }

    /// The place of a port, and process 1 when the host is up, looked at now.
    fn port_and_init(&mut self, interface: &str) -> Result<(usize, Option<Pid>), Error> {
        self.reap()?;
        Ok((self.port_index(interface)?, self.init().ok()))
    }
}
