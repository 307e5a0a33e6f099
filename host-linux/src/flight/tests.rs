//! Records are written, torn, turned over, replayed, and replayed otherwise. Whole daemons are in the cluster tests.

use std::path::Path;
use std::time::SystemTime;

use heartline_core::config::{Config, Intervals, Parts, Policy, StopFailure};
use heartline_core::effect::Effect;
use heartline_core::ids::{Generation, GroupIndex, JobId, LinkIndex, MemberIndex, OrderId, PingIndex};
use heartline_core::input::{Command, JobFailure, Outcome, Scope};
use heartline_core::notice::Notice;
use heartline_core::record::BlockError;
use heartline_core::seal::{Key, KeyRing, Method};
use heartline_core::time::{Duration, Instant};
use heartline_core::{Effects, Input, Node};
use proptest::prelude::*;
use tempfile::TempDir;

use super::segment::{MAGIC, whole_length};
use super::*;
use crate::log::render::Names;

const SECRET: &[u8] = b"nobody-may-read-this";

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn config(this: &str) -> Config {
    Config::new(&Parts {
        cluster: "linux-ha",
        nodes: &["ha1", "ha2"],
        this,
        groups: &[("ha1", "10.0.0.46 httpd")],
        monitors: &[],
        intervals: Intervals {
            keepalive: millis(200),
            deadtime: millis(1000),
            warntime: millis(500),
            initdead: millis(3000),
            deadping: millis(1000),
        },
        policy: Policy {
            auto_failback: true,
            stop_failure: StopFailure::Block,
            ping_decides: true,
            ..Policy::default()
        },
        links: 2,
        pings: 1,
    })
    .unwrap()
}

fn node(this: &str, generation: u32, now: Instant) -> Node {
    let keys = KeyRing::new(3, &[Key::new(3, Method::Sha1, SECRET).unwrap()]).unwrap();
    Node::new(config(this), keys, Generation(generation), now)
}

/// A node with its recorder, and all that it said.
struct Flight {
    node: Node,
    recorder: Recorder,
    effects: Effects,
    now: Instant,
    said: Vec<Notice>,
    jobs: Vec<JobId>,
}

impl Flight {
    fn begin(directory: &Path, generation: u32, limit: u64) -> Self {
        let now = Instant::from_micros(5_000_000 * u64::from(generation));
        let node = node("ha1", generation, now);
        let (names, wall) = (Names::default(), SystemTime::UNIX_EPOCH);
        let (recorder, remark) = Recorder::with_limit(directory, &names, &node, now, wall, limit);
        assert!(remark.is_none(), "{remark:?}");
        Self { node, recorder, effects: Effects::new(), now, said: Vec::new(), jobs: Vec::new() }
    }

    fn step(&mut self, input: Input<'_>) {
        self.effects.clear();
        self.node.step(self.now, input, &mut self.effects);
        self.recorder.record(self.now, input, &self.effects, &self.node);
        for effect in self.effects.iter() {
            match effect {
                Effect::Notice(notice) => self.said.push(notice),
                Effect::Run { job, .. } => self.jobs.push(job),
                _ => {}
            }
        }
    }

