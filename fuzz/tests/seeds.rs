//! The seeds of the corpus that the protocol gives: golden frames, and the record of a node whose peer starts, goes
//! standby, dies and comes back. `HEARTLINE_RECORD=1 cargo test -p heartline-fuzz --test seeds` writes them anew.

#![cfg(test)]

use std::fs;
use std::path::Path;

use heartline_core::effect::{Effect, Effects, Work};
use heartline_core::ids::{Generation, LinkIndex, OrderId};
use heartline_core::input::{Command, Outcome, Scope};
use heartline_core::message::GroupState;
use heartline_core::time::{Duration, Instant};
use heartline_core::{Input, Node};
use heartline_fuzz::bytes::Choices;
use heartline_fuzz::replay::{HEAD, Record};
use heartline_fuzz::setting::Setting;

#[test]
fn seeds_speak_the_protocol_of_today() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/vectors/frames.txt");
    let vectors = fs::read_to_string(vectors).unwrap();
    let mut seeds = vec![("replay/seed-story".to_owned(), story())];
    for (number, line) in
        vectors.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).enumerate()
    {
        seeds.push(match line.strip_prefix("serial ") {
            Some(serial) => (format!("deframe/seed-{number:02}"), [vec![7], bytes(serial)].concat()),
            None => (format!("open_frame/seed-{number:02}"), bytes(line)),
        });
    }
    for (name, seed) in seeds {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(&name);
        if std::env::var_os("HEARTLINE_RECORD").is_some() {
            fs::write(&path, &seed).unwrap();
        }
        assert!(fs::read(&path).unwrap() == seed, "{name} is of another format");
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A node and its peer; what happens to the node is recorded.
struct Story {
    record: Vec<u8>,
    recorded: Instant,
    now: Instant,
    node: Node,
    peer: Option<Node>,
}

fn story() -> Vec<u8> {
    let setting = Setting::choose(&mut Choices::new(&[]));
    let now = Instant::from_micros(1);
    let node = |this, generation| {
        Node::new(setting.config(this, 0), setting.keys(false), Generation(generation), now)
    };
    let mut story =
        Story { record: vec![0; HEAD], recorded: now, now, node: node(0, 100), peer: Some(node(1, 100)) };
    story.live(20);
    story.step(Input::Order { id: OrderId(1), command: Command::Standby(Scope::All) });
    story.live(20);
    story.step(Input::Order { id: OrderId(2), command: Command::Takeover(Scope::All) });
    story.live(20);
    story.peer = None;
    story.live(20);
    story.peer = Some(node(1, 101));
    story.live(20);
    let group = story.node.config().groups().next().unwrap();
    assert_eq!(story.node.group_here(group).unwrap().state(), GroupState::Running);
    story.step(Input::Order { id: OrderId(3), command: Command::Leave });
    story.live(5);
    story.record
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
        let later = self.now.since(self.recorded).micros();
        let mut buffer = [0; 600];
        let record: Record<'_> = (later, input);
        self.record.extend_from_slice(postcard::to_slice(&record, &mut buffer).unwrap());
        self.recorded = self.now;
        let mut effects = Effects::new();
        self.node.step(self.now, input, &mut effects);
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
        Work::Start(_) | Work::Stop(_) | Work::Fence(_) => Outcome::Done,
    }
}
