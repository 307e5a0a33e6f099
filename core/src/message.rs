//! What a heartbeat says, and its bytes: the whole truth of its sender, every time (design section 3).

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::fencing::{FenceCause, FenceReport};
use crate::frame::{Bytes, FrameError, append};
use crate::heard::Heard;
use crate::ids::{Epoch, Generation, LinkSet, NodeId};
use crate::limits::{MAX_FENCE_REPORTS, MAX_GROUPS, MAX_MEMBERS, MAX_PINGS};
use crate::maintenance::Maintenance;
use crate::planted::{Bug, planted};
use crate::time::Duration;
use crate::witness::{Asks, Word};

/// Where a node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Learning what runs here and who is there.
    Starting,
    /// Takes part.
    Active,
    /// Giving everything up.
    Leaving,
    /// Runs nothing any more and will say no more.
    Left,
}

/// What a node does with a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum GroupState {
    /// Nothing of it runs here.
    Idle,
    /// Wants to start it and waits for the others' word.
    Claiming,
    /// Its start has begun.
    Starting,
    /// It runs here.
    Running,
    /// Its stop has begun.
    Stopping,
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// It could not be stopped; parts may run.
    Failed,
}

impl GroupState {
    /// Whether something of the group may run in this state: between "start begun" and "stop complete".
    #[must_use]
    pub fn may_run(self) -> bool {
        match self {
            Self::Idle | Self::Claiming => false,
            Self::Stopping if planted(Bug::StoppingIsIdle) => false,
            Self::Starting | Self::Running | Self::Stopping | Self::Unknown | Self::Failed => true,
        }
    }

    /// Whether the group is meant to run in this state.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }
}

/// What operators have said about a group on one node; the later is the stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Stance {
    /// Runs it only if nobody else can (`hb_standby`).
    Standby,
    /// Nothing was said.
    #[default]
    Normal,
    /// Wants it before others (`hb_takeover`).
    Ordered,
}

/// A bid without the parts that the whole node shares; `bids` puts them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct GroupBid {
    /// May run it at all.
    pub fit: bool,
    /// What operators said.
    pub stance: Stance,
    /// Preferred node and present holder, weighed by `auto_failback`: 0 to 3.
    pub rank: u8,
}

/// One node's word on one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct GroupReport {
    /// What it does with the group.
    pub state: GroupState,
    /// How much it wants it.
    pub bid: GroupBid,
    /// The epoch under which it holds or claims it, else the newest it knows.
    pub epoch: Epoch,
}

/// A heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where the sender is in its life.
    pub phase: Phase,
    /// The time-out of its armed hardware watchdog; whole seconds on the wire, rounded up.
    pub watchdog: Option<Duration>,
    /// How many ping nodes count for its bids.
    pub pings: u8,
    /// How often it sends.
    pub keepalive: Duration,
    /// The silence after which it wants to be held for dead.
    pub deadtime: Duration,
    /// The digest of its resource configuration.
    pub digest: [u8; 4],
    /// What it has heard from the others.
    pub heard: Vec<Heard, MAX_MEMBERS>,
    /// Its word on every group, in the order of its `haresources`.
    pub groups: Vec<GroupReport, MAX_GROUPS>,
    /// The digest of every line of `haresources`, said only while some member's configuration differs.
    pub lines: Vec<[u8; 2], MAX_GROUPS>,
    /// Members that are back from a fence of the sender's, and have not confirmed yet that they know.
    pub fenced: Vec<FenceReport, MAX_FENCE_REPORTS>,
    /// How often maintenance was turned on or off, as far as it knows; said once there was any.
    pub maintenance: Maintenance,
    /// It is about to begin its next life, with its services kept.
    pub restarting: bool,
    /// What a host asks of its witness.
    pub asks: Asks,
    /// What a witness says; nothing if the sender is none.
    pub witness: Option<Word>,
}

