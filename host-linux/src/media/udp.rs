//! Heartbeats over UDP: broadcast, multicast and unicast, bound so that each socket hears its own link and nothing else.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use heartline_core::framing::FRAME_BYTES_MAX;
use heartline_core::gate::{Gate, Source};
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};

use super::filter::{self, Family};
use super::interface::{self, BroadcastAddress};
use super::pace::Pace;
use super::report::{LinkCounters, MediaError};
use crate::config::Medium;

/// Datagrams of one wake-up: more than fit into the receive buffer, so that all that had come before it is read.
const DATAGRAMS_MAX: usize = 512;
/// The kernel takes it twofold, and small datagrams for at least 768 bytes: 341 of them.
const RECEIVE_BUFFER_BYTES: usize = 128 << 10;
/// Datagrams in 10 ms, beyond which the link is left alone.
const DATAGRAMS_IN_A_WINDOW: usize = 128;

/// How often a broadcast socket makes sure that its address is still the interface's: no system call says so.
const ADDRESS_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// `IPTOS_LOWDELAY`, which also puts the datagrams into the first band of the usual queues; as the original does.
const LOW_DELAY: u32 = 0x10;

/// An open UDP link.
pub(super) struct UdpLink {
    socket: mio::net::UdpSocket,
    /// None for a connected socket.
    destination: Option<SocketAddr>,
    /// The only address that is listened to, for unicast.
    peer: Option<IpAddr>,
    family: Family,
    addresses: Option<Watched>,
    /// [`Gate::changes`] of the filter in the kernel.
    guarded: Option<u32>,
    pace: Pace,
    /// Until when it is not listened to, and whether the event loop listens.
    paused_until: Option<Instant>,
    is_listened_to: bool,
}

/// The addresses that the socket stands and falls with.
struct Watched {
    interface: String,
    address: BroadcastAddress,
    check_at: Instant,
}

/// Why the link is not bound to its interface, where that did not succeed.
pub(super) type Limitation = Option<io::Error>;

impl UdpLink {
    /// Opens the socket for any medium but a serial one.
    pub(super) fn open(
        medium: &Medium,
        registry: &Registry,
        token: Token,
        now: Instant,
    ) -> Result<(Self, Limitation), MediaError> {
        let (mut link, limitation) = match medium {
            Medium::Serial { .. } => {
                return Err(MediaError::io("open a socket")(ErrorKind::Unsupported.into()));
            }
            Medium::Broadcast { interface, port } => Self::broadcast(interface, *port, now),
            Medium::Multicast { interface, group, port, ttl, loopback } => {
                Self::multicast4(interface, *group, *port, *ttl, *loopback)
            }
            Medium::Multicast6 { interface, group, port, hops, loopback } => {
                Self::multicast6(interface, *group, *port, *hops, *loopback)
            }
            Medium::Unicast { interface, peer, port } => Self::unicast(interface, *peer, *port),
        }?;
        link.watch(registry, token)?;
        Ok((link, limitation))
    }

    /// Bound to the broadcast address, a socket hears broadcasts only and leaves unicast on the port to others.
    fn broadcast(interface: &str, port: u16, now: Instant) -> Result<(Self, Limitation), MediaError> {
        let address = interface::broadcast_address(interface)?;
        let (socket, limitation) = socket_on(interface, Domain::IPV4)?;
        socket.set_broadcast(true).map_err(MediaError::io("allow broadcasts"))?;
        let destination = SocketAddr::new(address.broadcast.into(), port);
        bind(&socket, destination)?;
        let addresses =
            Watched { interface: interface.to_owned(), address, check_at: now + ADDRESS_CHECK_INTERVAL };
        let link = Self::new(socket, Family::V4, Some(destination), None);
        Ok((Self { addresses: Some(addresses), ..link }, limitation))
    }

    fn multicast4(
        interface: &str,
        group: Ipv4Addr,
        port: u16,
        ttl: u8,
        loopback: bool,
    ) -> Result<(Self, Limitation), MediaError> {
        let by_index = InterfaceIndexOrAddress::Index(interface::index(interface)?);
        let (socket, limitation) = socket_on(interface, Domain::IPV4)?;
        let destination = SocketAddr::new(group.into(), port);
        bind(&socket, destination)?;
        socket
            .join_multicast_v4_n(&group, &by_index)
            .map_err(MediaError::io(format!("join {group} on {interface}")))?;
        // The interface to send through is the one that the socket is bound to, or the one of the route without that.
        socket
            .set_multicast_ttl_v4(ttl.into())
            .and_then(|()| socket.set_multicast_loop_v4(loopback))
            .map_err(MediaError::io("set up multicast"))?;
        Ok((Self::new(socket, Family::V4, Some(destination), None), limitation))
    }

