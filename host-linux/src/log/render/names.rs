//! The names behind the core's numbers. What is said with them is the business of their users.

use heartline_core::ids::{GroupIndex, LinkIndex, MemberIndex, PingIndex};
use serde::{Deserialize, Serialize};

use crate::config::{Configuration, Group, Medium};

/// What a number is called that the configuration does not know, as right after a change of it.
const NO_NAME: &str = "(unknown)";

/// The names of members, links, groups and ping nodes by the numbers that the core gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    this_node: String,
    /// In the order of their names, as in [`heartline_core::config::Config::members`].
    members: Vec<String>,
    links: Vec<String>,
    groups: Vec<GroupName>,
    pings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GroupName {
    name: String,
    line: u32,
    is_local: bool,
}

impl Names {
    /// The names in `configuration`.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        let mut members: Vec<String> = configuration.members().map(str::to_owned).collect();
        members.sort_unstable();
        let group = |group: &Group| GroupName {
            name: group.name().to_owned(),
            line: group.line,
            is_local: group.preferred == configuration.this_node,
        };
        Self {
            this_node: configuration.this_node.clone(),
            members,
            links: configuration.media.iter().map(Medium::link_name).collect(),
            groups: configuration.groups.iter().map(group).collect(),
            pings: configuration.pings.iter().map(|ping| ping.name.clone()).collect(),
        }
    }

    /// This node's name.
    #[must_use]
    pub fn this_node(&self) -> &str {
        &self.this_node
    }

    /// A member's name.
    #[must_use]
    pub fn member(&self, member: MemberIndex) -> &str {
        self.members.get(usize::from(member.0)).map_or(NO_NAME, String::as_str)
    }

    /// The number of the member called `name` in lower case.
    #[must_use]
    pub fn member_index(&self, name: &str) -> Option<MemberIndex> {
        let at = self.members.iter().position(|member| member == name)?;
        u8::try_from(at).ok().map(MemberIndex)
    }

    /// A link's name as the original shows it: its interface or device.
    #[must_use]
    pub fn link(&self, link: LinkIndex) -> &str {
        self.links.get(usize::from(link.0)).map_or(NO_NAME, String::as_str)
    }

    /// A group's name: its first resource as written.
    #[must_use]
    pub fn group(&self, group: GroupIndex) -> &str {
        self.groups.get(usize::from(group.0)).map_or(NO_NAME, |group| group.name.as_str())
    }

    /// The line of `haresources` where a group begins, from 1; 0 for a group that is not in the configuration.
    #[must_use]
    pub fn line(&self, group: GroupIndex) -> u32 {
        self.groups.get(usize::from(group.0)).map_or(0, |group| group.line)
    }

    /// Whether a group prefers this node: the original calls such a group local, every other foreign.
    #[must_use]
    pub fn is_local(&self, group: GroupIndex) -> bool {
        self.groups.get(usize::from(group.0)).is_some_and(|group| group.is_local)
    }

    /// The numbers of the groups in `mask`, bit by group.
    pub(super) fn groups_in(&self, mask: u32) -> impl Iterator<Item = GroupIndex> + use<> {
        let in_mask =
            move |group: &u8| 1u32.checked_shl(u32::from(*group)).is_some_and(|bit| mask & bit != 0);
        (0u8..).take(self.groups.len()).filter(in_mask).map(GroupIndex)
    }

    /// A ping node's name.
    #[must_use]
    pub fn ping(&self, ping: PingIndex) -> &str {
        self.pings.get(usize::from(ping.0)).map_or(NO_NAME, String::as_str)
    }

    /// How many ping nodes there are.
    #[must_use]
    pub fn ping_count(&self) -> usize {
        self.pings.len()
    }
}
