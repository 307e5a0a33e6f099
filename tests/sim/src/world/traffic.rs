//! Frames between daemons: sent, under way, waiting in sockets, handed in; and the tape of a forger.

use heartline_core::Input;
use heartline_core::frame::Bytes;
use heartline_core::ids::{LinkIndex, PingIndex};
use heartline_core::message::Phase;
use heartline_core::seal::Method;
use heartline_core::witness::Side;

use super::queue::Event;
use super::{World, small};
use crate::dice::Dice;
use crate::host::{Daemon, Heard};
use crate::plan::{Fault, Forgery, LinkSettings, Micros, Planned};
use crate::truth::{self, Promise};
use crate::wire::{Frame, FrameId, LINE_BUFFER, Origin};

/// How many genuine frames a forger remembers.
const TAPE: usize = 64;

/// What a forger has recorded of the links.
#[derive(Debug)]
pub(super) struct Tape {
    dice: Dice,
    runs: bool,
    recorded: Vec<Recorded>,
}

/// A genuine frame that a daemon took in.
#[derive(Debug)]
struct Recorded {
    link: u8,
    to: u8,
    /// The life of the daemon that took it in.
    life: u32,
    origin: Origin,
    bytes: Vec<u8>,
}

impl Tape {
    pub(super) fn new(dice: Dice, faults: &[Planned]) -> Self {
        let is_forgery = |fault| matches!(fault, Fault::Forge { .. } | Fault::ForgeToWitness { .. });
        let runs = faults.iter().any(|planned| is_forgery(planned.fault));
        Self { dice, runs, recorded: Vec::new() }
    }

    fn record(&mut self, frame: impl FnOnce() -> Recorded) {
        if !self.runs || !self.dice.permille(100) {
            return;
        }
        let frame = frame();
        if self.recorded.len() < TAPE {
            self.recorded.push(frame);
        } else {
            let at = self.dice.index(TAPE);
            self.recorded[at] = frame;
        }
    }
}

impl World {
    /// Sends what is in the outbox on all media of a host.
    pub(super) fn transmit(&mut self, from: usize) {
        self.statistics.frames += 1;
        let Some(daemon) = &self.hosts[from].daemon else { return };
        let origin = Origin {
            from: small(from),
            generation: daemon.node.generation().0,
            sequence: daemon.node.sequence().0,
            hears: daemon.hears(),
            words: daemon.in_force,
            deadtime: daemon.announced.unwrap_or(daemon.node.config().intervals().deadtime.micros()),
            left: daemon.node.phase() == Phase::Left,
        };
        let (bytes, origin) = self.with_lie(from, self.outbox.frame.clone(), origin);
        for link in 0..self.plan.settings.links.len() {
            match self.plan.settings.links[link] {
                LinkSettings::Datagram { delay, jitter } => {
                    for to in (0..self.hosts.len()).filter(|to| *to != from) {
                        let now = self.now;
                        let fate = self.direction_mut(link, from, to).datagram(now, delay, jitter);
                        for arrival in fate.arrivals.into_iter().flatten() {
                            let frame = self.frames.take(&bytes, Some(origin));
                            if arrival.damaged {
                                let at = self.direction_at(link, from, to);
                                let frame = self.frames.get_mut(frame);
                                self.directions[at].damage(&mut frame.bytes);
                                // A bit that was flipped twice is whole.
                                frame.origin = frame.origin.filter(|_| *frame.bytes == *bytes);
                            }
                            let event = Event::Arrival { link: small(link), to: small(to), frame };
                            self.queue.push(self.now + arrival.after, event);
                        }
                    }
                }
                LinkSettings::Serial { ends, .. } if ends.contains(&from) => {
                    let frame = self.frames.take(&bytes, Some(origin));
                    self.send_on_line(link, from, frame);
                }
                LinkSettings::Serial { .. } => {}
                LinkSettings::Witnessed { .. } => {
                    if let Some(witness) = &mut self.witness {
                        witness.remember(&bytes, origin);
                    }
                    let frame = self.frames.take(&bytes, Some(origin));
                    self.send_on_line(link, from, frame);
                }
            }
        }
    }

