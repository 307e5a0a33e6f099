//! How a witness gets its keys and settings: frames of their own on the serial line, which no node takes for a heartbeat
//! and no witness passes on. What the firmware does with them, and where it keeps them, is in its own crate.
//!
//! ```text
//! 0xf0 + key number | kind | body | tag     to the witness
//! 0xe0              | kind | body | CRC-32  its answer
//! ```
//!
//! The first provisioning is closed with a CRC, since there is no secret yet: whoever holds the cable gives the keys.
//! Each later one is closed with a key that the witness has, and has a higher count, so that none is played back.

use heapless::String;
use serde::{Deserialize, Serialize};

use crate::frame::{Bytes, FrameError, append};
use crate::ids::NodeId;
use crate::limits::{MAX_CLUSTER_NAME, MAX_FRAME};
use crate::seal::{Key, KeyError, KeyRing, Method, Ring, SealError};
use crate::time::Duration;
use crate::witness::{Firmware, HOSTS, in_millis};

/// Keys that a witness has room for.
pub const WITNESS_KEYS: usize = 4;
/// The speed of a witness that has not been told another.
pub const DEFAULT_BAUD: u32 = 19_200;

/// Stands in the tags where heartbeats have the name of their cluster.
const REALM: &str = "heartline provision";
const TO_WITNESS: u8 = 0xf;
const FROM_WITNESS: u8 = 0xe;
const ASK: u8 = 0;
const GIVE: u8 = 1;
const ANSWER: u8 = 2;

/// Keys of a witness.
pub type WitnessKeys = Ring<WITNESS_KEYS>;

/// What a witness must know besides its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provision {
    /// Grows with each provisioning; seconds since 1970 will do.
    pub count: u32,
    /// The name of the cluster.
    pub cluster: String<MAX_CLUSTER_NAME>,
    /// The witness's own name.
    pub witness: NodeId,
    /// Its hosts.
    pub hosts: [NodeId; HOSTS],
    /// How often it sends.
    #[serde(with = "in_millis")]
    pub keepalive: Duration,
    /// The silence after which it wants to be held for dead.
    #[serde(with = "in_millis")]
    pub deadtime: Duration,
    /// The speed of both lines; it counts from the witness's next start on.
    pub baud: u32,
    /// What is wired at each end of the cable.
    pub wiring: [Wiring; HOSTS],
}

/// What is wired at one end of the cable besides the serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wiring {
    /// How long the reset line is pulled; zero: none is wired.
    #[serde(with = "in_millis")]
    pub pull: Duration,
    /// The power sense.
    pub sense: Sense,
}

/// What the power sense of one host means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sense {
    /// It is not wired.
    NotWired,
    /// It tells when the power is gone, but a reset does not switch that off: the usual reset header.
    Power,
    /// It tells when the power is gone, and must do so while the line is pulled: a relay in the supply.
    ReadBack,
}

/// Why a witness cannot be provisioned like this, or bytes are no frame of provisioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ProvisionError {
    /// More keys than [`WITNESS_KEYS`].
    #[error("a witness has room for {WITNESS_KEYS} keys")]
    TooManyKeys,
    /// Keys and names together do not fit into one frame.
    #[error("keys and names are longer than the {MAX_FRAME} bytes of one frame")]
    TooLong,
    /// The bytes are not a frame of provisioning.
    #[error("malformed")]
    Malformed,
    /// The keys are not closed with a key that the witness has; or damaged on the way.
    #[error("not closed with a key that the witness has")]
    NotAuthentic,
    /// These, or newer ones, were given already.
    #[error("the witness has these keys, or newer ones, already")]
    OldCount,
    /// Times, names or keys that no witness can work with.
    #[error("times, names or keys that no witness can work with")]
    Unfit,
    /// The witness could not store them.
    #[error("the witness could not store them")]
    NotStored,
}

/// A frame to a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Say who you are.
    Ask,
    /// Take these.
    Give(Gift<'a>),
}

/// Settings and keys as bytes, as they are sent and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gift<'a>(&'a [u8]);

/// What a witness answers, on the line on which it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Its firmware.
    pub firmware: Firmware,
    /// Its name and its hosts; nothing while it has none.
    pub names: Option<(NodeId, [NodeId; HOSTS])>,
    /// What became of what it was given; nothing if it was only asked.
    pub outcome: Option<Result<(), ProvisionError>>,
}

