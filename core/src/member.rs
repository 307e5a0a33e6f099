//! What this node knows of one other member: whether it is heard, whether it hears us, and its last word.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::config::{Config, MemberKind};
use crate::fencing::{Attempt, Fence, Untold};
use crate::freshness::Freshness;
use crate::ids::{Epoch, Generation, GroupIndex, JobId, LinkIndex, LinkSet, Sequence};
use crate::limits::{MAX_GROUPS, MAX_LINKS};
use crate::maintenance::Maintenance;
use crate::message::{GroupBid, GroupReport, GroupState, Message, Phase, Stance};
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};

/// Whether a member is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Presence {
    /// Never heard since our start, and the initial dead time is not over.
    Unheard,
    /// Heard within its dead time on some link.
    Alive,
    /// Silent for its dead time, or never heard for the initial dead time.
    Dead,
    /// It said that it runs nothing and leaves.
    Left,
}

/// One link to one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LinkRecord {
    /// When it last brought an authentic frame that it had not brought before.
    pub heard: Option<Instant>,
    /// Whether it works.
    pub up: bool,
    newest: Option<Sequence>,
}

impl LinkRecord {
    /// Whether the link has brought no such frame, nor a later one, in the member's present life.
    #[must_use]
    pub fn is_new(&self, sequence: Sequence) -> bool {
        self.newest.is_none_or(|newest| sequence > newest)
    }
}

/// All that is known of one other member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Member {
    pub(crate) kind: MemberKind,
    pub(crate) freshness: Freshness,
    pub(crate) presence: Presence,
    /// From when its silence counts: its last frame, or the end of a stall of ours.
    pub(crate) silent_since: Instant,
    pub(crate) heard: Option<Instant>,
    pub(crate) keepalive: Duration,
    pub(crate) deadtime: Duration,
    pub(crate) links: [LinkRecord; MAX_LINKS],
    pub(crate) phase: Phase,
    pub(crate) phase_since: Instant,
    pub(crate) hears_us: bool,
    /// It has heard us in this life of both: what it says is no recording from before our start.
    pub(crate) has_heard_us: bool,
    /// Our newest frame that it has confirmed in its newest message.
    pub(crate) confirmed: Option<Sequence>,
    pub(crate) pings: u8,
    pub(crate) agrees: bool,
    pub(crate) reports: Vec<GroupReport, MAX_GROUPS>,
    pub(crate) fence: Fence,
    pub(crate) fence_failures: u8,
    /// The job of the newest attempt to fence it, until that ends, also if the member is back before.
    pub(crate) fence_job: Option<JobId>,
    /// The newest attempt to fence it.
    pub(crate) fence_attempt: Option<Attempt>,
    /// What it has to be told when it is back.
    pub(crate) untold: Option<Untold>,
    /// Our first frame that told it so.
    pub(crate) told_from: Option<Sequence>,
    /// The life of ours that it last said it had ended.
    pub(crate) fenced_us: Option<Generation>,
    /// When its present life was first heard.
    pub(crate) life_since: Instant,
    /// The members that it says it hears, bit by member.
    pub(crate) hears: u16,
    /// The time-out of its armed watchdog, as it last said.
    pub(crate) watchdog: Option<Duration>,
    /// Until when it surely does not hold us for dead: so long it is a vote for our majority, and its acknowledgement of a
    /// claim is worth something.
    pub(crate) vote_ends: Option<Instant>,
    /// The count of maintenance that it last said.
    pub(crate) maintenance: Maintenance,
    /// The newest count of ours of which it has confirmed that it heard it from us.
    pub(crate) knows_maintenance: Maintenance,
    /// It is about to begin its next life, and its services go on.
    pub(crate) restarting: bool,
    /// Held for dead since its power is gone: when its dead time would have been over.
    pub(crate) dead_early: Option<Instant>,
    /// Since when it cannot have had a majority; kept only where quorum is asked for.
    pub(crate) absent_since: Option<Instant>,
}

impl Member {
    pub(crate) fn new(config: &Config, kind: MemberKind, now: Instant) -> Self {
        Self {
            kind,
            freshness: Freshness::default(),
            presence: Presence::Unheard,
            silent_since: now,
            heard: None,
            keepalive: config.intervals.keepalive,
            deadtime: config.intervals.deadtime,
            links: [LinkRecord::default(); MAX_LINKS],
            phase: Phase::Starting,
            phase_since: now,
            hears_us: false,
            has_heard_us: false,
            confirmed: None,
            pings: 0,
            agrees: true,
            reports: Vec::new(),
            fence: Fence::None,
            fence_failures: 0,
            fence_job: None,
            fence_attempt: None,
            untold: None,
            told_from: None,
            fenced_us: None,
            life_since: now,
            hears: 0,
            watchdog: None,
            vote_ends: None,
            maintenance: Maintenance::default(),
            knows_maintenance: Maintenance::default(),
            restarting: false,
            dead_early: None,
            absent_since: None,
        }
    }

    /// Whether it is there.
    #[must_use]
    pub const fn presence(&self) -> Presence {
        self.presence
    }

    /// Its phase, as it last said.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// When it was last heard on any link.
    #[must_use]
    pub const fn last_heard(&self) -> Option<Instant> {
        self.heard
    }