/// What stands before the members that are heard, the groups, and the time-out of the watchdog.
#[derive(Serialize, Deserialize)]
struct WireStart {
    life: u8,
    keepalive_millis: u32,
    deadtime_millis: u32,
    digest: [u8; 4],
}

#[derive(Serialize, Deserialize)]
struct WireHeard {
    member: [u8; 2],
    generation: u8,
    sequence: [u8; 2],
    links: u16,
}

#[derive(Serialize, Deserialize)]
struct WireGroup {
    state: u8,
    epoch: u32,
}

#[derive(Serialize, Deserialize)]
struct WireFence {
    member: [u8; 2],
    cause: u8,
    device: u8,
    generation: u32,
    ago_millis: u32,
    took_millis: u32,
    silence_millis: u32,
}

/// What only some heartbeats say stands behind the rest: a number, a length of one byte, and so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Section {
    Lines = 1,
    Fenced = 2,
    Maintenance = 3,
    Restarting = 4,
    Asks = 5,
    Witness = 6,
}

impl Section {
    fn of(number: u8) -> Option<Self> {
        let known =
            [Self::Lines, Self::Fenced, Self::Maintenance, Self::Restarting, Self::Asks, Self::Witness];
        known.into_iter().find(|section| *section as u8 == number)
    }
}

fn append_section(frame: &mut Bytes, section: Section, value: &impl Serialize) -> Result<(), FrameError> {
    frame.extend_from_slice(&[section as u8, 0]).map_err(|_| FrameError::Long)?;
    let start = frame.len();
    append(frame, value)?;
    let length = u8::try_from(frame.len() - start).map_err(|_| FrameError::Long)?;
    frame[start - 1] = length;
    Ok(())
}

const LONGEST_INTERVAL_MILLIS: u32 = 24 * 3_600_000;

impl Message {
    /// Appends the message to a frame that ends with its header.
    ///
    /// # Errors
    /// [`FrameError::Long`] if there is no room.
    pub fn encode(&self, frame: &mut Bytes) -> Result<(), FrameError> {
        let start = WireStart {
            life: phase_bits(self.phase) << 6 | u8::from(self.watchdog.is_some()) << 5 | (self.pings & 0x1f),
            keepalive_millis: millis(self.keepalive),
            deadtime_millis: millis(self.deadtime),
            digest: self.digest,
        };
        append(frame, &start)?;
        append_each(frame, self.heard.iter().map(WireHeard::from))?;
        append_each(frame, self.groups.iter().map(WireGroup::from))?;
        if let Some(watchdog) = self.watchdog {
            append(frame, &millis(watchdog).div_ceil(1000))?;
        }
        if !self.lines.is_empty() {
            append_section(frame, Section::Lines, &self.lines)?;
        }
        if !self.fenced.is_empty() {
            let fenced: Vec<WireFence, MAX_FENCE_REPORTS> = self.fenced.iter().map(WireFence::from).collect();
            append_section(frame, Section::Fenced, &fenced)?;
        }
        if self.maintenance.was_used() {
            append_section(frame, Section::Maintenance, &self.maintenance)?;
        }
        if self.restarting {
            append_section(frame, Section::Restarting, &())?;
        }
        if !self.asks.is_empty() {
            append_section(frame, Section::Asks, &self.asks)?;
        }
        if let Some(word) = &self.witness {
            append_section(frame, Section::Witness, word)?;
        }
        Ok(())
    }

    /// A message that says nothing, to be read into.
    #[must_use]
    pub fn blank() -> Self {
        Self {
            phase: Phase::Starting,
            watchdog: None,
            pings: 0,
            keepalive: Duration::ZERO,
            deadtime: Duration::ZERO,
            digest: [0; 4],
            heard: Vec::new(),
            groups: Vec::new(),
            lines: Vec::new(),
            fenced: Vec::new(),
            maintenance: Maintenance::default(),
            restarting: false,
            asks: Asks::default(),
            witness: None,
        }
    }

