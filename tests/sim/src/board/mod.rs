//! The witness's board: its power, its clock, what outlives a reset, and what the world knows of its words. What runs on it
//! is the firmware's own library, unchanged. What the board has of its own is no more than what boards have.

mod hardware;

pub(crate) use hardware::{Firmware, Flash, Shared, ends};

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use heartline_bridge::store::Store;
use heartline_core::framing::{Deframer, FRAME_BYTES_MAX};
use heartline_core::ids::NodeId;
use heartline_core::provision::{ProvisionError, Request, WitnessKeys};
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{HOSTS, HostWord, Side, StartCause, Vote};

use crate::dice::Dice;
use crate::host::Clock;
use crate::plan::{Micros, SECOND, Settings};
use crate::wire::Origin;
use hardware::Hardware;

/// How many frames of each sender are remembered: more than are ever under way, or waiting in the bridge. One whose end was
/// lost may be the last before a long silence.
const REMEMBERED: usize = 24;
/// What stood still for so long on a line is no beginning of a frame to the firmware.
const PAUSE: Duration = Duration::from_millis(500);
/// Both hosts and the witness.
const SENDERS: usize = HOSTS + 1;

/// What the board does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Board {
    /// It has no power, or is on its way from the reset to its first turn.
    Down,
    /// The firmware runs.
    Up,
}

/// What a reset leaves of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// All.
    Everything,
    /// Some bytes are not what they were.
    Damaged,
    /// Noise.
    Nothing,
}

/// The witness.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) board: Board,
    /// Counts the times that it was reset or lost its power: what was begun under another number does not happen.
    pub(crate) lives: u32,
    pub(crate) has_power: bool,
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) hardware: Shared,
    pub(crate) flash: Flash,
    /// Why it begins the next time, and what is left in its memory by then.
    pub(crate) cause: StartCause,
    pub(crate) left: Left,
    pub(crate) hangs: bool,
    /// When it wakes up by itself.
    pub(crate) tick_at: Micros,
    /// Something is at its pins that it has not seen.
    pub(crate) stirred: bool,
    /// The number of its present life, and when that began.
    pub(crate) generation: u32,
    pub(crate) began: Micros,
    /// Until when anything is wrong with it.
    pub(crate) troubled_until: Micros,
    /// The number of the newest deed in its journal that was looked at.
    pub(crate) deeds_seen: Option<u32>,
    /// What has reached it in this life.
    pub(crate) ears: [Ear; HOSTS],
    /// The newest life of each host that it has ended in this life.
    pub(crate) ended: [Option<u32>; HOSTS],
    /// Its vote.
    pub(crate) vote: Vote,
    /// What it has said in this life.
    pub(crate) said: Said,
    /// Each reset line.
    pub(crate) pulls: [Pull; HOSTS],
    /// To whom it gave its newest vote, over all its lives.
    pub(crate) voted_for: Option<usize>,
    /// The hosts' names on the wire, and its own.
    pub(crate) ids: [NodeId; HOSTS],
    pub(crate) id: NodeId,
    /// When a host last asked it to reset the other.
    pub(crate) asked: [Option<Micros>; HOSTS],
    sent: [VecDeque<(Vec<u8>, Origin)>; SENDERS],
}

/// What comes in at one side, as the firmware should hear it.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    deframer: Deframer<FRAME_BYTES_MAX>,
    /// By its clock.
    last_byte: Option<Instant>,
    /// The newest genuine frame of the host at that side, and when it came; and of those that came before.
    heard: Option<(Micros, Origin)>,
    before: Option<(Micros, Origin)>,
}

impl Ear {
    /// The newest genuine frame of the host at that side.
    pub(crate) const fn heard(&self) -> Option<(Micros, Origin)> {
        self.heard
    }

    /// What it had heard before `now`: of what comes at one moment the firmware hears one side first.
    pub(crate) fn heard_before(&self, now: Micros) -> Option<(Micros, Origin)> {
        self.heard.filter(|(at, _)| *at < now).or(self.before)
    }

    fn hear(&mut self, now: Micros, origin: Origin) {
        if self.heard.is_some_and(|(_, known)| known.number() >= origin.number()) {
            return;
        }
        if let Some(earlier) = self.heard.replace((now, origin)).filter(|(at, _)| *at < now) {
            self.before = Some(earlier);
        }
    }
}

/// What it has said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// Whether it hears each host, and what it says of it.
    pub(crate) hosts: [Option<(bool, HostWord)>; HOSTS],
    pub(crate) vote: Vote,
}

