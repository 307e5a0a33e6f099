//! The witness in the cable: the lives of its firmware, its turns, the frames that come out of its ports, and its deeds. What
//! its reset lines do to the hosts is in `reset_lines`.

use heartline_bridge::store::Store;
use heartline_bridge::{Bridge, Dongle, journal};
use heartline_core::framing::{Deframer, FRAME_BYTES_MAX};
use heartline_core::ids::NodeId;
use heartline_core::message::Message;
use heartline_core::provision::Answer;
use heartline_core::time::Duration;
use heartline_core::witness::{Deed, HOSTS, Side, StartCause, Vote};

use super::queue::Event;
use super::{World, small};
use crate::board::{Board, Firmware, Flash, Left, Said, Shared, ends};
use crate::plan::{CLUSTER, HOSTS_MAX, MILLISECOND, Micros, SECOND, WitnessReset, Words};
use crate::truth::{self, Promise};
use crate::wire::Origin;

/// A hanging board is reset by its own watchdog within this.
const OWN_WATCHDOG: Micros = SECOND;
/// Nobody needs to wake up the board sooner after a turn.
const TURN: Micros = MILLISECOND;

/// What is kept over the lives of the board but not over its power.
pub(super) type Memory = [u8; journal::BYTES];

impl World {
    /// Plays to the end of the plan or to the first broken promise, one life of the witness after the other.
    pub(super) fn play_all(&mut self) {
        let mut memory = [0; journal::BYTES];
        loop {
            let starts = self.witness.as_ref().is_some_and(|witness| witness.board == Board::Up);
            let goes_on = if starts { self.play_life(&mut memory) } else { self.play(None) };
            if !goes_on {
                break;
            }
        }
    }

    /// One life of the firmware. Gives whether there is more to play.
    fn play_life(&mut self, memory: &mut Memory) -> bool {
        let drift = self.plan.settings.witness.map_or(0, |settings| settings.drift);
        let Some(witness) = &mut self.witness else { return false };
        match witness.left {
            Left::Everything => {}
            Left::Damaged => {
                for _ in 0..witness.dice.between(1, 8) {
                    memory[witness.dice.index(journal::BYTES)] ^= 1 << witness.dice.below(8);
                }
            }
            Left::Nothing => memory.iter_mut().for_each(|byte| *byte = witness.dice.bits().to_be_bytes()[0]),
        }
        let cause = witness.cause;
        let (flash, hardware): (Flash, Shared) = (witness.flash.clone(), witness.hardware.clone());
        let start = witness.begin(self.now, drift);
        let Ok(store) = Store::begin_life(flash) else {
            // Without a number of its own it must not speak.
            self.reset_witness(StartCause::OwnWatchdog, Left::Everything, OWN_WATCHDOG);
            return true;
        };
        let Some(witness) = &mut self.witness else { return false };
        witness.generation = store.generation().0;
        self.statistics.witness_lives += 1;
        self.timeline.tell(self.now, None, || format!("the witness starts: {cause:?}"));
        let mut bridge = Bridge::new(store, memory, start);
        bridge.begin(start, cause);
        let mut firmware = Dongle::new(&mut bridge, ends(&hardware));
        self.play(Some(&mut firmware))
    }

    /// Lets the firmware see what is at its pins, if there is anything.
    pub(super) fn turn(&mut self, firmware: &mut Firmware<'_, '_>) {
        let Some(witness) = &mut self.witness else { return };
        witness.stirred = false;
        let now = witness.clock.read(self.now);
        let hardware = witness.hardware.clone();
        loop {
            firmware.turn(now);
            if !hardware.borrow().has_incoming() {
                break;
            }
        }
        let next = firmware.bridge().next_deadline().map(|next| witness.clock.when(next));
        witness.tick_at = next.map_or(Micros::MAX, |next| next.max(self.now + TURN));
        self.steps_now += 1;
        self.look_at_deeds(firmware);
        for side in Side::ALL {
            let outgoing = hardware.borrow_mut().take_outgoing(side);
            if let Some(bytes) = outgoing {
                self.comes_out(side, &bytes);
            }
            let is_pulled = hardware.borrow().is_pulled(side);
            self.line_is(side.index(), is_pulled);
        }
    }

