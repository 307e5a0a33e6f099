//! The keys of `authkeys`: closes frames with a tag and opens those that carry a right one. Knows no members and no
//! time; whether an authentic frame is fresh is `freshness`.

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use heapless::Vec;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};

use crate::frame::{Bytes, FrameError, Header};
use crate::limits::{MAX_KEYS, MAX_SECRET};
use crate::planted::{Bug, planted};

/// HMAC tags are cut to this many bytes.
pub const HMAC_TAG: usize = 16;
/// A `crc` tag is this long.
pub const CRC_TAG: usize = 4;

/// A kilobyte of flash will do where there is little; elsewhere sixteen are four times as fast.
#[cfg(target_pointer_width = "64")]
type Tables = Table<16>;
#[cfg(not(target_pointer_width = "64"))]
type Tables = Table<1>;

static CRC32: Crc<u32, Tables> = Crc::<u32, Tables>::new(&CRC_32_ISO_HDLC);

/// How a key closes a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// CRC-32: integrity only, no secret.
    Crc,
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA256.
    Sha256,
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    number: u8,
    method: Method,
    secret: Vec<u8, MAX_SECRET>,
}

/// Why a key ring is refused. The old one, if there is one, stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Numbers go from 0 to 15.
    #[error("key number {0} is not between 0 and 15")]
    Number(u8),
    /// A secret is longer than [`MAX_SECRET`] bytes.
    #[error("key {0} is longer than {MAX_SECRET} bytes")]
    TooLong(u8),
    /// Two keys with one number.
    #[error("key number {0} is given twice")]
    Twice(u8),
    /// More keys than there is room for.
    #[error("there are more keys than there is room for")]
    TooMany,
    /// The key that should sign is not there.
    #[error("there is no key {0} to sign with")]
    NoSigningKey(u8),
}

/// All valid keys and the one that signs. Secrets never leave it: only the numbers of the keys are serialised, and what
/// is read back is a ring of `crc` keys with the same numbers, good enough to replay a record and for nothing else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Numbers", into = "Numbers")]
pub struct Ring<const N: usize> {
    signing: u8,
    keys: Vec<Key, N>,
}

/// The ring of a host, with room for all keys that `authkeys` can have. A witness has a smaller one.
pub type KeyRing = Ring<MAX_KEYS>;

#[derive(Serialize, Deserialize)]
struct Numbers {
    signing: u8,
    keys: Vec<u8, MAX_KEYS>,
}

impl<const N: usize> From<Ring<N>> for Numbers {
    fn from(ring: Ring<N>) -> Self {
        Self { signing: ring.signing, keys: ring.keys.iter().map(|key| key.number).collect() }
    }
}

impl<const N: usize> TryFrom<Numbers> for Ring<N> {
    type Error = KeyError;

    fn try_from(numbers: Numbers) -> Result<Self, KeyError> {
        let mut keys: Vec<Key, MAX_KEYS> = Vec::new();
        for number in numbers.keys {
            // As many as there are numbers, so there is room.
            let _ = keys.push(Key::new(number, Method::Crc, &[])?);
        }
        Self::new(numbers.signing, &keys)
    }
}

/// Why a frame was not let in. Nothing but a counter changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum SealError {
    /// The bytes are not a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Closed with a key that is not in our file.
    #[error("signed with key {0}, which authkeys does not have")]
    UnknownKey(u8),
    /// The tag is wrong: another key, another cluster, or a forgery.
    #[error("failed authentication with key {0}")]
    WrongTag(u8),
}

impl Key {
    /// A key; the secret of a `crc` key is not used.
    ///
    /// # Errors
    /// [`KeyError::Number`] or [`KeyError::TooLong`].
    pub fn new(number: u8, method: Method, secret: &[u8]) -> Result<Self, KeyError> {
        if usize::from(number) >= MAX_KEYS {
            return Err(KeyError::Number(number));
        }
        let secret = Vec::from_slice(secret).map_err(|_| KeyError::TooLong(number))?;
        Ok(Self { number, method, secret })
    }
}