    fn flush(&mut self) -> Option<Remark> {
        let wake = self.now + millis(1000);
        let wall = || SystemTime::UNIX_EPOCH;
        self.recorder.flush(&Names::default(), &self.node, self.now, wake, wall)
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// A whole takeover by a node that never hears anybody.
    fn take_over(&mut self) {
        for _ in 0..20 {
            self.step(Input::Tick);
            for job in std::mem::take(&mut self.jobs) {
                let outcome = if job == JobId(1) { Outcome::NotRunning } else { Outcome::Done };
                self.step(Input::JobEnded { job, outcome });
            }
            self.wait(millis(200));
        }
    }
}

fn replayed(directory: &Path) -> Playback {
    replay(&Record::read(&[directory.to_owned()]).unwrap())
}

fn notices(playback: &Playback) -> Vec<Notice> {
    playback.decisions.iter().map(|decision| decision.notice).collect()
}

#[derive(Debug, Clone)]
enum Op {
    Wait(u64),
    Tick,
    /// The next frame of the other node, on this link.
    Heartbeat(u8),
    /// The same with a byte changed.
    Damaged(u8, usize),
    Garbage(u8, Vec<u8>),
    Pong(u8),
    JobEnds(Outcome),
    Order(Command),
    Flush,
    Reload,
}

fn any_op() -> impl Strategy<Value = Op> {
    let outcome = prop_oneof![
        Just(Outcome::Done),
        Just(Outcome::NotRunning),
        Just(Outcome::Partial),
        Just(Outcome::Failed(JobFailure::TimedOut))
    ];
    let command = prop_oneof![
        Just(Command::Standby(Scope::All)),
        Just(Command::Takeover(Scope::Foreign)),
        Just(Command::Cleanup(None)),
        Just(Command::Retire(1)),
        Just(Command::Maintenance(true)),
        Just(Command::Maintenance(false)),
        Just(Command::Restart),
        Just(Command::ConfirmDown(MemberIndex(1))),
        Just(Command::Leave)
    ];
    prop_oneof![
        4 => (0u64..400_000).prop_map(Op::Wait),
        1 => (900_000u64..5_000_000).prop_map(Op::Wait),
        6 => Just(Op::Tick),
        6 => (0u8..2).prop_map(Op::Heartbeat),
        1 => (0u8..2, any::<usize>()).prop_map(|(link, at)| Op::Damaged(link, at)),
        1 => (0u8..3, prop::collection::vec(any::<u8>(), 0..600)).prop_map(|(link, bytes)| Op::Garbage(link, bytes)),
        1 => (0u8..2).prop_map(Op::Pong),
        4 => outcome.prop_map(Op::JobEnds),
        1 => command.prop_map(Op::Order),
        2 => Just(Op::Flush),
        1 => Just(Op::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_is_replayed_exactly(ops in prop::collection::vec(any_op(), 1..300)) {
        let directory = TempDir::new().unwrap();
        let mut flight = Flight::begin(directory.path(), 1, 1 << 20);
        let (mut peer, mut words) = (node("ha2", 7, flight.now), Effects::new());
        let mut orders = 0;
        for op in ops {
            match op {
                Op::Wait(micros) => flight.wait(Duration::from_micros(micros)),
                Op::Tick => flight.step(Input::Tick),
                Op::Heartbeat(link) | Op::Damaged(link, _) => {
                    words.clear();
                    peer.step(flight.now, Input::Tick, &mut words);
                    let mut frame = words.frame().to_vec();
                    if let (Op::Damaged(_, at), false) = (op, frame.is_empty()) {
                        let at = at % frame.len();
                        frame[at] ^= 0x41;
                    }
                    flight.step(Input::Frame { link: LinkIndex(link), bytes: &frame });
                }
                Op::Garbage(link, bytes) => flight.step(Input::Frame { link: LinkIndex(link), bytes: &bytes }),
                Op::Pong(ping) => flight.step(Input::Pong(PingIndex(ping))),
                Op::JobEnds(outcome) => {
                    let job = flight.jobs.pop().unwrap_or(JobId(99));
                    flight.step(Input::JobEnded { job, outcome });
                }
                Op::Order(command) => {
                    orders += 1;
                    flight.step(Input::Order { id: OrderId(orders), command });
                }
                Op::Flush => prop_assert!(flight.flush().is_none()),
                Op::Reload => {
                    let keys = KeyRing::new(3, &[Key::new(3, Method::Sha256, SECRET).unwrap()]).unwrap();
                    flight.node.reconfigure(config("ha1"), keys, flight.now).unwrap();
                    let (names, wall) = (Names::default(), SystemTime::UNIX_EPOCH);
                    flight.recorder.reconfigured(&names, &flight.node, flight.now, wall);
                }
            }
        }
        flight.recorder.sync().unwrap();
        let playback = replayed(directory.path());
        prop_assert!(playback.is_exact(), "{:?}", playback.findings);
        prop_assert_eq!(notices(&playback), flight.said);
        let bytes = std::fs::read(directory.path().join("flight.0")).unwrap();
        prop_assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET));
    }

    #[test]
    fn hostile_bytes_never_panic(at in any::<prop::sample::Index>(), value: u8, noise: Vec<u8>, whole: bool) {
        let directory = TempDir::new().unwrap();
        let mut flight = Flight::begin(directory.path(), 1, 1 << 20);
        flight.take_over();
        flight.recorder.sync().unwrap();
        let path = directory.path().join("flight.0");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len() - MAGIC.len()) + MAGIC.len();
        bytes[at] ^= value;
        bytes.extend(&noise);
        if whole {
            bytes = mended(&bytes);
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(record) = Record::read(&[path]) {
            let recorded = replay(&record);
            if let Ok(other) = WhatIf::run(&record, &["deadtime=5s".parse().unwrap()]) {
                let _ = compare(&recorded.decisions, &other);
            }
        }
    }
}

/// The same with right checksums, so that the contents are looked at.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        }) ^ !0
    };
    let mut mended = MAGIC.to_vec();
    let mut rest = &bytes[MAGIC.len()..];
    while let Some((length, _)) = rest.split_first_chunk::<4>() {
        let end = 4 + u32::from_le_bytes(*length) as usize;
        if rest.len() < end + 4 {
            break;
        }
        mended.extend_from_slice(&rest[..end]);
        mended.extend_from_slice(&crc(&rest[..end]).to_le_bytes());
        rest = &rest[end + 4..];
    }
    mended
}

