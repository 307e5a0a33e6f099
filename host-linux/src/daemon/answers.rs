//! What an order came to, in words, where the core's answer alone does not tell.

use heartline_core::config::MemberKind;
use heartline_core::ids::{GroupIndex, MemberIndex};
use heartline_core::maintenance::Maintenance;
use heartline_core::member::Presence;

use super::requests::Asked;
use super::{Daemon, memory};
use crate::log::Level;

impl Daemon {
    pub(super) fn done(&self, asked: &Asked) -> String {
        match asked {
            Asked::Other | Asked::Restart => "done".to_owned(),
            Asked::Maintenance(on) => {
                let what = if *on {
                    "maintenance is on: resources stay as they are, and nothing is managed"
                } else {
                    "maintenance is off: every resource group is looked at before anything is moved"
                };
                match self.not_there() {
                    away if away.is_empty() => what.to_owned(),
                    away => format!("{what}. Not there to hear of it: {}", away.join(", ")),
                }
            }
            Asked::ConfirmDown { node, groups } => self.confirmed(node, groups),
        }
    }

    pub(super) fn nothing_to_do(&self, asked: &Asked) -> String {
        match asked {
            Asked::Maintenance(true) => "maintenance is on already".to_owned(),
            Asked::Maintenance(false) => "maintenance is off already".to_owned(),
            Asked::Other | Asked::Restart | Asked::ConfirmDown { .. } => "there was nothing to do".to_owned(),
        }
    }

    /// Who has not heard what was said just now.
    fn not_there(&self) -> Vec<&str> {
        let there = |at: &MemberIndex| self.node.member(*at).is_some_and(|member| member.hears_us());
        let is_node = |at: &MemberIndex| self.node.config().kind(*at) == MemberKind::Node;
        self.node
            .config()
            .others()
            .filter(is_node)
            .filter(|at| !there(at))
            .map(|at| self.names.member(at))
            .collect()
    }

    fn confirmed(&self, node: &str, groups: &[GroupIndex]) -> String {
        let what = format!("{node} counts as down until it is heard again");
        if self.node.in_maintenance() {
            return format!("{what}. Maintenance is on: nothing is taken over before it ends");
        }
        let now = groups.iter().map(|group| {
            let name = self.names.group(*group);
            match self.node.holder(*group) {
                Some(holder) => format!("{name} runs on {}", self.names.member(holder)),
                None => format!("{name} waits, and not for this node: confirm it on the others too"),
            }
        });
        match now.collect::<Vec<_>>() {
            moved if moved.is_empty() => format!("{what}. It had no resource group"),
            moved => format!("{what}: {}", moved.join(", ")),
        }
    }

    pub(super) fn not_dead(&self, at: MemberIndex) -> String {
        let name = self.names.member(at);
        let links = |member: &heartline_core::member::Member| {
            let up = |link: &heartline_core::ids::LinkIndex| member.link(*link).up;
            let links = (0..u8::try_from(self.configuration.media.len()).unwrap_or(u8::MAX))
                .map(heartline_core::ids::LinkIndex);
            links.filter(up).map(|link| self.names.link(link).to_owned()).collect::<Vec<_>>().join(", ")
        };
        let why = match self.node.member(at) {
            Some(member) if member.presence() == Presence::Alive => {
                format!("it is heard on {}", links(member))
            }
            Some(member) if member.presence() == Presence::Unheard => {
                "it was not heard yet, and the initial dead time (initdead) is not over".to_owned()
            }
            _ => "another node hears it".to_owned(),
        };
        format!("{name} is not dead: {why}; nothing was changed")
    }

    pub(super) fn keep_maintenance(&mut self, maintenance: Maintenance) {
        if let Err(error) = memory::keep_maintenance(&self.state_dir, maintenance) {
            let text = format!(
                "Cannot keep in {} whether maintenance is on: {error}. A restart of all nodes may forget it.",
                self.state_dir.display()
            );
            self.log.write(Level::Error, &text);
        }
    }
}
