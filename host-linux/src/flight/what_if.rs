//! Runs a record through the core with other times. The world stays as it was recorded: the frames, the answers of
//! ping nodes, the orders. Only the dead time that the others announce is changed with ours.
//!
//! The process is taken to have been awake whenever the recorded one was: a tick that only the changed node needs comes
//! at its exact time, unless the recorded one was late by then and had other things to do.
//!
//! A job that the record has too ends as it did there, after the same time. Any other is assumed to succeed (a probe:
//! to find nothing) in the time that the first recorded job of its kind took, or at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use heartline_core::config::Intervals;
use heartline_core::effect::{Effect, Work};
use heartline_core::ids::JobId;
use heartline_core::input::{JobFailure, Outcome};
use heartline_core::record::Event;
use heartline_core::time::{Duration, Instant};
use heartline_core::{Effects, Input, Node};

use super::replay::{Decision, Passage, said, walk};
use super::segment::{Occasion, Record, Snapshot};
use crate::config::parse_time;
use crate::log::render::Names;

/// Ticks between two entries of a record; more are only in a record that is made up.
const MOST_TICKS: u32 = 10_000;

/// One changed time: `deadtime=5s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    which: Which,
    time: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Keepalive,
    Deadtime,
    Warntime,
    Initdead,
    Deadping,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Not a change at all.
    #[error("expected NAME=TIME, as in deadtime=5s")]
    Form,
    /// Not a time that can be changed.
    #[error("`{0}` cannot be changed; keepalive, deadtime, warntime, initdead and deadping can")]
    Name(String),
    /// Not a time.
    #[error("`{0}` is no time; write it as in ha.cf: 5, 5s or 5000ms")]
    Time(String),
    /// The node could not live by it.
    #[error("with these changes {0}")]
    Unfit(#[from] heartline_core::config::ConfigError),
}

impl FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Self, ChangeError> {
        let (name, value) = text.split_once('=').ok_or(ChangeError::Form)?;
        let which = match name {
            "keepalive" => Which::Keepalive,
            "deadtime" => Which::Deadtime,
            "warntime" => Which::Warntime,
            "initdead" => Which::Initdead,
            "deadping" => Which::Deadping,
            _ => return Err(ChangeError::Name(name.to_owned())),
        };
        // `5s` for the `5` of ha.cf, but not `5mss`.
        let bare = value.strip_suffix('s').filter(|bare| bare.ends_with(|last: char| last.is_ascii_digit()));
        let time = parse_time(bare.unwrap_or(value)).ok_or_else(|| ChangeError::Time(value.to_owned()))?;
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Ok(Self { which, time: Duration::from_micros(micros) })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.which {
            Which::Keepalive => "keepalive",
            Which::Deadtime => "deadtime",
            Which::Warntime => "warntime",
            Which::Initdead => "initdead",
            Which::Deadping => "deadping",
        };
        write!(f, "{name}={}ms", self.time.millis())
    }
}

/// A node that lives through a record with other times.
#[derive(Debug)]
pub struct WhatIf<'a> {
    changes: &'a [Change],
    life: Option<Life>,
    history: History,
    decisions: Vec<Decision>,
    effects: Effects,
}

#[derive(Debug)]
struct Life {
    node: Node,
    names: Rc<Names>,
    last: Instant,
    /// When which job ends, and how.
    jobs: Vec<(Instant, JobId, Outcome)>,
}

/// What became of the jobs of the record.
#[derive(Debug, Default)]
struct History {
    ended: HashMap<Work, VecDeque<(Duration, Outcome)>>,
    /// The time of the first job of a kind, however it ended.
    usual: HashMap<std::mem::Discriminant<Work>, Duration>,
    /// Those whose beginning is in the record, by life.
    known: HashSet<(u32, JobId)>,
}

impl History {
    fn of(record: &Record) -> Self {
        let mut history = Self::default();
        let mut running: HashMap<(u32, JobId), (Instant, Work)> = HashMap::new();
        walk(record, |passage| {
            let Passage::Step { snapshot, at, event, effects, .. } = passage else { return };
            let life = snapshot.node.generation().0;
            if let Event::JobEnded { job, outcome } = event
                && let Some((since, work)) = running.remove(&(life, *job))
            {
                let took = at.since(since);
                history.ended.entry(work).or_default().push_back((took, *outcome));
                history.usual.entry(std::mem::discriminant(&work)).or_insert(took);
            }
            for effect in effects.iter() {
                if let Effect::Run { job, work } = effect {
                    running.insert((life, job), (at, work));
                    history.known.insert((life, job));
                }
            }
        });
        history
    }

    fn outcome(&mut self, work: Work) -> (Duration, Outcome) {
        if let Some(recorded) = self.ended.get_mut(&work).and_then(VecDeque::pop_front) {
            return recorded;
        }
        let took = self.usual.get(&std::mem::discriminant(&work)).copied().unwrap_or_default();
        let outcome = match work {
            Work::Probe(_) => Outcome::NotRunning,
            Work::Start(_) | Work::Stop(_) | Work::Monitor(_) | Work::Repair(_) | Work::Fence(_) => {
                Outcome::Done
            }
            Work::NextLife => Outcome::Failed(JobFailure::NotRun),
        };
        (took, outcome)
    }
}

