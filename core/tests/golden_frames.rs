//! The frame format, fixed: `vectors/frames.txt` holds frames with all that they mean. A change of the format shows
//! here, and needs another version number. `HEARTLINE_RECORD=1 cargo test -p heartline-core --test golden_frames`
//! writes the file anew.

#![cfg(test)]

use std::fmt::Write;
use std::path::Path;

use heartline_core::fencing::{FenceCause, FenceReport};
use heartline_core::frame::{Bytes, Header};
use heartline_core::framing;
use heartline_core::heard::Heard;
use heartline_core::ids::{Epoch, Generation, LinkSet, NodeId, Sequence};
use heartline_core::limits::MAX_FENCE_REPORTS;
use heartline_core::maintenance::Maintenance;
use heartline_core::message::{GroupBid, GroupReport, GroupState, Message, Phase, Stance};
use heartline_core::seal::{Key, KeyRing, Method};
use heartline_core::time::Duration;
use heartline_core::witness::{
    Asks, Counters, Detail, FenceAsk, FenceState, FenceWord, HostWord, Power, ReadBack, Reset, ResetCause,
    Side, Stage, Vote, Watch, WatchState, Word,
};

const CLUSTER: &str = "linux-ha";

fn report(state: GroupState, fit: bool, stance: Stance, rank: u8, epoch: u32) -> GroupReport {
    GroupReport { state, bid: GroupBid { fit, stance, rank }, epoch: Epoch(epoch) }
}

fn heard(name: &str, sequence: u16, links: u16) -> Heard {
    Heard { member: NodeId::of(name), generation: 0x9a, sequence, links: LinkSet(links) }
}

fn message(phase: Phase, heard: &[Heard], groups: &[GroupReport], lines: &[[u8; 2]]) -> Message {
    Message {
        phase,
        watchdog: (phase == Phase::Active).then(|| Duration::from_millis(61_000)),
        pings: 3,
        keepalive: Duration::from_millis(2_000),
        deadtime: Duration::from_millis(60_000),
        digest: [0xde, 0xad, 0xbe, 0xef],
        heard: heard.iter().copied().collect(),
        groups: groups.iter().copied().collect(),
        lines: lines.iter().copied().collect(),
        fenced: heapless::Vec::new(),
        maintenance: Maintenance::default(),
        restarting: false,
        asks: Asks::default(),
        witness: None,
    }
}

fn messages() -> Vec<(&'static str, Message)> {
    use GroupState::{Claiming, Failed, Idle, Running, Starting, Stopping, Unknown};
    let every_state = [
        report(Idle, false, Stance::Normal, 0, 0),
        report(Claiming, true, Stance::Normal, 2, 1),
        report(Starting, true, Stance::Ordered, 3, 2),
        report(Running, true, Stance::Normal, 1, 300),
        report(Stopping, false, Stance::Standby, 0, 5_000),
        report(Unknown, false, Stance::Normal, 0, 70_000),
        report(Failed, false, Stance::Normal, 2, u32::MAX),
    ];
    vec![
        ("first word of a lonely node", message(Phase::Starting, &[], &[], &[])),
        (
            "two nodes, one group",
            message(
                Phase::Active,
                &[heard("ha2", 0xe100, 3)],
                &[report(Running, true, Stance::Normal, 3, 42)],
                &[],
            ),
        ),
        ("every state of a group", message(Phase::Leaving, &[heard("ha2", 1, 0)], &every_state, &[])),
        (
            "three nodes, differing files",
            message(
                Phase::Left,
                &[heard("ha2", 7, 0x8001), heard("ha3", u16::MAX, 0xffff)],
                &[report(Idle, false, Stance::Normal, 0, 9)],
                &[[0x12, 0x34]],
            ),
        ),
        ("who was fenced is told so", Message { fenced: fences(), ..message(Phase::Active, &[], &[], &[]) }),
        (
            "in maintenance, about to restart",
            Message {
                maintenance: Maintenance(301),
                restarting: true,
                watchdog: None,
                ..message(
                    Phase::Active,
                    &[heard("ha2", 2, 3)],
                    &[report(Running, true, Stance::Normal, 3, 42)],
                    &[],
                )
            },
        ),
        (
            "a host asks its witness",
            Message {
                watchdog: None,
                asks: Asks {
                    watch: Some(Watch::Arm(Duration::from_millis(15_000))),
                    fence: Some(FenceAsk { target: NodeId::of("ha2"), ticket: 300, stage: Stage::Fire }),
                    vote: Some(Epoch(7)),
                },
                ..message(
                    Phase::Active,
                    &[heard("ha2", 0xe100, 0), heard("dongle", 2, 1)],
                    &[report(Claiming, true, Stance::Normal, 3, 42)],
                    &[],
                )
            },
        ),
        (
            "the witness speaks",
            Message {
                watchdog: None,
                pings: 0,
                witness: Some(word()),
                ..message(Phase::Active, &[heard("ha1", 0xe100, 1), heard("ha2", 2, 0)], &[], &[])
            },
        ),
    ]
}

