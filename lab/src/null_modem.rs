//! A null-modem cable between two hosts, or from a host to the world: the handle. The bytes are moved in `line`.

use crate::error::Error;
use crate::host::Host;
use crate::line::{End, Line, Order, Recording};
use std::io::{self, PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

/// A serial line between two hosts, or from a host to something that the world has in the cable. It carries bytes no faster than its rate, in order, and loses what nobody
/// reads. Losing this cuts it.
#[derive(Debug)]
pub struct NullModem {
    hosts: [String; 2],
    devices: [PathBuf; 2],
    orders: Sender<Order>,
    /// A byte here tells the line of an order; closing it ends the line.
    bell: Option<PipeWriter>,
    pump: Option<JoinHandle<()>>,
    recording: Recording,
}

impl NullModem {
    pub(crate) fn new(a: &mut Host, b: &mut Host, baud: u32) -> Result<Self, Error> {
        a.needs_down()?;
        b.needs_down()?;
        let ends = [End::open()?, End::open()?];
        let devices = [a.add_serial_port(ends[0].terminal())?, b.add_serial_port(ends[1].terminal())?];
        Self::with(ends, devices, [a.name().to_owned(), b.name().to_owned()], baud)
    }

    /// From a host to the world.
    pub(crate) fn to_world(host: &mut Host, baud: u32) -> Result<Self, Error> {
        host.needs_down()?;
        let ends = [End::open()?, End::open()?.of_the_world()];
        let devices = [host.add_serial_port(ends[0].terminal())?, ends[1].terminal().to_owned()];
        Self::with(ends, devices, [host.name().to_owned(), String::new()], baud)
    }

    fn with(ends: [End; 2], devices: [PathBuf; 2], hosts: [String; 2], baud: u32) -> Result<Self, Error> {
        let (orders, received) = mpsc::channel();
        let (heard, bell) = io::pipe().map_err(Error::io("make a pipe"))?;
        let mut line = Line::new(ends, baud, received, heard);
        let pump = thread::Builder::new()
            .name("null-modem".to_owned())
            .spawn(move || line.run())
            .map_err(Error::io("start a thread"))?;
        let recording = Recording::default();
        Ok(Self { hosts, devices, orders, bell: Some(bell), pump: Some(pump), recording })
    }

    /// The serial port that a host finds the cable at, such as `/dev/ttyS0`; `None` for a host that is not at
    /// this cable.
    #[must_use]
    pub fn device(&self, host: &Host) -> Option<&Path> {
        self.end_of(host).map(|end| self.devices[end].as_path())
    }

    /// The terminal of the world at the cable's second end, if it leads there.
    #[must_use]
    pub fn world_end(&self) -> Option<&Path> {
        self.hosts[1].is_empty().then_some(self.devices[1].as_path())
    }

    pub(crate) fn first_host(&self) -> &str {
        &self.hosts[0]
    }

    /// Cuts the cable: bytes go out at the rate of the line and arrive nowhere.
    ///
    /// # Errors
    /// The line does not listen any more.
    pub fn cut(&mut self) -> Result<(), Error> {
        self.order(Order::Cut([true, true]))
    }

    /// Mends the cable, in both directions.
    ///
    /// # Errors
    /// As for [`NullModem::cut`].
    pub fn restore(&mut self) -> Result<(), Error> {
        self.order(Order::Cut([false, false]))
    }

    /// Cuts the wire on which `from` sends, and mends the other. A host that is not at this cable changes
    /// nothing.
    ///
    /// # Errors
    /// As for [`NullModem::cut`].
    pub fn cut_direction(&mut self, from: &Host) -> Result<(), Error> {
        match self.end_of(from) {
            Some(0) => self.order(Order::Cut([true, false])),
            Some(_) => self.order(Order::Cut([false, true])),
            None => Ok(()),
        }
    }

    /// Adds so many bytes of garbage a second in both directions; 0 ends it. The same seed, the same garbage.
    ///
    /// # Errors
    /// As for [`NullModem::cut`].
    pub fn noise(&mut self, bytes_per_second: u32, seed: u64) -> Result<(), Error> {
        self.order(Order::Noise { bytes_per_second, seed })
    }

    /// Turns over one bit in one of so many bytes, by chance, in both directions; 0 ends it.
    ///
    /// # Errors
    /// As for [`NullModem::cut`].
    pub fn flip_bits(&mut self, one_in: u32, seed: u64) -> Result<(), Error> {
        self.order(Order::FlipBits { one_in, seed })
    }

    /// Has the second end hear bytes as if the first had sent them, after what is under way.
    ///
    /// # Errors
    /// As for [`NullModem::cut`].
    pub fn forge(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.order(Order::Forge(bytes.to_vec()))
    }

    /// Writes down what the first end sends from now on, for [`NullModem::overheard`].
    ///
    /// # Errors
    /// As for [`NullModem::cut`].
    pub fn tap(&mut self) -> Result<(), Error> {
        self.recording = Recording::default();
        self.order(Order::Tap(Arc::clone(&self.recording)))
    }

    /// What was written down.
    #[must_use]
    pub fn overheard(&self) -> Vec<u8> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end_of(&self, host: &Host) -> Option<usize> {
        self.hosts.iter().position(|name| name == host.name())
    }

    fn order(&mut self, order: Order) -> Result<(), Error> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let what = || Error::io("give an order to the serial line");
        self.orders.send(order).map_err(|_| what()(gone()))?;
        self.bell.as_mut().ok_or_else(gone).and_then(|bell| bell.write_all(&[0])).map_err(what())
    }
}

impl Drop for NullModem {
    fn drop(&mut self) {
        self.bell = None;
        if let Some(pump) = self.pump.take() {
            // A pump that panicked has said so.
            let _ = pump.join();
        }
    }
}
