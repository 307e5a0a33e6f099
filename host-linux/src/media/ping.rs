//! Ping nodes: asks their hosts by ICMP and tells which answered. Whether a ping node is alive is decided by the core.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::RETRY_PAUSE;
use super::echo::{Delivery, Echo, Marks};
use super::link::Context;
use super::pace::Pace;
use super::report::{MediaError, MediaEvent, MediaSource, Reports};
use crate::config::PingNode;

/// Packets of one wake-up. A raw socket gets all ICMP of the host.
const PACKETS_MAX: usize = 256;
/// Packets in 10 ms, beyond which the socket is left alone.
const PACKETS_IN_A_WINDOW: usize = 128;

/// Answers to older requests than this many count no more.
const OUTSTANDING_MAX: u16 = 64;

/// How long nothing more is said of a host that could not be asked.
const QUIET: Duration = Duration::from_secs(60);

/// The sockets of [`Pinger`], one token each.
pub(super) const SOCKETS: usize = 2;

/// All ping nodes.
pub(super) struct Pinger {
    marks: Marks,
    targets: Vec<Target>,
    sockets: [IcmpSocket; SOCKETS],
}

/// One host of one ping node.
struct Target {
    ping: usize,
    name: String,
    address: IpAddr,
    /// The sequence number of the newest request.
    sent: u16,
    /// How many of the newest requests may still be answered.
    outstanding: u16,
    trouble_told: bool,
    quiet_until: Option<Instant>,
}

impl Pinger {
    /// Takes [`SOCKETS`] tokens from `first_token` on.
    pub(super) fn open(pings: &[PingNode], first_token: usize, context: &mut Context<'_>) -> Self {
        let targets = pings.iter().enumerate().flat_map(|(ping, node)| {
            node.hosts.iter().map(move |address| Target {
                ping,
                name: node.name.clone(),
                address: *address,
                sent: 0,
                outstanding: 0,
                trouble_told: false,
                quiet_until: None,
            })
        });
        let targets: Vec<Target> = targets.take(usize::from(u16::MAX)).collect();
        let mut sockets = [(Domain::IPV4, first_token), (Domain::IPV6, first_token + 1)]
            .map(|(domain, token)| IcmpSocket::new(domain, Token(token)));
        for socket in &mut sockets {
            if targets.iter().any(|target| socket.serves(target.address)) {
                socket.retry_at = Some(context.now);
                socket.tick(context);
            }
        }
        if sockets.iter().any(|socket| socket.open.is_some()) {
            for (ping, node) in pings.iter().enumerate() {
                let kind = if node.hosts.len() > 1 { "ping group" } else { "ping" };
                let text = format!("{kind} heartbeat started.");
                context.reports.push(MediaSource::Ping(ping), MediaEvent::Opened, text);
            }
        }
        Self { marks: Marks::new(), targets, sockets }
    }

    pub(super) fn owns(&self, token: Token) -> bool {
        self.sockets.iter().any(|socket| socket.token == token)
    }

    /// Asks every host once.
    pub(super) fn ping(&mut self, context: &mut Context<'_>) {
        for (target, number) in self.targets.iter_mut().zip(0..) {
            let socket = self.sockets.iter().find(|socket| socket.serves(target.address));
            let Some(open) = socket.and_then(|socket| socket.open.as_ref()) else { continue };
            target.sent = target.sent.wrapping_add(1);
            target.outstanding = (target.outstanding + 1).min(OUTSTANDING_MAX);
            let echo = Echo { target: number, sequence: target.sent };
            let request = self.marks.request(target.address, echo);
            let outcome = open.socket.send_to(&request, SocketAddr::new(target.address, 0));
            target.note(outcome.err(), context.reports, context.now);
        }
    }

