//! Operators' orders: they change bids, and are answered once the groups are where the bids put them.

use core::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::Node;
use crate::claims;
use crate::effect::{Answer, Effect, Effects};
use crate::fencing::Fence;
use crate::group::Activity;
use crate::ids::{GroupIndex, MemberIndex, OrderId};
use crate::input::{Command, Scope};
use crate::member::Presence;
use crate::message::{GroupState, Phase, Stance};
use crate::notice::Notice;
use crate::time::Instant;

/// An order that waits for its outcome.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Order {
    id: OrderId,
    kind: Kind,
    /// Which groups it is about, bit by group.
    pub(super) groups: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Kind {
    Standby,
    Takeover,
    Retire,
    Maintenance(bool),
    ConfirmDown,
}

impl Order {
    /// What matters for the future; its name is for its shell alone.
    pub(super) fn hash_future(&self, hasher: &mut impl Hasher) {
        (self.kind, self.groups).hash(hasher);
    }
}

/// How far an order has come with one group.
enum Progress {
    Done,
    UnderWay,
    Failed,
}

impl Node {
    pub(super) fn take_order(&mut self, now: Instant, id: OrderId, command: Command, effects: &mut Effects) {
        let answer = match command {
            Command::Leave => {
                if matches!(self.phase, Phase::Starting | Phase::Active) {
                    self.set_phase(Phase::Leaving, effects);
                    self.withdraw_claims();
                }
                Some(Answer::Done)
            }
            // These change something before they are enlisted.
            Command::Maintenance(_) | Command::ConfirmDown(_) if self.orders.is_full() => Some(Answer::Busy),
            Command::Cleanup(which) => Some(self.clean_up(which)),
            Command::Retire(groups) => self.retire(id, groups),
            Command::Standby(scope) => self.transfer(id, Kind::Standby, scope),
            Command::Takeover(scope) => self.transfer(id, Kind::Takeover, scope),
            Command::Maintenance(on) => match self.turn_maintenance(on, effects) {
                Some(_) => self.enlist(Order { id, kind: Kind::Maintenance(on), groups: 0 }),
                None => Some(Answer::Nothing),
            },
            Command::Restart => self.order_next_life(now, id),
            Command::ConfirmDown(member) => self.confirm_down(id, member, effects),
        };
        if let Some(answer) = answer {
            effects.order(Effect::Answer { id, answer });
        }
    }

    fn withdraw_claims(&mut self) {
        for group in &mut self.groups {
            if matches!(group.activity, Activity::Claiming { .. }) {
                group.activity = Activity::Idle;
            }
        }
    }

    fn clean_up(&mut self, which: Option<GroupIndex>) -> Answer {
        let mut cleaned = false;
        for (at, group) in self.config.groups().zip(&mut self.groups) {
            if which.is_some_and(|which| which != at) {
                continue;
            }
            cleaned |= core::mem::replace(&mut group.failed_here, false);
            cleaned |= group.health.forgive();
            if group.activity == Activity::Failed {
                group.activity = Activity::Unprobed;
                cleaned = true;
            }
        }
        // What the dead could not stop is over too: the operator knows.
        for member in self.members.iter_mut().filter(|member| member.presence == Presence::Dead) {
            for (at, report) in self.config.groups().zip(&mut member.reports) {
                if which.is_none_or(|which| which == at) && report.state == GroupState::Failed {
                    report.state = GroupState::Idle;
                    cleaned = true;
                }
            }
        }
        if cleaned { Answer::Done } else { Answer::Nothing }
    }

    /// Changes the bids, unless the order cannot be carried out as things are.
    fn transfer(&mut self, id: OrderId, kind: Kind, scope: Scope) -> Option<Answer> {
        if self.in_maintenance() {
            return Some(Answer::Maintenance);
        }
        if self.phase != Phase::Active {
            return Some(Answer::NotActive);
        }
        if !self.configurations_agree() {
            return Some(Answer::ConfigurationDiffers);
        }
        let in_scope = |group: &GroupIndex| self.is_in_scope(*group, scope);
        let concerned = |group: &GroupIndex| match kind {
            Kind::Standby => self.group(*group).is_kept(),
            Kind::Takeover => !self.group(*group).is_kept(),
            Kind::Retire | Kind::Maintenance(_) | Kind::ConfirmDown => false,
        };
        let groups = self.config.groups().filter(in_scope).filter(concerned);
        let groups = groups.fold(0u32, |mask, group| mask | 1 << group.0);
        if groups == 0 {
            return Some(Answer::Nothing);
        }
        if kind == Kind::Standby
            && let Some(stuck) = members_of(groups).find(|group| !self.somebody_else_is_fit(*group))
        {
            return Some(Answer::NobodyElse(stuck));
        }
        self.enlist(Order { id, kind, groups })
    }

