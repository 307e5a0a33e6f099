//! Every way to the other members and to the ping nodes, behind one type that the daemon's event loop drives.
//! Bytes in, bytes out, re-opening what fails; what the bytes mean is the core's business.

mod echo;
mod filter;
mod interface;
mod line;
mod link;
mod pace;
mod ping;
mod report;
mod serial;
pub mod serial_test;
mod udp;
pub mod witness_line;

use std::time::{Duration, Instant};

use mio::{Registry, Token};

pub use self::report::{LinkCounters, MediaError, MediaEvent, MediaReport, MediaSource};

use self::link::{Context, Link};
use self::ping::Pinger;
use self::report::Reports;
use crate::config::{Medium, PingNode};

/// How long what failed stays closed. Always the same: it may be the one path that is left when it works again, and
/// an attempt costs next to nothing; what is said about it is limited where it is said.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<'a> {
    /// A frame, of 1 to [`FRAME_BYTES_MAX`](heartline_core::framing::FRAME_BYTES_MAX) bytes; perhaps forged, perhaps our own.
    Frame {
        /// The index of the link in the configuration.
        link: usize,
        /// The frame.
        bytes: &'a [u8],
    },
    /// A frame that the gate of its link did not admit: there was no look at it.
    TurnedAway {
        /// The index of the link in the configuration.
        link: usize,
    },
    /// A host of a ping node answered a request that we sent.
    Pong {
        /// The index of the ping node in the configuration.
        ping: usize,
    },
}

/// What became of what came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Reception {
    /// It was authentic and fresh.
    Believed,
    /// It was not.
    Refused,
}

/// All links and ping nodes of a configuration.
pub struct Media {
    links: Vec<Link>,
    pinger: Pinger,
    registry: Registry,
    reports: Reports,
    first_token: usize,
}

impl Media {
    /// Opens everything. What cannot be opened is reported and tried again, after 1 s at first and at least every 10 s.
    ///
    /// Takes the [`token_count`](Self::token_count) tokens from `first_token` on.
    #[must_use]
    pub fn open(
        media: &[Medium],
        pings: &[PingNode],
        registry: Registry,
        first_token: usize,
        now: Instant,
    ) -> Self {
        let mut reports = Reports::default();
        let mut context = Context { registry: &registry, reports: &mut reports, now };
        let links: Vec<Link> = media
            .iter()
            .enumerate()
            .map(|(index, medium)| {
                Link::open(medium.clone(), index, Token(first_token + index), &mut context)
            })
            .collect();
        let pinger = Pinger::open(pings, first_token + links.len(), &mut context);
        Self { links, pinger, registry, reports, first_token }
    }

    /// How many tokens media use, from the first one on.
    #[must_use]
    pub fn token_count(&self) -> usize {
        self.links.len() + ping::SOCKETS
    }

    /// Members speak every `keepalive`, so that no more of their frames than that explains are opened.
    pub fn live_by(&mut self, keepalive: Duration) {
        self.links.iter_mut().for_each(|link| link.live_by(keepalive));
    }

    /// Sends `frame` to every link. Never waits: what cannot leave soon is dropped and counted.
    pub fn send(&mut self, frame: &[u8], now: Instant) {
        let mut context = Context { registry: &self.registry, reports: &mut self.reports, now };
        for link in &mut self.links {
            link.send(frame, &mut context);
        }
    }

    /// Sends one echo request to each host of each ping node.
    pub fn ping(&mut self, now: Instant) {
        self.pinger.ping(&mut Context { registry: &self.registry, reports: &mut self.reports, now });
    }

    /// Reads what an event on `token` announced, as much as a bounded share of the processor allows, and goes on with an
    /// unfinished write. `sink` says of each frame whether it was believed.
    ///
    /// Tokens of others are ignored.
    pub fn ready(&mut self, token: Token, now: Instant, sink: &mut dyn FnMut(Received<'_>) -> Reception) {
        let mut context = Context { registry: &self.registry, reports: &mut self.reports, now };
        if self.pinger.owns(token) {
            self.pinger.ready(token, &mut context, &mut |ping| {
                let _ = sink(Received::Pong { ping });
            });
            return;
        }
        let Some(index) = token.0.checked_sub(self.first_token) else { return };
        let Some(link) = self.links.get_mut(index) else { return };
        let was_believed = link.ready(&mut context, sink);
        if was_believed && !link.is_serial() {
            self.links.iter_mut().for_each(|link| link.expect_copies(&mut context));
        }
    }

    /// A token that [`ready`](Self::ready) is to be called with by now though no event says so: the rest of a frame on a
    /// serial line should have come, or what was too much at once may be read. Ask again until there is none.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Token> {
        let link = self.links.iter().position(|link| link.is_due(now));
        link.map(|link| Token(self.first_token + link)).or_else(|| self.pinger.due(now))
    }

    /// The token of a link of which no event tells at present; [`ready`](Self::ready) is to be called with it before
    /// silence is judged, so that all that has come is heard.
    #[must_use]
    pub fn unwatched(&self, link: usize) -> Option<Token> {
        self.links.get(link).filter(|link| link.is_unwatched()).map(|_| Token(self.first_token + link))
    }

    /// How many links there are, open or not.
    #[must_use]
    pub fn link_count(&self) -> usize {
        self.links.len()
    }

    /// When [`due`](Self::due) or [`tick`](Self::tick) has something to do at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.links.iter().filter_map(Link::deadline).chain(self.pinger.deadline()).min()
    }

    /// Does what is due: re-opens what failed, sends what waited for a serial line, checks addresses.
    pub fn tick(&mut self, now: Instant) {
        let mut context = Context { registry: &self.registry, reports: &mut self.reports, now };
        for link in &mut self.links {
            link.tick(&mut context);
        }
        self.pinger.tick(&mut context);
    }

    /// What happened since the last call, oldest first. Empty unless something opened or failed.
    pub fn reports(&mut self) -> impl Iterator<Item = MediaReport> + '_ {
        self.reports.drain()
    }

    /// What went through a link since the start; `None` if there is no such link.
    #[must_use]
    pub fn counters(&self, link: usize) -> Option<LinkCounters> {
        self.links.get(link).map(Link::counters)
    }

    /// The links on which something waits to be read, and how much was read from each so far: a figure that grows with
    /// everything that is read, also with empty datagrams.
    pub fn waiting(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let waiting = self.links.iter().enumerate().filter(|(_, link)| link.is_waiting());
        waiting.map(|(at, link)| {
            let counters = link.counters();
            (at, counters.bytes_in + counters.malformed)
        })
    }

    /// Whether a link is open at present.
    #[must_use]
    pub fn is_open(&self, link: usize) -> bool {
        self.links.get(link).is_some_and(Link::is_open)
    }
}