    /// The other end of a line.
    fn peer(&self, link: usize, from: usize) -> usize {
        match self.plan.settings.links[link] {
            LinkSettings::Serial { ends: [one, other], .. } => {
                if from == one {
                    other
                } else {
                    one
                }
            }
            LinkSettings::Witnessed { .. } => self.hosts.len(),
            LinkSettings::Datagram { .. } => from,
        }
    }

    /// Where what goes to a host goes first: on the cable with the witness in it, to that.
    pub(super) fn next_end(&self, link: usize, to: usize) -> usize {
        match self.plan.settings.links[link] {
            LinkSettings::Witnessed { .. } => self.hosts.len(),
            LinkSettings::Datagram { .. } | LinkSettings::Serial { .. } => to,
        }
    }

    fn send_on_line(&mut self, link: usize, from: usize, frame: FrameId) {
        let to = self.peer(link, from);
        let sending = &mut self.direction_mut(link, from, to).sending;
        if sending.busy {
            if let Some(older) = sending.waiting.replace(frame) {
                self.frames.drop(older);
            }
            return;
        }
        sending.busy = true;
        let takes = self.put_on_line(link, from, to, frame);
        self.queue.push(self.now + takes, Event::LineFree { link: small(link), from: small(from) });
    }

    /// Lets a frame go over a line, and gives how long that takes.
    pub(super) fn put_on_line(&mut self, link: usize, from: usize, to: usize, frame: FrameId) -> Micros {
        let (LinkSettings::Serial { baud, .. } | LinkSettings::Witnessed { baud }) =
            self.plan.settings.links[link]
        else {
            return 0;
        };
        let mut bytes = std::mem::take(&mut self.line_bytes);
        let at = self.direction_at(link, from, to);
        let sent = self.frames.get_mut(frame);
        let (takes, damaged) = self.directions[at].line(self.now, &sent.bytes, baud, &mut bytes);
        std::mem::swap(&mut sent.bytes, &mut bytes);
        sent.sent = damaged.then(|| bytes.clone());
        self.line_bytes = bytes;
        // The sides of the witness are numbered behind the hosts.
        let to = if to == self.hosts.len() { to + from } else { to };
        self.queue.push(self.now + takes, Event::Arrival { link: small(link), to: small(to), frame });
        takes
    }

    pub(super) fn line_is_free(&mut self, link: usize, from: usize) {
        let to = self.peer(link, from);
        let sending = &mut self.direction_mut(link, from, to).sending;
        sending.busy = false;
        let waiting = sending.waiting.take();
        match waiting {
            // A daemon that died took with it what it had not handed over.
            Some(frame) if self.hosts[from].is_awake(self.now) => self.send_on_line(link, from, frame),
            Some(frame) => self.frames.drop(frame),
            None => {}
        }
    }

    /// Bytes reach a host: they are read at once, wait in the kernel, or meet nobody.
    pub(super) fn arrive(&mut self, link: usize, to: usize, frame: FrameId) {
        if let (Some(witness), Some(side)) = (&mut self.witness, to.checked_sub(self.hosts.len())) {
            let arrived = self.frames.lift(frame);
            witness.receive(self.now, Side::ALL[side], &arrived.bytes);
            self.frames.put_back(frame, arrived);
            return;
        }
        let frozen = self.hosts[to].is_frozen(self.now);
        let paused = self.hosts[to].paused.is_some();
        let length = self.frames.get_mut(frame).bytes.len();
        let Some(daemon) = &mut self.hosts[to].daemon else {
            self.frames.drop(frame);
            return;
        };
        let Some(medium) = daemon.media.iter().position(|medium| medium.link == link) else {
            self.frames.drop(frame);
            return;
        };
        if !frozen {
            self.hand_in(to, medium, frame);
            self.carry_out(to);
        } else if !paused && daemon.has_room(medium, length, LINE_BUFFER) {
            daemon.media[medium].waiting_bytes += length;
            daemon.media[medium].waiting.push_back(frame);
        } else {
            // A machine that does not run does not receive either.
            self.frames.drop(frame);
        }
    }

