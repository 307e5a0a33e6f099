//! What the hosts and the witness in their null-modem cable say to each other beyond an ordinary heartbeat: what a host
//! asks ([`Asks`]), and what the witness knows and has done ([`Word`]). Plain data, and state as everything in a
//! heartbeat: an ask stands in every frame for as long as it holds, and so does its answer. What a host makes of it is
//! decided in `node::witness`, what the witness does in the crate of its firmware.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::ids::{Epoch, Generation, NodeId};
use crate::time::Duration;

/// Hosts of one witness: one at each side of the cable.
pub const HOSTS: usize = 2;
/// Deeds that the witness remembers.
pub const DEEDS: usize = 16;
/// The longest silence that a watchdog can be armed for.
pub const LONGEST_WATCH: Duration = Duration::from_millis(3_600_000);

/// What a host asks of its witness. It counts only in a fresh frame that confirms one of the witness's present life, so
/// that no recording asks for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Asks {
    /// About the watchdog over this host; nothing: leave it as it is.
    pub watch: Option<Watch>,
    /// Reset the other host.
    pub fence: Option<FenceAsk>,
    /// The vote of this epoch, which must be the one after the newest that the witness has said.
    pub vote: Option<Epoch>,
}

impl Asks {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn is_sound(&self) -> bool {
        match self.watch {
            Some(Watch::Arm(after)) => Duration::ZERO < after && after <= LONGEST_WATCH,
            Some(Watch::Release) | None => true,
        }
    }
}

/// What a host wants of the watchdog over itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Watch {
    /// Reset me once nothing authentic and fresh was heard of me for so long.
    Arm(#[serde(with = "in_millis")] Duration),
    /// I end in good order: do not.
    Release,
}

/// A request to reset the other host. It takes two frames at least: the second only once the witness said that it has
/// taken the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FenceAsk {
    /// Who is to be reset.
    pub target: NodeId,
    /// Tells this request from others of the same life.
    pub ticket: u16,
    /// How far it has come.
    pub stage: Stage,
}

/// The two halves of a request to reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Be ready.
    Arm,
    /// Pull the line.
    Fire,
}

/// What the witness says in each of its heartbeats.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Word {
    /// How long it has been running; whole seconds on the wire.
    #[serde(with = "in_seconds")]
    pub uptime: Duration,
    /// Each of its hosts.
    pub hosts: Vec<HostWord, HOSTS>,
    /// The newest vote of this life of the witness.
    pub vote: Vote,
    /// What became of each host's newest request to reset the other.
    pub fences: Vec<FenceWord, HOSTS>,
    /// One thing more, in turn.
    pub detail: Option<Detail>,
}

impl Word {
    /// What it says of one host.
    #[must_use]
    pub fn host(&self, host: NodeId) -> Option<&HostWord> {
        self.hosts.iter().find(|word| word.host == host)
    }
}

/// One of the two ends of the cable, and with it one reset line and one power sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The first connector.
    A,
    /// The second connector.
    B,
}

impl Side {
    /// Both.
    pub const ALL: [Self; HOSTS] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its place in a list of both.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// What the witness says of one host. Whether it hears it stands in the ordinary part of the heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostWord {
    /// Who.
    pub host: NodeId,
    /// At which end of the cable it was last heard; nothing if never in this life of the witness.
    pub side: Option<Side>,
    /// Its power.
    pub power: Power,
    /// The watchdog over it.
    pub watch: WatchState,
    /// The newest reset of it, until a later life of it has confirmed that it knows.
    pub reset: Option<Reset>,
}

/// What the power sense of a host says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Power {
    /// It is not wired.
    #[default]
    NotSensed,
    /// It is on.
    On,
    /// It is gone: a death notice.
    Off,
}

/// The watchdog over one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum WatchState {
    /// It is not armed.
    #[default]
    Off,
    /// It resets the host after so long a silence.
    Armed(#[serde(with = "in_millis")] Duration),
    /// The silence is over, but the other host fell silent at the same moment: the witness takes itself for unplugged,
    /// and waits until it hears one of them.
    Withheld(#[serde(with = "in_millis")] Duration),
}

/// A reset of a host: its line was pulled, and let go again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reset {
    /// The newest life of the host that had been heard: that is ended.
    pub generation: Generation,
    /// Why.
    pub cause: ResetCause,
    /// How long ago the line was let go.
    #[serde(with = "in_millis")]
    pub ago: Duration,
}