    /// Reads answers; `pong` gets the index of the ping node for each one that counts.
    pub(super) fn ready(&mut self, token: Token, context: &mut Context<'_>, pong: &mut dyn FnMut(usize)) {
        let Some(socket) = self.sockets.iter_mut().find(|socket| socket.token == token) else { return };
        let mut buffer = [0; 256];
        let mut packets = 0;
        while packets < PACKETS_MAX {
            let Some(open) = &socket.open else { return };
            packets += 1;
            match open.socket.recv_from(&mut buffer) {
                Ok((count, sender)) => {
                    let echo = self.marks.answered(&buffer[..count], sender.ip(), open.delivery);
                    if let Some(ping) =
                        echo.and_then(|echo| count_answer(&mut self.targets, echo, sender.ip()))
                    {
                        pong(ping);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_passing(&error) => {}
                Err(error) => socket.fail(&MediaError::io("receive")(error), context),
            }
        }
        socket.pace(packets, context);
    }

    /// The token of a socket whose pause after too much at once is over.
    pub(super) fn due(&self, now: Instant) -> Option<Token> {
        let is_due = |open: &OpenSocket| open.paused_until.is_some_and(|until| until <= now);
        self.sockets.iter().find(|socket| socket.open.as_ref().is_some_and(is_due)).map(|socket| socket.token)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let paused_until = |socket: &IcmpSocket| socket.open.as_ref()?.paused_until;
        self.sockets.iter().filter_map(|socket| socket.retry_at.or_else(|| paused_until(socket))).min()
    }

    pub(super) fn tick(&mut self, context: &mut Context<'_>) {
        for socket in &mut self.sockets {
            socket.tick(context);
        }
    }
}

/// Each request counts once, from the host that was asked, and only while it is recent.
fn count_answer(targets: &mut [Target], echo: Echo, sender: IpAddr) -> Option<usize> {
    let target = targets.get_mut(usize::from(echo.target)).filter(|target| target.address == sender)?;
    let age = target.sent.wrapping_sub(echo.sequence);
    if age >= target.outstanding {
        return None;
    }
    // With this answer those to older requests are of no interest.
    target.outstanding = age;
    Some(target.ping)
}

impl Target {
    fn note(&mut self, trouble: Option<io::Error>, reports: &mut Reports, now: Instant) {
        let source = MediaSource::Ping(self.ping);
        match trouble {
            None if self.trouble_told => {
                self.trouble_told = false;
                let text = format!("ping {}: {} can be asked again.", self.name, self.address);
                reports.push(source, MediaEvent::Reopened, text);
            }
            None => {}
            Some(error) if is_passing(&error) || self.trouble_told => {}
            Some(_) if self.quiet_until.is_some_and(|until| now < until) => {}
            Some(error) => {
                self.trouble_told = true;
                self.quiet_until = Some(now + QUIET);
                let text = format!("ping {}: cannot ask {}: {error}.", self.name, self.address);
                reports.push(source, MediaEvent::Failed, text);
            }
        }
    }
}

/// The socket of one address family, where any host has such an address.
struct IcmpSocket {
    domain: Domain,
    token: Token,
    open: Option<OpenSocket>,
    retry_at: Option<Instant>,
    told: Option<String>,
}

struct OpenSocket {
    /// Not UDP: but for the kernel this is a socket whose messages have an address, and that is all the type knows.
    socket: mio::net::UdpSocket,
    delivery: Delivery,
    pace: Pace,
    /// Until when it is not listened to.
    paused_until: Option<Instant>,
}

impl IcmpSocket {
    fn new(domain: Domain, token: Token) -> Self {
        Self { domain, token, open: None, retry_at: None, told: None }
    }

    fn serves(&self, address: IpAddr) -> bool {
        address.is_ipv4() == (self.domain == Domain::IPV4)
    }

    fn tick(&mut self, context: &mut Context<'_>) {
        if self.retry_at.is_none_or(|retry_at| context.now < retry_at) {
            return;
        }
        match open(self.domain, self.token, context.registry) {
            Ok(open) => {
                self.open = Some(open);
                self.retry_at = None;
                if self.told.take().is_some() {
                    let text = "ping: hosts can be asked again.".to_owned();
                    context.reports.push(MediaSource::Icmp, MediaEvent::Reopened, text);
                }
            }
            Err(error) => self.fail(&error, context),
        }
    }

    /// After so many packets: listens, or does not for a while if these were too many.
    fn pace(&mut self, packets: usize, context: &mut Context<'_>) {
        let Some(open) = &mut self.open else { return };
        let was_paused = open.paused_until.is_some();
        open.paused_until = open.pace.note(context.now, packets);
        let changed = match (was_paused, open.paused_until.is_some()) {
            (false, true) => context.registry.deregister(&mut open.socket),
            (true, false) => context.registry.register(&mut open.socket, self.token, Interest::READABLE),
            (true, true) | (false, false) => Ok(()),
        };
        if let Err(error) = changed {
            self.fail(&MediaError::io("watch the ICMP socket")(error), context);
        }
    }

    fn fail(&mut self, error: &MediaError, context: &mut Context<'_>) {
        if let Some(mut open) = self.open.take() {
            // An error would say that the socket is not watched, which is what is wanted.
            let _ = context.registry.deregister(&mut open.socket);
        }
        self.retry_at = Some(context.now + RETRY_PAUSE);
        let cause = error.to_string();
        if self.told.as_ref() != Some(&cause) {
            context.reports.push(MediaSource::Icmp, MediaEvent::Failed, format!("ping: {cause}."));
            self.told = Some(cause);
        }
    }
}

/// A socket for echo requests alone if the system permits that kind (`net.ipv4.ping_group_range`), else a raw one.
fn open(domain: Domain, token: Token, registry: &Registry) -> Result<OpenSocket, MediaError> {
    let protocol = if domain == Domain::IPV4 { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
    let create = |kind: Type| Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol));
    let (socket, delivery) = create(Type::DGRAM)
        .map(|socket| (socket, Delivery::Datagram))
        .or_else(|_| create(Type::RAW).map(|socket| (socket, Delivery::Raw)))
        .map_err(MediaError::io("open an ICMP socket"))?;
    let mut socket = mio::net::UdpSocket::from_std(UdpSocket::from(socket));
    registry
        .register(&mut socket, token, Interest::READABLE)
        .map_err(MediaError::io("watch the ICMP socket"))?;
    Ok(OpenSocket { socket, delivery, pace: Pace::new(PACKETS_IN_A_WINDOW), paused_until: None })
}

/// What passes by itself or is the host's silence, which the core notices.
fn is_passing(error: &io::Error) -> bool {
    const PASSING: [Errno; 6] = [
        Errno::EAGAIN,
        Errno::EINTR,
        Errno::ENOBUFS,
        Errno::ECONNREFUSED,
        Errno::EHOSTUNREACH,
        Errno::EHOSTDOWN,
    ];
    error.raw_os_error().is_some_and(|raw| PASSING.contains(&Errno::from_raw(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn target(sent: u16, outstanding: u16) -> Vec<Target> {
        let name = "host".to_owned();
        vec![Target {
            ping: 5,
            name,
            address: HOST,
            sent,
            outstanding,
            trouble_told: false,
            quiet_until: None,
        }]
    }

    fn answer(targets: &mut [Target], sequence: u16) -> Option<usize> {
        count_answer(targets, Echo { target: 0, sequence }, HOST)
    }

    #[test]
    fn an_answer_counts_once_and_not_after_a_newer_one() {
        let mut targets = target(10, 4);
        assert_eq!(answer(&mut targets, 8), Some(5));
        assert_eq!(answer(&mut targets, 8), None, "repeated");
        assert_eq!(answer(&mut targets, 7), None, "overtaken");
        assert_eq!(answer(&mut targets, 10), Some(5));
        assert_eq!(answer(&mut targets, 11), None, "never asked");
    }

    #[test]
    fn only_recent_requests_can_be_answered_also_when_numbers_wrap() {
        let sent = 3_u16;
        let oldest = sent.wrapping_sub(OUTSTANDING_MAX - 1);
        assert_eq!(answer(&mut target(sent, OUTSTANDING_MAX), oldest.wrapping_sub(1)), None);
        assert_eq!(answer(&mut target(sent, OUTSTANDING_MAX), oldest), Some(5));
    }

    #[test]
    fn only_the_host_that_was_asked_can_answer() {
        let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        let mut targets = target(1, 1);
        assert_eq!(count_answer(&mut targets, Echo { target: 0, sequence: 1 }, other), None);
        assert_eq!(count_answer(&mut targets, Echo { target: 1, sequence: 1 }, HOST), None);
        assert_eq!(answer(&mut targets, 1), Some(5));
    }

    #[test]
    fn trouble_that_comes_and_goes_is_said_at_most_once_a_minute() {
        let mut targets = target(0, 0);
        let mut reports = Reports::default();
        let start = crate::clock::monotonic();
        let unreachable = || Some(io::Error::from(Errno::ENETUNREACH));
        for seconds in 0..59 {
            let now = start + Duration::from_secs(seconds);
            targets[0].note(unreachable(), &mut reports, now);
            targets[0].note(unreachable(), &mut reports, now);
            targets[0].note(None, &mut reports, now);
        }
        let events: Vec<MediaEvent> = reports.drain().map(|report| report.event).collect();
        assert_eq!(events, [MediaEvent::Failed, MediaEvent::Reopened]);
        targets[0].note(unreachable(), &mut reports, start + QUIET);
        assert_eq!(reports.drain().count(), 1);
    }
}
