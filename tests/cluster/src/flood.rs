//! A flood of datagrams that are no heartbeats, from the world's own port on the first Ethernet.

use crate::Result;
use crate::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// What heartbeats are sent to, for the world cannot be where they are without the same port.
const PORT: u16 = 694;

/// A flood that goes on until it is ended or dropped, however long the scenario takes.
#[derive(Debug)]
pub struct Flood {
    is_over: Arc<AtomicBool>,
    sender: Option<JoinHandle<Result<u64>>>,
}

impl Flood {
    /// Sends `datagrams` one after the other and over again to `broadcast`, each from the next of `sources`, as fast as
    /// it goes. The sources are addresses of the world.
    ///
    /// # Errors
    /// A source is no such address.
    pub fn begin(sources: &[Ipv4Addr], broadcast: Ipv4Addr, datagrams: Vec<Vec<u8>>) -> Result<Self> {
        let target = SocketAddrV4::new(broadcast, PORT);
        let open = |source: &Ipv4Addr| {
            let socket = UdpSocket::bind((*source, 0))?;
            socket.set_broadcast(true)?;
            socket.connect(target)?;
            Ok(socket)
        };
        let sockets: std::io::Result<Vec<UdpSocket>> = sources.iter().map(open).collect();
        let sockets = sockets.map_err(Error::io("open a socket to flood with"))?;
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let sender = thread::spawn(move || flood(&sockets, &datagrams, &stop));
        Ok(Self { is_over, sender: Some(sender) })
    }

    /// Ends it, and gives how many datagrams were sent.
    ///
    /// # Errors
    /// It had ended by itself.
    pub fn end(mut self) -> Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        let sent = self.sender.take().map_or(Ok(Ok(0)), JoinHandle::join);
        sent.map_err(|_| Error::Wrong("the flood has panicked".to_owned()))?
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// The next heartbeat that is broadcast on an Ethernet of the world.
///
/// # Errors
/// None comes.
pub fn overheard() -> Result<Vec<u8>> {
    let listen = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
        socket.set_read_timeout(Some(crate::LIMIT))?;
        let mut frame = vec![0; 2_000];
        let length = socket.recv(&mut frame)?;
        frame.truncate(length);
        Ok(frame)
    };
    listen().map_err(Error::io("overhear a heartbeat"))
}

fn flood(sockets: &[UdpSocket], datagrams: &[Vec<u8>], is_over: &AtomicBool) -> Result<u64> {
    let mut pairs = sockets.iter().cycle().zip(datagrams.iter().cycle());
    let mut sent = 0;
    while let Some((socket, datagram)) = pairs.next().filter(|_| !is_over.load(Ordering::Relaxed)) {
        match socket.send(datagram) {
            Ok(_) => {}
            // Nobody there listens to unicast, or a queue is full: the next one.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::WouldBlock) => {}
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32) => {}
            Err(error) => return Err(Error::io("flood")(error)),
        }
        sent += 1;
    }
    Ok(sent)
}
