//! Silence: when a link, a member or a ping node is held for dead, and what a stall of our own means for that.

use super::Node;
use crate::effect::Effects;
use crate::group::Activity;
use crate::ids::{LinkIndex, MemberIndex};
use crate::member::{Member, Presence};
use crate::notice::Notice;
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};

impl Node {
    /// A node that said nothing for its dead time (stopped, swapped, paused) may be held for dead, and must first hear
    /// what was said meanwhile: everybody's silence begins anew, acknowledgements from before it are worth nothing,
    /// and those that are held for dead already may have come back. Says whether it was stalled.
    pub(super) fn notice_stall(&mut self, now: Instant, effects: &mut Effects) -> bool {
        let silence = now.since(self.spoke_at);
        if silence < self.stall_limit() || self.gone || planted(Bug::StallForgotten) {
            return false;
        }
        effects.say(Notice::Stalled(silence));
        self.listening = true;
        for member in &mut self.members {
            member.silent_since = now;
            member.links.iter_mut().filter(|link| link.up).for_each(|link| link.heard = Some(now));
        }
        self.pings.forgive(now);
        self.doubt_answers();
        self.renew_claims();
        self.reply_due = true;
        true
    }

    /// The silence of ours that is a stall: until our next heartbeat the others know the dead time of the files before.
    /// That they bear more during a restart is no reason to take our silence for theirs.
    pub(super) fn stall_limit(&self) -> Duration {
        let own = self.config.intervals.deadtime;
        self.spoken.deadtime.map_or(own, |told| told.min(own))
    }

    /// Acknowledgements from before now are worth nothing for the claims under way.
    pub(super) fn renew_claims(&mut self) {
        let from = self.sequence.next();
        for group in &mut self.groups {
            if let Activity::Claiming { restart, .. } = group.activity {
                group.activity = Activity::Claiming { from, restart };
            }
        }
    }

    /// Judges silence; the caller has handed in every frame that was waiting.
    pub(super) fn judge_silence(&mut self, now: Instant, effects: &mut Effects) {
        let initial_limit = self.config.intervals.initdead;
        let (this, started, powerless) = (self.config.this, self.started, self.powerless());
        for (at, member) in self.config.members().zip(&mut self.members) {
            if at == this {
                continue;
            }
            member.judge_links(now, at, effects);
            let (since, limit) = match member.presence {
                Presence::Unheard => (started.max(member.silent_since), initial_limit),
                Presence::Alive => (member.silent_since, member.patience(powerless & 1 << at.0 != 0)),
                Presence::Dead | Presence::Left => continue,
            };
            let skipped = planted(Bug::InitialTimeSkipped) && member.presence == Presence::Unheard;
            let one_link = planted(Bug::OneLinkIsAll)
                && member.links.iter().any(|link| !link.up && link.heard.is_some());
            if now >= since + limit && member.has_taken_leave() && member.presence == Presence::Alive {
                member.presence = Presence::Left;
            } else if now >= since + limit || skipped || one_link {
                member.presence = Presence::Dead;
                member.hears_us = false;
                member.end_fence();
                if limit < member.deadtime && !skipped && !one_link {
                    member.dead_early = Some(since + member.deadtime);
                    effects.say(Notice::PowerLost(at));
                }
                effects.say(Notice::MemberDead { member: at, silence: now.since(since), limit });
            }
        }
        self.pings.judge_silence(now, &self.config, effects);
    }
}

impl Member {
    fn judge_links(&mut self, now: Instant, member: MemberIndex, effects: &mut Effects) {
        let deadtime = self.deadtime;
        let mut lost = false;
        for (at, link) in (0u8..).zip(&mut self.links) {
            let silence = link.heard.map_or(Duration::ZERO, |heard| now.since(heard));
            if link.up && silence >= deadtime {
                link.up = false;
                lost = true;
                effects.say(Notice::LinkDead { member, link: LinkIndex(at), silence });
            }
        }
        let left = self.links_up();
        // 16 links fit in a u8.
        let link = LinkIndex(u8::try_from(left.0.trailing_zeros()).unwrap_or(u8::MAX));
        // A path that is about to be given up as well is none that is left.
        let works = |heard: Instant| now.since(heard) <= self.keepalive.times(2);
        let one_left = left.len() == 1 && self.link(link).heard.is_some_and(works);
        if lost && one_left && self.presence == Presence::Alive {
            effects.say(Notice::OnePathLeft { member, link });
        }
    }

    /// How long a silence is borne: its dead time; only two heartbeats once a witness says that its power is gone.
    fn patience(&self, powerless: bool) -> Duration {
        if powerless { self.deadtime.min(self.keepalive.times(2)) } else { self.deadtime }
    }

    /// When its silence, or that of a link to it, is to be judged next.
    pub(super) fn silence_deadline(
        &self,
        started: Instant,
        initdead: Duration,
        powerless: bool,
    ) -> Option<Instant> {
        let mut next = None;
        let mut await_at = |at: Instant| next = Some(next.map_or(at, |next: Instant| next.min(at)));
        self.links
            .iter()
            .filter(|link| link.up)
            .filter_map(|link| link.heard)
            .for_each(|heard| await_at(heard + self.deadtime));
        match self.presence {
            Presence::Unheard => await_at(started.max(self.silent_since) + initdead),
            Presence::Alive => await_at(self.silent_since + self.patience(powerless)),
            Presence::Dead | Presence::Left => {}
        }
        next
    }
}
