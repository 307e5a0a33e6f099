//! Breadth first through all states, so that the first violation found is one of the shortest. A state of two whole
//! nodes is large and its fingerprint small: only the tree of actions is kept, and a worker makes states anew as it
//! walks along the leaves, one step or two for each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use heartline_core::time::Duration;

use crate::action::Action;
use crate::cluster::Cluster;
use crate::fingerprint;
use crate::invariant::Violation;
use crate::play::{Player, Sights};
use crate::roots::{self, RootError};
use crate::seen::Seen;
use crate::setting::Setting;

/// Leaves that a worker takes at once; it looks at the clock between two such portions.
const PORTION: usize = 256;

/// How far to go.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Actions from a beginning.
    pub depth: usize,
    /// Faults and orders on one path.
    pub faults: u8,
    /// Distinct states; ten to twenty bytes each.
    pub states: usize,
    /// Workers.
    pub jobs: usize,
    /// By how much a node may miss a deadline without a fault.
    pub late: Duration,
    /// Whether the time is over.
    pub is_over: &'a (dyn Fn() -> bool + Sync),
}

/// What an exploration came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was explored.
    pub setting: Setting,
    /// Faults and orders on one path.
    pub faults: u8,
    /// Distinct states.
    pub states: usize,
    /// Actions carried out in states to see what comes of them.
    pub transitions: u64,
    /// Every path of so many actions was explored.
    pub depth: usize,
    /// Why it went no farther.
    pub end: End,
    /// What was seen on the way.
    pub sights: Sights,
}

/// Why an exploration ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// There are no other states, however long the paths.
    Exhausted,
    /// At the depth that was asked for.
    Depth,
    /// The time or the room for states was used up.
    Resources,
    /// A promise is broken.
    Violation(Counterexample),
}

/// A shortest way to break a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterexample {
    /// What is broken.
    pub violation: Violation,
    /// Which beginning.
    pub root: usize,
    /// What happens from there.
    pub actions: Vec<Action>,
}

/// A state, by its parent's place in the level before and what led to it from there. In the first level the parent is
/// the beginning.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    parent: u32,
    action: Option<Action>,
}

/// Explores one setting.
///
/// # Errors
/// If there is nowhere to begin.
pub fn explore(setting: Setting, limits: &Limits<'_>) -> Result<Report, RootError> {
    let roots = roots::of(setting, limits.faults)?;
    let seen = Seen::with_room_for(limits.states);
    let mut report = Report {
        setting,
        faults: limits.faults,
        states: 0,
        transitions: 0,
        depth: 0,
        end: End::Depth,
        sights: Sights::default(),
    };
    let first = roots.iter().zip(0u32..).filter(|(root, _)| seen.insert(fingerprint::of(root, &setting)));
    let mut levels: Vec<Vec<Leaf>> = vec![first.map(|(_, parent)| Leaf { parent, action: None }).collect()];
    while report.depth < limits.depth {
        let level = Level {
            setting,
            limits,
            roots: &roots,
            levels: &levels,
            seen: &seen,
            next: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        };
        let mut harvest = level.expand()?;
        report.transitions += harvest.transitions;
        report.sights.add(&harvest.sights);
        harvest.violations.sort_by_key(|found| (found.leaf, found.at));
        if let Some(found) = harvest.violations.first() {
            report.end = End::Violation(level.counterexample(found));
            break;
        }
        if harvest.unfinished {
            report.end = End::Resources;
            break;
        }
        report.depth += 1;
        harvest.portions.sort_by_key(|(portion, _)| *portion);
        let leaves: Vec<Leaf> = harvest.portions.into_iter().flat_map(|(_, leaves)| leaves).collect();
        if leaves.is_empty() {
            report.end = End::Exhausted;
            break;
        }
        levels.push(leaves);
    }
    report.states = seen.len();
    Ok(report)
}

/// One level of the tree while it is expanded.
struct Level<'a> {
    setting: Setting,
    limits: &'a Limits<'a>,
    roots: &'a [Cluster],
    levels: &'a [Vec<Leaf>],
    seen: &'a Seen,
    next: AtomicUsize,
    stopped: AtomicBool,
}

/// What the workers bring home from one level.
#[derive(Debug, Default)]
struct Harvest {
    portions: Vec<(usize, Vec<Leaf>)>,
    violations: Vec<Found>,
    transitions: u64,
    sights: Sights,
    unfinished: bool,
}

/// A violation: at which leaf, by the how manieth action that is possible there.
#[derive(Debug)]
struct Found {
    leaf: usize,
    at: usize,
    action: Action,
    violation: Violation,
}

