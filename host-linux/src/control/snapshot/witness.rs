//! The witness in the null-modem cable, as one node knows it.

use serde::{Deserialize, Serialize};

use super::NodeStatus;

/// The witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Its name in lower case.
    pub name: String,
    /// The serial device that it is at.
    pub device: String,
    /// Whether it lives.
    pub status: NodeStatus,
    /// How long ago it was last heard, in milliseconds; absent if never.
    pub heard_ms_ago: Option<u64>,
    /// Whether it hears this node.
    pub hears_us: bool,
    /// How long it has been running, in milliseconds; absent before it said so.
    pub uptime_ms: Option<u64>,
    /// The version of its firmware; absent before it said so.
    pub firmware: Option<String>,
    /// What tells its present settings and keys from others that it was given; absent before it said so.
    pub provision: Option<u32>,
    /// Its newest vote; absent before it gave one.
    pub vote: Option<WitnessVote>,
    /// What it says of its hosts.
    pub hosts: Vec<WitnessHost>,
    /// Its counters, as far as it has told them.
    pub counters: Vec<WitnessCounters>,
    /// Its last deeds, oldest first, as far as it has told them.
    pub deeds: Vec<WitnessDeed>,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessVote {
    /// Counted within one life of the witness.
    pub epoch: u32,
    /// Whose it is.
    pub to: String,
    /// Whether this node has it, and may take what a dead node ran.
    pub ours: bool,
}

/// What a witness says of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessHost {
    /// Who.
    pub name: String,
    /// The end of the cable where it was last heard, `a` or `b`; absent if never.
    pub side: Option<String>,
    /// Whether the witness hears it.
    pub heard: bool,
    /// `on`, `off`, or `not_sensed`.
    pub power: String,
    /// The watchdog over it.
    pub watchdog: WitnessWatch,
    /// The time of the watchdog, in milliseconds; absent while it is off.
    pub watchdog_ms: Option<u64>,
    /// Its newest reset, until its next life has heard of it.
    pub reset: Option<WitnessReset>,
}

/// A watchdog of a witness over a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WitnessWatch {
    /// Not armed.
    Off,
    /// Armed.
    Armed,
    /// The time is over, but both hosts fell silent at once: the witness takes itself for unplugged.
    Withheld,
}

/// A reset of a host by its witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessReset {
    /// The generation of the life that was ended.
    pub generation: u32,
    /// Why, to follow "since".
    pub reason: String,
    /// How long ago, in milliseconds.
    pub ms_ago: u64,
}

/// The counters of one end of the cable since the witness's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessCounters {
    /// `a` or `b`.
    pub side: String,
    /// Authentic frames that came in.
    pub frames: u32,
    /// What came in and was none.
    pub bad_frames: u32,
    /// Bytes that came faster than they were taken.
    pub overruns: u32,
    /// Bytes without a stop bit.
    pub framing_errors: u32,
    /// Frames of the other end that found no room in the line that goes out here.
    pub dropped: u32,
    /// The longest silence between two authentic frames, in milliseconds.
    pub longest_silence_ms: u64,
}

/// A deed of a witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessDeed {
    /// Its number; they are counted on over resets of the witness.
    pub number: u32,
    /// How long ago it was, in milliseconds.
    pub ms_ago: u64,
    /// Its kind in snake case.
    pub kind: String,
    /// What it was, as a sentence without its full stop.
    pub text: String,
    /// Whether the witness did something to a host, or should have.
    pub acted: bool,
}
