//! What the original's event scripts in `rc.d` are told of a notice: the name of the event and its variables.

use std::time::{SystemTime, UNIX_EPOCH};

use heartline_core::message::Phase;
use heartline_core::notice::Notice;

use crate::log::render::Names;

/// An event that scripts are run for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name, which is that of its script.
    pub(super) name: &'static str,
    /// What the script is told; each field becomes a variable `HA_FIELD`.
    fields: Vec<(&'static str, String)>,
}

impl Event {
    /// The event that a notice is; none for most.
    pub(super) fn of(notice: &Notice, names: &Names) -> Option<Self> {
        match *notice {
            Notice::LinkUp { member, link } => {
                Some(Self::link(names, names.member(member), names.link(link), "up"))
            }
            Notice::LinkDead { member, link, .. } => {
                Some(Self::link(names, names.member(member), names.link(link), "dead"))
            }
            Notice::MemberHeard { member, .. } | Notice::MemberRestarted { member, .. } => {
                Some(Self::node(names.member(member), "up"))
            }
            Notice::MemberPhase { member, phase: Phase::Active } | Notice::MemberReturned(member) => {
                Some(Self::node(names.member(member), "active"))
            }
            // The original holds a node that has left for dead at once.
            Notice::MemberPhase { member, phase: Phase::Left } | Notice::MemberDead { member, .. } => {
                Some(Self::node(names.member(member), "dead"))
            }
            Notice::PingUp(ping) => Some(Self::node(names.ping(ping), "ping")),
            Notice::PingDead(ping) => Some(Self::node(names.ping(ping), "dead")),
            _ => None,
        }
    }

    fn node(name: &str, status: &str) -> Self {
        Self { name: "status", fields: vec![("src", name.to_owned()), ("st", status.to_owned())] }
    }

    /// This node tells itself of a link, so it is the source.
    fn link(names: &Names, node: &str, link: &str, status: &str) -> Self {
        let fields = [("src", names.this_node()), ("node", node), ("ifname", link), ("st", status)];
        Self { name: "ifstat", fields: fields.map(|(field, value)| (field, value.to_owned())).to_vec() }
    }

    /// The variables that its script gets over the environment. `own_status` is this node's own.
    pub(super) fn variables(&self, own_status: &str, when: SystemTime) -> Vec<(String, String)> {
        let seconds = when.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let common =
            [("t", self.name.to_owned()), ("ts", format!("{seconds:x}")), ("OSTATUS", own_status.to_owned())];
        let fields = common.into_iter().chain(self.fields.iter().cloned());
        fields.map(|(field, value)| (format!("HA_{field}"), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use heartline_core::ids::{GroupIndex, LinkIndex, MemberIndex, PingIndex};
    use heartline_core::time::Duration;
    use std::time::Duration as StdDuration;

    use super::*;
    use crate::config::EVENTS;
    use crate::log::render::testing::two_nodes;

    fn told(notice: Notice) -> Option<(&'static str, String)> {
        let names = Names::new(&two_nodes("ha1"));
        let event = Event::of(&notice, &names)?;
        let when = UNIX_EPOCH + StdDuration::from_secs(0x6a00_0000);
        let variables =
            event.variables("active", when).into_iter().map(|(name, value)| format!("{name}={value}"));
        Some((event.name, variables.collect::<Vec<_>>().join(" ")))
    }

    #[test]
    fn notices_become_the_events_of_the_original() {
        let (member, link, silence) = (MemberIndex(1), LinkIndex(1), Duration::from_millis(1000));
        for (notice, name, fields) in [
            (Notice::LinkUp { member, link }, "ifstat", "HA_src=ha1 HA_node=ha2 HA_ifname=eth0 HA_st=up"),
            (
                Notice::LinkDead { member, link, silence },
                "ifstat",
                "HA_src=ha1 HA_node=ha2 HA_ifname=eth0 HA_st=dead",
            ),
            (Notice::MemberPhase { member, phase: Phase::Active }, "status", "HA_src=ha2 HA_st=active"),
            (Notice::MemberPhase { member, phase: Phase::Left }, "status", "HA_src=ha2 HA_st=dead"),
            (Notice::MemberDead { member, silence, limit: silence }, "status", "HA_src=ha2 HA_st=dead"),
            (Notice::PingUp(PingIndex(0)), "status", "HA_src=10.0.0.254 HA_st=ping"),
        ] {
            let expected = format!("HA_t={name} HA_ts=6a000000 HA_OSTATUS=active {fields}");
            assert_eq!(told(notice), Some((name, expected)));
            assert!(EVENTS.iter().any(|(event, _)| *event == name));
        }
        assert_eq!(told(Notice::NobodyFit(GroupIndex(0))), None);
    }
}
