//! A cluster of real nodes without an honest network: every step of every node is watched here. What is done to them
//! is chosen elsewhere.

use heartline_core::effect::{Effect, Effects, Work};
use heartline_core::frame::Bytes;
use heartline_core::ids::{Generation, JobId, LinkIndex, MemberIndex, NodeId, OrderId, Sequence};
use heartline_core::input::{Command, JobFailure, Outcome};
use heartline_core::message::Message;
use heartline_core::notice::Notice;
use heartline_core::seal::KeyRing;
use heartline_core::time::{Duration, Instant};
use heartline_core::{Input, Node};

use crate::setting::{CLUSTER, NODES, Setting};
use crate::without_allocation;

/// Frames that are remembered, to be delivered late, twice or in parts.
const FRAMES: usize = 32;
/// With so many groups, one step may have more to say than there is room for.
const TALKATIVE: usize = 8;

/// A frame that a node has sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) from: usize,
    pub(super) bytes: Bytes,
}

/// One node and what its shell knows.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) node: Node,
    pub(super) keys: KeyRing,
    /// The jobs that were ordered and have not ended; without their work once the groups are counted anew.
    pub(super) jobs: Vec<(JobId, Option<Work>)>,
    /// Those that were not answered yet, and whether they are for a restart.
    orders: Vec<(OrderId, bool)>,
    /// The jobs as part of which the witness is to reset somebody, and that has not been answered.
    resets: Vec<JobId>,
    /// It gave everything up and is not asked any more.
    gone: bool,
}

/// The nodes, the time, and the frames that were sent.
#[derive(Debug)]
pub(super) struct World {
    pub(super) setting: Setting,
    pub(super) now: Instant,
    pub(super) seats: Vec<Seat>,
    pub(super) frames: Vec<Sent>,
    /// How many of `frames`, from the end, nobody has seen yet.
    fresh: usize,
    next_order: u32,
    /// The newest frame that the witness sent, as far as anybody knows.
    pub(super) witness: (Generation, Sequence),
}

impl World {
    /// Nodes that start now, each with what its configuration has changed.
    pub(super) fn new(setting: Setting, changes: impl Fn(usize) -> u8) -> Self {
        let now = Instant::from_micros(1);
        let seat = |this| {
            let node =
                Node::new(setting.config(this, changes(this)), setting.keys(false), Generation(100), now);
            Seat {
                node,
                keys: setting.keys(false),
                jobs: Vec::new(),
                orders: Vec::new(),
                resets: Vec::new(),
                gone: false,
            }
        };
        let seats = (0..setting.nodes()).map(seat).collect();
        Self {
            setting,
            now,
            seats,
            frames: Vec::new(),
            fresh: 0,
            next_order: 0,
            witness: (Generation(7), Sequence(0)),
        }
    }

    /// Time passes; nobody notices yet.
    pub(super) fn wait(&mut self, micros: u64) {
        // Twelve days at once, and never near the end of time, which takes half a million years.
        self.now = self.now + Duration::from_micros(micros.min(1 << 40));
    }

    /// Time passes until somebody has something to do, and all that have do it.
    pub(super) fn wait_for_deadline(&mut self) {
        let due = self.seats.iter().filter(|seat| !seat.gone).map(|seat| seat.node.next_deadline()).min();
        self.now = self.now.max(due.unwrap_or(self.now));
        for at in 0..self.seats.len() {
            if self.seats[at].node.next_deadline() <= self.now {
                self.tick(at);
            }
        }
    }

    pub(super) fn tick(&mut self, at: usize) {
        // One that ends a stall asks for another at once, which comes when all that was waiting has been heard.
        for _ in 0..2 {
            self.step(at, self.now, Input::Tick);
            let seat = &self.seats[at];
            if seat.gone || seat.node.next_deadline() > self.now {
                return;
            }
        }
        panic!("a deadline stands still");
    }