fn word() -> Word {
    let host = |name, side, watch, reset| HostWord {
        host: NodeId::of(name),
        side: Some(side),
        power: Power::On,
        watch,
        reset,
    };
    let reset = Reset {
        generation: Generation(1_795_405_913),
        cause: ResetCause::Fence(NodeId::of("ha1")),
        ago: Duration::from_millis(2_500),
    };
    let armed = WatchState::Armed(Duration::from_millis(15_000));
    let hosts = [host("ha1", Side::A, armed, None), host("ha2", Side::B, WatchState::Off, Some(reset))];
    let fence =
        FenceWord { asker: NodeId::of("ha1"), ticket: 300, state: FenceState::Done(ReadBack::NotSensed) };
    Word {
        uptime: Duration::from_millis(86_400_000),
        hosts: hosts.into_iter().collect(),
        vote: Vote { epoch: Epoch(7), to: Some(NodeId::of("ha1")) },
        fences: [fence].into_iter().collect(),
        detail: Some(Detail::Counters(
            Side::B,
            Counters {
                frames: 86_000,
                bad_frames: 3,
                overruns: 0,
                framing_errors: 200,
                dropped: 1,
                longest_silence: Duration::from_millis(20_001),
            },
        )),
    }
}

fn fences() -> heapless::Vec<FenceReport, MAX_FENCE_REPORTS> {
    let report = |name: &str, cause, generation| FenceReport {
        member: NodeId::of(name),
        cause,
        generation: Generation(generation),
        ago: Duration::from_millis(61_500),
        took: Duration::from_millis(2_250),
        silence: Duration::from_millis(10_001),
        device: 2,
    };
    let reports =
        [report("ha2", FenceCause::Defence, 1_795_405_913), report("ha3", FenceCause::NeverHeard, 0)];
    reports.into_iter().collect()
}

fn rings() -> Vec<(&'static str, KeyRing)> {
    let ring = |number, method, secret: &[u8]| {
        KeyRing::new(number, &[Key::new(number, method, secret).unwrap()]).unwrap()
    };
    vec![
        ("crc", ring(2, Method::Crc, b"")),
        ("md5", ring(3, Method::Md5, b"md5-key-0123456789")),
        ("sha1", ring(1, Method::Sha1, b"secretkey")),
        ("sha256", ring(15, Method::Sha256, b"a longer secret of our own")),
    ]
}

fn frame(ring: &KeyRing, message: &Message) -> (Header, Bytes) {
    let header = Header {
        key: ring.signing(),
        sender: NodeId::of("ha1"),
        generation: Generation(1_795_405_914),
        sequence: Sequence(100_000_000),
    };
    let mut start = [0; 16];
    let length = header.encode(&mut start).unwrap();
    let mut bytes = Bytes::from_slice(&start[..length]).unwrap();
    message.encode(&mut bytes).unwrap();
    ring.close(CLUSTER, &mut bytes).unwrap();
    (header, bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn frames_are_what_they_were() {
    let mut text = String::new();
    for (what, message) in messages() {
        for (method, ring) in rings() {
            let (header, bytes) = frame(&ring, &message);
            let mut line = [0; 600];
            let length = framing::encode(&bytes, &mut line).unwrap();
            writeln!(text, "# {what}, {method}, {} bytes\n{}", bytes.len(), hex(&bytes)).unwrap();
            writeln!(text, "serial {}\n", hex(&line[..length])).unwrap();
            let (opened, body) = ring.open(CLUSTER, &bytes).unwrap();
            assert_eq!(
                (opened, Message::decode(body).unwrap()),
                (header, message.clone()),
                "{what}, {method}"
            );
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/frames.txt");
    if std::env::var_os("HEARTLINE_RECORD").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "the frame format changed");
}

#[test]
fn tags_are_those_of_the_standard() {
    // RFC 2104 over "linux-ha", a zero byte and "frame", key "secretkey"; computed with OpenSSL.
    let ring = KeyRing::new(1, &[Key::new(1, Method::Sha1, b"secretkey").unwrap()]).unwrap();
    let mut bytes = Bytes::from_slice(b"frame").unwrap();
    ring.close(CLUSTER, &mut bytes).unwrap();
    assert_eq!(hex(&bytes[5..]), "eba3002bf37f69fed9e467ff91a68a28");
}