    fn look_at_deeds(&mut self, firmware: &Firmware<'_, '_>) {
        let journal = firmware.bridge().journal();
        let Some(witness) = &mut self.witness else { return };
        let newest = journal.newest();
        if newest == witness.deeds_seen {
            return;
        }
        let (seen, now) = (witness.deeds_seen, witness.clock.read(self.now));
        witness.deeds_seen = newest;
        for past in journal.deeds(now).filter(|past| seen.is_none_or(|seen| past.number > seen)) {
            // What stands there from former lives was seen then.
            if seen.is_some() || Some(past.number) == newest {
                self.coverage.deed(&past.deed);
                self.timeline.tell(self.now, None, || format!("the witness: {:?}", past.deed));
                self.done_by_witness(past.deed);
            }
        }
    }

    fn done_by_witness(&mut self, deed: Deed) {
        if let Deed::Armed(asker, _) | Deed::Released(asker) | Deed::Voted(asker, _) = deed
            && let Some(what) = self.host_named(asker).and_then(|asker| truth::heeds_a_recording(self, asker))
        {
            self.broken(Promise::Witness, what);
        }
        match deed {
            Deed::Reset(victim, cause, _) => {
                if let Some(victim) = self.host_named(victim) {
                    self.reset_is_done(victim, cause);
                }
            }
            Deed::Voted(to, epoch) => {
                self.statistics.votes += 1;
                let vote = Vote { epoch, to: Some(to) };
                if let Some(what) = truth::misvoted(self, vote) {
                    self.broken(Promise::Witness, what);
                }
                if let Some(witness) = &mut self.witness {
                    witness.vote = vote;
                    witness.voted_for = witness.host(to);
                }
            }
            _ => {}
        }
    }

    fn host_named(&self, id: NodeId) -> Option<usize> {
        self.witness.as_ref()?.host(id)
    }

    /// A frame of the firmware, on its way to a host.
    fn comes_out(&mut self, side: Side, encoded: &[u8]) {
        let mut deframer = Deframer::<FRAME_BYTES_MAX>::new();
        let mut frame = None;
        deframer.feed(encoded, |outcome| frame = outcome.ok().map(<[u8]>::to_vec));
        let Some(frame) = frame else {
            self.broken(Promise::Robust, "the witness sends what is no frame".to_owned());
            return;
        };
        let known = self.witness.as_ref().and_then(|witness| witness.origin(&frame));
        let origin = known.or_else(|| self.said_by_witness(&frame));
        // Noise that looks like a question about its keys is answered where it came from.
        if origin.is_none() && Answer::read(&frame).is_err() {
            self.broken(Promise::Robust, "the witness passes on what nobody has sent".to_owned());
        }
        let Some((link, _)) = self.plan.settings.witnessed_link() else { return };
        let at = self.frames.take(&frame, origin);
        let takes = self.put_on_line(link, self.hosts.len(), side.index(), at);
        let lives = self.witness.as_ref().map_or(0, |witness| witness.lives);
        self.queue.push(self.now + takes, Event::PortFree { side: small(side.index()), lives });
    }

    pub(super) fn port_is_free(&mut self, side: usize, lives: u32) {
        if let Some(witness) = self.witness.as_mut().filter(|witness| witness.lives == lives) {
            witness.hardware.borrow_mut().free_line(Side::ALL[side]);
            witness.stirred = true;
        }
    }

    /// The witness's own frame, seen for the first time.
    fn said_by_witness(&mut self, frame: &[u8]) -> Option<Origin> {
        let (header, body) = self.keys.open(CLUSTER, frame).ok()?;
        if self.witness.as_ref()?.id != header.sender {
            return None;
        }
        let message = Message::decode(body).ok()?;
        let word = message.witness.as_ref()?;
        let mut said = Said { vote: word.vote, ..Said::default() };
        let mut hears = [0; HOSTS_MAX];
        let witness = self.witness.as_ref()?;
        for (host, said) in said.hosts.iter_mut().enumerate() {
            let id = witness.ids[host];
            let heard = message.heard.iter().any(|heard| heard.member == id && !heard.links.is_empty());
            if let Some((_, origin)) = witness.ears[host].heard().filter(|_| heard) {
                hears[host] = origin.generation;
            }
            *said = word.host(id).map(|word| (heard, *word));
        }
        let origin = Origin {
            from: small(self.hosts.len()),
            generation: header.generation.0,
            sequence: header.sequence.0,
            hears,
            words: Words::Usual,
            deadtime: message.deadtime.micros(),
            left: false,
        };
        // What waited for the line is older.
        if said.vote != witness.vote && said.vote.epoch >= witness.vote.epoch {
            let what = format!("the witness says {:?} of its vote, which is {:?}", said.vote, witness.vote);
            self.broken(Promise::Witness, what);
        }
        let witness = self.witness.as_mut()?;
        witness.said = said;
        witness.remember(frame, origin);
        Some(origin)
    }