    /// Every frame that nobody has seen yet reaches everybody else.
    pub(super) fn deliver_fresh(&mut self) {
        let fresh = std::mem::take(&mut self.fresh).min(self.frames.len());
        let waiting = self.frames[self.frames.len() - fresh..].to_vec();
        for sent in waiting {
            for at in (0..self.seats.len()).filter(|at| *at != sent.from) {
                self.step(at, self.now, Input::Frame { link: LinkIndex(0), bytes: &sent.bytes });
            }
        }
    }

    /// Every job ends well; what was probed did not run.
    pub(super) fn finish_jobs(&mut self) {
        for at in 0..self.seats.len() {
            for (job, work) in self.seats[at].jobs.clone() {
                let outcome = match work {
                    Some(Work::Probe(_)) => Outcome::NotRunning,
                    Some(Work::NextLife) => Outcome::Failed(JobFailure::NotRun),
                    Some(_) | None => Outcome::Done,
                };
                if self.seats[at].jobs.iter().any(|(running, _)| *running == job) {
                    self.end_job(at, job, outcome);
                }
            }
        }
    }

    pub(super) fn end_job(&mut self, at: usize, job: JobId, outcome: Outcome) {
        self.seats[at].jobs.retain(|(running, _)| *running != job);
        self.step(at, self.now, Input::JobEnded { job, outcome });
    }

    pub(super) fn order(&mut self, at: usize, command: Command) {
        let id = OrderId(self.next_order);
        self.next_order += 1;
        self.seats[at].orders.push((id, command == Command::Restart));
        self.step(at, self.now, Input::Order { id, command });
    }

    /// The fencer of a node asks the witness for a reset.
    pub(super) fn ask_for_reset(&mut self, at: usize, job: JobId, target: MemberIndex) {
        self.seats[at].resets.push(job);
        self.step(at, self.now, Input::FenceByWitness { job, target });
    }

    pub(super) fn hear(&mut self, at: usize, link: LinkIndex, bytes: &[u8]) {
        self.step(at, self.now, Input::Frame { link, bytes });
    }

    pub(super) fn reconfigure(&mut self, at: usize, change: u8, other_keys: bool) {
        let (config, keys) = (self.setting.config(at, change), self.setting.keys(other_keys));
        let now = self.now;
        let seat = &mut self.seats[at];
        let in_the_way = seat.node.groups_in_the_way(&config);
        let before = format!("{:?}", seat.node);
        match without_allocation(|| seat.node.reconfigure(config, keys.clone(), now)) {
            Ok(()) => {
                assert_eq!(in_the_way, 0);
                seat.keys = keys;
                seat.orders.retain(|(_, restart)| *restart);
                seat.jobs.iter_mut().for_each(|(_, work)| *work = None);
                self.tick(at);
            }
            Err(_) => {
                assert_eq!(format!("{:?}", seat.node), before, "a refused configuration changed something")
            }
        }
    }

    /// A new life, whose generation should be greater but may be anything.
    pub(super) fn restart(&mut self, at: usize, generation: Generation, change: u8) {
        let seat = &mut self.seats[at];
        let keys = self.setting.keys(false);
        seat.node = Node::new(self.setting.config(at, change), keys.clone(), generation, self.now);
        seat.keys = keys;
        seat.jobs.clear();
        seat.orders.clear();
        seat.resets.clear();
        seat.gone = false;
        self.tick(at);
    }