    fn multicast6(
        interface: &str,
        group: Ipv6Addr,
        port: u16,
        hops: u8,
        loopback: bool,
    ) -> Result<(Self, Limitation), MediaError> {
        let index = interface::index(interface)?;
        let (socket, limitation) = socket_on(interface, Domain::IPV6)?;
        let destination = SocketAddr::V6(SocketAddrV6::new(group, port, 0, index));
        bind(&socket, destination)?;
        socket
            .join_multicast_v6(&group, index)
            .map_err(MediaError::io(format!("join {group} on {interface}")))?;
        socket
            .set_multicast_if_v6(index)
            .and_then(|()| socket.set_multicast_hops_v6(hops.into()))
            .and_then(|()| socket.set_multicast_loop_v6(loopback))
            .map_err(MediaError::io("set up multicast"))?;
        Ok((Self::new(socket, Family::V6, Some(destination), None), limitation))
    }

    /// Connected to the peer, a socket hears nobody else, and several peers on one port have a socket each.
    fn unicast(interface: &str, peer: IpAddr, port: u16) -> Result<(Self, Limitation), MediaError> {
        let index = interface::index(interface)?;
        let (domain, any, address) = match peer {
            IpAddr::V4(_) => (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into(), SocketAddr::new(peer, port)),
            IpAddr::V6(v6) => {
                let scope = if v6.is_unicast_link_local() { index } else { 0 };
                (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into(), SocketAddrV6::new(v6, port, 0, scope).into())
            }
        };
        let (socket, limitation) = socket_on(interface, domain)?;
        bind(&socket, SocketAddr::new(any, port))?;
        socket.connect(&address.into()).map_err(MediaError::io(format!("reach {address}")))?;
        let family = if peer.is_ipv4() { Family::V4 } else { Family::V6 };
        Ok((Self::new(socket, family, None, Some(peer)), limitation))
    }

    fn new(socket: Socket, family: Family, destination: Option<SocketAddr>, peer: Option<IpAddr>) -> Self {
        Self {
            socket: mio::net::UdpSocket::from_std(UdpSocket::from(socket)),
            destination,
            peer,
            family,
            addresses: None,
            guarded: None,
            pace: Pace::new(DATAGRAMS_IN_A_WINDOW),
            paused_until: None,
            is_listened_to: false,
        }
    }

    /// Has the kernel drop what the gate of the link does not want read at present, and what never is of use.
    pub(super) fn guard(&mut self, gate: &Gate) {
        if self.guarded == Some(gate.changes()) {
            return;
        }
        self.guarded = Some(gate.changes());
        // The core knows its own frames, but each one that comes back wakes us for nothing.
        let own = self.addresses.as_ref().map(|watched| watched.address.own).filter(|own| !own.is_loopback());
        // Only a wish: the gate turns away what comes through.
        let _ = SockRef::from(&self.socket).attach_filter(&filter::program(self.family, own, gate));
    }

    /// Has the event loop listen unless there was too much of it. What comes in between the last read and this counts as
    /// news.
    pub(super) fn watch(&mut self, registry: &Registry, token: Token) -> Result<(), MediaError> {
        let wanted = self.paused_until.is_none();
        let changed = match (self.is_listened_to, wanted) {
            (false, true) => registry.register(&mut self.socket, token, Interest::READABLE),
            (true, false) => registry.deregister(&mut self.socket),
            (true, true) | (false, false) => return Ok(()),
        };
        changed.map_err(MediaError::io("watch the socket"))?;
        self.is_listened_to = wanted;
        Ok(())
    }

    /// Whether the event loop tells of what comes in.
    pub(super) const fn is_listened_to(&self) -> bool {
        self.is_listened_to
    }

    /// Whether the pause after too much at once is over.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until <= now)
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn close(mut self, registry: &Registry) {
        // An error would say that the socket is not watched, which is what is wanted.
        let _ = registry.deregister(&mut self.socket);
    }