impl<const N: usize> Ring<N> {
    /// The ring of `keys` that signs with number `signing`.
    ///
    /// # Errors
    /// [`KeyError::Twice`], [`KeyError::TooMany`] or [`KeyError::NoSigningKey`].
    pub fn new(signing: u8, keys: &[Key]) -> Result<Self, KeyError> {
        let mut ring = Self::empty(signing);
        keys.iter().try_for_each(|key| ring.add(key.number, key.method, &key.secret))?;
        if ring.can_sign() { Ok(ring) } else { Err(KeyError::NoSigningKey(signing)) }
    }

    /// A ring without keys, which neither signs nor opens anything. It is there to have keys put into it.
    #[must_use]
    pub const fn empty(signing: u8) -> Self {
        Self { signing, keys: Vec::new() }
    }

    pub(crate) fn begin(&mut self, signing: u8) {
        self.signing = signing;
        self.keys.clear();
    }

    /// Adds a key in its place.
    pub(crate) fn add(&mut self, number: u8, method: Method, secret: &[u8]) -> Result<(), KeyError> {
        if usize::from(number) >= MAX_KEYS {
            return Err(KeyError::Number(number));
        }
        if self.key(number).is_some() {
            return Err(KeyError::Twice(number));
        }
        self.keys.push(Key { number, method, secret: Vec::new() }).map_err(|_| KeyError::TooMany)?;
        let added = self.keys.last_mut().map(|key| key.secret.extend_from_slice(secret));
        if let Some(Ok(())) = added {
            return Ok(());
        }
        self.keys.pop();
        Err(KeyError::TooLong(number))
    }

    pub(crate) fn can_sign(&self) -> bool {
        self.key(self.signing).is_some()
    }

    /// The number of the key that signs.
    #[must_use]
    pub const fn signing(&self) -> u8 {
        self.signing
    }

    /// Signs with another of its keys from here on. One that is not there changes nothing.
    pub fn sign_with(&mut self, number: u8) {
        if self.key(number).is_some() {
            self.signing = number;
        }
    }

    /// Appends the tag to a frame that ends with its body.
    ///
    /// # Errors
    /// [`FrameError::Long`] if there is no room for the tag.
    pub fn close(&self, cluster: &str, frame: &mut Bytes) -> Result<(), FrameError> {
        // The constructor saw the signing key; without one nothing could be said, so an empty tag is never sent.
        let key = self.key(self.signing).ok_or(FrameError::Malformed)?;
        key.close(cluster, frame)
    }

    /// Appends the tag of the key that the frame's own header names: [`KeyRing::unseal`] undone.
    ///
    /// # Errors
    /// [`SealError`], if it begins with no header, or names a key that is not there, or has no room for the tag.
    pub fn reseal(&self, cluster: &str, frame: &mut Bytes) -> Result<(), SealError> {
        let (header, _) = Header::decode(frame)?;
        let key = self.key(header.key).ok_or(SealError::UnknownKey(header.key))?;
        Ok(key.close(cluster, frame)?)
    }

    /// Opens a frame: its header and body, if the tag is right.
    ///
    /// # Errors
    /// [`SealError`], never a panic, whatever the bytes are.
    pub fn open<'a>(&self, cluster: &str, bytes: &'a [u8]) -> Result<(Header, &'a [u8]), SealError> {
        let (header, body, _) = self.judge(cluster, bytes)?;
        Ok((header, body))
    }

    /// What stands before the tag of a frame, if the tag is right.
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn unseal<'a>(&self, cluster: &str, bytes: &'a [u8]) -> Result<&'a [u8], SealError> {
        self.judge(cluster, bytes).map(|(_, _, covered)| covered)
    }

    fn judge<'a>(&self, cluster: &str, bytes: &'a [u8]) -> Result<(Header, &'a [u8], &'a [u8]), SealError> {
        let (header, rest) = Header::decode(bytes)?;
        let key = self.key(header.key).ok_or(SealError::UnknownKey(header.key))?;
        let length = key.tag_length();
        let body_length = rest.len().checked_sub(length).ok_or(FrameError::Short)?;
        let (covered, tag) = bytes.split_at(bytes.len() - length);
        if key.verify(cluster, covered, tag) || planted(Bug::TagUnchecked) {
            Ok((header, &rest[..body_length], covered))
        } else {
            Err(SealError::WrongTag(header.key))
        }
    }

    /// What stands before the tag of what is no heartbeat, if the tag is that of key `number`.
    pub(crate) fn open_in<'a>(
        &self,
        realm: &str,
        number: u8,
        bytes: &'a [u8],
    ) -> Result<&'a [u8], SealError> {
        let key = self.key(number).ok_or(SealError::UnknownKey(number))?;
        let length = bytes.len().checked_sub(key.tag_length()).ok_or(FrameError::Short)?;
        let (covered, tag) = bytes.split_at(length);
        if key.verify(realm, covered, tag) { Ok(covered) } else { Err(SealError::WrongTag(number)) }
    }

    /// Its keys.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    fn key(&self, number: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.number == number)
    }
}