#[test]
fn a_torn_end_is_recognised_wherever_it_is() {
    let directory = TempDir::new().unwrap();
    let mut flight = Flight::begin(directory.path(), 1, 1 << 20);
    let beginning = std::fs::read(directory.path().join("flight.0")).unwrap().len();
    flight.take_over();
    flight.recorder.sync().unwrap();
    let path = directory.path().join("flight.0");
    let bytes = std::fs::read(&path).unwrap();
    for length in beginning..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let whole = whole_length(&bytes[..length]);
        let playback = replayed(directory.path());
        let torn = Finding::Cut { path: path.clone(), error: BlockError::Torn };
        assert_eq!(playback.findings.contains(&torn), whole != length, "{length}");
        assert!(flight.said.starts_with(&notices(&playback)));
    }
    for length in MAGIC.len()..beginning {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = Record::read(std::slice::from_ref(&path)).unwrap_err();
        assert!(matches!(error, RecordError::NoBeginning(_)), "{length}: {error}");
    }
}

#[test]
fn other_files_and_versions_are_refused_with_a_reason() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flight.0");
    let read = |contents: &[u8]| {
        std::fs::write(&path, contents).unwrap();
        Record::read(&[directory.path().to_owned()]).unwrap_err()
    };
    assert!(matches!(read(b"ha.cf"), RecordError::Foreign(_)));
    assert!(matches!(read(b"Heartline flight record 2\nxyz"), RecordError::Version(_)));
    assert!(matches!(read(MAGIC), RecordError::NoBeginning(_)));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Record::read(&[directory.path().to_owned()]), Err(RecordError::Empty(_))));
    assert!(matches!(Record::read(&[path]), Err(RecordError::Io { .. })));
}

#[test]
fn a_new_life_goes_on_where_the_former_was_torn() {
    let directory = TempDir::new().unwrap();
    let mut first = Flight::begin(directory.path(), 1, 1 << 20);
    first.take_over();
    first.recorder.sync().unwrap();
    let path = directory.path().join("flight.0");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&bytes[..], b"half an ent"].concat()).unwrap();
    let mut second = Flight::begin(directory.path(), 2, 1 << 20);
    second.take_over();
    second.recorder.sync().unwrap();
    let playback = replayed(directory.path());
    assert!(playback.is_exact());
    assert_eq!(notices(&playback), [first.said, second.said].concat());
    let begins = playback.findings.iter().filter(|finding| matches!(finding, Finding::Begins { .. }));
    assert_eq!(begins.count(), 2);
}

