//! A small cluster in virtual time for the unit tests: links that can be cut, jobs that take time, hosts that die.
//! It checks after every event that no group runs twice where that is promised.

use std::collections::BTreeMap;
use std::vec::Vec;

use proptest::prelude::ProptestConfig;

use super::weather::Weather;
use crate::config::{Config, Intervals, MemberKind, Parts, Policy, Quorum, Recovery, StopFailure};
use crate::effect::{Answer, Effect, Effects, FenceAnswer, Work};
use crate::frame::{Bytes, Header};
use crate::ids::{Generation, GroupIndex, JobId, LinkIndex, MemberIndex, OrderId};
use crate::input::{Command, Input, JobFailure, Outcome};
use crate::maintenance::Maintenance;
use crate::message::{GroupState, Message};
use crate::node::Node;
use crate::notice::Notice;
use crate::seal::{Key, KeyRing, Method};
use crate::time::{Duration, Instant};
use crate::witness::{Asks, Word};

pub(super) const LINKS: u8 = 2;
pub(super) const KEEPALIVE: u64 = 200;
pub(super) const DEADTIME: u64 = 1000;
pub(super) const INITDEAD: u64 = 3000;
pub(super) const CLUSTER: &str = "linux-ha";
const DELAY: Duration = Duration::from_micros(300);
const START_TAKES: Duration = Duration::from_millis(40);
const STOP_TAKES: Duration = Duration::from_millis(30);

pub(super) struct Host {
    pub(super) node: Option<Node>,
    generation: u32,
    pub(super) runs: Vec<bool>,
    pub(super) start_fails: bool,
    pub(super) stop_fails: bool,
    pub(super) half_running: bool,
    /// An address is gone, and whether it can be put back.
    pub(super) address_gone: bool,
    pub(super) repair_fails: bool,
    /// What a monitor answers, whatever is true.
    pub(super) monitor_says: Option<Outcome>,
    pub(super) start_takes: Duration,
    pub(super) hangs: bool,
    pub(super) stalled: bool,
    pub(super) rebooted: u32,
    /// When the armed watchdog resets the host.
    watchdog_ends: Option<Instant>,
    pub(super) watchdog_fired: u32,
    /// What is on its disk about maintenance.
    pub(super) kept: Maintenance,
    /// How long the next life needs to begin; nothing: the program cannot be run.
    pub(super) restart_takes: Option<Duration>,
    pub(super) config: Config,
}

/// A generation of a node and the digest of its configuration.
type Life = (u32, [u8; 4]);

#[derive(Debug, Clone)]
enum Event {
    Frame { to: usize, link: u8, bytes: Vec<u8> },
    Job { host: usize, life: u32, job: JobId, work: Work },
    Watchdog { host: usize, timeout: Duration },
    Boot { host: usize },
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) hosts: Vec<Host>,
    events: BTreeMap<(Instant, u64), Event>,
    count: u64,
    /// Cut directions: (from, to, link).
    pub(super) cuts: Vec<(usize, usize, u8)>,
    pub(super) notices: Vec<(usize, Notice)>,
    pub(super) answers: BTreeMap<u32, Answer>,
    pub(super) frames_sent: u64,
    pub(super) may_overlap: bool,
    /// The epoch of each group on each host after the last step of its present life and configuration.
    epochs: BTreeMap<(usize, u8), (Life, u32)>,
    pub(super) announced: u32,
    pub(super) fencing_works: bool,
    /// The devices say that they did what they did not.
    pub(super) fencing_lies: bool,
    pub(super) weather: Weather,
    watchdog: Option<Duration>,
    /// What the witness says beside its heartbeats.
    pub(super) word: Option<Word>,
    /// What each host last asked of it.
    pub(super) asks: Vec<Asks>,
    pub(super) fence_answers: Vec<(usize, JobId, FenceAnswer)>,
}

