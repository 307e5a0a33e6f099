//! A new configuration for a running node: what agrees with the old one stays as it is.

use heapless::Vec;

use super::Node;
use crate::config::{Config, GroupConfig, MemberKind};
use crate::group::{Activity, Group};
use crate::ids::{GroupIndex, MemberIndex};
use crate::limits::MAX_GROUPS;
use crate::member::{Member, Presence};
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
    /// A member that is alive and may run groups is not in the new configuration: nobody would know of them any more.
    #[error("a node that is gone from the configuration is alive and runs groups; stop it first")]
    MemberInUse(MemberIndex),
}

impl Node {
    /// The groups that are in use here and that `config` does not have in the same words, bit by group. They must be
    /// stopped ([`crate::input::Command::Retire`]) before `config` can be taken.
    #[must_use]
    pub fn groups_in_the_way(&self, config: &Config) -> u32 {
        let in_use = |old: &GroupIndex| self.group(*old).activity != Activity::Idle;
        let lost = |old: &GroupIndex| same_group(&self.config, *old, config).is_none();
        let in_the_way = self.config.groups().filter(in_use).filter(lost);
        in_the_way.fold(0, |mask, group| mask | 1 << group.0)
    }

    /// Takes another configuration and other keys. Members and groups that both configurations have keep their state.
    /// Orders that wait for their outcome are forgotten, and the shell answers them; only a restart goes on and is still
    /// answered. The next step should follow at once.
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
        let dropped = |at: &MemberIndex| config.member(self.config.members[usize::from(at.0)].id).is_none();
        let in_use = |at: &MemberIndex| {
            let member = &self.members[usize::from(at.0)];
            member.kind == MemberKind::Node
                && member.presence == Presence::Alive
                && member.reports.iter().any(|report| report.state.may_run())
        };
        if let Some(member) = self.config.others().filter(dropped).find(in_use) {
            return Err(ReconfigureError::MemberInUse(member));
        }
        for order in core::mem::take(&mut self.orders) {
            self.forget_unfinished(&order);
        }
        let mut groups: Vec<Group, MAX_GROUPS> = config.groups().map(|_| Group::new()).collect();
        let mut origins = [None; MAX_GROUPS];
        for old in self.config.groups() {
            if let Some(new) = same_group(&self.config, old, &config) {
                groups[new] = *self.group(old);
                let narrow = u8::try_from(new).unwrap_or(u8::MAX);
                if config.monitor(GroupIndex(narrow)) != self.config.monitor(old) {
                    groups[new].health.next = None;
                }
                origins[new] = Some(old);
            }
        }
        let votes_end = self.ballots.shorten(now, config.intervals.deadtime);
        let kept = |member_config: &crate::config::MemberConfig| {
            let known =
                self.config.member(member_config.id).map(|at| self.members[usize::from(at.0)].clone());
            let mut member = known.unwrap_or_else(|| Member::new(&config, member_config.kind, now));
            member.kind = member_config.kind;
            // Reports are in the order of the old configuration. The next heartbeat brings them in that of the new one;
            // where none will come, the last word stands.
            member.reports = match member.presence {
                Presence::Unheard | Presence::Alive => Vec::new(),
                Presence::Dead | Presence::Left => {
                    let word = |origin: &Option<GroupIndex>| {
                        origin.map(|old| member.report(old)).unwrap_or_default()
                    };
                    origins.iter().take(config.groups.len()).map(word).collect()
                }
            };
            member.vote_ends = member.vote_ends.map(|end| end.min(votes_end));
            // Which places these are changes too; until the next heartbeat says it, nobody counts as unheard.
            member.hears = u16::MAX;
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
        let name = |config: &Config| config.witness().map(|at| config.members[usize::from(at.0)].id);
        if name(&config) != name(&self.config) {
            self.dealings.forget();
        }
        self.differing = 0;
        self.config = config;
        self.keys = keys;
        self.next_heartbeat = now;
        Ok(())
    }
}

/// The place in `new` of a group of `old`.
fn same_group(old: &Config, at: GroupIndex, new: &Config) -> Option<usize> {
    let preferred = |config: &Config, group: &GroupConfig| config.members[usize::from(group.preferred.0)].id;
    let group = &old.groups[usize::from(at.0)];
    new.groups
        .iter()
        .position(|other| other.words == group.words && preferred(new, other) == preferred(old, group))
}