impl Key {
    pub(crate) const fn number(&self) -> u8 {
        self.number
    }

    pub(crate) const fn method(&self) -> Method {
        self.method
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    const fn tag_length(&self) -> usize {
        match self.method {
            Method::Crc => CRC_TAG,
            Method::Md5 | Method::Sha1 | Method::Sha256 => HMAC_TAG,
        }
    }

    fn close(&self, cluster: &str, frame: &mut Bytes) -> Result<(), FrameError> {
        let tag = self.tag(cluster, frame);
        frame.extend_from_slice(&tag[..self.tag_length()]).map_err(|_| FrameError::Long)
    }

    fn tag(&self, cluster: &str, covered: &[u8]) -> [u8; HMAC_TAG] {
        match self.method {
            Method::Crc => {
                let mut tag = [0; HMAC_TAG];
                tag[..CRC_TAG].copy_from_slice(&crc_of(cluster, covered).to_be_bytes());
                tag
            }
            Method::Md5 => finish(self.mac::<Hmac<md5::Md5>>(cluster, covered)),
            Method::Sha1 => finish(self.mac::<Hmac<sha1::Sha1>>(cluster, covered)),
            Method::Sha256 => finish(self.mac::<Hmac<sha2::Sha256>>(cluster, covered)),
        }
    }

    fn verify(&self, cluster: &str, covered: &[u8], tag: &[u8]) -> bool {
        let matches = |mac: Option<bool>| mac.unwrap_or(false);
        match self.method {
            Method::Crc => crc_of(cluster, covered).to_be_bytes() == tag,
            Method::Md5 => matches(
                self.mac::<Hmac<md5::Md5>>(cluster, covered).map(|m| m.verify_truncated_left(tag).is_ok()),
            ),
            Method::Sha1 => matches(
                self.mac::<Hmac<sha1::Sha1>>(cluster, covered).map(|m| m.verify_truncated_left(tag).is_ok()),
            ),
            Method::Sha256 => matches(
                self.mac::<Hmac<sha2::Sha256>>(cluster, covered)
                    .map(|m| m.verify_truncated_left(tag).is_ok()),
            ),
        }
    }

    /// HMAC takes secrets of any length, so there is always one; the option spares an `expect`.
    fn mac<M: Mac + KeyInit>(&self, cluster: &str, covered: &[u8]) -> Option<M> {
        let mut mac = <M as KeyInit>::new_from_slice(&self.secret).ok()?;
        mac.update(cluster.as_bytes());
        mac.update(&[0]);
        mac.update(covered);
        Some(mac)
    }
}

fn crc_of(cluster: &str, covered: &[u8]) -> u32 {
    let mut digest = CRC32.digest();
    digest.update(cluster.as_bytes());
    digest.update(&[0]);
    digest.update(covered);
    digest.finalize()
}

fn finish<M: Mac>(mac: Option<M>) -> [u8; HMAC_TAG] {
    let mut tag = [0; HMAC_TAG];
    if let Some(mac) = mac {
        let whole = mac.finalize().into_bytes();
        tag.iter_mut().zip(whole.iter()).for_each(|(to, from)| *to = *from);
    }
    tag
}

// Secrets never reach a log.
impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Key")
            .field("number", &self.number)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl<const N: usize> core::fmt::Debug for Ring<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KeyRing").field("signing", &self.signing).field("keys", &self.keys).finish()
    }
}