/// A reset line as its host sees it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pull {
    pub(crate) is_pulled: bool,
    /// Counts the pulls.
    pub(crate) number: u32,
    /// It does nothing until then.
    pub(crate) broken_until: Micros,
    /// The host was taken down by it, and stays down as long as it is pulled.
    pub(crate) holds: bool,
    /// It took the host down, which has not come up since.
    pub(crate) took_down: bool,
    /// The host's power would be back but for the line.
    pub(crate) owes_power: bool,
    /// Who had wanted the last reset of the host that was done.
    pub(crate) last_asker: Option<usize>,
}

impl Witness {
    /// A witness that was given its keys and settings. It has no power yet.
    pub(crate) fn new(settings: &Settings, dice: Dice) -> Result<Option<Self>, ProvisionError> {
        let (Some(witness), Some(provision)) = (settings.witness, settings.provision()) else {
            return Ok(None);
        };
        let keys = settings.keys().map_err(|_| ProvisionError::Unfit)?;
        let frame = Request::give(&provision, &keys, None)?;
        let flash = Flash::default();
        if let Request::Give(gift) = Request::read(&frame, None::<&WitnessKeys>)? {
            let mut store = Store::begin_life(flash.clone()).map_err(|_| ProvisionError::NotStored)?;
            store.keep(gift)?;
        }
        Ok(Some(Self {
            board: Board::Down,
            lives: 0,
            has_power: false,
            clock: Clock::new(0, 0, 0),
            dice,
            hardware: Rc::new(RefCell::new(Hardware::new())),
            flash,
            cause: StartCause::PowerOn,
            left: Left::Nothing,
            hangs: false,
            tick_at: Micros::MAX,
            stirred: false,
            generation: 0,
            began: 0,
            troubled_until: witness.first_boot + witness.boot + SECOND,
            deeds_seen: None,
            ears: Default::default(),
            ended: [None; HOSTS],
            vote: Vote::default(),
            said: Said::default(),
            pulls: Default::default(),
            asked: [None; HOSTS],
            voted_for: None,
            ids: provision.hosts,
            id: provision.witness,
            sent: Default::default(),
        }))
    }

    /// The host with this name on the wire.
    pub(crate) fn host(&self, id: NodeId) -> Option<usize> {
        self.ids.iter().position(|known| *known == id)
    }

    /// Whether the firmware runs its loop.
    pub(crate) fn is_awake(&self) -> bool {
        self.board == Board::Up && !self.hangs
    }

    /// Begins a life, at whose beginning its clock shows nothing.
    pub(crate) fn begin(&mut self, now: Micros, drift: i32) -> Instant {
        self.clock = Clock::new(now, 0, drift);
        self.began = now;
        self.deeds_seen = None;
        self.ears = Default::default();
        self.said = Said::default();
        self.ended = [None; HOSTS];
        self.vote = Vote::default();
        self.stirred = true;
        self.clock.read(now)
    }

    /// Remembers a genuine frame, so that it is known when it comes out of the bridge.
    pub(crate) fn remember(&mut self, bytes: &[u8], origin: Origin) {
        let Some(sent) = self.sent.get_mut(usize::from(origin.from)) else { return };
        let mut place =
            if sent.len() == REMEMBERED { sent.pop_front().map(|(bytes, _)| bytes) } else { None }
                .unwrap_or_default();
        place.clear();
        place.extend_from_slice(bytes);
        sent.push_back((place, origin));
    }

    /// Where a frame comes from; nothing if nobody sent it.
    pub(crate) fn origin(&self, bytes: &[u8]) -> Option<Origin> {
        let find = |sent: &VecDeque<(Vec<u8>, Origin)>| {
            sent.iter().rev().find(|(sent, _)| sent == bytes).map(|(_, origin)| *origin)
        };
        self.sent.iter().find_map(find)
    }

    /// Hands bytes to a port, and notes what the firmware hears by them.
    pub(crate) fn receive(&mut self, now: Micros, side: Side, bytes: &[u8]) {
        if self.board == Board::Down {
            return;
        }
        let awake = self.is_awake();
        self.hardware.borrow_mut().receive(side, bytes, awake);
        self.stirred |= awake;
        if !awake {
            return;
        }
        let shown = self.clock.read(now);
        let ear = &mut self.ears[side.index()];
        let mut deframer = std::mem::take(&mut ear.deframer);
        if ear.last_byte.replace(shown).is_some_and(|last| shown >= last + PAUSE) {
            deframer.forget();
        }
        for byte in bytes {
            let Some(Ok(frame)) = deframer.push(*byte) else { continue };
            let Some(origin) = self.origin(frame) else { continue };
            if let Some(ear) = self.ears.get_mut(usize::from(origin.from)) {
                ear.hear(now, origin);
            }
        }
        self.ears[side.index()].deframer = deframer;
    }

    /// Something is wrong with it until then.
    pub(crate) fn trouble(&mut self, until: Micros) {
        self.troubled_until = self.troubled_until.max(until);
    }
}