#[test]
fn the_size_is_limited_and_any_segment_replays_exactly() {
    let directory = TempDir::new().unwrap();
    let limit = 8 << 10;
    let mut flight = Flight::begin(directory.path(), 1, limit);
    for _ in 0..60 {
        flight.take_over();
        assert!(flight.flush().is_none());
    }
    flight.recorder.sync().unwrap();
    let files = ["flight.0", "flight.1"].map(|name| directory.path().join(name));
    for file in &files {
        assert!(std::fs::metadata(file).unwrap().len() < 2 * limit);
        let playback = replay(&Record::read(std::slice::from_ref(file)).unwrap());
        assert!(playback.is_exact() && playback.steps > 0, "{:?}", playback.findings);
    }
    assert!(replayed(directory.path()).is_exact());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flight.0");
    std::fs::write(&path, "").unwrap();
    let _flight = Flight::begin(directory.path(), 1, 1 << 20);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_young_waits_and_what_was_decided_does_not() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flight.0");
    let mut flight = Flight::begin(directory.path(), 1, 1 << 20);
    flight.take_over();
    assert!(flight.flush().is_none());
    let length = || std::fs::metadata(&path).unwrap().len();
    let before = length();
    // Nothing is decided at an answer of a ping node that is known to be up.
    flight.step(Input::Pong(PingIndex(0)));
    assert!(flight.flush().is_none());
    let up = length();
    assert!(up > before);
    flight.wait(millis(200));
    flight.step(Input::Tick);
    assert!(flight.effects.iter().any(|effect| effect == Effect::Transmit), "a heartbeat");
    let soon = flight.now + millis(999);
    let wall = || SystemTime::UNIX_EPOCH;
    assert!(flight.recorder.flush(&Names::default(), &flight.node, flight.now, soon, wall).is_none());
    assert_eq!(length(), up);
    let late = flight.now + millis(1000);
    assert!(flight.recorder.flush(&Names::default(), &flight.node, flight.now, late, wall).is_none());
    assert!(length() > up);
}

#[test]
fn a_record_that_cannot_be_written_is_told_once_and_goes_on_later() {
    let directory = TempDir::new().unwrap();
    let state = directory.path().join("state");
    let now = Instant::from_micros(5_000_000);
    let (names, wall) = (Names::default(), SystemTime::UNIX_EPOCH);
    let node = node("ha1", 1, now);
    let (recorder, remark) = Recorder::begin(&state, &names, &node, now, wall);
    assert!(matches!(remark, Some(Remark::Stopped { .. })));
    let mut flight =
        Flight { node, recorder, effects: Effects::new(), now, said: Vec::new(), jobs: Vec::new() };
    flight.step(Input::Tick);
    assert!(flight.flush().is_none());
    flight.wait(millis(61_000));
    assert!(flight.flush().is_none());
    std::fs::create_dir(&state).unwrap();
    flight.wait(millis(61_000));
    assert!(matches!(flight.flush(), Some(Remark::Resumed(_))));
    flight.said.clear();
    flight.take_over();
    flight.recorder.sync().unwrap();
    let playback = replayed(&state);
    assert!(playback.is_exact());
    assert_eq!(notices(&playback), flight.said);
}

/// The other node falls silent for a while and speaks again.
fn record_of_a_silence(directory: &Path, silence: u64) {
    let mut flight = Flight::begin(directory, 1, 1 << 20);
    let (mut peer, mut words) = (node("ha2", 7, flight.now), Effects::new());
    for tenth in 0..100u64 {
        words.clear();
        peer.step(flight.now, Input::Tick, &mut words);
        let jobs: Vec<JobId> = words
            .iter()
            .filter_map(|effect| if let Effect::Run { job, .. } = effect { Some(job) } else { None })
            .collect();
        let mut sent = words.frame().to_vec();
        for job in jobs {
            words.clear();
            peer.step(flight.now, Input::JobEnded { job, outcome: Outcome::NotRunning }, &mut words);
            sent = words.frame().to_vec();
        }
        let silent = (20..20 + silence / 100).contains(&tenth);
        if !silent && !sent.is_empty() {
            flight.step(Input::Frame { link: LinkIndex(0), bytes: &sent });
        }
        flight.step(Input::Tick);
        let answer = flight.effects.frame().to_vec();
        for job in std::mem::take(&mut flight.jobs) {
            let outcome = if job == JobId(1) { Outcome::NotRunning } else { Outcome::Done };
            flight.step(Input::JobEnded { job, outcome });
        }
        if !answer.is_empty() {
            words.clear();
            peer.step(flight.now, Input::Frame { link: LinkIndex(0), bytes: &answer }, &mut words);
        }
        flight.wait(millis(100));
    }
    flight.recorder.sync().unwrap();
    let group = flight.node.group_here(GroupIndex(0)).unwrap();
    assert!(group.epoch().0 > 0, "nothing happened");
}

