//! What the daemon has to do with the witness beside its frames: resets that the fencer wants of it, the alarm at its
//! loss, and what must not be changed while it watches over this host.

use std::time::Instant;

use heartline_core::Input;
use heartline_core::ids::{JobId, NodeId};
use heartline_core::member::Presence;
use heartline_core::notice::Notice;
use heartline_core::witness::WatchState;

use super::Daemon;
use crate::config::Configuration;
use crate::fence::ForWitness;
use crate::log::Level;

impl Daemon {
    /// A witness that is not there is not waited for: the next device may do it.
    pub(super) fn ask_witness(&mut self, now: Instant) {
        for request in self.fencer.for_witness() {
            match request {
                ForWitness::Withdraw { job } => self.step(Input::FenceWithdrawn(JobId(job))),
                ForWitness::Reset { job, host } => {
                    let witness = self.node.config().witness().and_then(|at| self.node.member(at));
                    let is_heard = witness.is_some_and(|member| member.presence() == Presence::Alive);
                    match self.names.member_index(&host).filter(|_| is_heard) {
                        Some(target) => self.step(Input::FenceByWitness { job: JobId(job), target }),
                        None => {
                            self.fencer.witness_answered(job, Err("it is not heard".to_owned()), now);
                        }
                    }
                }
            }
        }
    }

    /// A witness that is lost moves nothing, and is missed when something else fails.
    pub(super) fn alarm_for_witness(&mut self, notice: &Notice) {
        let Some(witness) = self.node.config().witness() else { return };
        if matches!(notice, Notice::MemberDead { member, .. } if *member == witness) {
            let name = self.names.member(witness);
            let text = format!(
                "Witness {name} is lost: nothing moves for that, but it does not vote, watch or fence until it is back"
            );
            self.log.write(Level::Error, &text);
        }
    }

    /// Why a changed configuration would have this host reset by the witness that watches over it, if it would.
    pub(super) fn witness_objects(&self, new: &Configuration) -> Option<String> {
        let is_watched = self.node.witness().and_then(|view| view.word).is_some_and(|(_, word)| {
            let own = word.host(NodeId::of(&self.configuration.this_node));
            own.is_some_and(|own| own.watch != WatchState::Off)
        });
        let old = self.configuration.witness.as_ref().filter(|_| is_watched)?;
        let goes = new.witness.as_ref().is_none_or(|new| new.name != old.name);
        goes.then(|| {
            format!(
                "witness {} watches over this host and would reset it when the daemon ends, since nobody could tell it not to: \
                 remove `witness_watchdog` first and reload, then the witness",
                old.name
            )
        })
    }
}
