//! The administrator's programs beside the groups: clients that are kept running, hooks that are told what happens.
//! Neither has a say in what the core decides.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use heartline_core::message::Phase;
use heartline_core::notice::Notice;
use mio::{Events, Registry, Token};

use super::{CLIENTS, Daemon, HOOKS, Options, SIGNALS};
use crate::clients::Clients;
use crate::clock;
use crate::config::Configuration;
use crate::hooks::{self, Hooks};
use crate::log::Level;
use crate::resources::Environment;

/// How long hooks may hold up the end of the daemon.
const HOOKS_PATIENCE: Duration = Duration::from_secs(10);
/// The longest sleep while the daemon ends.
const NAP: Duration = Duration::from_secs(60);

/// Both kinds.
pub(super) struct Programs {
    pub(super) clients: Clients,
    pub(super) hooks: Hooks,
}

impl Programs {
    pub(super) fn new(
        options: &Options,
        configuration: &Configuration,
        environment: &Environment,
        own_executable: PathBuf,
        registry: &Registry,
    ) -> io::Result<Self> {
        Ok(Self {
            clients: Clients::new(
                configuration.respawn.clone(),
                environment.clone(),
                own_executable,
                &options.run_dir,
                registry.try_clone()?,
                CLIENTS,
            ),
            hooks: Hooks::new(configuration, environment.clone(), registry.try_clone()?, HOOKS),
        })
    }

    pub(super) fn configure(&mut self, new: &Configuration, environment: Environment, now: Instant) {
        self.hooks.configure(new, environment.clone());
        self.clients.configure(new.respawn.clone(), environment, now);
    }

    pub(super) fn ready(&mut self, token: Token, now: Instant) {
        if token.0 >= HOOKS {
            self.hooks.ready(token, clock::wall(), now);
        } else {
            self.clients.ready(token, now);
        }
    }

    pub(super) fn child_exited(&mut self, now: Instant) {
        self.clients.child_exited(now);
        self.hooks.child_exited(clock::wall(), now);
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.clients.tick(now);
        self.hooks.tick(clock::wall(), now);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.clients.next_deadline().into_iter().chain(self.hooks.next_deadline()).min()
    }

    /// Clients run as long as this node takes part; hooks hear everything.
    pub(super) fn hear(
        &mut self,
        notice: &Notice,
        (level, text): (Level, &str),
        names: &crate::log::render::Names,
        now: Instant,
    ) {
        match notice {
            Notice::Phase(Phase::Active) => self.clients.begin(now),
            Notice::Phase(Phase::Leaving) => self.clients.hold(),
            _ => {}
        }
        self.hooks.notice(notice, (level, text), names, clock::wall(), now);
    }
}

impl Daemon {
    pub(super) fn log_programs(&mut self) {
        for remark in self.programs.clients.remarks() {
            self.log.write(remark.level(), &remark.to_string());
        }
        for remark in self.programs.hooks.remarks() {
            match &remark {
                hooks::Remark::Output { hook, pid, line } => self.log.script_line(hook, *pid, line),
                _ => self.log.write(remark.level(), &remark.to_string()),
            }
        }
        let Some(command) = self.programs.clients.take_reboot() else { return };
        if self.node.in_maintenance() {
            self.log.write(
                Level::Crit,
                &format!("{command} has failed. In maintenance this host is not rebooted."),
            );
        } else {
            self.reboot(&format!("Rebooting system.  Reason: {command}"), "It goes on without.");
        }
    }

    /// The core has left, and nothing of the groups runs here: ends the clients, and gives the hooks some time for what
    /// they have not heard yet.
    pub(super) fn close(&mut self, events: &mut Events) {
        let patience = clock::monotonic() + HOOKS_PATIENCE;
        self.programs.clients.leave(clock::monotonic());
        loop {
            self.log_programs();
            if self.programs.clients.are_gone() && self.programs.hooks.are_idle() {
                return;
            }
            let now = clock::monotonic();
            let mut wake = self.programs.next_deadline().map_or(now + NAP, |due| due.min(now + NAP));
            if now < patience {
                wake = wake.min(patience);
            } else {
                self.programs.hooks.cancel(now);
            }
            match self.poll.poll(events, Some(wake.saturating_duration_since(now))) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                _ => {}
            }
            let now = clock::monotonic();
            for event in events.iter() {
                match event.token() {
                    SIGNALS => self.take_signals(now),
                    token if (CLIENTS..HOOKS + Hooks::TOKENS).contains(&token.0) => {
                        self.programs.ready(token, now);
                    }
                    // Nobody is served any more.
                    _ => {}
                }
            }
            self.programs.tick(now);
        }
    }
}
