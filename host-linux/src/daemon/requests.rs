//! What commands ask for over the control socket.

use heartline_core::Input;
use heartline_core::ids::{GroupIndex, OrderId};
use heartline_core::input::{self, Command};
use heartline_core::member::Presence;

use super::{Daemon, memory, status};
use crate::clock;
use crate::config::Group;
use crate::control::snapshot;
use crate::control::{ClientId, Incoming, Outcome, Peer, Reply, Request, Scope, Snapshot};
use crate::log::{self, Level};

/// Somebody who waits for an answer.
pub(super) struct Waiting {
    pub(super) client: ClientId,
    pub(super) asked: Asked,
}

/// What the words of an answer depend on.
pub(super) enum Asked {
    /// Nothing.
    Other,
    /// The next life; new files do not change that.
    Restart,
    /// Maintenance, on or off.
    Maintenance(bool),
    /// That a node counts as down, and what it had.
    ConfirmDown { node: String, groups: Vec<GroupIndex> },
}

impl Daemon {
    pub(super) fn take_request(&mut self, incoming: Incoming) {
        let Incoming { client, peer, request } = incoming;
        if !request.only_reads() {
            self.log.write(
                Level::Info,
                &format!("Asked by process {} of user {}: {request:?}", peer.pid, peer.uid),
            );
        }
        match request {
            Request::Status => {
                let snapshot = self.snapshot();
                self.server.reply(client, &Reply::Snapshot(Box::new(snapshot)));
                self.server.reply(client, &Reply::Result(Outcome::done("")));
            }
            Request::Parameter { name } => {
                let value = self.parameter(&name);
                self.server.reply(client, &Reply::Parameter { value });
                self.server.reply(client, &Reply::Result(Outcome::done("")));
            }
            Request::Standby { scope } => self.order(Some(client), Command::Standby(core_scope(scope))),
            Request::Takeover { scope } => self.order(Some(client), Command::Takeover(core_scope(scope))),
            Request::Cleanup { group } => self.clean_up(client, group),
            Request::Stop => {
                self.begin_to_leave();
                self.server.reply(client, &Reply::Result(Outcome::done("stopping")));
            }
            Request::Reload => self.reload(Some(client)),
            Request::Maintenance { on } => {
                let waiting = Waiting { client, asked: Asked::Maintenance(on) };
                self.give_order(Some(waiting), Command::Maintenance(on));
            }
            Request::Restart => {
                self.give_order(Some(Waiting { client, asked: Asked::Restart }), Command::Restart);
            }
            Request::ConfirmDown { node } => self.confirm_down(client, peer, &node),
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        for (link, medium) in self.extra.media.iter_mut().enumerate() {
            medium.open = self.media.is_open(link);
            medium.counters = self.media.counters(link).unwrap_or_default();
        }
        self.extra.watchdog_armed = self.watchdog.armed();
        self.extra.watchdog_problem = self.watchdog.problem().map(str::to_owned);
        self.extra.fencing = self.fencing();
        self.extra.clients_given_up = self.programs.clients.given_up().map(str::to_owned).collect();
        status::snapshot(&self.node, &self.configuration, clock::core_now(), &self.extra)
    }

    fn fencing(&self) -> snapshot::Fencing {
        let now = clock::monotonic();
        let device = |condition: &crate::fence::Condition| snapshot::FencingDevice {
            kind: condition.kind.clone(),
            checked_s_ago: condition.checked.map(|at| now.saturating_duration_since(at).as_secs()),
            problem: condition.problem.clone(),
        };
        snapshot::Fencing {
            devices: self.fencer.conditions().iter().map(device).collect(),
            history: self.fences.history.entries().cloned().collect(),
        }
    }

    /// Hands an order to the core; its answer goes to `client`.
    pub(super) fn order(&mut self, client: Option<ClientId>, command: Command) {
        self.give_order(client.map(|client| Waiting { client, asked: Asked::Other }), command);
    }

    fn give_order(&mut self, waiting: Option<Waiting>, command: Command) {
        let id = self.new_order();
        self.waiting.retain(|_, waiting| self.server.is_connected(waiting.client));
        if let Some(waiting) = waiting {
            self.waiting.insert(id, waiting);
        }
        self.step(Input::Order { id: OrderId(id), command });
    }

    pub(super) fn new_order(&mut self) -> u32 {
        self.next_order = self.next_order.wrapping_add(1);
        self.next_order
    }

    fn clean_up(&mut self, client: ClientId, group: Option<String>) {
        let known = |name: &String| {
            let groups = &self.configuration.groups;
            let named = groups.iter().position(|group| group.name() == name);
            let has = |group: &Group| group.resources.iter().any(|resource| resource.text == *name);
            let at = named.or_else(|| groups.iter().position(has))?;
            u8::try_from(at).ok().map(GroupIndex)
        };
        let which = match &group {
            None => None,
            Some(name) => match known(name) {
                Some(index) => Some(index),
                None => {
                    let outcome =
                        Outcome::failed(1, format!("haresources has no group and no resource {name}"));
                    self.server.reply(client, &Reply::Result(outcome));
                    return;
                }
            },
        };
        self.order(Some(client), Command::Cleanup(which));
        let all = self.node.config().groups();
        all.filter(|group| which.is_none_or(|which| which == *group))
            .for_each(|group| self.forget_error(group));
    }

    /// Records who vouches for what, and lets it count.
    fn confirm_down(&mut self, client: ClientId, peer: Peer, node: &str) {
        let name = node.to_ascii_lowercase();
        let known = self.names.member_index(&name);
        let Some((at, member)) = known.and_then(|at| Some((at, self.node.member(at)?))) else {
            let text = if name == self.configuration.this_node {
                "this is the node that is asked, and it is up".to_owned()
            } else {
                format!("ha.cf names no node {node}")
            };
            self.server.reply(client, &Reply::Result(Outcome::failed(1, text)));
            return;
        };
        if member.presence() == Presence::Dead {
            let groups = self.node.config().groups();
            let groups = groups.filter(|group| member.report(*group).state.may_run()).collect();
            let life = member
                .generation()
                .map_or_else(|| "never heard".to_owned(), |life| format!("generation {}", life.0));
            let stamp = log::time_stamp(clock::wall());
            let line = format!(
                "{stamp} {name} ({life}) confirmed down by process {} of user {}",
                peer.pid, peer.uid
            );
            if let Err(error) = memory::record_confirmation(&self.state_dir, &line) {
                let text = format!("cannot record who confirms this, so it does not count: {error}");
                self.server.reply(client, &Reply::Result(Outcome::failed(1, text)));
                return;
            }
            let waiting = Waiting { client, asked: Asked::ConfirmDown { node: name, groups } };
            self.give_order(Some(waiting), Command::ConfirmDown(at));
        } else {
            self.order(Some(client), Command::ConfirmDown(at));
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = self.configuration.parameters.iter();
        parameters.find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

fn core_scope(scope: Scope) -> input::Scope {
    match scope {
        Scope::All => input::Scope::All,
        Scope::Local => input::Scope::Local,
        Scope::Foreign => input::Scope::Foreign,
    }
}
