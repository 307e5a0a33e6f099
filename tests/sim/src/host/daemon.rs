//! One life of the daemon: the node, its sockets and what waits in them.

use std::collections::VecDeque;

use heartline_core::framing::{Deframer, FRAME_BYTES_MAX};
use heartline_core::ids::{JobId, LinkIndex, MemberIndex, OrderId};
use heartline_core::input::Outcome;
use heartline_core::member::{Member, Presence};
use heartline_core::{Input, Node};

use crate::plan::{HOSTS_MAX, Micros, Words};
use crate::truth::Conduct;
use crate::wire::{FrameId, Origin};

/// Datagrams that the kernel keeps for a daemon that does not read; of more, the newest are dropped.
pub(crate) const SOCKET_BUFFER: usize = 256;

/// A daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) node: Node,
    pub(crate) life: u32,
    pub(crate) born: Micros,
    /// When it wakes up by itself.
    pub(crate) tick_at: Micros,
    pub(crate) media: Vec<Medium>,
    /// Children that ended while it was stalled.
    pub(crate) ended: Vec<(JobId, Outcome)>,
    /// It has fed its watchdog, and knows of it or soon will.
    pub(crate) opened_watchdog: bool,
    pub(crate) conduct: Conduct,
    /// The dead time that it asks the others for while it restarts.
    pub(crate) announced: Option<Micros>,
    /// The files that are in force, and those that wait until groups have been stopped for them.
    pub(crate) in_force: Words,
    pub(crate) pending: Option<(OrderId, Words)>,
    /// What really reached it, by sender.
    pub(crate) heard: Vec<Option<Heard>>,
    /// Of each host, the life that it is ending by a fence, or has ended by the last.
    pub(crate) aims_at: Vec<Option<u32>>,
    /// Of each host, the life that it has ended by a fence and has not told of yet.
    pub(crate) owes: Vec<Option<u32>>,
    /// Of each other host, the newest life that it was told this daemon had ended.
    pub(crate) paid: Vec<Option<u32>>,
}

/// The newest genuine frame that a daemon has taken in from another host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) at: Micros,
    pub(crate) origin: Origin,
}

/// One socket or line.
#[derive(Debug)]
pub(crate) struct Medium {
    pub(crate) link: usize,
    /// Of a serial line.
    pub(crate) deframer: Option<Box<Deframer<FRAME_BYTES_MAX>>>,
    pub(crate) waiting: VecDeque<FrameId>,
    pub(crate) waiting_bytes: usize,
    /// The damaged frame that came last: if only its end was lost, the next one's beginning ends it.
    pub(crate) unfinished: Option<(Origin, Vec<u8>)>,
}

impl Medium {
    pub(crate) fn new(link: usize, serial: bool) -> Self {
        let deframer = serial.then(Box::default);
        Self { link, deframer, waiting: VecDeque::new(), waiting_bytes: 0, unfinished: None }
    }
}

impl Daemon {
    /// Whether this medium can keep so many bytes more for a daemon that does not read.
    pub(crate) fn has_room(&self, medium: usize, bytes: usize, line_buffer: usize) -> bool {
        let medium = &self.media[medium];
        match medium.deframer {
            Some(_) => medium.waiting_bytes + bytes <= line_buffer,
            None => medium.waiting.len() < SOCKET_BUFFER,
        }
    }

    /// Of each host, the generation that it has really heard and does not hold for dead; 0 of the others.
    pub(crate) fn hears(&self) -> [u32; HOSTS_MAX] {
        let mut hears = [0; HOSTS_MAX];
        for (at, (heard, hears)) in (0..).zip(self.heard.iter().zip(&mut hears)) {
            let there = |member: &Member| matches!(member.presence(), Presence::Alive | Presence::Left);
            if let Some(heard) = heard.filter(|_| self.node.member(MemberIndex(at)).is_some_and(there)) {
                *hears = heard.origin.generation;
            }
        }
        hears
    }

    /// An input that means nothing to the core, and leaves it nothing to decide: there is no such link.
    pub(crate) const NOTHING: Input<'static> = Input::Frame { link: LinkIndex(u8::MAX), bytes: &[] };
}