/// Why a host was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ResetCause {
    /// Its watchdog was armed, and it was silent for so long.
    Watchdog(#[serde(with = "in_millis")] Duration),
    /// Its watchdog was armed, its power gone, and it was silent for two of its heartbeats.
    PowerLost,
    /// The other host asked for it.
    Fence(NodeId),
}

/// The newest vote. Its epochs are counted within one life of the witness, which a host asks by confirming it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Vote {
    /// The epoch; 0 before the first.
    pub epoch: Epoch,
    /// Whose it is.
    pub to: Option<NodeId>,
}

/// What became of a host's newest request to reset the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FenceWord {
    /// Who asked.
    pub asker: NodeId,
    /// Which request.
    pub ticket: u16,
    /// How far it has come.
    pub state: FenceState,
}

/// How far a request to reset has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FenceState {
    /// Taken: the second half may come.
    Armed,
    /// The line is pulled.
    Firing,
    /// The line was pulled for its time and let go again.
    Done(ReadBack),
    /// It will not be done.
    Refused(FenceRefusal),
}

/// What the power sense said while the line was pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadBack {
    /// It is not wired, or wired to what a reset does not switch off.
    NotSensed,
    /// The power went, as it should.
    WentOff,
}

/// Why the witness does not reset a host for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
pub enum FenceRefusal {
    /// The other host asked first.
    #[error("the other host asked first")]
    OtherWasFirst,
    /// It is the asker itself, or no host of this witness.
    #[error("it is not the other host of this witness")]
    NotTheOther,
    /// No reset line is wired at the end of the cable where the host is, or it was never heard, so that nobody knows which.
    #[error("the witness does not know a reset line of it")]
    NoLine,
    /// The second half came without the first, or too late.
    #[error("it was asked to pull the line without, or too long after, being asked to be ready")]
    NotArmed,
    /// The power sense says that the power stayed on.
    #[error("the line was pulled, and the power stayed on")]
    StayedOn,
}

/// What the witness says in turn, one in a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Detail {
    /// The version of its firmware.
    Firmware(Firmware),
    /// The counters of one end of the cable.
    Counters(Side, Counters),
    /// One of its last [`DEEDS`] deeds.
    Deed(PastDeed),
}

/// A version of the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Firmware {
    /// Major, minor, patch.
    pub version: [u8; 3],
    /// The cyclic check of its provisioning, so that hosts see whether it is the one that they gave; 0: none.
    pub provision: u32,
}

/// The counters of one end of the cable, since the witness's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Authentic frames that came in.
    pub frames: u32,
    /// What came in and was none.
    pub bad_frames: u32,
    /// Bytes that came faster than they were taken.
    pub overruns: u32,
    /// Bytes without a stop bit: another speed, a break, noise.
    pub framing_errors: u32,
    /// Frames of the other side that found no room in the line that goes out here.
    pub dropped: u32,
    /// The longest silence between two authentic frames.
    #[serde(with = "in_millis")]
    pub longest_silence: Duration,
}

/// A deed that the witness remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PastDeed {
    /// Its number; they are counted on over resets of the witness.
    pub number: u32,
    /// How long ago it was.
    #[serde(with = "in_millis")]
    pub ago: Duration,
    /// What it was.
    pub deed: Deed,
}

/// Something that the witness has done or noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Deed {
    /// It started.
    Started(StartCause),
    /// It got keys and settings.
    Provisioned,
    /// It armed the watchdog over a host.
    Armed(NodeId, #[serde(with = "in_millis")] Duration),
    /// A host ended in good order.
    Released(NodeId),
    /// It reset a host.
    Reset(NodeId, ResetCause, ReadBack),
    /// It pulled the line of a host, and the power stayed on.
    StayedOn(NodeId, ResetCause),
    /// A host that had been reset went on speaking in the same life: the line does not do what it should.
    LineBelied(NodeId),
    /// Both hosts fell silent together, so it did not reset them: see [`WatchState::Withheld`].
    Withheld(NodeId),
    /// It did not reset a host for this one.
    Refused(NodeId, FenceRefusal),
    /// The power of a host went.
    PowerLost(NodeId),
    /// The power of a host came back.
    PowerBack(NodeId),
    /// It gave its vote.
    Voted(NodeId, Epoch),
}

