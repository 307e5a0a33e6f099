//! Notices that an address of a resource is gone from this host, whoever removed it: the kernel tells every change of
//! addresses and interfaces. `table` knows what is where; what is done about it is decided in the core.

mod guarded;
mod table;

use std::io::{self, ErrorKind};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkHeader;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc;

pub use guarded::{Guarded, guarded};
use table::{Change, Table, change};

use crate::rtnetlink::Message;

const GROUPS: [u32; 3] = [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR];
/// The kernel makes no datagram of a list longer, in bytes.
const DATAGRAM_BYTES_MAX: usize = 32 * 1024;
/// So many datagrams are read in one turn of the loop; then the heartbeats have theirs.
const TURN_DATAGRAMS_MAX: usize = 512;

/// The guard over the addresses of the groups.
#[derive(Debug)]
pub struct Watcher {
    socket: Socket,
    registry: Registry,
    token: Token,
    guarded: Vec<Guarded>,
    table: Table,
    /// What is being listed anew.
    listing: Option<Listing>,
    sequence_number: u32,
    /// Whether everything was listed once.
    is_complete: bool,
    buffer: Box<[u8]>,
}

/// A new table on its way. Changes that come in between go into it too.
#[derive(Debug)]
struct Listing {
    table: Table,
    part: Part,
    /// Something was lost meanwhile, or changed under the list.
    again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Links,
    Addresses,
}

impl Watcher {
    /// Begins to watch. The kernel is asked for everything at once; its answers come through [`Watcher::ready`].
    ///
    /// # Errors
    /// When the kernel gives no such socket, or it cannot be watched.
    pub fn open(registry: Registry, token: Token, guarded: Vec<Guarded>) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        socket.set_non_blocking(true)?;
        socket.register(&registry, token, Interest::READABLE)?;
        let mut watcher = Self {
            socket,
            registry,
            token,
            guarded,
            table: Table::default(),
            listing: None,
            sequence_number: 0,
            is_complete: false,
            buffer: vec![0; DATAGRAM_BYTES_MAX].into_boxed_slice(),
        };
        watcher.look_at_everything();
        Ok(watcher)
    }

    /// Watches over other addresses from now on.
    pub fn guard(&mut self, guarded: Vec<Guarded>) {
        self.guarded = guarded;
    }

    /// Reads what the kernel has told, as far as it is there. Never waits.
    pub fn ready(&mut self) {
        for _ in 0..TURN_DATAGRAMS_MAX {
            match self.socket.recv(&mut &mut self.buffer[..], 0) {
                Ok(length) => self.take(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The kernel told more than we read: some of it is lost.
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    self.look_at_everything()
                }
                Err(_) => return,
            }
        }
        // Asked again, the loop tells of what is still there. It cannot fail for a socket that is registered.
        let _ = self.socket.reregister(&self.registry, self.token, Interest::READABLE);
    }

    /// The guarded addresses that are not on this host, or on an interface that is down. None before the kernel has
    /// listed everything once.
    pub fn absent(&self) -> impl Iterator<Item = &Guarded> {
        let guarded = if self.is_complete { self.guarded.as_slice() } else { &[] };
        guarded.iter().filter(|guarded| !self.table.has(guarded))
    }

    fn take(&mut self, length: usize) {
        let mut at = 0;
        while at < length {
            let Some(bytes) = self.buffer.get(at..length) else { return };
            // What cannot be read is a kind of message that we do not ask for.
            let Ok(message) = NetlinkMessage::<Message>::deserialize(bytes) else { return };
            let step = usize::try_from(message.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
            at = at.saturating_add(step.max(1));
            self.hear(&message);
        }
    }

    fn hear(&mut self, message: &NetlinkMessage<Message>) {
        // Changes that somebody made carry the number of whoever made them.
        let is_answer = message.header.flags & NLM_F_MULTIPART != 0
            && message.header.sequence_number == self.sequence_number;
        if is_answer
            && message.header.flags & NLM_F_DUMP_INTR != 0
            && let Some(listing) = &mut self.listing
        {
            listing.again = true;
        }
        match &message.payload {
            NetlinkPayload::InnerMessage(inner) => {
                let Some(change) = change(inner) else { return };
                self.apply(change, is_answer);
            }
            NetlinkPayload::Done(_) | NetlinkPayload::Error(_)
                if message.header.sequence_number == self.sequence_number =>
            {
                self.part_is_listed();
            }
            _ => {}
        }
    }

    fn apply(&mut self, change: Change, is_answer: bool) {
        if let Some(listing) = &mut self.listing {
            listing.table.apply(change.clone());
        }
        if !is_answer {
            self.table.apply(change);
        }
    }

    /// Has the kernel list all interfaces and addresses.
    fn look_at_everything(&mut self) {
        match &mut self.listing {
            // The kernel makes one list at a time.
            Some(listing) => listing.again = true,
            None => self.list(Part::Links, Table::default()),
        }
    }

    fn list(&mut self, part: Part, table: Table) {
        let question = match part {
            Part::Links => Message::GetLink(LinkHeader::default()),
            Part::Addresses => Message::GetAddress(AddressMessage::default()),
        };
        self.sequence_number = self.sequence_number.wrapping_add(1).max(1);
        let mut message = NetlinkMessage::from(question);
        message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        message.header.sequence_number = self.sequence_number;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        // A kernel short of memory is asked again when it tells of the next change.
        let asked = self.socket.send(&bytes, 0).is_ok();
        self.listing = asked.then_some(Listing { table, part, again: false });
    }

    fn part_is_listed(&mut self) {
        let Some(Listing { table, part, again }) = self.listing.take() else { return };
        match part {
            _ if again => self.list(Part::Links, Table::default()),
            Part::Links => self.list(Part::Addresses, table),
            Part::Addresses => {
                self.table = table;
                self.is_complete = true;
            }
        }
    }
}