/// What stands before the keys.
#[derive(Serialize)]
struct Start<'a> {
    provision: &'a Provision,
    signing: u8,
    keys: u8,
}

/// One key after the other follows.
#[derive(Serialize, Deserialize)]
struct WireKey<'a> {
    number: u8,
    method: Method,
    secret: &'a [u8],
}

/// Whether bytes are to be read here, and not as a heartbeat.
#[must_use]
pub fn is_request(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first >> 4 == TO_WITNESS)
}

impl Provision {
    fn is_fit(&self) -> bool {
        let [first, second] = self.hosts;
        let names_differ = first != second && self.hosts.iter().all(|host| *host != self.witness);
        let millis = |span: Duration| span.millis();
        let times = millis(self.keepalive) > 0
            && self.keepalive < self.deadtime
            && self.deadtime <= crate::config::LONGEST_DEADTIME
            && self.wiring.iter().all(|wiring| millis(wiring.pull) <= 60_000);
        names_differ && times && (300..=4_000_000).contains(&self.baud)
    }
}

impl<'a> Request<'a> {
    /// The frame that asks a witness who it is.
    ///
    /// # Errors
    /// None in truth: it always fits.
    pub fn ask() -> Result<Bytes, ProvisionError> {
        let mut frame = Bytes::new();
        begin(&mut frame, TO_WITNESS, ASK, None)?;
        end(&mut frame, None)?;
        Ok(frame)
    }

    /// The frame that gives settings and keys to a witness that has none, or that has `old` ones.
    ///
    /// # Errors
    /// [`ProvisionError::TooManyKeys`], [`ProvisionError::TooLong`], [`ProvisionError::Unfit`].
    pub fn give(
        provision: &Provision,
        keys: &KeyRing,
        old: Option<&KeyRing>,
    ) -> Result<Bytes, ProvisionError> {
        if !provision.is_fit() {
            return Err(ProvisionError::Unfit);
        }
        if keys.keys().len() > WITNESS_KEYS {
            return Err(ProvisionError::TooManyKeys);
        }
        let start = Start {
            provision,
            signing: keys.signing(),
            keys: u8::try_from(keys.keys().len()).unwrap_or(u8::MAX),
        };
        let mut frame = Bytes::new();
        begin(&mut frame, TO_WITNESS, GIVE, old)?;
        append(&mut frame, &start).map_err(too_long)?;
        for key in keys.keys() {
            let key = WireKey { number: key.number(), method: key.method(), secret: key.secret() };
            append(&mut frame, &key).map_err(too_long)?;
        }
        end(&mut frame, old)?;
        Ok(frame)
    }

    /// Reads a frame, as a witness that has the keys `old`, or none.
    ///
    /// # Errors
    /// [`ProvisionError::Malformed`] or [`ProvisionError::NotAuthentic`]; never a panic.
    pub fn read<const N: usize>(bytes: &'a [u8], old: Option<&Ring<N>>) -> Result<Self, ProvisionError> {
        match open(TO_WITNESS, bytes, old)? {
            (ASK, _) => Ok(Self::Ask),
            (GIVE, body) => Ok(Self::Give(Gift(body))),
            _ => Err(ProvisionError::Malformed),
        }
    }
}

impl<'a> Gift<'a> {
    /// Bytes that were kept.
    #[must_use]
    pub const fn kept(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes to keep.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`ProvisionError::Malformed`], [`ProvisionError::Unfit`]; never a panic.
    pub fn unpack(self) -> Result<(Provision, WitnessKeys), ProvisionError> {
        let mut keys = WitnessKeys::empty(0);
        self.keys_into(&mut keys)?;
        Ok((self.provision()?, keys))
    }

    /// The settings in it.
    ///
    /// # Errors
    /// As [`Gift::unpack`].
    pub fn provision(self) -> Result<Provision, ProvisionError> {
        let (provision, _) = next::<Provision>(self.0)?;
        if provision.is_fit() { Ok(provision) } else { Err(ProvisionError::Unfit) }
    }

