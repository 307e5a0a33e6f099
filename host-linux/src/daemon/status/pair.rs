//! Two real nodes for the tests of snapshots, stepped against each other: links can be cut, jobs end at once.

use std::collections::VecDeque;

use heartline_core::effect::{Effect, Work};
use heartline_core::ids::{Generation, JobId, LinkIndex, OrderId};
use heartline_core::input::{Command, JobFailure, Outcome};
use heartline_core::time::{Duration, Instant};
use heartline_core::{Effects, Input, Node};

use super::{Extra, MediumCondition, snapshot};
use crate::config::Configuration;
use crate::control::Snapshot;
use crate::control::snapshot::Holdings;
use crate::daemon::core_config;
use crate::log::render::testing::two_nodes;

const NAMES: [&str; 2] = ["ha1", "ha2"];
const LINKS: u8 = 2;

/// Two machines. A job ends at once, with success unless told otherwise; a start never ends on a machine that hangs.
pub(super) struct Pair {
    now: Instant,
    configurations: [Configuration; 2],
    nodes: [Option<Node>; 2],
    generations: [u32; 2],
    /// Cut directions: (from, link).
    pub(super) cuts: Vec<(usize, u8)>,
    runs: [Vec<bool>; 2],
    pub(super) start_fails: [bool; 2],
    pub(super) stop_fails: [bool; 2],
    pub(super) hangs: [bool; 2],
}

enum Event {
    Frame { to: usize, link: u8, bytes: Vec<u8> },
    Ended { host: usize, job: JobId, outcome: Outcome },
}

impl Pair {
    /// Both machines up, which have come to rest.
    pub(super) fn started(change: impl Fn(&mut Configuration)) -> Self {
        let mut pair = Self::off(change);
        pair.boot(0);
        pair.boot(1);
        pair.run(2000);
        pair
    }

    pub(super) fn off(change: impl Fn(&mut Configuration)) -> Self {
        let configurations = NAMES.map(|name| {
            let mut configuration = two_nodes(name);
            configuration.pings.clear();
            change(&mut configuration);
            configuration
        });
        let runs = configurations.each_ref().map(|configuration| vec![false; configuration.groups.len()]);
        Self {
            now: Instant::from_micros(5_000_000),
            configurations,
            nodes: [None, None],
            generations: [99; 2],
            cuts: Vec::new(),
            runs,
            start_fails: [false; 2],
            stop_fails: [false; 2],
            hangs: [false; 2],
        }
    }

    pub(super) fn boot(&mut self, host: usize) {
        let (config, keys) = core_config(&self.configurations[host]).unwrap();
        self.generations[host] += 1;
        self.nodes[host] = Some(Node::new(config, keys, Generation(self.generations[host]), self.now));
        self.step(host, Input::Tick);
    }

    pub(super) fn power_cut(&mut self, host: usize) {
        self.nodes[host] = None;
        self.runs[host].fill(false);
    }

    /// All that runs on a machine ends by itself.
    pub(super) fn ends(&mut self, host: usize) {
        self.runs[host].fill(false);
    }

    pub(super) fn order(&mut self, host: usize, command: Command) {
        self.step(host, Input::Order { id: OrderId(1), command });
    }

    /// Lets time pass on both machines.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while self.now < end {
            self.now = (self.now + Duration::from_millis(20)).min(end);
            self.step(0, Input::Tick);
            self.step(1, Input::Tick);
        }
    }

    /// One input, and all that follows from it at the same moment.
    pub(super) fn step(&mut self, host: usize, input: Input<'_>) {
        let mut events = VecDeque::new();
        self.step_one(host, input, &mut events);
        while let Some(event) = events.pop_front() {
            match event {
                Event::Frame { to, link, bytes } => {
                    let input = Input::Frame { link: LinkIndex(link), bytes: &bytes };
                    self.step_one(to, input, &mut events);
                }
                Event::Ended { host, job, outcome } => {
                    self.step_one(host, Input::JobEnded { job, outcome }, &mut events);
                }
            }
        }
    }

    fn step_one(&mut self, host: usize, input: Input<'_>, events: &mut VecDeque<Event>) {
        let Some(node) = &mut self.nodes[host] else { return };
        let mut effects = Effects::new();
        node.step(self.now, input, &mut effects);
        for effect in effects.iter() {
            match effect {
                Effect::Transmit => {
                    let open = (0..LINKS).filter(|link| !self.cuts.contains(&(host, *link)));
                    let bytes = effects.frame();
                    events.extend(open.map(|link| Event::Frame {
                        to: 1 - host,
                        link,
                        bytes: bytes.to_vec(),
                    }));
                }
                Effect::Run { job, work } => {
                    if let Some(outcome) = self.work(host, work) {
                        events.push_back(Event::Ended { host, job, outcome });
                    }
                }
                Effect::Leave => self.nodes[host] = None,
                Effect::Cancel(_)
                | Effect::FeedWatchdog
                | Effect::KeepMaintenance(_)
                | Effect::Announce(_)
                | Effect::Answer { .. }
                | Effect::WitnessFence { .. }
                | Effect::Notice(_)
                | Effect::Reboot(_) => {}
            }
        }
    }

    fn work(&mut self, host: usize, work: Work) -> Option<Outcome> {
        let failed = |failure| Some(Outcome::Failed(failure));
        let runs = &mut self.runs[host];
        match work {
            Work::Probe(group) if runs[usize::from(group.0)] => Some(Outcome::Done),
            Work::Probe(_) => Some(Outcome::NotRunning),
            Work::Monitor(group) if runs[usize::from(group.0)] => Some(Outcome::Done),
            Work::Monitor(_) => Some(Outcome::NotRunning),
            Work::Repair(_) => Some(Outcome::Done),
            Work::Start(_) if self.hangs[host] => None,
            Work::Start(_) if self.start_fails[host] => failed(JobFailure::Refused),
            Work::Start(group) => {
                runs[usize::from(group.0)] = true;
                Some(Outcome::Done)
            }
            Work::Stop(_) if self.stop_fails[host] => failed(JobFailure::TimedOut),
            Work::Stop(group) => {
                runs[usize::from(group.0)] = false;
                Some(Outcome::Done)
            }
            Work::Fence(_) => failed(JobFailure::Refused),
            Work::NextLife => failed(JobFailure::NotRun),
        }
    }

    pub(super) fn snapshot(&self, host: usize) -> Snapshot {
        self.snapshot_with(host, &extra())
    }

    pub(super) fn snapshot_with(&self, host: usize, extra: &Extra) -> Snapshot {
        let node = self.nodes[host].as_ref().expect("the node runs");
        snapshot(node, &self.configurations[host], self.now, extra)
    }

    pub(super) fn holdings(&self) -> [Holdings; 2] {
        [0, 1].map(|host| self.snapshot(host).rscstatus)
    }
}

/// A daemon without trouble.
pub(super) fn extra() -> Extra {
    let open = MediumCondition { open: true, ..MediumCondition::default() };
    Extra {
        pid: 61,
        version: "0.1.0".to_owned(),
        last_errors: vec![None, None],
        media: vec![open.clone(), open],
        ..Extra::default()
    }
}