impl<'a> WhatIf<'a> {
    /// All that would have been said with these changes.
    ///
    /// # Errors
    /// [`ChangeError::Unfit`].
    pub fn run(record: &Record, changes: &'a [Change]) -> Result<Vec<Decision>, ChangeError> {
        let history = History::of(record);
        let mut run = Self { changes, life: None, history, decisions: Vec::new(), effects: Effects::new() };
        let mut result = Ok(());
        walk(record, |passage| {
            if result.is_ok() {
                result = run.pass(passage);
            }
        });
        result.map(|()| run.decisions)
    }

    fn pass(&mut self, passage: Passage<'_>) -> Result<(), ChangeError> {
        match passage {
            Passage::Snapshot { snapshot, .. } => self.begin(snapshot)?,
            Passage::Step { snapshot, at, event, deadline, .. } => {
                self.advance(snapshot, at, deadline);
                self.take(snapshot, at, event);
            }
            Passage::Cut { .. } => self.life = None,
        }
        Ok(())
    }

    /// A new segment changes nothing; a new life, or one that was not recorded for a while, is begun anew.
    fn begin(&mut self, snapshot: &Snapshot) -> Result<(), ChangeError> {
        if snapshot.occasion == Occasion::Segment && self.life.is_some() {
            return Ok(());
        }
        let intervals = self.changed(snapshot.node.config().intervals());
        let names = Rc::new(snapshot.names.clone());
        if snapshot.occasion == Occasion::Reload
            && let Some(life) = &mut self.life
        {
            let config = snapshot.node.config().with_intervals(intervals)?;
            if life.node.reconfigure_like(&snapshot.node, config, snapshot.now).is_ok() {
                life.names = names;
                return Ok(());
            }
        }
        let mut node = snapshot.node.clone();
        node.live_by(intervals, self.deadtime().is_some())?;
        self.life = Some(Life { node, names, last: snapshot.now, jobs: Vec::new() });
        Ok(())
    }

    fn changed(&self, recorded: &Intervals) -> Intervals {
        let mut intervals = *recorded;
        for change in self.changes {
            match change.which {
                Which::Keepalive => intervals.keepalive = change.time,
                Which::Deadtime => intervals.deadtime = change.time,
                Which::Warntime => intervals.warntime = change.time,
                Which::Initdead => intervals.initdead = change.time,
                Which::Deadping => intervals.deadping = change.time,
            }
        }
        intervals
    }

    fn deadtime(&self) -> Option<Duration> {
        let mut changes = self.changes.iter().rev();
        changes.find(|change| change.which == Which::Deadtime).map(|change| change.time)
    }

    /// Lives until `at`: jobs end, and ticks come while the recorded process was awake or could be woken.
    fn advance(&mut self, snapshot: &Snapshot, at: Instant, deadline: Instant) {
        for _ in 0..MOST_TICKS {
            let Some(life) = &self.life else { return };
            let (job, tick) = (life.jobs.iter().map(|job| job.0).min(), life.node.next_deadline());
            let next = job.map_or(tick, |job| job.min(tick)).max(life.last);
            if next >= at.min(deadline) {
                break;
            }
            if job.is_some_and(|job| job <= next) {
                self.end_jobs(snapshot, next);
            } else {
                self.step(snapshot, next, Input::Tick);
            }
        }
        self.end_jobs(snapshot, at);
    }

    fn end_jobs(&mut self, snapshot: &Snapshot, now: Instant) {
        while let Some(life) = &mut self.life
            && let Some(due) = life.jobs.iter().position(|job| job.0 <= now)
        {
            let (_, job, outcome) = life.jobs.remove(due);
            self.step(snapshot, now, Input::JobEnded { job, outcome });
        }
    }

    fn take(&mut self, snapshot: &Snapshot, at: Instant, event: &Event<'_>) {
        if let Event::JobEnded { job, .. } = event
            && self.history.known.contains(&(snapshot.node.generation().0, *job))
        {
            return;
        }
        let Some(life) = &self.life else { return };
        let restored = match self.deadtime() {
            Some(deadtime) => life.node.restored_with_deadtime(event.clone(), deadtime),
            None => life.node.restored(event.clone()),
        };
        self.step(snapshot, at, restored.input());
    }

    fn step(&mut self, snapshot: &Snapshot, now: Instant, input: Input<'_>) {
        let Some(life) = &mut self.life else { return };
        life.last = now;
        self.effects.clear();
        life.node.step(now, input, &mut self.effects);
        for effect in self.effects.iter() {
            match effect {
                Effect::Run { job, work } => {
                    let (took, outcome) = self.history.outcome(work);
                    life.jobs.push((now + took, job, outcome));
                }
                Effect::Cancel(cancelled) => {
                    for job in life.jobs.iter_mut().filter(|job| job.1 == cancelled) {
                        *job = (now, cancelled, Outcome::Failed(JobFailure::Cancelled));
                    }
                }
                _ => {}
            }
        }
        self.decisions.extend(said(&self.effects, snapshot.wall(now), &life.names));
    }
}
