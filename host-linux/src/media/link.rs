//! One link: open or waiting to be opened again, its counters, and what is said about it.

use std::time::{Duration, Instant};

use heartline_core::frame::Header;
use heartline_core::gate::{Gate, Source};
use mio::{Registry, Token};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::RETRY_PAUSE;
use super::report::{LinkCounters, MediaError, MediaEvent, MediaSource, Reports};
use super::serial::SerialLink;
use super::udp::{Limitation, UdpLink};
use super::{Received, Reception};
use crate::config::Medium;

/// What media share.
pub(super) struct Context<'a> {
    pub(super) registry: &'a Registry,
    pub(super) reports: &'a mut Reports,
    pub(super) now: Instant,
}

/// A medium of the configuration and what became of it.
pub(super) struct Link {
    medium: Medium,
    index: usize,
    token: Token,
    state: State,
    gate: Gate,
    /// The origin of the gate's time.
    began: Instant,
    counters: LinkCounters,
    has_worked: bool,
    /// The failure that people were told about and that is not over.
    told: Option<String>,
    limitation_told: bool,
}

enum State {
    Open {
        channel: Channel,
        /// Whether frames have left. A socket can be opened on a dead interface; sending is the proof.
        works: bool,
    },
    Closed {
        retry_at: Instant,
    },
}

enum Channel {
    Serial(Box<SerialLink>),
    Udp(UdpLink),
}

impl Link {
    pub(super) fn open(medium: Medium, index: usize, token: Token, context: &mut Context<'_>) -> Self {
        let mut link = Self {
            medium,
            index,
            token,
            state: State::Closed { retry_at: context.now },
            gate: Gate::default(),
            began: context.now,
            counters: LinkCounters::default(),
            has_worked: false,
            told: None,
            limitation_told: false,
        };
        link.try_open(context);
        if matches!(link.state, State::Open { .. }) {
            link.works(context);
        }
        link
    }

    pub(super) fn counters(&self) -> LinkCounters {
        self.counters
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    pub(super) fn live_by(&mut self, keepalive: Duration) {
        self.gate.live_by(core_span(keepalive));
    }

    pub(super) fn send(&mut self, frame: &[u8], context: &mut Context<'_>) {
        let State::Open { channel, works } = &mut self.state else {
            self.counters.dropped += 1;
            return;
        };
        let outcome = match channel {
            Channel::Serial(serial) => serial
                .send(frame, context.now, &mut self.counters)
                .and_then(|()| serial.watch(context.registry, self.token)),
            Channel::Udp(udp) => udp.send(frame, &mut self.counters),
        };
        match outcome {
            Ok(()) if *works => {}
            Ok(()) => self.works(context),
            Err(error) => {
                self.counters.dropped += 1;
                self.fail(&error, context);
            }
        }
    }

    /// Gives whether a frame came in that was believed.
    pub(super) fn ready(
        &mut self,
        context: &mut Context<'_>,
        sink: &mut dyn FnMut(Received<'_>) -> Reception,
    ) -> bool {
        let (link, now) = (self.index, self.gate_time(context.now));
        let gate = &mut self.gate;
        let mut was_believed = false;
        let mut offer = |source: Source, bytes: &[u8]| {
            // What is no frame must not use up the allowance of a member, whoever says to have sent it.
            let is_noise = gate.knows(source) && Header::decode(bytes).is_err();
            let source = if is_noise { Source::NOISE } else { source };
            if !gate.admit(now, source) {
                let _ = sink(Received::TurnedAway { link });
            } else if sink(Received::Frame { link, bytes }) == Reception::Believed {
                gate.vouch(now, source);
                was_believed = true;
            }
        };
        let outcome = match &mut self.state {
            State::Closed { .. } => Ok(()),
            State::Open { channel: Channel::Serial(serial), .. } => {
                // What has arrived is read even if nothing can be written any more.
                let received = serial.receive(context.now, &mut self.counters, &mut |bytes| {
                    offer(Source::LINE, bytes);
                });
                serial
                    .flush(context.now, &mut self.counters)
                    .and_then(|()| serial.watch(context.registry, self.token))
                    .and(received)
            }
            State::Open { channel: Channel::Udp(udp), .. } => {
                let received = udp.receive(context.now, &mut self.counters, &mut offer);
                udp.guard(gate);
                received.and_then(|()| udp.watch(context.registry, self.token))
            }
        };
        if let Err(error) = outcome {
            self.fail(&error, context);
        }
        was_believed
    }

    /// Whether [`Self::ready`] is to be called though no event says so.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        match &self.state {
            State::Open { channel: Channel::Serial(serial), .. } => serial.is_due(now),
            State::Open { channel: Channel::Udp(udp), .. } => udp.is_due(now),
            State::Closed { .. } => false,
        }
    }

    /// Whether no event tells of what comes in.
    pub(super) fn is_unwatched(&self) -> bool {
        match &self.state {
            State::Open { channel: Channel::Serial(serial), .. } => !serial.is_listened_to(),
            State::Open { channel: Channel::Udp(udp), .. } => !udp.is_listened_to(),
            State::Closed { .. } => false,
        }
    }

    /// A faster medium brought a frame that was believed.
    pub(super) fn expect_copies(&mut self, context: &mut Context<'_>) {
        if let State::Open { channel: Channel::Serial(serial), .. } = &mut self.state {
            serial.expect_copies(context.now);
            if let Err(error) = serial.watch(context.registry, self.token) {
                self.fail(&error, context);
            }
        }
    }