    /// Reads a body. Sections that are not known here are passed over, so that later versions may add to them.
    ///
    /// # Errors
    /// [`FrameError::Malformed`], never a panic, whatever the bytes are.
    pub fn decode(body: &[u8]) -> Result<Self, FrameError> {
        let mut message = Self::blank();
        message.read(body)?;
        Ok(message)
    }

    /// Reads a body into a [blank](Message::blank) message, which lies where its reader wants it: a microcontroller has no
    /// room for a second one. After an error it means nothing.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn read(&mut self, body: &[u8]) -> Result<(), FrameError> {
        let malformed = |_| FrameError::Malformed;
        let mut rest = self.read_ordinary(body)?;
        while let [number, length, more @ ..] = rest {
            let (section, after) =
                more.split_at_checked(usize::from(*length)).ok_or(FrameError::Malformed)?;
            match Section::of(*number) {
                Some(Section::Lines) => self.lines = postcard::from_bytes(section).map_err(malformed)?,
                Some(Section::Fenced) => {
                    let reports: Vec<WireFence, MAX_FENCE_REPORTS> =
                        postcard::from_bytes(section).map_err(malformed)?;
                    // A cause that only later versions know is none that could be told.
                    self.fenced = reports.iter().filter_map(WireFence::report).collect();
                }
                Some(Section::Maintenance) => {
                    self.maintenance = postcard::from_bytes(section).map_err(malformed)?;
                }
                Some(Section::Restarting) => self.restarting = true,
                Some(Section::Asks) => self.asks = whole(section)?,
                Some(Section::Witness) => self.witness = Some(whole(section)?),
                None => {}
            }
            rest = after;
        }
        if rest.is_empty() && self.asks.is_sound() { Ok(()) } else { Err(FrameError::Malformed) }
    }

    /// Reads what every heartbeat has, and gives the sections behind it.
    // Apart, so that its parts lie on a small stack no longer than they are wanted.
    #[inline(never)]
    fn read_ordinary<'a>(&mut self, body: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let (start, rest) = next::<WireStart>(body)?;
        let rest = each(rest, |heard: WireHeard| self.heard.push(Heard::from(&heard)).is_ok())?;
        let mut groups = true;
        let mut rest = each(rest, |group: WireGroup| {
            let report = GroupReport::try_from(&group);
            groups &= report.is_ok();
            self.groups.push(report.unwrap_or_default()).is_ok()
        })?;
        let mut watchdog = None;
        if start.life & 0x20 != 0 {
            let (seconds, after) = next::<u32>(rest)?;
            (watchdog, rest) = (Some(seconds.saturating_mul(1000)), after);
        }
        let pings = start.life & 0x1f;
        let in_range = |millis: u32| (1..=LONGEST_INTERVAL_MILLIS).contains(&millis);
        let intervals_fit = in_range(start.keepalive_millis)
            && in_range(start.deadtime_millis)
            && start.keepalive_millis < start.deadtime_millis;
        if !groups || usize::from(pings) > MAX_PINGS || !intervals_fit || !watchdog.is_none_or(in_range) {
            return Err(FrameError::Malformed);
        }
        let span = |millis: u32| Duration::from_millis(u64::from(millis));
        self.phase = phase_of(start.life >> 6);
        self.watchdog = watchdog.map(span);
        self.pings = pings;
        self.keepalive = span(start.keepalive_millis);
        self.deadtime = span(start.deadtime_millis);
        self.digest = start.digest;
        Ok(rest)
    }
}

fn next<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), FrameError> {
    postcard::take_from_bytes(bytes).map_err(|_| FrameError::Malformed)
}

/// Reads a list, one after the other, and gives what follows it.
fn each<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    mut take: impl FnMut(T) -> bool,
) -> Result<&'a [u8], FrameError> {
    let (count, mut rest) = next::<u32>(bytes)?;
    for _ in 0..count {
        let (item, after) = next(rest)?;
        if !take(item) {
            return Err(FrameError::Malformed);
        }
        rest = after;
    }
    Ok(rest)
}

