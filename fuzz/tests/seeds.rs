//! The seeds of the corpus that the protocol gives: golden frames, and the flight record of a node whose peer starts,
//! goes standby, dies and comes back. `HEARTLINE_RECORD=1 cargo test -p heartline-fuzz --test seeds` writes them anew.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use heartline::flight::{Finding, MAGIC, Playback, Record, Recorder, replay};
use heartline::log::render::Names;
use heartline_core::effect::{Effect, Effects, Work};
use heartline_core::ids::{Generation, LinkIndex, OrderId};
use heartline_core::input::{Command, Outcome, Scope};
use heartline_core::message::GroupState;
use heartline_core::record::read_block;
use heartline_core::time::{Duration, Instant};
use heartline_core::{Input, Node};
use heartline_fuzz::bytes::Choices;
use heartline_fuzz::replay::{HEAD, RAW};
use heartline_fuzz::setting::Setting;

#[test]
fn seeds_are_the_golden_frames_of_today() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/vectors/frames.txt");
    let vectors = fs::read_to_string(vectors).unwrap();
    for (number, line) in
        vectors.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).enumerate()
    {
        let (name, seed) = match line.strip_prefix("serial ") {
            Some(serial) => (format!("deframe/seed-{number:02}"), [vec![7], bytes(serial)].concat()),
            None => (format!("open_frame/seed-{number:02}"), bytes(line)),
        };
        assert!(kept(&name, || seed.clone()) == seed, "{name} is of another format");
    }
}

/// Today's node may decide otherwise, which makes a seed no worse.
#[test]
fn seeds_are_records_that_can_be_read() {
    let seed = kept("replay/seed-segment", || [&[RAW], &story()[..]].concat());
    let segment = &seed[1..];
    let playback = replayed(segment);
    assert!(playback.steps > 50, "{:?}", playback.findings);
    let cut = playback.findings.iter().find(|finding| matches!(finding, Finding::Cut { .. }));
    assert_eq!(cut, None, "replay/seed-segment is of another format");
    let seed = [&TWO_TIMES[..], &entries(segment)].concat();
    assert!(kept("replay/seed-entries", || seed.clone()) == seed, "the two seeds tell the same story");
}

/// What is in the corpus, written anew if that is asked for.
fn kept(name: &str, seed: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    if std::env::var_os("HEARTLINE_RECORD").is_some() {
        fs::write(&path, seed()).unwrap();
    }
    fs::read(&path).unwrap()
}

fn replayed(segment: &[u8]) -> Playback {
    replay(&Record::of(vec![(PathBuf::from("flight.0"), segment.to_vec())]).unwrap())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Choices that ask for a keepalive of 512 ms and a dead time of 4 s.
const TWO_TIMES: [u8; HEAD] = [2, 1, 128, 2, 0, 125, 5];

/// The contents of all blocks, one after the other.
fn entries(segment: &[u8]) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut rest = &segment[MAGIC.len()..];
    while let Ok((contents, next)) = read_block(rest) {
        entries.extend_from_slice(contents);
        rest = next;
    }
    assert!(rest.is_empty());
    entries
}

/// A node and its peer; what happens to the node is recorded.
struct Story {
    recorder: Recorder,
    now: Instant,
    node: Node,
    peer: Option<Node>,
}

fn story() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let setting = Setting::choose(&mut Choices::new(&[]));
    let now = Instant::from_micros(1);
    let node = |this, generation| {
        Node::new(setting.config(this, 0), setting.keys(false), Generation(generation), now)
    };
    let first = node(0, 100);
    let (names, wall) = (Names::default(), SystemTime::UNIX_EPOCH);
    let (recorder, remark) = Recorder::begin(directory.path(), &names, &first, now, wall);
    assert!(remark.is_none(), "{remark:?}");
    let mut story = Story { recorder, now, node: first, peer: Some(node(1, 100)) };
    story.live(20);
    story.step(Input::Order { id: OrderId(1), command: Command::Standby(Scope::All) });
    story.live(20);
    story.step(Input::Order { id: OrderId(2), command: Command::Takeover(Scope::All) });
    story.live(20);
    story.node.reconfigure(setting.config(0, 0), setting.keys(true), story.now).unwrap();
    story.recorder.reconfigured(&names, &story.node, story.now, wall);
    story.peer = None;
    story.live(20);
    story.peer = Some(node(1, 101));
    let peer = story.peer.as_mut().unwrap();
    peer.reconfigure(setting.config(1, 0), setting.keys(true), story.now).unwrap();
    story.live(20);
    let group = story.node.config().groups().next().unwrap();
    assert_eq!(story.node.group_here(group).unwrap().state(), GroupState::Running);
    story.step(Input::Order { id: OrderId(3), command: Command::Leave });
    story.live(5);
    story.recorder.sync().unwrap();
    let segment = fs::read(directory.path().join("flight.0")).unwrap();
    assert!(replayed(&segment).is_exact());
    segment
}

impl Story {
    /// So many deadlines later.
    fn live(&mut self, deadlines: usize) {
        for _ in 0..deadlines {
            let peer = self.peer.as_ref().map(Node::next_deadline);
            self.now = self.node.next_deadline().min(peer.unwrap_or(self.node.next_deadline())).max(self.now);
            if self.node.next_deadline() <= self.now {
                self.step(Input::Tick);
            }
            if peer.is_some_and(|deadline| deadline <= self.now) {
                self.step_peer(Input::Tick);
            }
        }
    }

    fn step(&mut self, input: Input<'_>) {
        let mut effects = Effects::new();
        self.node.step(self.now, input, &mut effects);
        self.recorder.record(self.now, input, &effects, &self.node);
        for effect in effects.iter() {
            match effect {
                Effect::Transmit => {
                    self.step_peer(Input::Frame { link: LinkIndex(0), bytes: effects.frame() })
                }
                Effect::Run { job, work } => self.step(Input::JobEnded { job, outcome: outcome(work) }),
                _ => {}
            }
        }
    }

    fn step_peer(&mut self, input: Input<'_>) {
        let mut effects = Effects::new();
        let Some(peer) = &mut self.peer else { return };
        peer.step(self.now, input, &mut effects);
        for effect in effects.iter() {
            match effect {
                Effect::Transmit => {
                    self.now = self.now + Duration::from_micros(300);
                    self.step(Input::Frame { link: LinkIndex(0), bytes: effects.frame() });
                }
                Effect::Run { job, work } => self.step_peer(Input::JobEnded { job, outcome: outcome(work) }),
                _ => {}
            }
        }
    }
}

fn outcome(work: Work) -> Outcome {
    match work {
        Work::Probe(_) => Outcome::NotRunning,
        _ => Outcome::Done,
    }
}
