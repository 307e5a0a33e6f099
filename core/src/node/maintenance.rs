//! Maintenance: services stay as they are, and nothing is managed until it ends. What is known of it (`crate::maintenance`),
//! what is left alone meanwhile, and the look at everything when it is over. Deaths are noticed and said all the while.

use serde::{Deserialize, Serialize};

use super::Node;
use crate::config::MemberKind;
use crate::effect::{Effect, Effects};
use crate::group::Activity;
use crate::ids::{GroupIndex, MemberIndex, Sequence};
use crate::maintenance::Maintenance;
use crate::member::Member;
use crate::message::Phase;
use crate::notice::Notice;
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};

/// What this node knows of maintenance.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Care {
    pub(super) count: Maintenance,
    /// Our first frame that said this count.
    pub(super) said_from: Sequence,
}

impl Node {
    /// Takes over what an earlier life was told to keep ([`Effect::KeepMaintenance`]); to be called before the first step.
    #[must_use]
    pub fn remembering(mut self, maintenance: Maintenance) -> Self {
        if !planted(Bug::MaintenanceForgotten) {
            self.care = Care { count: maintenance, said_from: self.sequence.next() };
        }
        self
    }

    /// The newest word on maintenance that this node knows.
    #[must_use]
    pub const fn maintenance(&self) -> Maintenance {
        self.care.count
    }

    /// Whether services are to be left as they are.
    #[must_use]
    pub const fn in_maintenance(&self) -> bool {
        self.care.count.is_on()
    }

    /// Whether nothing may be started, stopped, fenced or rebooted.
    pub(super) fn hands_off(&self) -> bool {
        self.in_maintenance() && !planted(Bug::MaintenanceManages)
    }

    /// Turns it on or off; nothing if it is so already.
    pub(super) fn turn_maintenance(&mut self, on: bool, effects: &mut Effects) -> Option<Maintenance> {
        let count = self.care.count.turned().filter(|count| count.is_on() == on)?;
        self.adopt_maintenance(count, None, effects);
        Some(count)
    }

    /// Whether every node that is alive in both directions knows of the present count. A witness knows of none.
    pub(super) fn maintenance_is_known(&self) -> bool {
        let concerns = |member: &Member| member.kind == MemberKind::Node && member.hears_us();
        self.others().all(|(_, member)| !concerns(member) || member.maintenance >= self.care.count)
    }

    /// The highest count that anybody knows of is the cluster's.
    pub(super) fn heed_maintenance(&mut self, from: MemberIndex, count: Maintenance, effects: &mut Effects) {
        let lower = planted(Bug::LowerMaintenanceWins) && count.was_used() && count < self.care.count;
        if count > self.care.count || lower {
            self.adopt_maintenance(count, Some(from), effects);
        }
    }

    fn adopt_maintenance(&mut self, count: Maintenance, by: Option<MemberIndex>, effects: &mut Effects) {
        let was_on = self.in_maintenance();
        self.care = Care { count, said_from: self.sequence.next() };
        effects.order(Effect::KeepMaintenance(count));
        if was_on == count.is_on() {
            return;
        }
        effects.say(Notice::Maintenance { on: count.is_on(), by });
        if was_on {
            self.look_again();
        }
    }

    /// What was changed by hand meanwhile counts: nothing is moved before every group was looked at.
    fn look_again(&mut self) {
        if planted(Bug::MaintenanceUnchecked) {
            return;
        }
        if self.phase == Phase::Leaving {
            // What was to go on running is stopped after all.
            self.leaving = None;
        }
        for group in &mut self.groups {
            match group.activity {
                Activity::Idle | Activity::Claiming { .. } | Activity::Failed | Activity::Unclear => {
                    group.activity = Activity::Unprobed;
                }
                // It is being asked how it is since before, and will be asked once more.
                Activity::Running if group.health.care.is_some() => {
                    group.health.stale = true;
                    group.health.suspected = true;
                }
                Activity::Running => {
                    group.health.rests();
                    group.kept = group.found_running.is_none();
                    group.activity = Activity::Unprobed;
                }
                Activity::Unprobed
                | Activity::Probing(_)
                | Activity::Starting { .. }
                | Activity::Interrupting(_)
                | Activity::Stopping { .. } => {}
            }
        }
    }

    /// The part of `decide` that is left in maintenance: to look at what nobody has looked at, and to keep what was found.
    pub(super) fn leave_alone(&mut self, now: Instant, group: GroupIndex, effects: &mut Effects) {
        match self.group(group).activity {
            Activity::Unprobed => self.probe(group, effects),
            Activity::Claiming { .. } => {
                self.group_mut(group).activity = Activity::Idle;
                effects.say(Notice::ClaimWithdrawn { group, winner: None });
            }
            Activity::Running
                if self.group(group).found_running.is_some() && self.is_clear_elsewhere(group) =>
            {
                self.settle_into(now, group, effects);
            }
            Activity::Idle
            | Activity::Running
            | Activity::Probing(_)
            | Activity::Starting { .. }
            | Activity::Interrupting(_)
            | Activity::Stopping { .. }
            | Activity::Failed
            | Activity::Unclear => {}
        }
    }

    /// Leaves, and tells the others that what runs here goes on: they must not take it when maintenance ends.
    pub(super) fn leave_running(&mut self, now: Instant, effects: &mut Effects) {
        if self.leaving.is_some() {
            return;
        }
        self.leaving = Some((now + self.patience(), self.sequence.next()));
        self.reply_due = true;
        let runs = |group: &GroupIndex| self.group(*group).state().may_run();
        let running = self.config.groups().filter(runs).fold(0, |mask, group| mask | 1 << group.0);
        effects.say(Notice::LeavesRunning(running));
    }

    /// The watchdog on which the others may rely to end what runs here: none in maintenance.
    pub(super) const fn watchdog_to_rely_on(&self) -> Option<Duration> {
        if self.in_maintenance() { None } else { self.majority.watchdog }
    }

    /// Whether nobody else relies on our watchdog any more, since everybody has heard from us that maintenance is on.
    pub(super) fn others_know_of_maintenance(&self) -> bool {
        let relies = |(_, member): &(MemberIndex, &Member)| member.kind == MemberKind::Node;
        self.in_maintenance()
            && self.others().filter(relies).all(|(_, member)| member.knows_maintenance == self.care.count)
    }
}