/// Appends a list.
fn append_each<T: Serialize>(
    frame: &mut Bytes,
    list: impl ExactSizeIterator<Item = T>,
) -> Result<(), FrameError> {
    append(frame, &u32::try_from(list.len()).map_err(|_| FrameError::Long)?)?;
    for item in list {
        append(frame, &item)?;
    }
    Ok(())
}

/// Reads a section on which a reset may depend: nothing may follow that is not understood here.
fn whole<'a, T: Deserialize<'a>>(section: &'a [u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(section) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(FrameError::Malformed),
    }
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.millis()).unwrap_or(u32::MAX)
}

const fn phase_bits(phase: Phase) -> u8 {
    match phase {
        Phase::Starting => 0,
        Phase::Active => 1,
        Phase::Leaving => 2,
        Phase::Left => 3,
    }
}

const fn phase_of(bits: u8) -> Phase {
    match bits & 3 {
        0 => Phase::Starting,
        1 => Phase::Active,
        2 => Phase::Leaving,
        _ => Phase::Left,
    }
}

impl From<&Heard> for WireHeard {
    fn from(heard: &Heard) -> Self {
        Self {
            member: heard.member.0,
            generation: heard.generation,
            sequence: heard.sequence.to_be_bytes(),
            links: heard.links.0,
        }
    }
}

impl From<&WireHeard> for Heard {
    fn from(wire: &WireHeard) -> Self {
        Self {
            member: NodeId(wire.member),
            generation: wire.generation,
            sequence: u16::from_be_bytes(wire.sequence),
            links: LinkSet(wire.links),
        }
    }
}

impl From<&FenceReport> for WireFence {
    fn from(report: &FenceReport) -> Self {
        Self {
            member: report.member.0,
            cause: report.cause.number(),
            device: report.device,
            generation: report.generation.0,
            ago_millis: millis(report.ago),
            took_millis: millis(report.took),
            silence_millis: millis(report.silence),
        }
    }
}

impl WireFence {
    fn report(&self) -> Option<FenceReport> {
        let span = |millis: u32| Duration::from_millis(u64::from(millis));
        Some(FenceReport {
            member: NodeId(self.member),
            cause: FenceCause::of(self.cause)?,
            generation: Generation(self.generation),
            ago: span(self.ago_millis),
            took: span(self.took_millis),
            silence: span(self.silence_millis),
            device: self.device,
        })
    }
}

impl From<&GroupReport> for WireGroup {
    fn from(report: &GroupReport) -> Self {
        let state = match report.state {
            GroupState::Idle => 0,
            GroupState::Claiming => 1,
            GroupState::Starting => 2,
            GroupState::Running => 3,
            GroupState::Stopping => 4,
            GroupState::Unknown => 5,
            GroupState::Failed => 6,
        };
        let stance = match report.bid.stance {
            Stance::Standby => 0,
            Stance::Normal => 1,
            Stance::Ordered => 2,
        };
        let state = state | u8::from(report.bid.fit) << 3 | stance << 4 | (report.bid.rank & 3) << 6;
        Self { state, epoch: report.epoch.0 }
    }
}

impl TryFrom<&WireGroup> for GroupReport {
    type Error = FrameError;

    fn try_from(wire: &WireGroup) -> Result<Self, FrameError> {
        let state = match wire.state & 7 {
            0 => GroupState::Idle,
            1 => GroupState::Claiming,
            2 => GroupState::Starting,
            3 => GroupState::Running,
            4 => GroupState::Stopping,
            5 => GroupState::Unknown,
            6 => GroupState::Failed,
            _ => return Err(FrameError::Malformed),
        };
        let stance = match wire.state >> 4 & 3 {
            0 => Stance::Standby,
            1 => Stance::Normal,
            2 => Stance::Ordered,
            _ => return Err(FrameError::Malformed),
        };
        let bid = GroupBid { fit: wire.state & 8 != 0, stance, rank: wire.state >> 6 };
        Ok(Self { state, bid, epoch: Epoch(wire.epoch) })
    }
}