fn what_if(directory: &Path, changes: &[&str]) -> (Vec<Decision>, Vec<String>) {
    let record = Record::read(&[directory.to_owned()]).unwrap();
    let changes: Vec<Change> = changes.iter().map(|change| change.parse().unwrap()).collect();
    let recorded = replay(&record);
    assert!(recorded.is_exact());
    let other = WhatIf::run(&record, &changes).unwrap();
    let (_, summary) = compare(&recorded.decisions, &other);
    (other, summary)
}

fn deaths(decisions: &[Decision]) -> usize {
    decisions.iter().filter(|decision| matches!(decision.notice, Notice::MemberDead { .. })).count()
}

#[test]
fn a_longer_dead_time_would_have_survived_the_silence() {
    let directory = TempDir::new().unwrap();
    record_of_a_silence(directory.path(), 1500);
    assert_eq!(deaths(&replayed(directory.path()).decisions), 1);
    let (other, summary) = what_if(directory.path(), &["deadtime=5s"]);
    assert_eq!(deaths(&other), 0);
    assert!(summary.iter().any(|line| line.ends_with("would not have been declared dead")), "{summary:?}");
}

#[test]
fn a_dead_time_that_is_still_too_short_only_delays_the_verdict() {
    let directory = TempDir::new().unwrap();
    record_of_a_silence(directory.path(), 3000);
    let (other, summary) = what_if(directory.path(), &["deadtime=2"]);
    assert_eq!(deaths(&other), 1);
    assert!(
        summary.iter().any(|line| line.contains("declared dead") && line.ends_with(" later")),
        "{summary:?}"
    );
}

#[test]
fn a_shorter_dead_time_would_have_declared_a_death() {
    let directory = TempDir::new().unwrap();
    record_of_a_silence(directory.path(), 800);
    assert_eq!(deaths(&replayed(directory.path()).decisions), 0);
    let (other, summary) = what_if(directory.path(), &["deadtime=500ms"]);
    assert!(deaths(&other) > 0);
    assert!(summary.iter().any(|line| line.contains("would have been declared dead")), "{summary:?}");
}

#[test]
fn nothing_changed_is_nothing_different() {
    let directory = TempDir::new().unwrap();
    record_of_a_silence(directory.path(), 1500);
    let (other, summary) = what_if(directory.path(), &["deadtime=1"]);
    let recorded = replayed(directory.path());
    let (lines, _) = compare(&recorded.decisions, &other);
    assert!(lines.iter().all(|line| matches!(line, Difference::Both(_))), "{lines:?}");
    assert!(summary.is_empty());
}

#[test]
fn a_calendar_that_was_set_back_makes_no_difference() {
    let directory = TempDir::new().unwrap();
    for generation in 1..=2 {
        let mut flight = Flight::begin(directory.path(), generation, 1 << 20);
        flight.take_over();
        flight.recorder.sync().unwrap();
    }
    let decisions = replayed(directory.path()).decisions;
    assert!(!decisions.is_sorted_by_key(|decision| decision.when));
    let (lines, summary) = compare(&decisions, &decisions);
    assert!(lines.iter().all(|line| matches!(line, Difference::Both(_))), "{lines:?}");
    assert!(summary.is_empty(), "{summary:?}");
}

#[test]
fn changes_are_read_as_in_the_files_and_bad_ones_are_refused() {
    let parse = |text: &str| text.parse::<Change>().map(|change| change.to_string());
    assert_eq!(parse("deadtime=5s").unwrap(), "deadtime=5000ms");
    assert_eq!(parse("deadtime=5").unwrap(), "deadtime=5000ms");
    assert_eq!(parse("keepalive=500ms").unwrap(), "keepalive=500ms");
    assert_eq!(parse("deadtime"), Err(ChangeError::Form));
    assert_eq!(parse("baud=5"), Err(ChangeError::Name("baud".into())));
    assert_eq!(parse("deadtime=soon"), Err(ChangeError::Time("soon".into())));
    let directory = TempDir::new().unwrap();
    record_of_a_silence(directory.path(), 800);
    let record = Record::read(&[directory.path().to_owned()]).unwrap();
    let error = WhatIf::run(&record, &["deadtime=300ms".parse().unwrap()]).unwrap_err();
    assert!(matches!(error, ChangeError::Unfit(_)), "{error}");
}
