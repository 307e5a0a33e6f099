//! Runs a record through the core again and sees whether it decides the same. What would have been with other settings
//! is the business of `what_if`.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use heartline_core::effect::Effect;
use heartline_core::notice::Notice;
use heartline_core::record::{BlockError, Event, digest};
use heartline_core::time::Instant;
use heartline_core::{Effects, Node};

use super::segment::{Item, Occasion, Record, Snapshot};
use crate::log::render::Names;

/// One thing that a node said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// When, by the calendar.
    pub when: SystemTime,
    /// What.
    pub notice: Notice,
    /// The names for it.
    pub names: Rc<Names>,
}

/// Something about the record itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A life of the daemon begins, the files were read anew, or recording went on after a gap.
    Begins {
        /// When.
        when: SystemTime,
        /// Which of these.
        occasion: Occasion,
        /// The program that wrote it.
        program: String,
    },
    /// This program decides otherwise than the one that wrote the record.
    Differs {
        /// When for the first time since the snapshot before.
        when: SystemTime,
    },
    /// A segment ends before its end.
    Cut {
        /// Which file.
        path: PathBuf,
        /// How.
        error: BlockError,
    },
}

/// What a replay brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Playback {
    /// All that was said, in order.
    pub decisions: Vec<Decision>,
    /// What is to be known of the record.
    pub findings: Vec<Finding>,
    /// How many steps were replayed.
    pub steps: u64,
    /// When the last of them was.
    pub end: Option<SystemTime>,
}

impl Playback {
    /// Whether this program decides as the one that wrote the record.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding, Finding::Differs { .. }))
    }
}

/// Replays a record.
#[must_use]
pub fn replay(record: &Record) -> Playback {
    let mut playback = Playback::default();
    let mut names = Rc::new(Names::default());
    let mut differs = false;
    walk(record, |passage| match passage {
        Passage::Snapshot { snapshot, is_exact } => {
            names = Rc::new(snapshot.names.clone());
            let when = snapshot.wall(snapshot.now);
            if snapshot.occasion != Occasion::Segment || playback.steps == 0 {
                let (occasion, program) = (snapshot.occasion, snapshot.program.clone());
                playback.findings.push(Finding::Begins { when, occasion, program });
            }
            if !is_exact && !differs {
                playback.findings.push(Finding::Differs { when });
            }
            differs = false;
        }
        Passage::Step { snapshot, at, effects, is_exact, .. } => {
            let when = snapshot.wall(at);
            playback.steps += 1;
            playback.end = Some(when);
            playback.decisions.extend(said(effects, when, &names));
            if !is_exact && !std::mem::replace(&mut differs, true) {
                playback.findings.push(Finding::Differs { when });
            }
        }
        Passage::Cut { path, error } => {
            playback.findings.push(Finding::Cut { path: path.to_owned(), error });
        }
    });
    playback
}

/// The notices among effects.
pub(super) fn said(effects: &Effects, when: SystemTime, names: &Rc<Names>) -> Vec<Decision> {
    let notices = effects.iter().filter_map(|effect| match effect {
        Effect::Notice(notice) => Some(Decision { when, notice, names: Rc::clone(names) }),
        _ => None,
    });
    notices.collect()
}

/// One entry of a record, as it is replayed.
pub(super) enum Passage<'a> {
    Snapshot {
        snapshot: &'a Snapshot,
        /// Whether the node of the snapshot is the one that the replay has come to, where it should be.
        is_exact: bool,
    },
    Step {
        /// The newest snapshot before.
        snapshot: &'a Snapshot,
        at: Instant,
        event: &'a Event<'a>,
        /// What the replayed node wants done.
        effects: &'a Effects,
        /// When the replayed node wanted to be woken before this step.
        deadline: Instant,
        /// Whether the recorded node wanted the same.
        is_exact: bool,
    },
    Cut {
        path: &'a Path,
        error: BlockError,
    },
}

/// Replays a record and shows every entry to `visit`.
pub(super) fn walk(record: &Record, mut visit: impl FnMut(Passage<'_>)) {
    let mut life: Option<(Box<Snapshot>, Node, Instant)> = None;
    let mut effects = Effects::new();
    for item in record.items() {
        match item {
            Item::Snapshot(snapshot) => {
                let continues = snapshot.occasion == Occasion::Segment;
                let same =
                    |(_, node, _): &(Box<Snapshot>, Node, Instant)| bytes(node) == bytes(&snapshot.node);
                let is_exact = !continues || life.as_ref().is_none_or(same);
                visit(Passage::Snapshot { snapshot: &snapshot, is_exact });
                let (node, now) = (snapshot.node.clone(), snapshot.now);
                life = Some((snapshot, node, now));
            }
            Item::Step(step) => {
                // A record begins with a snapshot, and what follows a cut is not read.
                let Some((snapshot, node, at)) = &mut life else { continue };
                *at = *at + step.after;
                let deadline = node.next_deadline();
                let restored = node.restored(step.event.clone());
                effects.clear();
                node.step(*at, restored.input(), &mut effects);
                let is_exact = digest(&effects) == step.digest;
                let (at, event, effects) = (*at, &step.event, &effects);
                visit(Passage::Step { snapshot, at, event, effects, deadline, is_exact });
            }
            Item::Cut(path, error) => {
                visit(Passage::Cut { path, error });
                life = None;
            }
        }
    }
}

fn bytes(node: &Node) -> Option<Vec<u8>> {
    let mut room = vec![0; 128 << 10];
    let length = postcard::to_slice(node, &mut room).ok()?.len();
    room.truncate(length);
    Some(room)
}
