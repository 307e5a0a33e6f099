//! Jobs: agents that start, stop and look at services, and fencing devices. They are children of the daemon, but live
//! lives of their own: a stalled daemon hears of their end later, a killed one never.

use heartline_core::Input;
use heartline_core::effect::{FenceAnswer, Work};
use heartline_core::ids::{JobId, MemberIndex};
use heartline_core::input::{JobFailure, Outcome};
use heartline_core::member::{Member, Presence as MemberPresence};

use super::queue::Event;
use super::{World, a_moment, small};
use crate::host::{Child, Ending, Machine, Presence};
use crate::plan::{Behaviour, MILLISECOND, Micros, Reading, SECOND, Task, WITNESS_LIMIT, name};
use crate::truth::{self, Promise};

/// A job that no node has ordered.
pub(super) const NOBODYS_JOB: JobId = JobId(u32::MAX);

impl World {
    pub(super) fn run_job(&mut self, host: usize, job: JobId, work: Work) {
        if self.hosts[host].daemon.is_none() {
            return;
        }
        self.tell(host, || format!("job {}: {}", job.0, describe(work)));
        if work == Work::NextLife {
            self.restart(host, job);
            return;
        }
        self.judge_care(host, work);
        if let Work::Fence(member) = work
            && self.plan.settings.witness.is_some_and(|settings| settings.fences)
        {
            self.statistics.fences += 1;
            self.ask_witness(host, job, usize::from(member.0));
            return;
        }
        let place = work.group().map(|group| self.hosts[host].place(usize::from(group.0)));
        let (takes, ending) = match work {
            Work::Probe(group) => self.plan_agent(host, usize::from(group.0), Task::Probe),
            Work::Start(group) => self.begin_start(host, usize::from(group.0)),
            Work::Stop(group) => self.begin_stop(host, usize::from(group.0)),
            Work::Monitor(group) => self.plan_agent(host, usize::from(group.0), Task::Monitor),
            Work::Repair(group) => self.plan_agent(host, usize::from(group.0), Task::Repair),
            Work::Fence(member) => self.plan_fence(host, usize::from(member.0)),
            Work::NextLife => return,
        };
        let here = &mut self.hosts[host];
        let Some(daemon) = &here.daemon else { return };
        let busy = |child: &Child| child.life == daemon.life && child.place == place && place.is_some();
        let overlapping = here.children.iter().any(busy);
        here.next_child += 1;
        let child =
            Child { id: here.next_child, life: daemon.life, job, work, place, begun: self.now, ending };
        here.children.push(child);
        self.queue.push(self.now + takes, Event::ChildEnds { host: small(host), child: child.id });
        if overlapping {
            self.broken(Promise::Known, format!("{} runs two jobs for one group at a time", name(host)));
        }
    }

    fn begin_start(&mut self, host: usize, group: usize) -> (Micros, Ending) {
        let place = self.hosts[host].place(group);
        if let Some((promise, what)) = truth::begins(self, host, place) {
            self.broken(promise, what);
        }
        let service = &mut self.hosts[host].services[place];
        let presence =
            if service.presence == Presence::Running { Presence::Running } else { Presence::Parts };
        service.become_present(presence, self.now);
        self.plan_agent(host, group, Task::Start)
    }

    fn begin_stop(&mut self, host: usize, group: usize) -> (Micros, Ending) {
        let place = self.hosts[host].place(group);
        let service = &mut self.hosts[host].services[place];
        service.believed = false;
        service.mended();
        if service.is_present() {
            service.presence = Presence::Parts;
        }
        self.plan_agent(host, group, Task::Stop)
    }

    /// How long an agent takes and how it will end.
    fn plan_agent(&mut self, host: usize, group: usize, task: Task) -> (Micros, Ending) {
        let times = self.plan.settings.times;
        let here = &mut self.hosts[host];
        let usual = match task {
            Task::Probe | Task::Monitor | Task::Repair => times.probe,
            Task::Start => times.start,
            Task::Stop => times.stop,
        };
        let takes = here.dice.between(usual / 10, usual);
        let trouble = here.services[group].trouble(task).now(self.now);
        if trouble.is_some() && matches!(task, Task::Monitor | Task::Repair) {
            here.services[group].care_troubled = self.now;
        }
        match trouble {
            None => (takes, Ending::Succeeds),
            Some(Behaviour::FailsOnce | Behaviour::Fails) => (takes, Ending::REFUSED),
            Some(Behaviour::Slow(times_longer)) => {
                let takes = takes * u64::from(times_longer);
                if takes > times.limit { (times.limit, Ending::TIMED_OUT) } else { (takes, Ending::Succeeds) }
            }
            Some(Behaviour::Hangs) => (times.limit, Ending::TIMED_OUT),
            Some(Behaviour::Lies(reading)) => {
                let says = match reading {
                    Reading::Runs => Outcome::Done,
                    Reading::Stopped => Outcome::NotRunning,
                    Reading::Unclear => Outcome::Partial,
                };
                (
                    takes,
                    if matches!(task, Task::Probe | Task::Monitor) {
                        Ending::Says(says)
                    } else {
                        Ending::REFUSED
                    },
                )
            }
        }
    }