    /// Sends one datagram; a full queue or an absent peer costs the frame, not the link.
    pub(super) fn send(&mut self, frame: &[u8], counters: &mut LinkCounters) -> Result<(), MediaError> {
        let mut outcome = self.send_once(frame);
        if outcome.as_ref().is_err_and(is_about_an_earlier_datagram) {
            outcome = self.send_once(frame);
        }
        match outcome {
            Ok(count) => {
                counters.frames_out += 1;
                counters.bytes_out += count as u64;
                Ok(())
            }
            Err(error) if costs_one_frame(&error) => {
                counters.dropped += 1;
                Ok(())
            }
            Err(error) => Err(MediaError::io("send")(error)),
        }
    }

    fn send_once(&self, frame: &[u8]) -> io::Result<usize> {
        match self.destination {
            Some(destination) => self.socket.send_to(frame, destination),
            None => self.socket.send(frame),
        }
    }

    /// Reads what has come. To be followed by [`Self::watch`].
    pub(super) fn receive(
        &mut self,
        now: Instant,
        counters: &mut LinkCounters,
        sink: &mut dyn FnMut(Source, &[u8]),
    ) -> Result<(), MediaError> {
        self.paused_until = self.paused_until.filter(|until| now < *until);
        // One byte more than a frame has, to see which datagrams are too long.
        let mut buffer = [0; FRAME_BYTES_MAX + 1];
        let mut datagrams = 0;
        while datagrams < DATAGRAMS_MAX {
            let (count, sender) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted || costs_one_frame(&error) => {
                    datagrams += 1;
                    continue;
                }
                Err(error) => return Err(MediaError::io("receive")(error)),
            };
            datagrams += 1;
            counters.bytes_in += count as u64;
            // Between bind and connect a stranger's datagram can slip in.
            let expected = self.peer.is_none_or(|peer| peer == sender.ip());
            if !expected || count == 0 || count > FRAME_BYTES_MAX {
                counters.malformed += 1;
                continue;
            }
            counters.frames_in += 1;
            sink(filter::source(sender.ip()), &buffer[..count]);
        }
        self.paused_until = self.paused_until.max(self.pace.note(now, datagrams));
        Ok(())
    }

    /// When the pause is over. The check of the address waits for a heartbeat that wakes us anyway.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Makes sure, now and then, that the broadcast address is still ours.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), MediaError> {
        match &mut self.addresses {
            Some(watched) if watched.check_at <= now => {
                watched.check_at = now + ADDRESS_CHECK_INTERVAL;
                interface::check_broadcast_address(&watched.interface, watched.address)
            }
            _ => Ok(()),
        }
    }
}

/// A non-blocking socket that uses `interface` only, where the system lets us demand that.
fn socket_on(interface: &str, domain: Domain) -> Result<(Socket, Limitation), MediaError> {
    let create = || {
        let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(true)?;
        }
        Ok(socket)
    };
    let socket = create().map_err(MediaError::io("open a socket"))?;
    // Only a wish: less is granted where the system's limit is lower.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    // Only a wish: without it datagrams wait in the same queue as all others.
    let _ = match domain {
        Domain::IPV6 => socket.set_tclass_v6(LOW_DELAY),
        _ => socket.set_tos_v4(LOW_DELAY),
    };
    match socket.bind_device(Some(interface.as_bytes())) {
        Ok(()) => Ok((socket, None)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok((socket, Some(error))),
        Err(error) => Err(MediaError::io(format!("bind to interface {interface}"))(error)),
    }
}

fn bind(socket: &Socket, address: SocketAddr) -> Result<(), MediaError> {
    socket.bind(&address.into()).map_err(MediaError::io(format!("bind to {address}")))
}

/// What a host answered to a datagram sent before is reported by the next call, which then does nothing itself.
fn is_about_an_earlier_datagram(error: &io::Error) -> bool {
    error.kind() == ErrorKind::ConnectionRefused || error.kind() == ErrorKind::Interrupted
}

/// The peer is absent, a queue is full or the frame too long for the interface: the link itself is well.
fn costs_one_frame(error: &io::Error) -> bool {
    const HARMLESS: [Errno; 6] = [
        Errno::EAGAIN,
        Errno::ENOBUFS,
        Errno::ECONNREFUSED,
        Errno::EHOSTUNREACH,
        Errno::EHOSTDOWN,
        Errno::EMSGSIZE,
    ];
    error.raw_os_error().is_some_and(|raw| HARMLESS.contains(&Errno::from_raw(raw)))
}