/// Why the witness started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum StartCause {
    /// The power came, or nobody knows.
    #[default]
    PowerOn,
    /// The reset pin.
    Pin,
    /// Its own watchdog: it had hung, or panicked.
    OwnWatchdog,
    /// The supply had dropped.
    BrownOut,
    /// Software asked for it, for example after a new firmware.
    Software,
}

/// Durations as milliseconds, so that they are short on the wire. What is longer than 49 days is 49 days.
pub(crate) mod in_millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::Duration;

    pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(u32::try_from(span.millis()).unwrap_or(u32::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u32::deserialize(deserializer).map(|millis| Duration::from_millis(u64::from(millis)))
    }
}

/// Durations as whole seconds. What is longer than 136 years is 136 years.
mod in_seconds {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::Duration;

    pub(super) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(u32::try_from(span.millis() / 1000).unwrap_or(u32::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u32::deserialize(deserializer).map(|seconds| Duration::from_millis(u64::from(seconds) * 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Bytes, FrameError};
    use crate::maintenance::Maintenance;
    use crate::message::{Message, Phase};
    use proptest::prelude::*;

    fn message(asks: Asks, witness: Option<Word>) -> Message {
        Message {
            phase: Phase::Active,
            watchdog: None,
            pings: 0,
            keepalive: Duration::from_millis(1_000),
            deadtime: Duration::from_millis(10_000),
            digest: [0; 4],
            heard: Vec::new(),
            groups: Vec::new(),
            lines: Vec::new(),
            fenced: Vec::new(),
            maintenance: Maintenance::default(),
            restarting: false,
            asks,
            witness,
        }
    }

    fn encoded(message: &Message) -> Bytes {
        let mut bytes = Bytes::new();
        message.encode(&mut bytes).unwrap();
        bytes
    }

    fn millis() -> impl Strategy<Value = Duration> {
        (1..=3_600_000u64).prop_map(Duration::from_millis)
    }

    fn name() -> impl Strategy<Value = NodeId> {
        any::<[u8; 2]>().prop_map(NodeId)
    }

    fn asks() -> impl Strategy<Value = Asks> {
        let watch = prop_oneof![millis().prop_map(Watch::Arm), Just(Watch::Release)];
        let stage = prop_oneof![Just(Stage::Arm), Just(Stage::Fire)];
        let fence = (name(), any::<u16>(), stage).prop_map(|(target, ticket, stage)| FenceAsk {
            target,
            ticket,
            stage,
        });
        let vote = any::<u32>().prop_map(Epoch);
        (prop::option::of(watch), prop::option::of(fence), prop::option::of(vote))
            .prop_map(|(watch, fence, vote)| Asks { watch, fence, vote })
    }

    fn cause() -> impl Strategy<Value = ResetCause> {
        prop_oneof![
            millis().prop_map(ResetCause::Watchdog),
            Just(ResetCause::PowerLost),
            name().prop_map(ResetCause::Fence)
        ]
    }

    fn host_word() -> impl Strategy<Value = HostWord> {
        let side = prop::option::of(prop_oneof![Just(Side::A), Just(Side::B)]);
        let power = prop_oneof![Just(Power::NotSensed), Just(Power::On), Just(Power::Off)];
        let watch = prop_oneof![
            Just(WatchState::Off),
            millis().prop_map(WatchState::Armed),
            millis().prop_map(WatchState::Withheld)
        ];
        let reset = (any::<u32>(), cause(), millis()).prop_map(|(life, cause, ago)| Reset {
            generation: Generation(life),
            cause,
            ago,
        });
        (name(), side, power, watch, prop::option::of(reset))
            .prop_map(|(host, side, power, watch, reset)| HostWord { host, side, power, watch, reset })
    }

    fn fence_word() -> impl Strategy<Value = FenceWord> {
        let state = prop_oneof![
            Just(FenceState::Armed),
            Just(FenceState::Firing),
            Just(FenceState::Done(ReadBack::NotSensed)),
            Just(FenceState::Done(ReadBack::WentOff)),
            Just(FenceState::Refused(FenceRefusal::OtherWasFirst)),
            Just(FenceState::Refused(FenceRefusal::StayedOn)),
        ];
        (name(), any::<u16>(), state).prop_map(|(asker, ticket, state)| FenceWord { asker, ticket, state })
    }

    fn detail() -> impl Strategy<Value = Detail> {
        let counters = (any::<[u32; 5]>(), millis()).prop_map(|(counts, longest_silence)| {
            let [frames, bad_frames, overruns, framing_errors, dropped] = counts;
            Counters { frames, bad_frames, overruns, framing_errors, dropped, longest_silence }
        });
        let deed = prop_oneof![
            Just(Deed::Started(StartCause::BrownOut)),
            (name(), cause()).prop_map(|(host, cause)| Deed::Reset(host, cause, ReadBack::WentOff)),
            (name(), any::<u32>()).prop_map(|(host, epoch)| Deed::Voted(host, Epoch(epoch))),
            (name(), millis()).prop_map(|(host, after)| Deed::Armed(host, after)),
        ];
        prop_oneof![
            any::<([u8; 3], u32)>()
                .prop_map(|(version, provision)| Detail::Firmware(Firmware { version, provision })),
            counters.prop_map(|counters| Detail::Counters(Side::B, counters)),
            (any::<u32>(), millis(), deed).prop_map(|(number, ago, deed)| Detail::Deed(PastDeed {
                number,
                ago,
                deed
            })),
        ]
    }

    fn word() -> impl Strategy<Value = Word> {
        let vote =
            (any::<u32>(), prop::option::of(name())).prop_map(|(epoch, to)| Vote { epoch: Epoch(epoch), to });
        let uptime = any::<u32>().prop_map(|seconds| Duration::from_millis(u64::from(seconds) * 1000));
        let hosts = prop::collection::vec(host_word(), 0..=HOSTS);
        let fences = prop::collection::vec(fence_word(), 0..=HOSTS);
        (uptime, hosts, vote, fences, prop::option::of(detail())).prop_map(
            |(uptime, hosts, vote, fences, detail)| Word {
                uptime,
                hosts: hosts.into_iter().collect(),
                vote,
                fences: fences.into_iter().collect(),
                detail,
            },
        )
    }

    #[test]
    fn who_asks_nothing_says_nothing_of_it() {
        let armed = Asks { watch: Some(Watch::Arm(Duration::from_millis(10_000))), ..Asks::default() };
        let plain = encoded(&message(Asks::default(), None)).len();
        assert_eq!(encoded(&message(armed, None)).len(), plain + 8);
    }

    #[test]
    fn a_watchdog_without_time_or_without_end_is_refused() {
        for after in [Duration::ZERO, Duration::from_millis(3_600_001)] {
            let asks = Asks { watch: Some(Watch::Arm(after)), ..Asks::default() };
            assert_eq!(Message::decode(&encoded(&message(asks, None))), Err(FrameError::Malformed));
        }
    }

    proptest! {
        #[test]
        fn what_is_said_is_understood(asks in asks(), word in prop::option::of(word())) {
            let said = message(asks, word);
            prop_assert_eq!(Message::decode(&encoded(&said)), Ok(said));
        }

        /// The witness's heartbeat, with header, what it hears, and tag, is no longer than 60 ms at 19200 baud.
        #[test]
        fn the_longest_word_is_short(word in word()) {
            let plain = encoded(&message(Asks::default(), None)).len();
            prop_assert!(encoded(&message(Asks::default(), Some(word))).len() <= plain + 120);
        }

        #[test]
        fn what_follows_a_section_unknown_is_refused(asks in asks(), more in any::<u8>()) {
            let plain = encoded(&message(Asks::default(), None)).len();
            let mut bytes = encoded(&message(asks, None));
            prop_assume!(bytes.len() > plain);
            bytes.push(more).unwrap();
            bytes[plain + 1] += 1;
            prop_assert_eq!(Message::decode(&bytes), Err(FrameError::Malformed));
        }
    }
}