    /// A device cuts the victim's power some time before it answers.
    fn plan_fence(&mut self, host: usize, victim: usize) -> (Micros, Ending) {
        self.statistics.fences += 1;
        let (times, reads_back) = (self.plan.settings.times, self.plan.settings.fence_reads_back);
        let here = &mut self.hosts[host];
        let mut takes = here.dice.between(times.fence / 10, times.fence);
        let behaviour = here.device.now(self.now);
        let is_lie = matches!(behaviour, Some(Behaviour::Lies(_)));
        let ending = match behaviour {
            None => Ending::Succeeds,
            Some(Behaviour::Slow(times_longer)) => {
                takes *= u64::from(times_longer);
                if takes > times.limit { Ending::TIMED_OUT } else { Ending::Succeeds }
            }
            Some(Behaviour::Hangs) => Ending::TIMED_OUT,
            Some(Behaviour::FailsOnce | Behaviour::Fails) => Ending::REFUSED,
            Some(Behaviour::Lies(_)) if reads_back => Ending::REFUSED,
            Some(Behaviour::Lies(_)) => Ending::Says(Outcome::Done),
        };
        let takes = if ending == Ending::TIMED_OUT { times.limit } else { takes };
        // Some devices fail, or are given up, after they have done it.
        let shoots = match ending {
            Ending::Succeeds => true,
            Ending::Says(Outcome::Failed(_)) => !is_lie && here.dice.permille(300),
            Ending::Says(_) | Ending::TimedOutInAPause | Ending::Unanswered => false,
        };
        if shoots {
            let after = here.dice.between(takes / 4, takes.saturating_sub(1));
            let shot = Event::Shot { victim: small(victim), by: small(host) };
            self.queue.push(self.now + after, shot);
        }
        (takes, ending)
    }

    /// Asks the witness for a reset, as the host's fencer does: if it is there, and for no longer than the limit.
    pub(super) fn ask_witness(&mut self, host: usize, job: JobId, victim: usize) {
        let now = self.now;
        let here = &mut self.hosts[host];
        let Some(daemon) = &here.daemon else { return };
        let at = daemon.node.config().witness();
        let member = at.and_then(|at| daemon.node.member(at));
        let is_heard = member.is_some_and(|member| member.presence() == MemberPresence::Alive);
        here.next_child += 1;
        let target = MemberIndex(small(victim));
        let (takes, ending) =
            if is_heard { (WITNESS_LIMIT, Ending::Unanswered) } else { (0, Ending::REFUSED) };
        let id = here.next_child;
        let work = Work::Fence(target);
        let child = Child { id, life: daemon.life, job, work, place: None, begun: now, ending };
        here.children.push(child);
        self.queue.push(now + takes, Event::ChildEnds { host: small(host), child: id });
        if let Some(witness) = self.witness.as_mut().filter(|_| is_heard) {
            witness.asked[host] = Some(now);
            self.step(host, Input::FenceByWitness { job, target });
            self.carry_out(host);
        }
    }

    /// The witness has answered, or another request took the place of this one.
    pub(super) fn witness_answered(&mut self, host: usize, job: JobId, answer: FenceAnswer) {
        let here = &mut self.hosts[host];
        let Some(life) = here.daemon.as_ref().map(|daemon| daemon.life) else { return };
        let asks =
            |child: &&mut Child| child.life == life && child.job == job && child.ending == Ending::Unanswered;
        here.next_child += 1;
        let id = here.next_child;
        let Some(child) = here.children.iter_mut().find(asks) else { return };
        let done = matches!(answer, FenceAnswer::Done(_));
        (child.id, child.ending) = (id, if done { Ending::Succeeds } else { Ending::REFUSED });
        self.queue.push(self.now, Event::ChildEnds { host: small(host), child: id });
        self.tell(host, || format!("the witness answers: {answer:?}"));
        self.coverage.fence_answer(&answer);
    }