    /// Whether something waits to be read, whatever the event loop was told.
    pub(super) fn is_waiting(&self) -> bool {
        let State::Open { channel, .. } = &self.state else { return false };
        let descriptor = match channel {
            Channel::Serial(serial) => serial.descriptor(),
            Channel::Udp(udp) => udp.descriptor(),
        };
        let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
        // It cannot be interrupted, since it does not wait.
        poll(&mut descriptors, PollTimeout::ZERO).is_ok()
            && descriptors[0].revents().is_some_and(|events| events.contains(PollFlags::POLLIN))
    }

    pub(super) fn is_serial(&self) -> bool {
        matches!(self.medium, Medium::Serial { .. })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Closed { retry_at } => Some(*retry_at),
            State::Open { channel: Channel::Serial(serial), .. } => serial.deadline(),
            State::Open { channel: Channel::Udp(udp), .. } => {
                let gate =
                    self.gate.next_deadline().map(|at| self.began + Duration::from_micros(at.micros()));
                udp.deadline().into_iter().chain(gate).min()
            }
        }
    }

    pub(super) fn tick(&mut self, context: &mut Context<'_>) {
        let now = self.gate_time(context.now);
        let outcome = match &mut self.state {
            State::Closed { retry_at } if *retry_at <= context.now => {
                self.try_open(context);
                Ok(())
            }
            State::Closed { .. } => Ok(()),
            State::Open { channel: Channel::Serial(serial), .. } => serial
                .flush(context.now, &mut self.counters)
                .and_then(|()| serial.watch(context.registry, self.token)),
            State::Open { channel: Channel::Udp(udp), .. } => {
                self.gate.pass_time(now);
                udp.guard(&self.gate);
                udp.tick(context.now)
            }
        };
        if let Err(error) = outcome {
            self.fail(&error, context);
        }
    }

    fn try_open(&mut self, context: &mut Context<'_>) {
        match self.open_channel(context) {
            Ok((channel, limitation)) => {
                self.state = State::Open { channel, works: false };
                if let Some(limitation) = limitation.filter(|_| !self.limitation_told) {
                    self.limitation_told = true;
                    let name = self.medium.link_name();
                    let text = format!(
                        "{}: cannot insist on interface {name}: {limitation}; routes decide instead.",
                        self.medium.kind(),
                    );
                    context.reports.push(MediaSource::Link(self.index), MediaEvent::Degraded, text);
                }
            }
            Err(error) => self.fail(&error, context),
        }
    }

    fn open_channel(&self, context: &Context<'_>) -> Result<(Channel, Limitation), MediaError> {
        if let Medium::Serial { device, baud } = &self.medium {
            let serial = SerialLink::open(device, *baud, context.registry, self.token)?;
            return Ok((Channel::Serial(Box::new(serial)), None));
        }
        let (mut udp, limitation) = UdpLink::open(&self.medium, context.registry, self.token, context.now)?;
        udp.guard(&self.gate);
        Ok((Channel::Udp(udp), limitation))
    }

    fn gate_time(&self, now: Instant) -> heartline_core::time::Instant {
        heartline_core::time::Instant::ZERO + core_span(now.saturating_duration_since(self.began))
    }

    /// Notes that an open link really works, and says so if that is news.
    fn works(&mut self, context: &mut Context<'_>) {
        if let State::Open { works, .. } = &mut self.state {
            *works = true;
        }
        let source = MediaSource::Link(self.index);
        if !self.has_worked {
            context.reports.push(source, MediaEvent::Opened, started(&self.medium));
        } else if self.told.is_some() {
            let text = format!("{} {} works again.", self.medium.kind(), self.medium.link_name());
            context.reports.push(source, MediaEvent::Reopened, text);
        }
        self.has_worked = true;
        self.told = None;
    }

    /// Closes the link until later, and says why if that is news.
    fn fail(&mut self, error: &MediaError, context: &mut Context<'_>) {
        let retry_at = context.now + RETRY_PAUSE;
        let open = std::mem::replace(&mut self.state, State::Closed { retry_at });
        if let State::Open { channel, .. } = open {
            match channel {
                Channel::Serial(serial) => serial.close(context.registry),
                Channel::Udp(udp) => udp.close(context.registry),
            }
        }
        let cause = error.to_string();
        if self.told.as_ref() != Some(&cause) {
            let text = format!("{} {}: {cause}.", self.medium.kind(), self.medium.link_name());
            context.reports.push(MediaSource::Link(self.index), MediaEvent::Failed, text);
            self.told = Some(cause);
        }
    }
}

fn core_span(span: Duration) -> heartline_core::time::Duration {
    heartline_core::time::Duration::from_micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

/// The original's words.
fn started(medium: &Medium) -> String {
    match medium {
        Medium::Serial { device, baud } => {
            format!("Starting serial heartbeat on tty {} ({baud} baud)", device.display())
        }
        Medium::Broadcast { interface, port } => {
            format!("UDP Broadcast heartbeat started on port {port} ({port}) interface {interface}")
        }
        Medium::Multicast { interface, group, port, ttl, loopback } => format!(
            "UDP multicast heartbeat started for group {group} port {port} interface {interface} (ttl={ttl} loop={})",
            u8::from(*loopback)
        ),
        Medium::Multicast6 { interface, group, port, hops, loopback } => format!(
            "UDP multicast heartbeat started for group {group} port {port} interface {interface} (hops={hops} loop={})",
            u8::from(*loopback)
        ),
        Medium::Unicast { interface, peer, port } => {
            format!("{}: started on port {port} interface {interface} to {peer}", medium.kind())
        }
    }
}