    pub(super) fn witness_gets_power(&mut self) {
        let Some(boot) = self.plan.settings.witness.map(|settings| settings.boot) else { return };
        let Some(witness) = &mut self.witness else { return };
        if std::mem::replace(&mut witness.has_power, true) {
            return;
        }
        (witness.cause, witness.left) = (StartCause::PowerOn, Left::Nothing);
        let lives = witness.lives;
        self.queue.push(self.now + boot, Event::WitnessUp { lives });
        self.witness_troubled(boot + SECOND);
    }

    pub(super) fn witness_up(&mut self, lives: u32) {
        if let Some(witness) = &mut self.witness
            && witness.lives == lives
            && witness.has_power
            && witness.board == Board::Down
        {
            witness.board = Board::Up;
        }
    }

    /// Its power is gone. Gives false if it was before.
    pub(super) fn witness_loses_power(&mut self, off: Micros) -> bool {
        if !self.end_of_witness() {
            return false;
        }
        if let Some(witness) = &mut self.witness {
            witness.has_power = false;
        }
        self.timeline.tell(self.now, None, || "the witness loses its power".to_owned());
        self.witness_troubled(off);
        self.queue.push(self.now + off, Event::WitnessPower);
        true
    }

    /// The firmware begins anew after a while.
    pub(super) fn reset_witness(&mut self, cause: StartCause, left: Left, after: Micros) -> bool {
        let boot = self.plan.settings.witness.map_or(0, |settings| settings.boot);
        if !self.end_of_witness() {
            return false;
        }
        let Some(witness) = &mut self.witness else { return false };
        (witness.cause, witness.left) = (cause, left);
        let lives = witness.lives;
        self.queue.push(self.now + after + boot, Event::WitnessUp { lives });
        self.witness_troubled(after + boot + SECOND);
        true
    }

    /// Its present life, if it has one, is over: both lines are let go.
    fn end_of_witness(&mut self) -> bool {
        let Some(witness) = &mut self.witness else { return false };
        if !witness.has_power {
            return false;
        }
        witness.board = Board::Down;
        witness.hangs = false;
        witness.lives += 1;
        witness.tick_at = Micros::MAX;
        witness.hardware.borrow_mut().reset();
        (0..HOSTS).for_each(|host| self.line_is(host, false));
        true
    }

    pub(super) fn witness_hangs(&mut self) -> bool {
        let Some(witness) = self.witness.as_mut().filter(|witness| witness.is_awake()) else { return false };
        witness.hangs = true;
        witness.tick_at = Micros::MAX;
        let after = witness.dice.between(OWN_WATCHDOG / 2, OWN_WATCHDOG);
        let lives = witness.lives;
        self.queue.push(self.now + after, Event::OwnWatchdog { lives });
        self.witness_troubled(after + SECOND);
        true
    }

    pub(super) fn own_watchdog(&mut self, lives: u32) {
        if self.witness.as_ref().is_some_and(|witness| witness.lives == lives && witness.hangs) {
            self.reset_witness(StartCause::OwnWatchdog, Left::Everything, 0);
        }
    }

    pub(super) fn strike_witness(&mut self, by: WitnessReset) -> bool {
        let Some(witness) = &mut self.witness else { return false };
        let length = witness.dice.index(160);
        match by {
            WitnessReset::Pin => self.reset_witness(StartCause::Pin, Left::Everything, 0),
            WitnessReset::Reflash => {
                let left = if witness.dice.permille(500) { Left::Everything } else { Left::Nothing };
                let takes = witness.dice.between(SECOND, 20 * SECOND);
                self.reset_witness(StartCause::Software, left, takes)
            }
            WitnessReset::BrownOut => self.reset_witness(StartCause::BrownOut, Left::Damaged, 0),
            WitnessReset::BrownOutTwice => {
                witness.flash.tear(length);
                self.reset_witness(StartCause::BrownOut, Left::Damaged, 0)
            }
        }
    }

    /// For so long, and while what hung on it finds together again, the way through it does not count.
    fn witness_troubled(&mut self, lasts: Micros) {
        let until = self.now + lasts;
        if let Some(witness) = &mut self.witness {
            witness.trouble(until);
        }
        self.disturb(lasts);
    }

    /// A span by the witness's clock is not over before this is.
    pub(crate) const fn by_its_clock(span: Duration) -> Micros {
        let span = span.micros();
        span - span / 1_000
    }
}