    pub(super) fn shoot(&mut self, victim: usize, by: usize) {
        self.tell(victim, || format!("is shot by {}", name(by)));
        self.disturb(SECOND);
        let off = self.hosts[victim].dice.between(100 * MILLISECOND, 5 * SECOND);
        if self.hosts[victim].machine != Machine::Off && self.hosts[by].machine == Machine::Off {
            self.statistics.blackouts += 1;
            if let Some(what) = truth::both_down(self, victim, by) {
                self.broken(Promise::OneSurvives, what);
            }
        }
        self.lose_power(victim, off);
    }

    /// A daemon begins to fence a life of another.
    pub(super) fn aim(&mut self, by: usize, victim: usize) {
        let Some(daemon) = &mut self.hosts[by].daemon else { return };
        let life = daemon.node.member(MemberIndex(small(victim))).and_then(Member::generation);
        daemon.aims_at[victim] = life.map(|life| life.0);
    }

    /// A daemon holds a fence for done: it owes its victim the reason, while it lives.
    pub(super) fn owe(&mut self, by: usize, victim: usize) {
        let spared = self.hosts[victim].spared;
        let Some(daemon) = &mut self.hosts[by].daemon else { return };
        // Once for each life is enough, however often it was ended.
        let paid = daemon.paid[victim];
        daemon.owes[victim] = daemon.aims_at[victim].filter(|life| !spared && paid < Some(*life));
    }

    /// A node was told that an earlier life of it was ended by a fence.
    pub(super) fn told(&mut self, by: usize, victim: usize, life: u32) {
        if let Some(daemon) = &mut self.hosts[by].daemon {
            daemon.owes[victim].take_if(|owed| *owed <= life);
            daemon.paid[victim] = daemon.paid[victim].max(Some(life));
        }
    }

    pub(super) fn child_ends(&mut self, host: usize, id: u32) {
        let here = &mut self.hosts[host];
        let Some(at) = here.children.iter().position(|child| child.id == id) else { return };
        if let Some((since, until, clock_stops)) = here.paused {
            let child = &mut here.children[at];
            let deadtime =
                here.daemon.as_ref().map(|daemon| daemon.node.config().intervals().deadtime.micros());
            // Only a pause that is as long as the dead time is noticed.
            let noticed = deadtime.is_some_and(|deadtime| until - since > deadtime + deadtime / 100);
            let over = noticed && !clock_stops && until > child.begun + self.plan.settings.times.limit;
            if over && matches!(child.work, Work::Monitor(_) | Work::Repair(_)) {
                child.ending = Ending::TimedOutInAPause;
            }
            // A machine that does not run runs no children either.
            let later = until + a_moment(&mut here.dice);
            self.queue.push(later, Event::ChildEnds { host: small(host), child: id });
            return;
        }
        if here.children[at].ending == Ending::Unanswered {
            if here.is_frozen(self.now) {
                // It is the daemon itself that waits, and it may find the answer first.
                let later = here.stalled_until + a_moment(&mut here.dice);
                self.queue.push(later, Event::ChildEnds { host: small(host), child: id });
                return;
            }
            let job = here.children[at].job;
            if here.daemon.as_ref().is_some_and(|daemon| daemon.life == here.children[at].life) {
                self.step(host, Input::FenceWithdrawn(job));
                self.carry_out(host);
            }
        }
        let here = &mut self.hosts[host];
        let Some(at) = here.children.iter().position(|child| child.id == id) else { return };
        let child = here.children.swap_remove(at);
        let outcome = self.finish(host, &child);
        self.tell(host, || format!("job {} ended: {outcome:?}", child.job.0));
        self.report(host, child, outcome);
    }

    /// Tells the daemon, now or when it can listen.
    fn report(&mut self, host: usize, child: Child, outcome: Outcome) {
        let here = &mut self.hosts[host];
        let frozen = here.is_frozen(self.now);
        let Some(daemon) = here.daemon.as_mut().filter(|daemon| daemon.life == child.life) else { return };
        if frozen {
            daemon.ended.push((child.job, outcome));
            return;
        }
        if child.job == NOBODYS_JOB {
            return;
        }
        self.step(host, Input::JobEnded { job: child.job, outcome });
        self.carry_out(host);
    }

