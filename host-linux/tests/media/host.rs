//! A daemon without a core: an event loop around [`Media`] that keeps what comes in.

use std::fs::File;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use heartline::clock;
use heartline::config::{Medium, PingNode};
use heartline::media::{LinkCounters, Media, MediaEvent, MediaReport, MediaSource, Received, Reception};
use mio::{Events, Poll, Token};
use nix::sched::{CloneFlags, setns};

pub(crate) const FIRST_TOKEN: usize = 7;
/// A frame that nobody believes.
pub(crate) const FORGED: &[u8] = b"forged";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One host, perhaps in a network namespace of its own.
pub(crate) struct Host {
    poll: Poll,
    pub(crate) media: Media,
    pub(crate) frames: Vec<(usize, Vec<u8>)>,
    /// Link by link.
    pub(crate) turned_away: [usize; 8],
    pub(crate) pongs: Vec<usize>,
    pub(crate) said: Vec<MediaReport>,
    /// How far this host's clock is ahead.
    pub(crate) ahead: Duration,
    namespace: Option<File>,
}

impl Host {
    pub(crate) fn new(media: &[Medium], pings: &[PingNode]) -> Self {
        Self::within(None, media, pings)
    }

    /// A host in `namespace`, which the calling thread enters whenever this host does something.
    pub(crate) fn within(namespace: Option<File>, media: &[Medium], pings: &[PingNode]) -> Self {
        enter(namespace.as_ref());
        let poll = Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let media = Media::open(media, pings, registry, FIRST_TOKEN, clock::monotonic());
        Self {
            poll,
            media,
            frames: vec![],
            turned_away: [0; 8],
            pongs: vec![],
            said: vec![],
            ahead: Duration::ZERO,
            namespace,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        clock::monotonic() + self.ahead
    }

    pub(crate) fn send(&mut self, frame: &[u8]) {
        let now = self.now();
        enter(self.namespace.as_ref());
        self.media.send(frame, now);
    }

    pub(crate) fn ping(&mut self) {
        let now = self.now();
        enter(self.namespace.as_ref());
        self.media.ping(now);
    }

    /// Lets `wait` pass at once for the media.
    pub(crate) fn skip(&mut self, wait: Duration) {
        self.ahead += wait;
        enter(self.namespace.as_ref());
        let now = self.now();
        self.media.tick(now);
    }

    pub(crate) fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        enter(self.namespace.as_ref());
        let give_up = clock::monotonic() + PATIENCE;
        let mut events = Events::with_capacity(16);
        loop {
            self.said.extend(self.media.reports());
            if done(self) {
                return;
            }
            assert!(clock::monotonic() < give_up, "waited in vain; said: {:?}", self.said);
            let now = self.now();
            let due = self.media.next_deadline().map_or(PATIENCE, |at| at.saturating_duration_since(now));
            match self.poll.poll(&mut events, Some(due.min(PATIENCE))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome.unwrap(),
            }
            for event in &events {
                self.take(event.token());
            }
            let now = self.now();
            while let Some(token) = self.media.due(now) {
                self.take(token);
            }
            self.media.tick(now);
        }
    }

    /// Reads what has come. Every frame is believed, but for those that say that they are forged.
    pub(crate) fn take(&mut self, token: Token) {
        let now = self.now();
        enter(self.namespace.as_ref());
        self.media.ready(token, now, &mut |received| {
            match received {
                Received::Frame { link, bytes } => self.frames.push((link, bytes.to_vec())),
                Received::TurnedAway { link } => self.turned_away[link] += 1,
                Received::Pong { ping } => self.pongs.push(ping),
            }
            match received {
                Received::Frame { bytes: FORGED, .. } | Received::TurnedAway { .. } => Reception::Refused,
                Received::Frame { .. } | Received::Pong { .. } => Reception::Believed,
            }
        });
    }

    pub(crate) fn has_said(&self, source: MediaSource, event: MediaEvent) -> bool {
        self.said.iter().any(|report| report.source == source && report.event == event)
    }

    pub(crate) fn counters(&self, link: usize) -> LinkCounters {
        self.media.counters(link).unwrap()
    }

    /// What came in on `link`, oldest first.
    pub(crate) fn heard(&self, link: usize) -> Vec<&[u8]> {
        self.frames.iter().filter(|(on, _)| *on == link).map(|(_, bytes)| bytes.as_slice()).collect()
    }
}

/// Sockets and interfaces belong to the namespace of the thread that asks for them.
fn enter(namespace: Option<&File>) {
    if let Some(namespace) = namespace {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
    }
}
