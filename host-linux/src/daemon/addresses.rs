//! The addresses of the groups that run here: what the kernel tells of them becomes a suspicion for the core.

use std::collections::BTreeSet;
use std::io;

use heartline_core::ids::GroupIndex;
use heartline_core::message::GroupState;
use mio::{Registry, Token};

use super::{Daemon, narrow};
use crate::addresses::{Guarded, Watcher};
use crate::log::Level;

/// The watch over them, and what was missed already.
#[derive(Default)]
pub(super) struct Addresses {
    /// Nothing where the kernel gives none: then the monitors alone see what is gone.
    watcher: Option<Watcher>,
    /// By group and place in it; said once until it is back or the group rests.
    missed: BTreeSet<(usize, usize)>,
    /// Whether something changed since the last look.
    changed: bool,
}

impl Addresses {
    pub(super) fn watch(
        registry: Registry,
        token: Token,
        guarded: Vec<Guarded>,
    ) -> (Self, Option<io::Error>) {
        match Watcher::open(registry, token, guarded) {
            Ok(watcher) => (Self { watcher: Some(watcher), ..Self::default() }, None),
            Err(error) => (Self::default(), Some(error)),
        }
    }

    pub(super) fn guard(&mut self, guarded: Vec<Guarded>) {
        if let Some(watcher) = &mut self.watcher {
            watcher.guard(guarded);
        }
        self.missed.clear();
        self.changed = true;
    }

    /// Something may be different: the kernel has told something, or a group has begun or ceased to run.
    pub(super) fn look_again(&mut self) {
        self.changed = true;
    }
}

impl Daemon {
    /// Tells the core of each address that is gone from under a group that runs here.
    pub(super) fn miss_addresses(&mut self) {
        let Some(watcher) = self.addresses.watcher.as_mut().filter(|_| self.addresses.changed) else {
            return;
        };
        self.addresses.changed = false;
        // What the kernel has told by now comes before what is judged by it.
        watcher.ready();
        let runs = |guarded: &&Guarded| {
            let group = self.node.group_here(GroupIndex(narrow(guarded.group)));
            group.is_some_and(|group| group.state() == GroupState::Running)
        };
        let absent: Vec<Guarded> = watcher.absent().filter(runs).cloned().collect();
        let places: BTreeSet<_> = absent.iter().map(|it| (it.group, it.resource)).collect();
        let missed = std::mem::replace(&mut self.addresses.missed, places);
        for lost in absent.into_iter().filter(|it| !missed.contains(&(it.group, it.resource))) {
            let group = GroupIndex(narrow(lost.group));
            let text = format!(
                "The address {} of resource group {} is gone from this host, or its interface is down",
                lost.address,
                self.names.group(group)
            );
            self.log.write(Level::Warn, &text);
            self.suspect(group, lost.resource);
        }
    }
}