    /// Hands bytes to the node: through the core's framing, if they come from a line.
    pub(super) fn hand_in(&mut self, host: usize, medium: usize, id: FrameId) {
        let mut frame = self.frames.lift(id);
        let Some(daemon) = &mut self.hosts[host].daemon else {
            self.frames.put_back(id, frame);
            return;
        };
        match daemon.media[medium].deframer.take() {
            None => self.hand_in_frame(host, medium, &frame),
            Some(mut deframer) => {
                let unfinished = daemon.media[medium].unfinished.take();
                let mut whole = Frame { forged: frame.forged, ..Frame::default() };
                for byte in &frame.bytes {
                    if let Some(Ok(bytes)) = deframer.push(*byte) {
                        whole.bytes.clear();
                        whole.bytes.extend_from_slice(bytes);
                        whole.origin = match (&unfinished, &frame.sent) {
                            (Some((origin, sent)), _) if *sent == whole.bytes => Some(*origin),
                            (_, Some(sent)) if *sent != whole.bytes => None,
                            _ => frame.origin,
                        };
                        self.hand_in_frame(host, medium, &whole);
                    }
                }
                if let Some(daemon) = &mut self.hosts[host].daemon {
                    daemon.media[medium].deframer = Some(deframer);
                    daemon.media[medium].unfinished = frame.origin.zip(frame.sent.take());
                }
            }
        }
        frame.bytes.clear();
        self.frames.put_back(id, frame);
    }

    fn hand_in_frame(&mut self, host: usize, medium: usize, frame: &Frame) {
        let link = LinkIndex(small(medium));
        let input = Input::Frame { link, bytes: &frame.bytes };
        if let Some(origin) = frame.origin {
            let sender = usize::from(origin.from);
            let before = self.hosts[host].daemon.as_ref().and_then(|daemon| {
                let heard = daemon.heard[sender]?;
                let known = heard.origin;
                let late = known.generation == origin.generation && known.sequence > origin.sequence;
                late.then(|| truth::word(&daemon.node, sender))
            });
            self.take_in(host, origin);
            if let Some(daemon) = &self.hosts[host].daemon {
                let (link, to, life) = (small(daemon.media[medium].link), small(host), daemon.life);
                self.tape.record(|| Recorded { link, to, life, origin, bytes: frame.bytes.clone() });
            }
            self.step(host, input);
            if let Some(what) = truth::unheard(self, host, sender) {
                self.broken(Promise::Known, what);
            }
            let after = self.hosts[host].daemon.as_ref().map(|daemon| &daemon.node);
            if before.is_some_and(|before| after.is_some_and(|node| truth::word(node, sender) != before)) {
                self.broken(Promise::Robust, "a frame that came late counts as news".to_owned());
            }
        } else if frame.forged {
            self.hand_in_forged(host, input);
        } else {
            self.step(host, input);
        }
    }

    /// Notes what a genuine frame tells a daemon: its sender is alive.
    fn take_in(&mut self, host: usize, origin: Origin) {
        let Some(daemon) = &mut self.hosts[host].daemon else { return };
        let known = &mut daemon.heard[usize::from(origin.from)];
        if known.is_none_or(|heard| heard.origin.number() < origin.number()) {
            *known = Some(Heard { at: self.now, origin });
        }
    }

    /// Hands a forged frame to the node, and nothing to its twin.
    fn hand_in_forged(&mut self, host: usize, input: Input<'_>) {
        let here = &mut self.hosts[host];
        let Some(daemon) = &mut here.daemon else { return };
        let now = here.clock.read(self.now);
        let mut twin = daemon.node.clone();
        let mut twin_effects = heartline_core::Effects::new();
        twin.step(now, Daemon::NOTHING, &mut twin_effects);
        let mut effects = self.effects.take().unwrap_or_default();
        effects.clear();
        daemon.node.step(now, input, &mut effects);
        let difference = truth::differs((&daemon.node, &effects), (&twin, &twin_effects));
        if let Some(what) = difference {
            self.broken(Promise::Robust, what);
        }
        self.statistics.forged += 1;
        self.after_step(host, effects);
    }

    /// A forger sends something to a host. Gives false if he has nothing to make it of.
    pub(super) fn forge(&mut self, link: usize, to: usize, forgery: Forgery) -> bool {
        let Some((bytes, _)) = self.forged_bytes(link, to, forgery) else { return false };
        let at = self.frames.take(&bytes, None);
        let frame = self.frames.get_mut(at);
        frame.forged = true;
        if !matches!(self.plan.settings.links[link], LinkSettings::Datagram { .. }) {
            let mut encoded = [0; heartline_core::framing::encoded_bytes_max(512)];
            let length = heartline_core::framing::encode(&bytes, &mut encoded).unwrap_or(0);
            frame.bytes.clear();
            frame.bytes.extend_from_slice(&encoded[..length]);
        }
        self.arrive(link, to, at);
        true
    }

