//! Opening frames under every method: any bytes, then the same bytes closed by us, then one byte of them changed.

use heartline_core::frame::{Bytes, Header};
use heartline_core::limits::MAX_FRAME;
use heartline_core::message::Message;
use heartline_core::seal::{CRC_TAG, HMAC_TAG, KeyRing, Method, SealError};

use crate::setting::{CLUSTER, ring};
use crate::without_allocation;

/// The keys of the golden frames in `core/tests/vectors/frames.txt`.
fn rings() -> [(Method, KeyRing); 4] {
    [
        (Method::Crc, ring(2, Method::Crc, b"")),
        (Method::Md5, ring(3, Method::Md5, b"md5-key-0123456789")),
        (Method::Sha1, ring(1, Method::Sha1, b"secretkey")),
        (Method::Sha256, ring(15, Method::Sha256, b"a longer secret of our own")),
    ]
}

/// Any bytes as a frame.
pub fn run(data: &[u8]) {
    decode(data);
    for (method, keys) in rings() {
        let tag = if method == Method::Crc { CRC_TAG } else { HMAC_TAG };
        if let Ok((header, body)) = without_allocation(|| keys.open(CLUSTER, data)) {
            let mut again = closable(&data[..data.len() - tag]);
            keys.close(CLUSTER, &mut again).expect("it had room before");
            assert_eq!(again, data, "another tag than ours was let in");
            assert_eq!(header.key, keys.signing());
            read_message(body);
        }
        close_and_open(&keys, tag, data);
    }
}

fn decode(data: &[u8]) {
    read_message(data);
    if let Ok((header, body)) = without_allocation(|| Header::decode(data)) {
        let mut start = [0; heartline_core::frame::MAX_HEADER];
        let length = header.encode(&mut start).expect("every header fits");
        assert_eq!(Header::decode(&start[..length]), Ok((header, &[][..])));
        read_message(body);
    }
}

fn read_message(body: &[u8]) {
    let Ok(message) = without_allocation(|| Message::decode(body)) else { return };
    let mut again = Bytes::new();
    if without_allocation(|| message.encode(&mut again)).is_ok() {
        assert_eq!(Message::decode(&again), Ok(message));
    }
}

/// What we close opens, with the header and body that it has; with any byte changed or cut it does not.
fn close_and_open(keys: &KeyRing, tag: usize, data: &[u8]) {
    let (place, change) = (data.first().copied().unwrap_or(0), data.last().copied().unwrap_or(1).max(1));
    let mut frame = closable(&data[..data.len().min(MAX_FRAME - tag)]);
    // The number of our key, or else it would be refused for that.
    if let Some(first) = frame.first_mut() {
        *first = *first & 0xf0 | keys.signing();
    }
    let covered = frame.clone();
    without_allocation(|| keys.close(CLUSTER, &mut frame)).expect("there is room for the tag");
    assert_eq!(frame.len(), covered.len() + tag);
    match (without_allocation(|| keys.open(CLUSTER, &frame)), Header::decode(&covered)) {
        (Ok((header, body)), Ok(expected)) => {
            assert_eq!((header, body), expected);
            read_message(body);
        }
        // Without a whole header, part of the tag may be taken for it, which does not make a frame.
        (Err(SealError::Frame(_) | SealError::WrongTag(_) | SealError::UnknownKey(_)), Err(_)) => return,
        (opened, decoded) => panic!("{opened:?}, though the header is {decoded:?}"),
    }
    assert!(keys.open("another", &frame).is_err(), "the name of the cluster is not covered");
    let at = usize::from(place) % frame.len();
    frame[at] ^= change;
    assert!(without_allocation(|| keys.open(CLUSTER, &frame)).is_err(), "byte {at} is not covered");
    frame[at] ^= change;
    frame.pop();
    // Four bytes of checksum can be right by chance.
    assert!(
        tag == CRC_TAG || without_allocation(|| keys.open(CLUSTER, &frame)).is_err(),
        "the tag may be cut"
    );
}

fn closable(data: &[u8]) -> Bytes {
    Bytes::from_slice(&data[..data.len().min(MAX_FRAME)]).expect("it was cut to fit")
}