#[derive(Clone)]
pub(super) struct Setting {
    pub(super) nodes: Vec<&'static str>,
    /// The one of them that is a witness.
    pub(super) witness: Option<&'static str>,
    pub(super) groups: Vec<(&'static str, &'static str)>,
    pub(super) auto_failback: bool,
    pub(super) fencing: bool,
    /// In milliseconds.
    pub(super) fence_delay: u64,
    pub(super) quorum: Quorum,
    /// The time-out of every host's hardware watchdog, in milliseconds.
    pub(super) watchdog: Option<u64>,
    /// The silence after which the witness resets a host, in milliseconds.
    pub(super) witness_watchdog: Option<u64>,
    pub(super) stop_failure: StopFailure,
    pub(super) pings: usize,
    /// How often every group is asked how it is, in milliseconds; 0: never.
    pub(super) monitor: u64,
    pub(super) recovery: Recovery,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            nodes: std::vec!["ha1", "ha2"],
            witness: None,
            groups: std::vec![("ha1", "10.0.0.46 httpd")],
            auto_failback: true,
            fencing: false,
            fence_delay: 0,
            quorum: Quorum::Off,
            watchdog: None,
            witness_watchdog: None,
            stop_failure: StopFailure::Block,
            pings: 0,
            monitor: 0,
            recovery: Policy::default().recovery,
        }
    }
}

impl Setting {
    pub(super) fn config(&self, this: &str) -> Config {
        let millis = Duration::from_millis;
        let groups = if self.witness == Some(this) { &[][..] } else { &self.groups };
        let config = Config::new(&Parts {
            cluster: CLUSTER,
            nodes: &self.nodes,
            this,
            groups,
            monitors: &std::vec![millis(self.monitor); groups.len()],
            intervals: Intervals {
                keepalive: millis(KEEPALIVE),
                deadtime: millis(DEADTIME),
                warntime: millis(DEADTIME / 2),
                initdead: millis(INITDEAD),
                deadping: millis(DEADTIME),
            },
            policy: Policy {
                auto_failback: self.auto_failback,
                stop_failure: self.stop_failure,
                fencing: self.fencing,
                fence_delay: millis(self.fence_delay),
                quorum: self.quorum,
                ping_decides: self.pings > 0,
                recovery: self.recovery,
                witness_watchdog: self.witness_watchdog.map(millis),
            },
            links: usize::from(LINKS),
            pings: self.pings,
        })
        .unwrap();
        match self.witness {
            Some(name) => config.with_witness(name).unwrap(),
            None => config,
        }
    }
}

/// So many cases, or as many as `PROPTEST_CASES` says.
pub(super) fn cases(usual: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(usual),
    }
}

pub(super) fn keys() -> KeyRing {
    KeyRing::new(2, &[Key::new(2, Method::Sha1, b"secretkey").unwrap()]).unwrap()
}

/// The frame that says `message`.
pub(super) fn seal(header: &Header, message: &Message) -> Bytes {
    let mut bytes = Bytes::new();
    header.begin(&mut bytes).unwrap();
    message.encode(&mut bytes).unwrap();
    keys().close(CLUSTER, &mut bytes).unwrap();
    bytes
}

impl World {
    pub(super) fn new(setting: &Setting) -> Self {
        let hosts = setting.nodes.iter().map(|name| Host {
            node: None,
            generation: 100,
            runs: std::vec![false; setting.groups.len()],
            start_fails: false,
            stop_fails: false,
            half_running: false,
            address_gone: false,
            repair_fails: false,
            monitor_says: None,
            start_takes: START_TAKES,
            hangs: false,
            stalled: false,
            rebooted: 0,
            watchdog_ends: None,
            watchdog_fired: 0,
            kept: Maintenance::default(),
            restart_takes: Some(Duration::from_millis(20)),
            config: setting.config(name),
        });
        Self {
            now: Instant::from_micros(5_000_000),
            hosts: hosts.collect(),
            events: BTreeMap::new(),
            count: 0,
            cuts: Vec::new(),
            notices: Vec::new(),
            answers: BTreeMap::new(),
            frames_sent: 0,
            may_overlap: false,
            epochs: BTreeMap::new(),
            announced: 0,
            fencing_works: true,
            fencing_lies: false,
            weather: Weather::default(),
            watchdog: setting.watchdog.map(Duration::from_millis),
            word: None,
            asks: std::vec![Asks::default(); setting.nodes.len()],
            fence_answers: Vec::new(),
        }
    }

    /// All hosts boot at once and the cluster comes to rest.
    pub(super) fn started(setting: &Setting) -> Self {
        let mut world = Self::new(setting);
        (0..world.hosts.len()).for_each(|host| world.boot(host));
        world.run(2 * DEADTIME);
        world
    }