    /// A forger sends something to the witness, on the line of a host.
    pub(super) fn forge_to_witness(&mut self, host: usize, forgery: Forgery) -> bool {
        let Some((link, _)) = self.plan.settings.witnessed_link() else { return false };
        let Some((bytes, origin)) = self.forged_bytes(link, 1 - host, forgery) else { return false };
        let mut encoded = [0; heartline_core::framing::encoded_bytes_max(512)];
        let length = heartline_core::framing::encode(&bytes, &mut encoded).unwrap_or(0);
        let Some(witness) = &mut self.witness else { return false };
        if let Some(origin) = origin {
            // What is authentic is passed on, however old it is.
            witness.remember(&bytes, origin);
        }
        witness.receive(self.now, Side::ALL[host], &encoded[..length]);
        self.statistics.forged_to_witness += 1;
        true
    }

    /// The bytes, and of what was sent as it is, who sent it.
    fn forged_bytes(
        &mut self,
        link: usize,
        to: usize,
        forgery: Forgery,
    ) -> Option<(Vec<u8>, Option<Origin>)> {
        if forgery == Forgery::Garbage {
            let length = self.tape.dice.between(1, 512);
            let bytes = (0..length).map(|_| self.tape.dice.bits().to_be_bytes()[0]).collect();
            return Some((bytes, None));
        }
        let daemon = self.hosts[to].daemon.as_ref()?;
        let fits = |recorded: &&Recorded| {
            let origin = recorded.origin;
            let here = (recorded.link, recorded.to) == (small(link), small(to));
            let heard = daemon.heard[usize::from(origin.from)].filter(|_| here);
            heard.is_some_and(|heard| match forgery {
                Forgery::EarlierLife => origin.generation < heard.origin.generation,
                // What this life has not taken in is not a replay to it but a frame that comes late.
                Forgery::Replay => {
                    origin.generation == heard.origin.generation && recorded.life == daemon.life
                }
                _ => true,
            })
        };
        let fitting: Vec<&Recorded> = self.tape.recorded.iter().filter(fits).collect();
        if fitting.is_empty() {
            return None;
        }
        let chosen = fitting[self.tape.dice.index(fitting.len())];
        let (mut bytes, origin) = (chosen.bytes.clone(), chosen.origin);
        match forgery {
            Forgery::BitFlip => {
                let at = self.tape.dice.index(bytes.len());
                bytes[at] ^= 1 << self.tape.dice.below(8);
            }
            Forgery::Truncated => bytes.truncate(self.tape.dice.index(bytes.len()).max(1)),
            Forgery::OtherCluster => {
                let tag = if self.plan.settings.method == Method::Crc { 4 } else { 16 };
                let mut frame = Bytes::from_slice(&bytes[..bytes.len().checked_sub(tag)?]).ok()?;
                self.keys.close("another", &mut frame).ok()?;
                bytes = frame.to_vec();
            }
            Forgery::Garbage | Forgery::Replay | Forgery::EarlierLife => {}
        }
        let is_whole = matches!(forgery, Forgery::Replay | Forgery::EarlierLife);
        Some((bytes, is_whole.then_some(origin)))
    }

    /// The ping nodes are asked, and answer within a moment.
    pub(super) fn ask_pings(&mut self, host: usize, life: u32) {
        let here = &self.hosts[host];
        let Some(daemon) = here.daemon.as_ref().filter(|daemon| daemon.life == life) else { return };
        let again = daemon.node.config().intervals().keepalive.micros();
        self.queue.push(self.now + again, Event::Pings { host: small(host), life });
        if here.is_frozen(self.now) {
            return;
        }
        for ping in 0..here.ping_lost_until.len() {
            if self.now >= self.hosts[host].ping_lost_until[ping] {
                self.step(host, Input::Pong(PingIndex(small(ping))));
            }
        }
        self.carry_out(host);
    }
}
