//! What administrators do to the daemons themselves: maintenance, restarts with the services kept, and their word that a
//! node is down.

use heartline_core::Input;
use heartline_core::effect::Work;
use heartline_core::fencing::Fence;
use heartline_core::ids::{JobId, MemberIndex};
use heartline_core::input::{Command, JobFailure, Outcome};
use heartline_core::maintenance::Maintenance;
use heartline_core::member::Presence;
use heartline_core::message::GroupState;
use heartline_core::time::Duration;

use super::queue::Event;
use super::{World, small};
use crate::host::{Machine, NextLife, Presence as Present};
use crate::plan::{Micros, SECOND, Words};
use crate::truth::{self, Promise};

impl World {
    pub(super) fn keep_maintenance(&mut self, host: usize, maintenance: Maintenance) {
        if let Some(what) = truth::goes_back(self, host, maintenance) {
            self.broken(Promise::LeftAlone, what);
        }
        self.hosts[host].kept = maintenance;
        self.hosts[host].maintained = self.now;
    }

    pub(super) fn announced(&mut self, host: usize, deadtime: Option<Duration>) {
        if let Some(daemon) = &mut self.hosts[host].daemon {
            daemon.announced = deadtime.map(Duration::micros);
        }
    }

    /// Judges a job against what the host was told of maintenance, whether or not its node remembers.
    pub(super) fn judge_care(&mut self, host: usize, work: Work) {
        if let Some(what) = truth::meddles(self, host, work) {
            self.broken(Promise::LeftAlone, what);
        }
    }

    /// Maintenance begins, by the word of one node; until then somebody ends it.
    pub(super) fn begin_maintenance(&mut self, host: usize, until: Micros) -> bool {
        let begins = self.order(host, Command::Maintenance(true));
        if begins {
            self.queue.push(until, Event::EndMaintenance { host: small(host) });
        }
        begins
    }

    /// On this node, or on another that is up and knows of it; as often as it takes until nobody is in maintenance.
    pub(super) fn end_maintenance(&mut self, host: usize) {
        let number = self.hosts.len();
        let in_maintenance = |at: &usize| self.hosts[*at].kept.is_on();
        if !(0..number).any(|at| in_maintenance(&at)) {
            return;
        }
        let mut order = (0..number).map(|at| (host + at) % number).filter(in_maintenance);
        let awake = order.find(|at| self.hosts[*at].is_awake(self.now));
        self.disturb(2 * SECOND);
        self.queue.push(self.now + SECOND, Event::EndMaintenance { host: small(host) });
        if let Some(at) = awake {
            self.order(at, Command::Maintenance(false));
        }
    }

    /// In maintenance, a group is moved by hand: stopped wherever it is, and started on one host.
    pub(super) fn move_by_hand(&mut self, to: usize, group: usize) -> bool {
        let may = |host: &crate::host::Host| host.machine == Machine::Up && host.paused.is_none();
        let maintained = self.hosts.iter().all(|host| {
            host.kept.is_on()
                && may(host)
                && host.words == Words::Usual
                // Files that could not be taken may be in force still.
                && host.daemon.as_ref().is_none_or(|daemon| daemon.in_force == Words::Usual)
                && host.children.is_empty()
        });
        if !maintained {
            return false;
        }
        // What was moved to where it failed before moves on.
        self.orders_given = true;
        let now = self.now;
        // What others started, and its node never took for its own, is not its own by being moved.
        let was_hidden = self.hosts[to].services[self.hosts[to].place(group)].hidden;
        for host in &mut self.hosts {
            let place = host.place(group);
            let believed = host.state(place) == Some(GroupState::Running);
            let service = &mut host.services[place];
            if service.is_present() {
                service.vanish();
                service.believed = believed;
                service.by_hand = believed;
            }
        }
        let place = self.hosts[to].place(group);
        // Back where it was: nobody there has seen it go.
        let is_known = self.hosts[to].state(place) == Some(GroupState::Running) && !was_hidden;
        let service = &mut self.hosts[to].services[place];
        service.become_present(Present::Running, now);
        service.hidden = !is_known;
        service.by_hand = !is_known;
        true
    }

    /// The daemon begins its next life, or cannot.
    pub(super) fn restart(&mut self, host: usize, job: JobId) {
        match self.hosts[host].next_life {
            NextLife::After(takes) => {
                let power = self.hosts[host].power;
                self.end_daemon(host);
                self.disturb(takes + SECOND);
                self.queue.push(self.now + takes, Event::StartDaemon { host: small(host), power });
            }
            NextLife::None => {
                let outcome = Outcome::Failed(JobFailure::NotRun);
                self.step(host, Input::JobEnded { job, outcome });
                self.carry_out(host);
            }
        }
    }

    /// An operator says on one node that another is down; a truthful one has looked.
    pub(super) fn confirm_down(&mut self, host: usize, about: usize, truthful: bool) -> bool {
        let is_up = self.hosts[about].machine == Machine::Up;
        let at = MemberIndex(small(about));
        let daemon = self.hosts[host].daemon.as_ref();
        let member = daemon.and_then(|daemon| daemon.node.member(at));
        let is_dead = member.is_some_and(|member| member.presence() == Presence::Dead);
        if !is_dead || (truthful && is_up) {
            return false;
        }
        // What follows from the lie follows at once.
        let spared = std::mem::replace(&mut self.hosts[about].spared, is_up);
        let told = self.order(host, Command::ConfirmDown(at));
        let member = self.hosts[host].daemon.as_ref().and_then(|daemon| daemon.node.member(at));
        let is_believed = told && member.is_some_and(|member| member.fence() == Fence::Done);
        self.statistics.lies += u64::from(is_up && is_believed);
        self.hosts[about].spared = spared || (is_up && is_believed);
        told
    }
}
