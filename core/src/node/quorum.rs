//! The majority: whether this node has it, what follows when it is lost, and since when a dead member cannot have had
//! it. The votes themselves are in `crate::quorum`.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use super::Node;
use crate::config::Quorum;
use crate::effect::Effects;
use crate::group::Activity;
use crate::ids::MemberIndex;
use crate::limits::MAX_MEMBERS;
use crate::member::{Member, Presence};
use crate::message::Phase;
use crate::notice::Notice;
use crate::planted::{Bug, planted};
use crate::quorum::{lengthened, votes_needed};
use crate::time::{Duration, Instant};

/// What this node knows of the majority.
#[derive(Debug, Clone, Hash, Serialize, Deserialize)]
pub(super) struct Majority {
    /// Whether we had it at the end of the last step.
    had: bool,
    /// It was lost while something ran here, and that is not stopped yet.
    lapsed: bool,
    /// The time-out of our armed watchdog.
    pub(super) watchdog: Option<Duration>,
}

impl Majority {
    pub(super) const fn new(quorum: Quorum) -> Self {
        Self { had: matches!(quorum, Quorum::Off), lapsed: false, watchdog: None }
    }
}

impl Node {
    /// Whether this node is among the majority; always so if no quorum is asked for.
    #[must_use]
    pub const fn has_quorum(&self) -> bool {
        self.majority.had
    }

    /// Until when the votes suffice; nothing if they never did.
    pub(super) fn quorum_ends(&self) -> Option<Instant> {
        let needed = votes_needed(self.members.len());
        if self.config.policy.quorum == Quorum::Off || needed == 0 || planted(Bug::QuorumIgnored) {
            return Some(Instant::MAX);
        }
        let votes = self.others().filter_map(|(_, member)| member.vote_ends);
        let mut votes: Vec<Instant, MAX_MEMBERS> = votes.collect();
        votes.sort_unstable_by(|a, b| b.cmp(a));
        votes.get(needed - 1).copied()
    }

    /// Before anything else in a step: what was not renewed in time is lost, whatever waits to be heard. Gives whether
    /// something is to be given up since now.
    pub(super) fn notice_lost_quorum(&mut self, now: Instant, effects: &mut Effects) -> bool {
        if self.quorum_ends().is_some_and(|end| now < end) {
            return false;
        }
        if core::mem::replace(&mut self.majority.had, false) {
            effects.say(Notice::QuorumLost);
        }
        let starting = self.phase == Phase::Starting;
        let in_maintenance = self.in_maintenance();
        let ours = |group: &crate::group::Group| match group.activity {
            _ if in_maintenance => false,
            Activity::Starting { .. }
            | Activity::Interrupting(_)
            | Activity::Stopping { .. }
            | Activity::Failed
            | Activity::Unclear => true,
            // What was found here at our start waits for the others' word. The watchdog is not fed meanwhile.
            Activity::Running => !(starting && group.found_running.is_some()),
            Activity::Unprobed | Activity::Probing(_) => group.kept,
            Activity::Idle | Activity::Claiming { .. } => false,
        };
        let gives_up = !self.majority.lapsed && self.groups.iter().any(ours);
        self.majority.lapsed |= gives_up;
        self.renew_claims();
        gives_up
    }

    /// After an input was taken in.
    pub(super) fn notice_quorum(&mut self, now: Instant, effects: &mut Effects) {
        if self.groups.iter().all(|group| !group.state().may_run()) {
            self.majority.lapsed = false;
        }
        let has = self.quorum_ends().is_some_and(|end| now < end);
        if has && !core::mem::replace(&mut self.majority.had, true) {
            effects.say(Notice::QuorumGained);
        }
        if self.config.policy.quorum != Quorum::Off {
            self.note_absences(now);
        }
    }

    /// Whether groups may run here: not before all that ran when the majority was lost is stopped.
    pub(super) const fn may_hold(&self) -> bool {
        self.majority.had && !self.majority.lapsed
    }

    /// Whether what runs here must be stopped, since the majority was lost meanwhile.
    pub(super) const fn must_give_up(&self) -> bool {
        self.majority.lapsed
    }

    /// Whether the hardware watchdog may be fed: not while something runs here that others may soon take.
    pub(super) fn may_feed_watchdog(&self) -> bool {
        let nothing_runs = || self.groups.iter().all(|group| !group.state().may_run());
        let all_ours = || {
            let known = |group: &crate::group::Group| {
                let looked_at = !matches!(group.activity, Activity::Unprobed | Activity::Probing(_));
                group.found_running.is_none() && (looked_at || group.kept)
            };
            self.majority.had && !self.majority.lapsed && self.groups.iter().all(known)
        };
        self.config.policy.quorum == Quorum::Off
            || nothing_runs()
            || all_ours()
            // Whoever was stalled has not heard yet whether maintenance goes on.
            || (self.others_know_of_maintenance() && !self.listening)
            || planted(Bug::WatchdogAlwaysFed)
    }

    /// Whether an end in good order may disarm the hardware watchdog: not while something may run here that others take
    /// once it must have fired.
    #[must_use]
    pub fn may_disarm_watchdog(&self) -> bool {
        self.config.policy.quorum == Quorum::Off
            || self.groups.iter().all(|group| !group.state().may_run())
            || self.others_know_of_maintenance()
    }

    /// Whether a member that is alive says that it hears another, which we hold for dead perhaps.
    #[must_use]
    pub fn is_heard_elsewhere(&self, at: MemberIndex) -> bool {
        let hears = |(_, member): (MemberIndex, &Member)| {
            member.presence == Presence::Alive && member.hears & 1 << at.0 != 0
        };
        !planted(Bug::HeardElsewhereIsDead) && self.others().any(hears)
    }

    /// Since when more than half of all nodes have not heard a dead member. A member that restarted may have heard it
    /// at the end of its former life.
    fn note_absences(&mut self, now: Instant) {
        for at in self.config.others() {
            let absent = self.is_absent(now, at);
            let member = &mut self.members[usize::from(at.0)];
            member.absent_since = absent.then(|| member.absent_since.unwrap_or(now));
        }
    }

    fn is_absent(&self, now: Instant, at: MemberIndex) -> bool {
        let member = &self.members[usize::from(at.0)];
        let old_enough = |since: Instant| now >= since + lengthened(member.deadtime);
        let witness = |(_, other): &(MemberIndex, &Member)| {
            other.presence == Presence::Alive && old_enough(other.life_since)
        };
        // Until its dead time is over it may count on what we confirmed.
        member.presence == Presence::Dead
            && member.dead_early.is_none_or(|end| now >= end)
            && old_enough(self.started)
            && !self.is_heard_elsewhere(at)
            && self.others().filter(witness).count() >= votes_needed(self.members.len())
    }

    /// When a dead member's watchdog must have fired; nothing if that cannot be told. One that was never heard has the
    /// same watchdog as we.
    pub(super) fn watchdog_has_fired_at(&self, member: &Member) -> Option<Instant> {
        let watchdog = match member.generation() {
            Some(_) => member.watchdog,
            // It may be in a maintenance of which it has not heard the end, and feed its watchdog all the same.
            None if self.care.count.was_used() => None,
            None => self.majority.watchdog,
        };
        Some(member.absent_since? + lengthened(watchdog?))
    }

    /// When the majority is lost if nothing is heard.
    pub(super) fn quorum_deadline(&self) -> Option<Instant> {
        self.quorum_ends().filter(|end| self.majority.had && *end < Instant::MAX)
    }
}
