//! The client: asks the floating address for an echo every half millisecond and watches, at the switch, who answers
//! and who sends heartbeats. All times come from the capture, so the client's own delays cost precision only in
//! when it asks.

use crate::clock;
use crate::error::Error;
use crate::tap::{Seen, Tap, What};
use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Type};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, setsockopt, socket,
    sockopt,
};
use std::io::{PipeReader, PipeWriter};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the client asks: the resolution of every outage and takeover.
pub(crate) const INTERVAL: Duration = Duration::from_micros(500);

/// A client that asks until it is dropped, and all that was seen meanwhile.
#[derive(Debug)]
pub(crate) struct Client {
    frames: Receiver<Seen>,
    seen: Vec<Seen>,
    running: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Begins to ask `address`, from the world's side of `switch`.
    pub(crate) fn start(switch: &str, address: Ipv4Addr) -> Result<Self, Error> {
        let asker = Asker::open(address)?;
        let tap = Tap::open(switch)?;
        let (over, running) = std::io::pipe().map_err(Error::io("make a pipe"))?;
        let (sender, frames) = mpsc::channel();
        let work = move || {
            if let Err(error) = ask_and_watch(asker, &tap, &over, &sender) {
                eprintln!("the measuring client: {error}");
            }
        };
        let thread = thread::Builder::new().name("client".to_owned()).spawn(work);
        let thread = thread.map_err(Error::io("start a thread"))?;
        Ok(Self { frames, seen: Vec::new(), running: Some(running), thread: Some(thread) })
    }

    /// Waits for the next frame that `wanted` accepts; `what` completes "waited in vain until".
    pub(crate) fn until(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Seen) -> bool,
    ) -> Result<Duration, Error> {
        let end = clock::now()? + limit;
        loop {
            let left = end.saturating_sub(clock::now()?);
            match self.frames.recv_timeout(left) {
                Ok(seen) => {
                    let found = wanted(&seen).then_some(seen.at);
                    self.seen.push(seen);
                    if let Some(at) = found {
                        return Ok(at);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(heartline_lab::Error::Timeout { what: what.to_owned(), limit }.into());
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Error::NoClient),
            }
        }
    }

    /// Waits until a host answers.
    pub(crate) fn until_answer(&mut self, from: [u8; 6], limit: Duration) -> Result<Duration, Error> {
        self.until("the address answers", limit, |seen| seen.from == from && seen.what == What::Answer)
    }

    /// The last frame of this kind from a host, up to the last one that was waited for.
    pub(crate) fn last(&self, from: [u8; 6], kind: impl Fn(What) -> bool) -> Option<Duration> {
        self.seen.iter().rev().find(|seen| seen.from == from && kind(seen.what)).map(|seen| seen.at)
    }

    /// All that was seen, up to the last one that was waited for.
    pub(crate) fn seen(&self) -> &[Seen] {
        &self.seen
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.running = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Runs until the other end of `over` is closed.
fn ask_and_watch(mut asker: Asker, tap: &Tap, over: &PipeReader, frames: &Sender<Seen>) -> Result<(), Error> {
    let timer = clock::interval(INTERVAL)?;
    loop {
        let mut descriptors = [over.as_fd(), timer.as_fd(), tap.as_fd()]
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN));
        match poll(&mut descriptors, PollTimeout::NONE) {
            Err(nix::Error::EINTR) => continue,
            result => result.map_err(Error::io("wait for frames"))?,
        };
        let [ended, due, _] = descriptors.map(|descriptor| descriptor.any() == Some(true));
        if ended {
            return Ok(());
        }
        if due {
            timer.wait().map_err(Error::io("read a timer"))?;
            asker.ask();
        }
        // Nobody who listens any more is no failure: the pipe will say so.
        tap.drain(&mut |seen| drop(frames.send(seen)))?;
    }
}

/// Sends echo requests.
#[derive(Debug)]
struct Asker {
    socket: OwnedFd,
    target: SockaddrIn,
    sequence: u16,
}

impl Asker {
    fn open(address: Ipv4Addr) -> Result<Self, Error> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp)
            .map_err(Error::io("open a socket for ICMP"))?;
        // The answers are read at the tap; those that come here as well are to be forgotten soon.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &0);
        Ok(Self { socket, target: SockaddrIn::from(std::net::SocketAddrV4::new(address, 0)), sequence: 0 })
    }

    fn ask(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let echo = Icmpv4Type::EchoRequest(IcmpEchoHeader { id: 1, seq: self.sequence });
        let request = Icmpv4Header::with_checksum(echo, &[]).to_bytes();
        // An address that nobody has is what this is about.
        let _ = sendto(self.socket.as_raw_fd(), &request, &self.target, MsgFlags::empty());
    }
}
