//! One client of the control socket: its bytes in, its bytes out, and when it is over.

use std::io::{self, Read, Write};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::Peer;
use crate::control::line::{LineBuffer, TooLong};
use crate::control::protocol::{Reply, Request};

/// The longest request line.
const LINE_BYTES: usize = 64 * 1024;
/// Replies that wait for a client to read them. Beyond it, the client is dropped.
const UNREAD_BYTES: usize = 1024 * 1024;
/// Requests of one client that may be unanswered at once. Beyond it, the client is dropped.
const UNANSWERED: usize = 16;
/// What is read for one event, so that one client cannot keep the daemon from its other work.
const TURN_BYTES: usize = LINE_BYTES;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) serial: u64,
    pub(super) peer: Peer,
    stream: UnixStream,
    input: LineBuffer,
    output: Vec<u8>,
    /// Requests without a result yet.
    unanswered: usize,
    /// The client will ask nothing more; it may still wait for answers.
    input_ended: bool,
    /// There may be more to read than one turn allowed.
    more: bool,
    broken: bool,
}

/// One line of a client.
#[derive(Debug)]
pub(super) enum Received {
    Request(Request),
    /// No request, and why.
    Garbage(String),
}

impl Connection {
    pub(super) fn new(stream: UnixStream, serial: u64) -> io::Result<Self> {
        let credentials = getsockopt(&stream, PeerCredentials)?;
        Ok(Self {
            serial,
            peer: Peer { pid: credentials.pid(), uid: credentials.uid(), gid: credentials.gid() },
            stream,
            input: LineBuffer::with_limit(LINE_BYTES),
            output: Vec::new(),
            unanswered: 0,
            input_ended: false,
            more: false,
            broken: false,
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Events tell of changes only: after a turn that left something unread, asks for one more.
    pub(super) fn come_back_if_more(&mut self, registry: &Registry, token: Token) {
        if self.more {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.broken |= registry.reregister(&mut self.stream, token, interest).is_err();
        }
    }

    /// Nobody is at the other end any more. What was asked before still counts.
    pub(super) fn hang_up(&mut self) {
        self.broken = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.broken || (self.input_ended && self.unanswered == 0 && self.output.is_empty())
    }

    pub(super) fn receive(&mut self) -> Vec<Received> {
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        self.more = false;
        let mut total = 0;
        while !self.broken && !self.input_ended {
            if total >= TURN_BYTES {
                self.more = true;
                break;
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => self.input_ended = true,
                Ok(length) => {
                    total += length;
                    self.input.push(&chunk[..length]);
                    self.take_lines(&mut received);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.broken = true,
            }
        }
        received
    }

    fn take_lines(&mut self, received: &mut Vec<Received>) {
        loop {
            let line = match self.input.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return,
                Err(TooLong) => {
                    self.broken = true;
                    return;
                }
            };
            if line.trim_ascii().is_empty() {
                continue;
            }
            if self.unanswered >= UNANSWERED {
                self.broken = true;
                return;
            }
            self.unanswered += 1;
            received.push(match serde_json::from_slice(line) {
                Ok(request) => Received::Request(request),
                Err(error) => Received::Garbage(error.to_string()),
            });
        }
    }

    pub(super) fn send(&mut self, reply: &Reply) {
        if matches!(reply, Reply::Result(_)) {
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        match serde_json::to_vec(reply) {
            Ok(line) => {
                self.output.extend_from_slice(&line);
                self.output.push(b'\n');
                self.flush();
                self.broken |= self.output.len() > UNREAD_BYTES;
            }
            Err(_) => self.broken = true,
        }
    }

    pub(super) fn flush(&mut self) {
        let mut sent = 0;
        while sent < self.output.len() {
            match self.stream.write(&self.output[sent..]) {
                Ok(length) if length > 0 => sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.broken = true;
                    break;
                }
            }
        }
        self.output.drain(..sent);
    }
}