    /// Puts the keys in it into `ring`, in place of those that are there. They may be no whole ring after an error.
    ///
    /// # Errors
    /// As [`Gift::unpack`].
    pub fn keys_into(self, ring: &mut WitnessKeys) -> Result<(), ProvisionError> {
        let (_, rest) = next::<Provision>(self.0)?;
        let (signing, rest) = next::<u8>(rest)?;
        let (count, mut rest) = next::<u8>(rest)?;
        ring.begin(signing);
        for _ in 0..count {
            let (key, after) = next::<WireKey<'_>>(rest)?;
            ring.add(key.number, key.method, key.secret).map_err(|_: KeyError| ProvisionError::Unfit)?;
            rest = after;
        }
        match rest {
            [] if ring.can_sign() => Ok(()),
            [] => Err(ProvisionError::Unfit),
            _ => Err(ProvisionError::Malformed),
        }
    }
}

impl Answer {
    /// Writes the frame that says it.
    ///
    /// # Errors
    /// None in truth: it always fits.
    pub fn write(&self, frame: &mut Bytes) -> Result<(), ProvisionError> {
        begin(frame, FROM_WITNESS, ANSWER, None)?;
        append(frame, self).map_err(too_long)?;
        end(frame, None)
    }

    /// Reads the frame of an answer.
    ///
    /// # Errors
    /// [`ProvisionError::Malformed`] or [`ProvisionError::NotAuthentic`]: it is none, or was damaged on the way.
    pub fn read(bytes: &[u8]) -> Result<Self, ProvisionError> {
        match open::<WITNESS_KEYS>(FROM_WITNESS, bytes, None)? {
            (ANSWER, body) => whole(body),
            _ => Err(ProvisionError::Malformed),
        }
    }
}

fn whole<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ProvisionError> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(ProvisionError::Malformed),
    }
}

fn next<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), ProvisionError> {
    postcard::take_from_bytes(bytes).map_err(|_| ProvisionError::Malformed)
}

fn begin(frame: &mut Bytes, direction: u8, kind: u8, keys: Option<&KeyRing>) -> Result<(), ProvisionError> {
    let number = keys.map_or(0, KeyRing::signing);
    frame.clear();
    frame.extend_from_slice(&[direction << 4 | number, kind]).map_err(|_| ProvisionError::TooLong)
}

fn end(frame: &mut Bytes, keys: Option<&KeyRing>) -> Result<(), ProvisionError> {
    let closed = match keys {
        Some(keys) => keys.close(REALM, frame),
        None => no_secret()?.close(REALM, frame),
    };
    closed.map_err(too_long)
}

fn too_long(_: FrameError) -> ProvisionError {
    ProvisionError::TooLong
}

/// Kind and body, if it goes in this direction and its tag is right. Only to be asked needs no key.
fn open<'a, const N: usize>(
    direction: u8,
    bytes: &'a [u8],
    keys: Option<&Ring<N>>,
) -> Result<(u8, &'a [u8]), ProvisionError> {
    let [first, kind, ..] = bytes else { return Err(ProvisionError::Malformed) };
    if first >> 4 != direction {
        return Err(ProvisionError::Malformed);
    }
    let covered = match keys.filter(|_| *kind == GIVE) {
        Some(keys) => keys.open_in(REALM, first & 0x0f, bytes),
        None => no_secret()?.open_in(REALM, 0, bytes),
    };
    let covered = covered.map_err(|_: SealError| ProvisionError::NotAuthentic)?;
    covered.get(2..).map(|body| (*kind, body)).ok_or(ProvisionError::Malformed)
}