    /// What a child has done to the world, and what it says.
    fn finish(&mut self, host: usize, child: &Child) -> Outcome {
        let now = self.now;
        let Some(place) = child.place else { return self.finish_fence(child) };
        let here = &mut self.hosts[host];
        let luck = here.dice.below(3);
        let service = &mut here.services[place];
        match (child.work, child.ending) {
            (Work::Probe(_), Ending::Succeeds) => {
                service.believed = false;
                service.by_hand = false;
                match service.presence {
                    Presence::Stopped => Outcome::NotRunning,
                    Presence::Parts => Outcome::Partial,
                    Presence::Running => Outcome::Done,
                }
            }
            (Work::Probe(_), Ending::Says(says)) => {
                // A look that was lied to is one.
                service.by_hand = false;
                service.hidden |= says == Outcome::NotRunning && service.is_present();
                service.believed = says == Outcome::Done && !service.is_present();
                says
            }
            (Work::Monitor(_), Ending::Succeeds) => {
                let outcome = match service.presence {
                    Presence::Stopped => Outcome::NotRunning,
                    Presence::Parts => Outcome::Partial,
                    Presence::Running if service.part_gone => Outcome::Repairable,
                    Presence::Running => Outcome::Done,
                };
                service.believed &= outcome == Outcome::Done;
                service.blamed = outcome != Outcome::Done;
                outcome
            }
            (Work::Repair(_), Ending::Succeeds) => {
                service.mended();
                Outcome::Done
            }
            (Work::Monitor(_) | Work::Repair(_), Ending::Says(says)) => {
                service.blamed = true;
                says
            }
            (Work::Start(_), Ending::Succeeds) => {
                service.become_present(Presence::Running, now);
                service.hidden = false;
                Outcome::Done
            }
            (Work::Stop(_), Ending::Succeeds) => {
                service.vanish();
                Outcome::Done
            }
            // What was not finished leaves anything behind.
            (Work::Start(_), Ending::Says(says)) => {
                match luck {
                    0 => service.vanish(),
                    1 => service.presence = Presence::Parts,
                    _ => service.presence = Presence::Running,
                }
                says
            }
            (_, Ending::Says(says)) => says,
            (_, Ending::TimedOutInAPause | Ending::Unanswered) => Outcome::Failed(JobFailure::TimedOut),
            (Work::NextLife, Ending::Succeeds) => Outcome::Done,
            (Work::Fence(_), Ending::Succeeds) => Outcome::Fenced { device: 1 },
        }
    }

    fn finish_fence(&mut self, child: &Child) -> Outcome {
        let Work::Fence(member) = child.work else { return Outcome::NotRunning };
        match child.ending {
            Ending::Succeeds => Outcome::Fenced { device: 1 },
            Ending::TimedOutInAPause | Ending::Unanswered => Outcome::Failed(JobFailure::TimedOut),
            Ending::Says(says) => {
                if says == Outcome::Done && self.hosts[usize::from(member.0)].machine != Machine::Off {
                    self.hosts[usize::from(member.0)].spared = true;
                    self.statistics.lies += 1;
                }
                says
            }
        }
    }

    /// The daemon has its child killed; that takes a moment, and two seconds if it does not listen.
    pub(super) fn cancel(&mut self, host: usize, job: JobId) {
        let here = &mut self.hosts[host];
        let Some(life) = here.daemon.as_ref().map(|daemon| daemon.life) else { return };
        here.next_child += 1;
        let id = here.next_child;
        let ours = |child: &&mut Child| child.life == life && child.job == job;
        let Some(child) = here.children.iter_mut().find(ours) else { return };
        // Under another number it does not end as it would have.
        (child.id, child.ending) = (id, Ending::CANCELLED);
        let stubborn = here.dice.permille(200);
        let takes = if stubborn { 2 * SECOND } else { a_moment(&mut here.dice) };
        self.queue.push(self.now + takes, Event::ChildEnds { host: small(host), child: id });
    }

    /// Kills the children that an earlier daemon left behind, or all.
    pub(super) fn kill_children(&mut self, host: usize) {
        let children = std::mem::take(&mut self.hosts[host].children);
        for mut child in children {
            child.ending = Ending::Says(Outcome::Failed(JobFailure::Cancelled));
            if child.place.is_some() {
                self.finish(host, &child);
            }
        }
    }
}

fn describe(work: Work) -> String {
    match work {
        Work::Probe(group) => format!("probe group {}", group.0),
        Work::Start(group) => format!("start group {}", group.0),
        Work::Stop(group) => format!("stop group {}", group.0),
        Work::Monitor(group) => format!("monitor group {}", group.0),
        Work::Repair(group) => format!("repair group {}", group.0),
        Work::Fence(member) => format!("fence {}", name(usize::from(member.0))),
        Work::NextLife => "begin the next life".to_owned(),
    }
}