    pub(super) fn boot(&mut self, host: usize) {
        let place = &mut self.hosts[host];
        place.generation += 1;
        let node = Node::new(place.config.clone(), keys(), Generation(place.generation), self.now);
        place.node = Some(node.remembering(place.kept));
        self.step(host, Input::Tick);
    }

    /// The power goes: nothing runs any more.
    pub(super) fn power_cut(&mut self, host: usize) {
        self.hosts[host].node = None;
        self.hosts[host].watchdog_ends = None;
        self.hosts[host].runs.fill(false);
    }

    /// The daemon is killed: what runs goes on running.
    pub(super) fn kill_daemon(&mut self, host: usize) {
        self.hosts[host].node = None;
    }

    /// A stalled host goes on, and reads at once what waits in its sockets.
    pub(super) fn wake(&mut self, host: usize) {
        self.hosts[host].stalled = false;
        let waits = |event: &Event| matches!(event, Event::Frame { to, .. } if *to == host);
        let waiting: Vec<_> =
            self.events.iter().filter(|(_, event)| waits(event)).map(|(key, _)| *key).collect();
        for key in waiting {
            if let Some(event) = self.events.remove(&key) {
                self.schedule(self.now, event);
            }
        }
    }

    pub(super) fn cut(&mut self, from: usize, to: usize) {
        self.cuts.extend((0..LINKS).map(|link| (from, to, link)));
    }

    pub(super) fn cut_link(&mut self, link: u8) {
        self.cuts.extend([(0, 1, link), (1, 0, link)]);
    }

    pub(super) fn partition(&mut self) {
        self.cut(0, 1);
        self.cut(1, 0);
    }

    pub(super) fn order(&mut self, host: usize, id: u32, command: Command) {
        self.step(host, Input::Order { id: OrderId(id), command });
    }

    pub(super) fn node(&self, host: usize) -> &Node {
        self.hosts[host].node.as_ref().expect("the host is up")
    }

    pub(super) fn state(&self, host: usize, group: u8) -> GroupState {
        self.node(host).group_here(GroupIndex(group)).expect("the group exists").state()
    }

