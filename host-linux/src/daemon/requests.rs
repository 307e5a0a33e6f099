//! What commands ask for over the control socket.

use heartline_core::Input;
use heartline_core::ids::{GroupIndex, OrderId};
use heartline_core::input::{self, Command};

use super::{Daemon, status};
use crate::clock;
use crate::control::snapshot;
use crate::control::{ClientId, Incoming, Outcome, Reply, Request, Scope, Snapshot};
use crate::log::Level;

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
        let id = self.new_order();
        self.waiting.retain(|_, client| self.server.is_connected(*client));
        if let Some(client) = client {
            self.waiting.insert(id, client);
        }
        self.step(Input::Order { id: OrderId(id), command });
    }

    pub(super) fn new_order(&mut self) -> u32 {
        self.next_order = self.next_order.wrapping_add(1);
        self.next_order
    }

    fn clean_up(&mut self, client: ClientId, group: Option<String>) {
        let known = |name: &String| {
            let mut groups = self.configuration.groups.iter();
            let at = groups.position(|group| group.name() == name).and_then(|at| u8::try_from(at).ok());
            at.map(GroupIndex)
        };
        let which = match &group {
            None => None,
            Some(name) => match known(name) {
                Some(index) => Some(index),
                None => {
                    let outcome =
                        Outcome::failed(1, format!("there is no resource group {name} in haresources"));
                    self.server.reply(client, &Reply::Result(outcome));
                    return;
                }
            },
        };
        self.order(Some(client), Command::Cleanup(which));
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