fn no_secret() -> Result<Ring<1>, ProvisionError> {
    Key::new(0, Method::Crc, &[]).and_then(|key| Ring::new(0, &[key])).map_err(|_| ProvisionError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(secret: &[u8]) -> KeyRing {
        KeyRing::new(3, &[Key::new(3, Method::Sha256, secret).unwrap()]).unwrap()
    }

    fn witness_ring(secret: &[u8]) -> WitnessKeys {
        WitnessKeys::new(3, &[Key::new(3, Method::Sha256, secret).unwrap()]).unwrap()
    }

    fn unpacked<const N: usize>(
        frame: &[u8],
        old: Option<&Ring<N>>,
    ) -> Result<(Provision, WitnessKeys), ProvisionError> {
        match Request::read(frame, old)? {
            Request::Give(gift) => gift.unpack(),
            Request::Ask => Err(ProvisionError::Malformed),
        }
    }

    fn provision() -> Provision {
        let wiring = Wiring { pull: Duration::from_millis(500), sense: Sense::Power };
        Provision {
            count: 1_795_405_913,
            cluster: "linux-ha".try_into().unwrap(),
            witness: NodeId::of("dongle"),
            hosts: [NodeId::of("ha1"), NodeId::of("ha2")],
            keepalive: Duration::from_millis(1_000),
            deadtime: Duration::from_millis(10_000),
            baud: 19_200,
            wiring: [wiring, Wiring { pull: Duration::ZERO, sense: Sense::NotWired }],
        }
    }

    #[test]
    fn a_witness_without_keys_takes_what_it_is_given() {
        let frame = Request::give(&provision(), &ring(b"secret"), None).unwrap();
        assert!(is_request(&frame));
        assert_eq!(unpacked::<WITNESS_KEYS>(&frame, None), Ok((provision(), witness_ring(b"secret"))));
    }

    #[test]
    fn a_witness_with_keys_takes_others_only_from_who_has_these() {
        let old = witness_ring(b"old");
        let read = |frame: &Bytes| unpacked(frame, Some(&old));
        let unsigned = Request::give(&provision(), &ring(b"new"), None).unwrap();
        assert_eq!(read(&unsigned), Err(ProvisionError::NotAuthentic));
        let foreign = Request::give(&provision(), &ring(b"new"), Some(&ring(b"other"))).unwrap();
        assert_eq!(read(&foreign), Err(ProvisionError::NotAuthentic));
        let signed = Request::give(&provision(), &ring(b"new"), Some(&ring(b"old"))).unwrap();
        assert_eq!(read(&signed), Ok((provision(), witness_ring(b"new"))));
    }

    #[test]
    fn everybody_may_ask() {
        let ask = Request::ask().unwrap();
        assert_eq!(Request::read(&ask, Some(&witness_ring(b"old"))), Ok(Request::Ask));
        let answer = Answer {
            firmware: Firmware { version: [0, 1, 0], provision: 7 },
            names: Some((NodeId::of("dongle"), [NodeId::of("ha1"), NodeId::of("ha2")])),
            outcome: Some(Err(ProvisionError::OldCount)),
        };
        let mut frame = Bytes::new();
        answer.write(&mut frame).unwrap();
        assert_eq!(Answer::read(&frame), Ok(answer));
    }

    #[test]
    fn what_no_witness_can_work_with_is_refused_before_it_is_sent() {
        let same_hosts = Provision { hosts: [NodeId::of("ha1"); 2], ..provision() };
        let too_quick = Provision { keepalive: Duration::from_millis(10_000), ..provision() };
        for unfit in [same_hosts, too_quick, Provision { baud: 0, ..provision() }] {
            assert_eq!(Request::give(&unfit, &ring(b"secret"), None), Err(ProvisionError::Unfit));
        }
        let keys: std::vec::Vec<Key> =
            (0..5).map(|number| Key::new(number, Method::Sha1, b"x").unwrap()).collect();
        let many = KeyRing::new(0, &keys).unwrap();
        assert_eq!(Request::give(&provision(), &many, None), Err(ProvisionError::TooManyKeys));
        let keys: std::vec::Vec<Key> =
            (0..4).map(|number| Key::new(number, Method::Sha1, &[7; 128]).unwrap()).collect();
        let long = KeyRing::new(0, &keys).unwrap();
        assert_eq!(Request::give(&provision(), &long, None), Err(ProvisionError::TooLong));
    }

    proptest! {
        #[test]
        fn a_changed_bit_is_refused(at in 0usize..100, bit in 0u8..8) {
            let mut frame = Request::give(&provision(), &ring(b"new"), Some(&ring(b"old"))).unwrap();
            let at = at % frame.len();
            frame[at] ^= 1 << bit;
            prop_assert!(Request::read(&frame, Some(&witness_ring(b"old"))).is_err());
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = unpacked::<WITNESS_KEYS>(&bytes, None);
            let _ = Gift::kept(&bytes).unpack();
            let _ = Answer::read(&bytes);
        }
    }
}