    /// Only groups that exist can be retired; the shell may have counted wrong.
    fn retire(&mut self, id: OrderId, groups: u32) -> Option<Answer> {
        if self.in_maintenance() {
            return Some(Answer::Maintenance);
        }
        let known = self.config.groups().fold(0u32, |mask, group| mask | 1 << group.0);
        self.enlist(Order { id, kind: Kind::Retire, groups: groups & known })
    }

    /// The member counts as fenced, whatever it said last, until it is heard again.
    fn confirm_down(&mut self, id: OrderId, at: MemberIndex, effects: &mut Effects) -> Option<Answer> {
        let presence = self.member(at).map(|member| member.presence);
        if presence.is_none_or(|presence| presence == Presence::Left) {
            return Some(Answer::Nothing);
        }
        if presence != Some(Presence::Dead) || self.is_heard_elsewhere(at) {
            return Some(Answer::NotDead(at));
        }
        let member = &mut self.members[usize::from(at.0)];
        member.fence = Fence::Done;
        member.fence_failures = 0;
        let ran = |group: &GroupIndex| member.report(*group).state.may_run();
        let groups = self.config.groups().filter(ran).fold(0u32, |mask, group| mask | 1 << group.0);
        effects.say(Notice::ConfirmedDown(at));
        self.enlist(Order { id, kind: Kind::ConfirmDown, groups })
    }

    fn enlist(&mut self, order: Order) -> Option<Answer> {
        if self.orders.push(order).is_err() {
            return Some(Answer::Busy);
        }
        for group in members_of(order.groups) {
            let state = self.group_mut(group);
            match order.kind {
                Kind::Standby => state.stance = Stance::Standby,
                Kind::Takeover => {
                    state.stance = Stance::Ordered;
                    state.failed_here = false;
                    state.health.forgive();
                }
                Kind::Retire => state.retired = true,
                Kind::Maintenance(_) | Kind::ConfirmDown => {}
            }
        }
        None
    }

    fn is_in_scope(&self, group: GroupIndex, scope: Scope) -> bool {
        let local = self.config.preferred(group) == Some(self.config.this);
        match scope {
            Scope::All => true,
            Scope::Local => local,
            Scope::Foreign => !local,
        }
    }

    fn somebody_else_is_fit(&self, group: GroupIndex) -> bool {
        self.others().any(|(_, member)| {
            member.hears_us() && member.phase == Phase::Active && member.report(group).bid.fit
        })
    }

    /// Answers the orders whose groups have come to rest.
    pub(super) fn answer_orders(&mut self, effects: &mut Effects) {
        let mut at = 0;
        while let Some(order) = self.orders.get(at).copied() {
            match self.outcome(&order) {
                Some(answer) => {
                    self.orders.swap_remove(at);
                    if answer != Answer::Done {
                        self.forget_unfinished(&order);
                    }
                    effects.order(Effect::Answer { id: order.id, answer });
                }
                None => at += 1,
            }
        }
    }

    /// Once the order is answered, the configuration without the groups was taken or not; both decide about them anew.
    pub(super) fn end_retirement(&mut self) {
        if self.orders.iter().all(|order| order.kind != Kind::Retire) {
            self.groups.iter_mut().for_each(|group| group.retired = false);
        }
    }

    /// An order that failed is over: it must not move anything later, when nobody expects it any more.
    pub(super) fn forget_unfinished(&mut self, order: &Order) {
        for group in members_of(order.groups) {
            let state = self.group_mut(group);
            match order.kind {
                Kind::Standby if state.is_kept() => state.stance = Stance::Normal,
                Kind::Takeover if !state.is_kept() => state.stance = Stance::Normal,
                Kind::Retire => state.retired = false,
                Kind::Standby | Kind::Takeover | Kind::Maintenance(_) | Kind::ConfirmDown => {}
            }
        }
    }