    /// Its life.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.freshness.generation()
    }

    /// Which of its frames have come.
    #[must_use]
    pub const fn freshness(&self) -> Freshness {
        self.freshness
    }

    /// The dead time that it announces.
    #[must_use]
    pub const fn deadtime(&self) -> Duration {
        self.deadtime
    }

    /// Whether its resource configuration agrees with ours; true until it says otherwise.
    #[must_use]
    pub const fn agrees(&self) -> bool {
        self.agrees
    }

    /// How many ping nodes it counts.
    #[must_use]
    pub const fn pings(&self) -> u8 {
        self.pings
    }

    /// The time-out of its hardware watchdog; nothing if that is not armed.
    #[must_use]
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Whether it is about to begin its next life, with its services kept, as it last said.
    #[must_use]
    pub const fn restarts(&self) -> bool {
        self.restarting
    }

    /// Whether it is held for dead since it left in maintenance, while something of a group went on running there.
    #[must_use]
    pub fn left_running(&self, group: GroupIndex) -> bool {
        self.presence == Presence::Dead
            && self.phase == Phase::Leaving
            && self.maintenance.is_on()
            && self.report(group).state.may_run()
    }

    /// Of one that is there and restarts with its services kept: what operators have said there about each group.
    pub(crate) fn stances_to_keep(&self) -> Option<Vec<Stance, MAX_GROUPS>> {
        let restarts = self.restarting && self.presence == Presence::Alive;
        restarts.then(|| self.reports.iter().map(|report| report.bid.stance).collect())
    }

    /// Whether its last word is a farewell of this life of both.
    pub(crate) fn has_taken_leave(&self) -> bool {
        self.phase == Phase::Left && self.has_heard_us
    }

    /// How far its fencing has come.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// The job that is to fence it and has not ended, also if it is back.
    #[must_use]
    pub const fn fence_job(&self) -> Option<JobId> {
        self.fence_job
    }

    /// The newest attempt to fence it, whatever came of it.
    #[must_use]
    pub const fn fence_attempt(&self) -> Option<Attempt> {
        self.fence_attempt
    }

    /// What it has not been told yet of its last fence.
    #[must_use]
    pub const fn untold(&self) -> Option<Untold> {
        self.untold
    }

    /// One of our links to it.
    #[must_use]
    pub fn link(&self, link: LinkIndex) -> LinkRecord {
        self.links.get(usize::from(link.0)).copied().unwrap_or_default()
    }

    /// Alive, and it hears us too.
    #[must_use]
    pub fn hears_us(&self) -> bool {
        self.presence == Presence::Alive && self.hears_us
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> MemberKind {
        self.kind
    }

    /// Its last word on a group; unknown if it has not said any in our terms. A witness has nothing to say.
    #[must_use]
    pub fn report(&self, group: GroupIndex) -> GroupReport {
        if self.kind == MemberKind::Witness {
            return GroupReport { state: GroupState::Idle, ..UNKNOWN };
        }
        self.reports.get(usize::from(group.0)).copied().unwrap_or_default()
    }

    /// The links on which it is heard now.
    #[must_use]
    pub fn links_up(&self) -> LinkSet {
        let mut set = LinkSet::EMPTY;
        for (at, link) in (0u8..).zip(&self.links) {
            if link.up {
                set.insert(LinkIndex(at));
            }
        }
        set
    }

    /// Notes that a link brought an authentic frame. Gives false for one that this link had brought before.
    pub(crate) fn link_brought(&mut self, now: Instant, link: LinkIndex, sequence: Sequence) -> bool {
        let Some(record) = self.links.get_mut(usize::from(link.0)) else { return false };
        if !record.is_new(sequence) {
            return false;
        }
        record.newest = Some(sequence);
        record.heard = Some(now);
        true
    }

    /// A new life begins: what the old one said and which frames it sent count no more.
    pub(crate) fn begin_life(&mut self, now: Instant) {
        self.links.iter_mut().for_each(|link| link.newest = None);
        self.confirmed = None;
        self.hears_us = false;
        self.has_heard_us = false;
        self.reports.clear();
        self.maintenance = Maintenance::default();
        self.knows_maintenance = Maintenance::default();
        self.restarting = false;
        self.phase = Phase::Starting;
        self.phase_since = now;
        self.life_since = now;
        self.silent_since = now;
        self.presence = Presence::Alive;
        self.told_from = None;
        self.end_fence();
    }

    pub(crate) fn end_fence(&mut self) {
        if self.fence == Fence::Done && planted(Bug::FenceOutlivesReturn) {
            return;
        }
        self.fence = Fence::None;
        self.fence_failures = 0;
    }

    /// Takes over what its newest message says. Groups are put in our order: by index where the configurations agree,
    /// by the digests of the lines where they differ.
    pub(crate) fn take_word(&mut self, now: Instant, message: &Message, config: &Config) {
        if self.phase != message.phase {
            self.phase = message.phase;
            self.phase_since = now;
        }
        self.keepalive = message.keepalive;
        self.deadtime = message.deadtime;
        self.pings = message.pings;
        self.watchdog = message.watchdog;
        self.maintenance = message.maintenance;
        self.restarting = message.restarting;
        let hears = message.heard.iter().filter(|heard| !heard.links.is_empty());
        self.hears =
            hears.filter_map(|heard| config.member(heard.member)).fold(0, |mask, at| mask | 1 << at.0);
        self.agrees = message.digest == config.digest
            // A witness knows nothing of groups.
            || self.kind == MemberKind::Witness
            || config.kind(config.this) == MemberKind::Witness
            || planted(Bug::DifferenceUnseen);
        self.reports.clear();
        for (at, group) in config.groups.iter().enumerate() {
            let theirs = if self.agrees {
                Some(at)
            } else {
                message.lines.iter().position(|line| *line == group.digest)
            };
            let report = theirs.and_then(|at| message.groups.get(at)).copied();
            // The list is as long as the configuration's, so there is room.
            let _ = self.reports.push(report.unwrap_or(UNKNOWN));
        }
    }
}

const UNKNOWN: GroupReport = GroupReport {
    state: GroupState::Unknown,
    bid: GroupBid { fit: false, stance: crate::message::Stance::Normal, rank: 0 },
    epoch: Epoch(0),
};