    /// One step of one node, and all that must hold of it whatever the input is. `at_time` may lie in the past.
    pub(super) fn step(&mut self, at: usize, at_time: Instant, input: Input<'_>) {
        let seat = &mut self.seats[at];
        let before = matches!(input, Input::Frame { .. }).then(|| seat.node.clone());
        let mut effects = Effects::new();
        without_allocation(|| {
            seat.node.step(at_time, input, &mut effects);
            seat.node.next_deadline()
        });
        if let (Input::Frame { link, .. }, Some(before)) = (input, before) {
            let refused = |node: &Node| node.counters(link).refused;
            if refused(&seat.node) != refused(&before) {
                changed_only_counters(before, seat, at_time, &effects);
            }
        }
        let few_groups = self.setting.groups() < TALKATIVE;
        let mut transmits = 0;
        for effect in effects.iter() {
            match effect {
                Effect::Transmit => transmits += 1,
                Effect::Run { job, work } => seat.run(job, work),
                Effect::Cancel(job) => {
                    assert!(
                        seat.jobs.iter().any(|(running, _)| *running == job),
                        "cancelled, but not running"
                    );
                }
                Effect::Answer { id, .. } => {
                    let open = seat.orders.iter().position(|(order, _)| *order == id);
                    seat.orders.remove(open.expect("answered, but not asked, or a second time"));
                }
                Effect::Notice(Notice::Dropped(_)) => assert!(!few_groups, "a notice was dropped"),
                Effect::WitnessFence { job, .. } => {
                    let open = seat.resets.iter().position(|reset| *reset == job);
                    seat.resets
                        .remove(open.expect("the witness answered, but was not asked, or a second time"));
                }
                Effect::Notice(_) | Effect::FeedWatchdog | Effect::KeepMaintenance(_) => {}
                Effect::Announce(group) | Effect::Reboot(group) => {
                    assert!(seat.node.group_here(group).is_some(), "a group that does not exist");
                }
                Effect::Leave => seat.gone = true,
            }
        }
        assert!(transmits <= 1, "two frames in one step");
        if transmits == 1 {
            seat.said_the_truth(at, effects.frame());
            let bytes = Bytes::from_slice(effects.frame()).expect("a frame has its size");
            self.fresh += 1;
            self.remember(Sent { from: at, bytes });
        }
    }

    fn remember(&mut self, sent: Sent) {
        if self.frames.len() == FRAMES {
            self.frames.remove(0);
        }
        self.frames.push(sent);
    }
}

impl Seat {
    fn run(&mut self, job: JobId, work: Work) {
        assert!(self.jobs.iter().all(|(running, _)| *running != job), "two jobs of one name");
        let busy = |other: &&Work| other.group().is_some() && other.group() == work.group();
        let mut others = self.jobs.iter().filter_map(|(_, other)| other.as_ref());
        assert!(others.find(busy).is_none(), "two jobs at once for one group: {work:?}");
        if let Work::Fence(member) = work {
            assert!(self.node.member(member).is_some(), "fences what is no other member");
        }
        self.jobs.push((job, Some(work)));
    }

    /// The others can open what was sent, and it says who sent it.
    fn said_the_truth(&self, at: usize, frame: &[u8]) {
        let (header, body) = self.keys.open(CLUSTER, frame).expect("our frame opens");
        assert_eq!(header.sender, NodeId::of(NODES[at]));
        assert_eq!((header.generation, header.sequence), (self.node.generation(), self.node.sequence()));
        let message = Message::decode(body).expect("our message can be read");
        assert_eq!(message.phase, self.node.phase());
        let mut again = Bytes::new();
        message.encode(&mut again).expect("it had room before");
        assert_eq!(again, body);
    }
}

/// A refused frame is as good as one of a link that does not exist, but for counters and the notice that counts it.
fn changed_only_counters(mut idle: Node, seat: &Seat, at_time: Instant, effects: &Effects) {
    let mut expected = Effects::new();
    idle.step(at_time, Input::Frame { link: LinkIndex(u8::MAX), bytes: &[] }, &mut expected);
    assert_eq!(essence(&seat.node), essence(&idle), "a refused frame changed something");
    let but_refusals = |effects: &Effects| -> Vec<Effect> {
        effects.iter().filter(|effect| !matches!(effect, Effect::Notice(Notice::Refused { .. }))).collect()
    };
    assert_eq!(but_refusals(effects), but_refusals(&expected), "a refused frame had effects");
    assert_eq!(effects.frame(), expected.frame());
}

/// Everything that a node knows, but its counters of frames.
fn essence(node: &Node) -> String {
    let mut text = format!("{node:?}");
    let (from, to) = (text.find(" counters: "), text.find(", under_our_name: "));
    let (from, to) = from.zip(to).expect("a node shows its counters");
    text.replace_range(from..to, "");
    text
}