impl Level<'_> {
    fn expand(&self) -> Result<Harvest, RootError> {
        let harvest = Mutex::new(Harvest::default());
        std::thread::scope(|scope| {
            let work = || self.work(&harvest);
            let others: Vec<_> = (1..self.limits.jobs).map(|_| scope.spawn(work)).collect();
            let mut result = work();
            for other in others {
                // A worker that panics ends the exploration in the same way.
                result = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(result);
            }
            result
        })?;
        Ok(harvest.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    fn work(&self, harvest: &Mutex<Harvest>) -> Result<(), RootError> {
        let leaves = self.levels.last().map_or(0, Vec::len);
        let mut walker = Walker::new(self)?;
        let mut own = Harvest::default();
        while !self.stopped.load(Ordering::Relaxed) {
            let begin = self.next.fetch_add(PORTION, Ordering::Relaxed);
            if begin >= leaves {
                break;
            }
            if self.seen.is_full() || (self.limits.is_over)() {
                own.unfinished = true;
                self.stopped.store(true, Ordering::Relaxed);
                break;
            }
            let mut children = Vec::new();
            for leaf in begin..leaves.min(begin + PORTION) {
                walker.expand(leaf, &mut children, &mut own);
            }
            own.portions.push((begin, children));
        }
        let mut all = harvest.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        all.portions.append(&mut own.portions);
        all.violations.append(&mut own.violations);
        all.transitions += own.transitions;
        all.unfinished |= own.unfinished;
        all.sights.add(&walker.player.sights);
        Ok(())
    }

    /// The places in all levels on the way to a leaf, the first level first.
    fn way_to(&self, leaf: usize, way: &mut Vec<usize>) {
        way.clear();
        let mut at = leaf;
        for level in self.levels.iter().rev() {
            way.push(at);
            at = usize::try_from(level[at].parent).unwrap_or(usize::MAX);
        }
        way.reverse();
    }

    fn counterexample(&self, found: &Found) -> Counterexample {
        let mut way = Vec::new();
        self.way_to(found.leaf, &mut way);
        let leaves = self.levels.iter().zip(&way).map(|(level, at)| level[*at]);
        let actions = leaves.filter_map(|leaf| leaf.action).chain([found.action]).collect();
        let root = way.first().and_then(|at| usize::try_from(self.levels[0][*at].parent).ok()).unwrap_or(0);
        Counterexample { violation: found.violation, root, actions }
    }
}

/// A worker's place in the tree: the states on the way from a beginning to a leaf.
struct Walker<'a> {
    level: &'a Level<'a>,
    player: Player,
    way: Vec<usize>,
    stack: Vec<(usize, Cluster)>,
    possible: Vec<Action>,
}

impl<'a> Walker<'a> {
    fn new(level: &'a Level<'a>) -> Result<Self, RootError> {
        let player = Player::new(level.setting, level.limits.late)?;
        Ok(Self { level, player, way: Vec::new(), stack: Vec::new(), possible: Vec::new() })
    }

    /// Finds what comes of every action that is possible at a leaf.
    fn expand(&mut self, leaf: usize, children: &mut Vec<Leaf>, harvest: &mut Harvest) {
        self.go_to(leaf);
        let Some((_, cluster)) = self.stack.last() else { return };
        self.player.possible(cluster, &mut self.possible);
        for (at, action) in self.possible.iter().copied().enumerate() {
            let mut child = cluster.clone();
            harvest.transitions += 1;
            match self.player.play(&mut child, action) {
                Ok(()) if self.level.seen.insert(fingerprint::of(&child, &self.level.setting)) => {
                    // The table of states is full long before a level has 2^32 of them.
                    let parent = u32::try_from(leaf).unwrap_or(u32::MAX);
                    children.push(Leaf { parent, action: Some(action) });
                }
                Ok(()) => {}
                Err(violation) => harvest.violations.push(Found { leaf, at, action, violation }),
            }
        }
    }

    /// Makes the states on the way to a leaf, but for those that are shared with the leaf before.
    fn go_to(&mut self, leaf: usize) {
        self.level.way_to(leaf, &mut self.way);
        let shared = self.way.iter().zip(&self.stack).take_while(|(at, (there, _))| *at == there).count();
        self.stack.truncate(shared);
        let sights = self.player.sights;
        for (level, at) in self.level.levels.iter().zip(&self.way).skip(shared) {
            let leaf = level[*at];
            let state = match (self.stack.last(), leaf.action) {
                (Some((_, before)), Some(action)) => {
                    let mut state = before.clone();
                    // It broke nothing when it was found, and a step depends on nothing else.
                    let _ = self.player.play(&mut state, action);
                    state
                }
                _ => self.level.roots[usize::try_from(leaf.parent).unwrap_or(0)].clone(),
            };
            self.stack.push((*at, state));
        }
        self.player.sights = sights;
    }
}