    /// On which hosts the group really runs.
    pub(super) fn owners(&self, group: usize) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].runs[group]).collect()
    }

    pub(super) fn said(&self, host: usize, wanted: impl Fn(&Notice) -> bool) -> bool {
        self.notices.iter().any(|(at, notice)| *at == host && wanted(notice))
    }

    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        self.run_until(end, |_| false);
    }

    /// Goes on until something holds; gives how long that took, or nothing if it never did.
    pub(super) fn run_for(&mut self, millis: u64, until: impl Fn(&Self) -> bool) -> Option<u64> {
        let begin = self.now;
        let end = self.now + Duration::from_millis(millis);
        self.run_until(end, &until);
        until(self).then(|| self.now.since(begin).millis())
    }

    fn run_until(&mut self, end: Instant, until: impl Fn(&Self) -> bool) {
        while !until(self) {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let awake = |host: &&Host| !host.stalled;
            let deadlines = self.hosts.iter().filter(awake).filter_map(|host| host.node.as_ref());
            let deadline = deadlines.map(Node::next_deadline).min();
            let watchdog = self.hosts.iter().filter_map(|host| host.watchdog_ends).min();
            let next = [event, deadline, watchdog].into_iter().flatten().min().map(|next| next.max(self.now));
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = next;
            if let Some(host) =
                self.hosts.iter().position(|host| host.watchdog_ends.is_some_and(|end| end <= next))
            {
                self.power_cut(host);
                self.hosts[host].stalled = false;
                self.hosts[host].watchdog_fired += 1;
            } else if event.is_some_and(|at| at <= next) {
                let ((_, _), event) = self.events.pop_first().expect("it was there");
                self.happen(event);
            } else {
                for host in 0..self.hosts.len() {
                    let due = |node: &Node| node.next_deadline() <= self.now;
                    if !self.hosts[host].stalled && self.hosts[host].node.as_ref().is_some_and(due) {
                        self.step(host, Input::Tick);
                    }
                }
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Frame { to, link, bytes } => {
                if self.hosts[to].stalled {
                    // It waits in the socket.
                    let at = self.now + Duration::from_millis(1);
                    self.schedule(at, Event::Frame { to, link, bytes });
                } else if self.hosts[to].node.is_some() {
                    self.step(to, Input::Frame { link: LinkIndex(link), bytes: &bytes });
                }
            }
            Event::Boot { host } => self.boot(host),
            Event::Watchdog { host, timeout } => self.step(host, Input::Watchdog(Some(timeout))),
            Event::Job { host, life, job, work } => {
                if self.hosts[host].generation != life || self.hosts[host].node.is_none() {
                    return;
                }
                if self.hosts[host].stalled {
                    let at = self.now + Duration::from_millis(1);
                    self.schedule(at, Event::Job { host, life, job, work });
                    return;
                }
                let outcome = self.finish(host, work);
                self.step(host, Input::JobEnded { job, outcome });
            }
        }
    }

    fn finish(&mut self, host: usize, work: Work) -> Outcome {
        let place = &mut self.hosts[host];
        match work {
            Work::Probe(_) if place.half_running => Outcome::Partial,
            Work::Probe(group) if place.runs[usize::from(group.0)] => Outcome::Done,
            Work::Probe(_) => Outcome::NotRunning,
            Work::Monitor(group) => match place.monitor_says {
                Some(says) => says,
                None if !place.runs[usize::from(group.0)] => Outcome::NotRunning,
                None if place.address_gone => Outcome::Repairable,
                None => Outcome::Done,
            },
            Work::Repair(_) if place.repair_fails => Outcome::Failed(JobFailure::Refused),
            Work::Repair(_) => {
                place.address_gone = false;
                Outcome::Done
            }
            Work::Start(_) if place.start_fails => Outcome::Failed(JobFailure::Refused),
            Work::Start(_) => {
                place.address_gone = false;
                Outcome::Done
            }
            Work::Stop(_) if place.stop_fails => Outcome::Failed(JobFailure::TimedOut),
            Work::Stop(group) => {
                place.runs[usize::from(group.0)] = false;
                Outcome::Done
            }
            Work::NextLife => Outcome::Failed(JobFailure::NotRun),
            Work::Fence(_) if !self.fencing_works => Outcome::Failed(JobFailure::Refused),
            Work::Fence(member) => {
                if !self.fencing_lies {
                    self.power_cut(usize::from(member.0));
                }
                Outcome::Fenced { device: 2 }
            }
        }
    }

    pub(super) fn schedule_frame(&mut self, to: usize, link: u8, bytes: Vec<u8>) {
        if link == 0 && self.weather.roll(100) < self.weather.loss {
            return;
        }
        let copies = if self.weather.roll(100) < self.weather.twice { 2 } else { 1 };
        for _ in 0..copies {
            let longer = Duration::from_micros(self.weather.roll(1 + 1000 * self.weather.delay));
            self.schedule(self.now + DELAY + longer, Event::Frame { to, link, bytes: bytes.clone() });
        }
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.count += 1;
        self.events.insert((at, self.count), event);
    }

    pub(super) fn step(&mut self, host: usize, input: Input<'_>) {
        let mut effects = Effects::new();
        let Some(node) = &mut self.hosts[host].node else { return };
        node.step(self.now, input, &mut effects);
        self.check_epochs(host, &effects);
        for effect in effects.iter() {
            self.carry_out(host, effect, effects.frame());
        }
        self.check();
    }

    fn carry_out(&mut self, host: usize, effect: Effect, frame: &[u8]) {
        match effect {
            Effect::Transmit => {
                self.frames_sent += 1;
                let frame = &self.with_word(host, frame);
                for to in (0..self.hosts.len()).filter(|to| *to != host) {
                    for link in 0..LINKS {
                        if !self.cuts.contains(&(host, to, link)) {
                            self.schedule_frame(to, link, frame.to_vec());
                        }
                    }
                }
            }
            Effect::Run { job, work } => {
                let place = &mut self.hosts[host];
                let life = place.generation;
                let takes = match work {
                    Work::Start(group) => {
                        place.runs[usize::from(group.0)] = true;
                        place.start_takes
                    }
                    Work::Stop(_) => STOP_TAKES,
                    Work::Probe(_) | Work::Monitor(_) | Work::Repair(_) => Duration::from_millis(5),
                    Work::Fence(_) => Duration::from_millis(100),
                    Work::NextLife => Duration::from_millis(1),
                };
                if work == Work::NextLife
                    && let Some(takes) = place.restart_takes
                {
                    self.kill_daemon(host);
                    self.schedule(self.now + takes, Event::Boot { host });
                } else if !place.hangs {
                    self.schedule(self.now + takes, Event::Job { host, life, job, work });
                }
            }
            Effect::Cancel(job) => {
                let outcome = Outcome::Failed(JobFailure::Cancelled);
                self.events.retain(|_, event| !matches!(event, Event::Job { host: at, job: other, .. } if (*at, *other) == (host, job)));
                self.step(host, Input::JobEnded { job, outcome });
            }
            Effect::Announce(_) => self.announced += 1,
            Effect::WitnessFence { job, answer } => self.fence_answers.push((host, job, answer)),
            Effect::Answer { id, answer } => {
                self.answers.insert(id.0, answer);
            }
            Effect::Notice(notice) => self.notices.push((host, notice)),
            Effect::FeedWatchdog => self.feed_watchdog(host),
            Effect::KeepMaintenance(maintenance) => self.hosts[host].kept = maintenance,
            Effect::Reboot(_) => {
                self.hosts[host].rebooted += 1;
                self.power_cut(host);
            }
            Effect::Leave => {
                if self.node(host).may_disarm_watchdog() {
                    self.hosts[host].watchdog_ends = None;
                }
                self.kill_daemon(host);
            }
        }
    }

    /// Notes what a frame asks of the witness; and what the witness is to say goes into its own.
    fn with_word(&mut self, host: usize, frame: &[u8]) -> Bytes {
        let (header, body) = keys().open(CLUSTER, frame).expect("a node's own frame");
        let mut message = Message::decode(body).expect("a node's own message");
        self.asks[host] = message.asks;
        let is_witness = self.hosts[host].config.kind(Self::member(host)) == MemberKind::Witness;
        let Some(word) = self.word.clone().filter(|_| is_witness) else {
            return Bytes::from_slice(frame).expect("it was a frame");
        };
        message.witness = Some(word);
        message.maintenance = Maintenance::default();
        seal(&header, &message)
    }

    fn feed_watchdog(&mut self, host: usize) {
        let Some(timeout) = self.watchdog else { return };
        self.hosts[host].watchdog_ends = Some(self.now + timeout);
        let node = self.hosts[host].node.as_mut().expect("it fed its watchdog");
        // The frame that says so is the next one.
        if node.majority.watchdog.is_none() {
            self.schedule(self.now, Event::Watchdog { host, timeout });
        }
    }

    /// No epoch goes back within a life and a configuration, but that of what is found running at its start, which is nobody's yet; and a
    /// claim is newer than all that its node has heard of.
    fn check_epochs(&mut self, host: usize, effects: &Effects) {
        let Some(node) = &self.hosts[host].node else { return };
        for group in node.config().groups() {
            let here = node.group_here(group).expect("the group exists");
            let seen = ((self.hosts[host].generation, node.config().digest), here.epoch().0);
            let before = self.epochs.insert((host, group.0), seen).filter(|(life, _)| *life == seen.0);
            let claimed = effects.iter().any(
                |effect| matches!(effect, Effect::Notice(Notice::Claiming { group: claimed, .. }) if claimed == group),
            );
            if let Some((_, before)) = before.filter(|_| here.found_running.is_none()) {
                assert!(seen.1 >= before, "epoch {} after {before} on host {host}", seen.1);
                assert!(!claimed || seen.1 > before, "claimed under the old epoch {before} on host {host}");
            }
            let heard = node
                .config()
                .others()
                .filter_map(|other| node.member(other))
                .map(|member| member.report(group));
            assert!(
                !claimed || heard.into_iter().all(|report| report.epoch.0 < seen.1),
                "an epoch that was heard already"
            );
        }
    }

    fn check(&self) {
        if self.may_overlap {
            return;
        }
        for group in 0..self.hosts[0].runs.len() {
            let owners = self.owners(group);
            assert!(
                owners.len() <= 1,
                "group {group} runs on {owners:?} at {:?}: {:#?}",
                self.now,
                self.notices
            );
        }
    }

    pub(super) fn member(host: usize) -> MemberIndex {
        MemberIndex(u8::try_from(host).unwrap())
    }
}
