//! The state of a cluster at one instant: two nodes, what is under way between them, and the truth that no node knows.
//! What may happen next is in `possible`, what comes of it in `play`, when two states are one in `fingerprint`.

use std::sync::Arc;

use heartline_core::Node;
use heartline_core::effect::Work;
use heartline_core::ids::{Generation, JobId, LinkIndex, MemberIndex, Sequence};
use heartline_core::message::Message;
use heartline_core::time::Instant;

use crate::action::Wire;
use crate::setting::DEADTIME;

/// Hosts of the cluster.
pub const HOSTS: usize = 2;
/// The most links that a setting has.
pub const LINKS: usize = 2;

/// How often a host may start its daemon; without a bound, hosts that fence each other would live for ever.
pub const LIVES: u32 = 3;

/// Everything that matters for what can happen from now on.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The time of all clocks; a late tick stands for a slow one.
    pub now: Instant,
    /// The hosts in the order of their names.
    pub hosts: [Host; HOSTS],
    /// The wires by sender and link.
    pub wires: [[Line; LINKS]; HOSTS],
    /// Frames that were held up or repeated, and may come in at any time.
    pub late: Vec<(Wire, Arc<Frame>)>,
    /// Faults and orders that may still happen.
    pub budget: u8,
    /// Whose move would need a reason.
    pub tenancy: Tenancy,
    /// Orders so far.
    pub orders: u32,
}

/// One direction of a link.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Frames under way, the oldest first.
    pub frames: Vec<Arc<Frame>>,
    /// Whether it brings nothing.
    pub cut: bool,
    /// When a frame was last lost or held up here, or the cut was mended.
    pub disturbed: Option<Instant>,
}

/// A frame, and what it says.
#[derive(Debug)]
pub struct Frame {
    /// As it was sent.
    pub bytes: Vec<u8>,
    /// The life of its sender.
    pub generation: Generation,
    /// Its number in that life.
    pub sequence: Sequence,
    /// Its meaning.
    pub message: Message,
}

/// A machine.
#[derive(Debug, Clone)]
pub struct Host {
    /// The daemon, if it runs.
    pub node: Option<Arc<Node>>,
    /// The newest stored generation.
    pub generation: u32,
    /// Whether nothing gets on here: no frame is read, no deadline kept.
    pub stalled: bool,
    /// When the daemon last started.
    pub booted: Instant,
    /// Since when the daemon runs without a stall.
    pub attentive_since: Instant,
    /// What really runs here.
    pub service: Service,
    /// What the daemon ordered and has not been told the end of.
    pub jobs: Vec<Job>,
    /// The newest frame of the other host that came in, in this life, and when.
    pub heard: Option<(Generation, Sequence, Instant)>,
}

/// What really runs of the group on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Nothing.
    Stopped,
    /// Parts: a start or a stop has begun.
    Partial,
    /// All of it.
    Running,
}

/// A job under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What it does.
    pub work: Work,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// A fence that has happened, though nobody was told.
    pub shot: bool,
}

/// Who has the group, and whether anything happened that excuses its move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tenancy {
    /// Who last began to start it.
    pub holder: Option<u8>,
    /// The holder failed, or seemed to, since all was well.
    pub failure: bool,
    /// An operator ordered a move, or a job of the holder failed, since it was started.
    pub order: bool,
}

impl Cluster {
    /// Two hosts without power.
    #[must_use]
    pub fn off(budget: u8) -> Self {
        // Late enough that no span before it underflows.
        let now = Instant::from_micros(1_000_000_000);
        let host = || Host {
            node: None,
            generation: 0,
            stalled: false,
            booted: now,
            attentive_since: now,
            service: Service::Stopped,
            jobs: Vec::new(),
            heard: None,
        };
        Self {
            now,
            hosts: [host(), host()],
            wires: Default::default(),
            late: Vec::new(),
            budget,
            tenancy: Tenancy::default(),
            orders: 0,
        }
    }

    /// The host at a place.
    #[must_use]
    pub fn host(&self, host: u8) -> &Host {
        &self.hosts[usize::from(host)]
    }

    /// One wire.
    #[must_use]
    pub fn line(&self, wire: Wire) -> &Line {
        &self.wires[usize::from(wire.from)][usize::from(wire.link)]
    }

    /// One wire, to be changed.
    pub fn line_mut(&mut self, wire: Wire) -> &mut Line {
        &mut self.wires[usize::from(wire.from)][usize::from(wire.link)]
    }

    /// Whether a frame waits to be read by `host`.
    #[must_use]
    pub fn waits_for(&self, host: u8) -> bool {
        self.wires[usize::from(1 - host)].iter().any(|line| !line.frames.is_empty())
    }

    /// The number of the oldest frame that is under way from a host.
    #[must_use]
    pub fn oldest(&self, from: u8) -> Option<(Generation, Sequence)> {
        let lines = &self.wires[usize::from(from)];
        lines.iter().filter_map(|line| line.frames.first()).map(|frame| frame.number()).min()
    }

    /// Whether some link carried everything both ways during the last dead time, to daemons that were there to hear it.
    #[must_use]
    pub fn heard_each_other(&self, links: u8) -> bool {
        let works = |line: &Line| {
            !line.cut && line.disturbed.is_none_or(|disturbed| disturbed + DEADTIME <= self.now)
        };
        let link_works = |link: u8| self.wires.iter().all(|lines| works(&lines[usize::from(link)]));
        let attentive = |host: &Host| host.is_awake() && host.attentive_since + DEADTIME <= self.now;
        self.hosts.iter().all(attentive) && (0..links).any(link_works)
    }
}

impl Frame {
    /// Later frames of a sender have greater numbers.
    #[must_use]
    pub const fn number(&self) -> (Generation, Sequence) {
        (self.generation, self.sequence)
    }
}

impl Host {
    /// Whether its daemon runs and is not stalled.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        self.node.is_some() && !self.stalled
    }

    /// When its daemon wants to be told that time passed.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.node.as_ref().filter(|_| !self.stalled).map(|node| node.next_deadline())
    }

    /// Between "start begun" and "stop complete".
    #[must_use]
    pub fn may_run(&self) -> bool {
        self.service != Service::Stopped
    }

    /// Whether the daemon still waits for this job's end.
    #[must_use]
    pub fn awaits(&self, job: &Job) -> bool {
        let Some(node) = &self.node else { return false };
        match (job.work, job.work.group()) {
            (Work::Fence(member), _) => {
                node.member(member).is_some_and(|member| member.fence_job() == Some(job.id))
            }
            (_, Some(group)) => node.group_here(group).is_some_and(|group| group.job() == Some(job.id)),
            (_, None) => false,
        }
    }
}

/// A host's place in the core's words.
#[must_use]
pub const fn member(host: u8) -> MemberIndex {
    MemberIndex(host)
}

/// A wire's link in the core's words.
#[must_use]
pub const fn link(wire: Wire) -> LinkIndex {
    LinkIndex(wire.link)
}