    fn outcome(&self, order: &Order) -> Option<Answer> {
        match order.kind {
            Kind::Maintenance(on) if on != self.in_maintenance() => return Some(Answer::Overruled),
            Kind::Maintenance(_) => return self.maintenance_is_known().then_some(Answer::Done),
            Kind::ConfirmDown if self.in_maintenance() => return Some(Answer::Done),
            _ if self.in_maintenance() => return Some(Answer::Maintenance),
            _ => {}
        }
        if self.phase != Phase::Active {
            return Some(Answer::NotActive);
        }
        for group in members_of(order.groups) {
            match self.progress(order.kind, group) {
                Progress::Done => {}
                Progress::UnderWay => return None,
                Progress::Failed => return Some(Answer::NotMoved(group)),
            }
        }
        Some(Answer::Done)
    }

    fn progress(&self, kind: Kind, group: GroupIndex) -> Progress {
        let own = self.group(group);
        let runs_elsewhere = self.others().any(|(_, member)| {
            member.presence == Presence::Alive && member.report(group).state == GroupState::Running
        });
        let policy = &self.config.policy;
        let blocked_elsewhere = self.others().any(|(_, member)| claims::blocks(member, group, policy));
        let nobody_can = blocked_elsewhere || self.winner(group).is_none();
        match (kind, own.state()) {
            (Kind::Maintenance(_), _) => Progress::Done,
            (Kind::ConfirmDown, _) if runs_elsewhere || self.belongs_elsewhere(group) => Progress::Done,
            (_, GroupState::Failed) => Progress::Failed,
            (Kind::Retire, GroupState::Idle) => Progress::Done,
            (Kind::Standby, GroupState::Idle) if runs_elsewhere => Progress::Done,
            // It came back, since the other could not run it.
            (Kind::Standby, GroupState::Running) if own.stance != Stance::Standby => Progress::Failed,
            (Kind::Standby, GroupState::Running)
                if blocked_elsewhere || !self.somebody_else_is_fit(group) =>
            {
                Progress::Failed
            }
            (Kind::Takeover | Kind::ConfirmDown, GroupState::Running) => Progress::Done,
            (Kind::Takeover, GroupState::Idle) if own.failed_here || own.stance != Stance::Ordered => {
                Progress::Failed
            }
            (_, GroupState::Idle | GroupState::Claiming) if nobody_can => Progress::Failed,
            _ => Progress::UnderWay,
        }
    }

    /// Whether another member that is there is the one to take a group.
    fn belongs_elsewhere(&self, group: GroupIndex) -> bool {
        self.winner(group).is_some_and(|bid| bid.bidder() != self.config.this)
    }

    /// A newer order of another node ends an older one of ours: a holder that was ordered to take the group gives way
    /// to another that is ordered to, and a node in standby is needed again when the holder goes standby.
    pub(super) fn heed_newer_orders(&mut self, group: GroupIndex) {
        let holds = self.group(group).activity == Activity::Running;
        let heard = |stance: Stance, holder: bool| {
            self.others().any(|(_, member)| {
                let report = member.report(group);
                member.hears_us() && report.bid.stance == stance && report.state.holds() == holder
            })
        };
        let ended = match self.group(group).stance {
            Stance::Ordered => holds && heard(Stance::Ordered, false),
            Stance::Standby => !self.group(group).state().may_run() && heard(Stance::Standby, true),
            Stance::Normal => false,
        };
        if ended {
            self.group_mut(group).stance = Stance::Normal;
        }
    }

    /// A node that restarts with its services kept forgets what it was ordered, so the others remember it: whoever has
    /// what it gave away keeps that, and nobody takes what it took.
    pub(super) fn keep_orders(&mut self, stances: &[Stance]) {
        for (group, stance) in self.groups.iter_mut().zip(stances) {
            match stance {
                Stance::Standby if group.is_kept() => group.stance = Stance::Ordered,
                Stance::Ordered if !group.is_kept() => group.stance = Stance::Standby,
                Stance::Standby | Stance::Normal | Stance::Ordered => {}
            }
        }
    }

    /// A restarted node gets its own groups back under `auto_failback on`, whatever was ordered in its former life,
    /// as with the original.
    pub(super) fn forget_orders_about(&mut self, member: MemberIndex) {
        for (at, group) in self.config.groups().zip(&mut self.groups) {
            if self.config.preferred(at) == Some(member) {
                group.stance = Stance::Normal;
            }
        }
    }
}

fn members_of(groups: u32) -> impl Iterator<Item = GroupIndex> {
    (0..32u8).filter(move |at| groups & 1 << at != 0).map(GroupIndex)
}
