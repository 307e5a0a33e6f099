//! What nodes say of their decisions: counted, written down, and judged by what the world knows.

use heartline_core::notice::Notice;

use super::World;
use crate::truth::{self, Promise};

impl World {
    /// Takes in what a node says in a step, and judges it.
    pub(super) fn noticed(&mut self, host: usize, notice: &Notice) {
        self.coverage.notice(notice);
        self.timeline.notice(self.now, host, notice);
        let now = self.hosts[host].clock.read(self.now);
        let judged = self.hosts[host].daemon.as_mut().and_then(|daemon| {
            let daemon = &mut **daemon;
            daemon.conduct.take(host, &daemon.node, now, notice)
        });
        if let Some((promise, what)) = judged {
            self.broken(promise, what);
        }
        match *notice {
            Notice::MemberDead { member, .. } => {
                if let Some(what) = truth::false_death(self, host, member) {
                    self.broken(Promise::NotFromTheLiving, what);
                }
            }
            Notice::QuorumLost => {
                if let Some(what) = truth::lost_for_nothing(self, host) {
                    self.broken(Promise::Witness, what);
                }
            }
            Notice::Releasing { group, cause } => {
                self.moves += 1;
                if truth::is_calm(self) {
                    self.broken(
                        Promise::Witness,
                        "a group moves though nothing happens but to the witness".to_owned(),
                    );
                }
                if let Some(what) = truth::unfounded(self, host, group, cause) {
                    self.broken(Promise::NoFailback, what);
                }
            }
            // Whatever it was, it is the node's own from now on.
            Notice::Adopted { group, .. } => {
                let place = self.hosts[host].place(usize::from(group.0));
                if let Some((promise, what)) = truth::begins(self, host, place) {
                    self.broken(promise, what);
                }
                let now = self.now;
                let service = &mut self.hosts[host].services[place];
                service.hidden = false;
                // Before that nobody was to look.
                service.ails_since = service.ails_since.map(|_| now);
            }
            Notice::Claiming { .. } => self.moves += 1,
            Notice::Unhealthy { group, .. } => {
                self.statistics.failures += 1;
                if let Some(what) = truth::unblamed(self, host, group) {
                    self.broken(Promise::Known, what);
                }
            }
            Notice::Restarting { .. } => self.statistics.restarts += 1,
            Notice::Starting { group, .. } => {
                self.statistics.starts += 1;
                let daemon = self.hosts[host].daemon.as_ref();
                let restarted = daemon.is_some_and(|daemon| daemon.conduct.has_restarted());
                // What is here already is not taken over.
                if let Some(what) = truth::took_unvoted(self, host, group).filter(|_| !restarted) {
                    self.broken(Promise::Witness, what);
                }
                if let Some(what) = truth::differs_from(self, host).filter(|_| !restarted) {
                    self.broken(Promise::OneOwnerWhileLinked, what);
                }
            }
            Notice::NextLife { deadtime } => self.announced(host, Some(deadtime)),
            Notice::NextLifeGivenUp => self.announced(host, None),
            Notice::Unprotected { .. } => self.statistics.takeovers += 1,
            Notice::Fencing { member, .. } => self.aim(host, usize::from(member.0)),
            Notice::Fenced { member, .. } => {
                self.statistics.fenced += 1;
                self.owe(host, usize::from(member.0));
            }
            Notice::WasFenced { by, life, .. } => self.told(usize::from(by.0), host, life),
            _ => {}
        }
    }
}
