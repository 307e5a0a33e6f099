//! A new configuration for a running node: what agrees with the old one stays as it is.

use heapless::Vec;

use super::Node;
use crate::config::Config;
use crate::group::{Activity, Group};
use crate::ids::GroupIndex;
use crate::limits::MAX_GROUPS;
use crate::member::{Member, Presence};
use crate::message::GroupReport;
use crate::seal::KeyRing;
use crate::time::Instant;

/// Why a configuration is not taken. The old one stays in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReconfigureError {
    /// This node would have another name; that needs a restart.
    #[error("the name of this node changed; that needs a restart")]
    OtherNode,
    /// Groups of the old configuration are in use here and not in the new one: see [`Node::groups_in_the_way`].
    #[error("resource groups that are in use here are changed or gone")]
    GroupsInUse,
}

impl Node {
    /// The groups that are in use here and that `config` does not have in the same words, bit by group. They must be
    /// stopped ([`crate::input::Command::Retire`]) before `config` can be taken.
    #[must_use]
    pub fn groups_in_the_way(&self, config: &Config) -> u32 {
        let in_the_way = |group: &GroupIndex| {
            self.group(*group).activity != Activity::Idle && self.same_group(*group, config).is_none()
        };
        self.config.groups().filter(in_the_way).fold(0, |mask, group| mask | 1 << group.0)
    }

    fn same_group(&self, old: GroupIndex, config: &Config) -> Option<usize> {
        let old = &self.config.groups[usize::from(old.0)];
        let preferred = self.config.members[usize::from(old.preferred.0)].id;
        config.groups.iter().position(|new| {
            new.digest == old.digest && config.members[usize::from(new.preferred.0)].id == preferred
        })
    }

    /// A member's reports in the order of another configuration. One that is alive says anew what it does; the last
    /// word of a dead one, which may be that it could not stop something, must not be forgotten.
    fn reports_in_order_of(&self, config: &Config, member: &Member) -> Vec<GroupReport, MAX_GROUPS> {
        let mut reports = Vec::new();
        if member.presence == Presence::Alive {
            return reports;
        }
        // As long as the list of groups, so there is room.
        let _ = reports.resize_default(config.groups.len());
        for old in self.config.groups() {
            if let Some(new) = self.same_group(old, config) {
                reports[new] = member.report(old);
            }
        }
        reports
    }

    /// Takes another configuration and other keys. Members and groups that both configurations have keep their state.
    /// Orders that wait for their outcome are forgotten; the shell answers them. The next step should follow at once.
    ///
    /// # Errors
    /// [`ReconfigureError`]; nothing was changed then.
    pub fn reconfigure(
        &mut self,
        config: Config,
        keys: KeyRing,
        now: Instant,
    ) -> Result<(), ReconfigureError> {
        let id = |config: &Config| config.members[usize::from(config.this.0)].id;
        if id(&config) != id(&self.config) {
            return Err(ReconfigureError::OtherNode);
        }
        if self.groups_in_the_way(&config) != 0 {
            return Err(ReconfigureError::GroupsInUse);
        }
        let mut groups: Vec<Group, MAX_GROUPS> = config.groups().map(|_| Group::new()).collect();
        for old in self.config.groups() {
            if let Some(new) = self.same_group(old, &config) {
                groups[new] = *self.group(old);
            }
        }
        let kept = |member: &crate::config::MemberConfig| {
            let known = self.config.member(member.id).map(|at| self.members[usize::from(at.0)].clone());
            let mut member = known.unwrap_or_else(|| Member::new(&config, now));
            member.reports = self.reports_in_order_of(&config, &member);
            if config.links != self.config.links {
                member.links = Default::default();
            }
            member
        };
        self.members = config.members.iter().map(kept).collect();
        self.groups = groups;
        if config.pings != self.config.pings {
            self.pings = super::pings::Pings::new(usize::from(config.pings), now);
        }
        self.differing = 0;
        self.orders.clear();
        self.config = config;
        self.keys = keys;
        self.next_heartbeat = now;
        self.spoke_at = now;
        Ok(())
    }
}
