//! Frames in: opened, judged for freshness, and taken to heart. A refused frame changes nothing but a counter.

use super::Node;
use crate::effect::Effects;
use crate::fencing::Fence;
use crate::frame::Header;
use crate::freshness::Verdict;
use crate::heard::Heard;
use crate::ids::{LinkIndex, MemberIndex, Sequence};
use crate::member::{Member, Presence};
use crate::message::{GroupState, Message, Phase};
use crate::notice::Notice;
use crate::planted::{Bug, planted};
use crate::refusal::{self, Refusal};
use crate::time::Instant;

impl Node {
    /// Gives whether the frame left anything to decide.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        link: LinkIndex,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> bool {
        if link.0 >= self.config.links {
            return false;
        }
        let at = usize::from(link.0);
        match self.admit(now, link, bytes, effects) {
            Ok(is_news) => {
                self.counters[at].accepted = self.counters[at].accepted.saturating_add(1);
                is_news
            }
            Err(refusal) => {
                if let Some(count) = self.counters[at].refuse(&refusal) {
                    effects.say(Notice::Refused { link, refusal, count });
                }
                false
            }
        }
    }

    /// Counts a frame that the [gate](crate::gate) of its link did not admit, and gives what is to be said. Nothing else
    /// changes: this is no step, and a flight record does without it.
    #[must_use]
    pub fn turn_away(&mut self, link: LinkIndex) -> Option<Notice> {
        let refusal = Refusal::Flood;
        let count = self.counters.get_mut(usize::from(link.0))?.refuse(&refusal)?;
        Some(Notice::Refused { link, refusal, count })
    }

    fn admit(
        &mut self,
        now: Instant,
        link: LinkIndex,
        bytes: &[u8],
        effects: &mut Effects,
    ) -> Result<bool, Refusal> {
        let (header, body) = self.keys.open(&self.config.cluster, bytes)?;
        let from = self.config.member(header.sender).ok_or(Refusal::UnknownMember(header.sender))?;
        if from == self.config.this {
            return self.hear_ourselves(link, &header, effects);
        }
        let message = Message::decode(body).map_err(|_| Refusal::Body)?;
        let member = &mut self.members[usize::from(from.0)];
        let verdict = member.freshness.admit(header.generation, header.sequence);
        let stances = member.stances_to_keep();
        match verdict {
            Verdict::OldGeneration => return Err(Refusal::OldGeneration),
            Verdict::OutsideWindow => return Err(Refusal::TooOld),
            Verdict::FirstContact => {
                member.begin_life(now);
                effects.say(Notice::MemberHeard { member: from, generation: header.generation });
            }
            Verdict::Restarted => {
                member.begin_life(now);
                effects.say(Notice::MemberRestarted { member: from, generation: header.generation });
                match stances {
                    Some(stances) => self.keep_orders(&stances),
                    None => self.forget_orders_about(from),
                }
                // It cannot go on before it knows that it is heard, and nothing else that we say changed.
                self.reply_due = true;
            }
            Verdict::News | Verdict::Late | Verdict::Copy => {}
        }
        let brought = self.mark_link(now, from, link, header.sequence, effects);
        match verdict {
            Verdict::Copy if !brought && !planted(Bug::ReplayIsNews) => Err(Refusal::Replay),
            Verdict::Copy if planted(Bug::ReplayIsNews) => self.take_news(now, from, &message, effects),
            Verdict::Late if planted(Bug::LateIsNews) => self.take_news(now, from, &message, effects),
            Verdict::Copy | Verdict::Late => {
                // A frame that an earlier one overtook proves that its sender lives, but says nothing new.
                Ok(false)
            }
            _ => self.take_news(now, from, &message, effects),
        }
    }

    fn take_news(
        &mut self,
        now: Instant,
        from: MemberIndex,
        message: &Message,
        effects: &mut Effects,
    ) -> Result<bool, Refusal> {
        let came = self.mark_alive(now, from, effects);
        let changed = self.take_word(now, from, message, effects);
        // A heartbeat that says what the one before it said leaves nothing to decide, unless it is awaited.
        let is_awaited = self.reply_due || !self.has_quorum() || self.awaited_frames().next().is_some();
        let is_due = self.fall_into_step(now, from);
        Ok(came || changed || is_awaited || is_due)
    }

    /// Broadcasts come back to their sender; anything that we did not send ourselves is another machine's.
    fn hear_ourselves(
        &mut self,
        link: LinkIndex,
        header: &Header,
        effects: &mut Effects,
    ) -> Result<bool, Refusal> {
        if header.generation < self.generation {
            return Err(Refusal::OldGeneration);
        }
        let not_ours = header.generation > self.generation || header.sequence > self.sequence;
        if not_ours && refusal::count(&mut self.under_our_name).is_some() {
            effects.say(Notice::DuplicateName(link));
        }
        Ok(false)
    }

    fn mark_link(
        &mut self,
        now: Instant,
        from: MemberIndex,
        link: LinkIndex,
        sequence: Sequence,
        effects: &mut Effects,
    ) -> bool {
        let member = &mut self.members[usize::from(from.0)];
        let brought = member.link_brought(now, link, sequence);
        if let Some(record) = member.links.get_mut(usize::from(link.0))
            && brought
            && !record.up
        {
            record.up = true;
            effects.say(Notice::LinkUp { member: from, link });
        }
        brought
    }

    /// Gives whether the member is there only since now.
    fn mark_alive(&mut self, now: Instant, from: MemberIndex, effects: &mut Effects) -> bool {
        let warntime = self.config.intervals.warntime;
        let member = &mut self.members[usize::from(from.0)];
        let was_there = member.presence == Presence::Alive;
        match member.presence {
            Presence::Alive => {
                let interval = now.since(member.silent_since);
                if member.heard.is_some() && interval > warntime {
                    effects.say(Notice::LateHeartbeat { member: from, interval });
                }
            }
            Presence::Dead => {
                member.presence = Presence::Alive;
                let belied = member.fence == Fence::Done;
                member.end_fence();
                effects.say(Notice::MemberReturned(from));
                if belied {
                    effects.say(Notice::FenceBelied(from));
                }
            }
            Presence::Unheard | Presence::Left => member.presence = Presence::Alive,
        }
        // A life that was first heard just now has not said anything yet.
        let is_new = member.heard.is_none() || member.life_since == now;
        member.heard = Some(now);
        member.silent_since = now;
        member.dead_early = None;
        !was_there || is_new
    }

    /// Gives whether its word has changed, but for the frames that it has heard.
    fn take_word(
        &mut self,
        now: Instant,
        from: MemberIndex,
        message: &Message,
        effects: &mut Effects,
    ) -> bool {
        let own_id = self.config.members[usize::from(self.config.this.0)].id;
        let heard = message.heard.iter().find(|heard| heard.member == own_id);
        let confirmed = heard.and_then(|heard| self.confirmed_by(heard));
        let member = &mut self.members[usize::from(from.0)];
        let heard_us = core::mem::replace(&mut member.hears_us, confirmed.is_some());
        member.has_heard_us |= member.hears_us;
        member.confirmed = confirmed;
        let frame = if planted(Bug::VotesCountLate) { Some(self.sequence) } else { confirmed };
        let vote_ends = frame.and_then(|frame| self.ballots.end(frame, self.sequence));
        member.vote_ends = member.vote_ends.max(vote_ends);
        if member.hears_us != heard_us {
            let deaf = Notice::MemberDeaf(from);
            effects.say(if member.hears_us { Notice::MemberHearsUs(from) } else { deaf });
        }
        let bare = |member: &Member| {
            let intervals = (member.keepalive, member.deadtime);
            (member.pings, member.hears, member.watchdog, intervals, member.maintenance, member.restarting)
        };
        let before = (member.phase, member.agrees, member.reports.clone(), bare(member));
        member.take_word(now, message, &self.config);
        let changed = member.hears_us != heard_us
            || before != (member.phase, member.agrees, member.reports.clone(), bare(member));
        if confirmed.is_some_and(|confirmed| confirmed >= self.care.said_from) {
            member.knows_maintenance = self.care.count;
        }
        if member.restarting && !before.3.5 {
            effects.say(Notice::MemberRestarts { member: from, deadtime: member.deadtime });
        }
        if member.phase != before.0 {
            effects.say(Notice::MemberPhase { member: from, phase: member.phase });
            // It waits for our word, but once: two that leave would answer each other's answers without end.
            self.reply_due |= member.phase == Phase::Left;
        }
        self.reply_due |= planted(Bug::FarewellsEcho) && member.phase == Phase::Left;
        // A farewell spares the fence, so it must not be one that was recorded before our start. And one that waited
        // during a stall of ours may be long over: it counts once nothing followed it for a dead time.
        if member.has_taken_leave() && !self.listening {
            member.presence = Presence::Left;
        }
        let claims_anew = member.reports.iter().enumerate().any(|(at, report)| {
            report.state == GroupState::Claiming && before.2.get(at).is_none_or(|old| old != report)
        });
        self.reply_due |= claims_anew;
        self.learn_of_returns(now, message);
        self.heed_maintenance(from, message.maintenance, effects);
        self.compare_configurations(from, message, before.1, effects);
        self.learn_of_fence(from, message, effects);
        let changed = self.heed_witness(now, from, message, effects) || changed;
        self.learn_from_reports(from, &before.2, effects) || changed
    }

    /// One that left may be back, and be heard by others alone: then it has not left, and what is known of it is over. From
    /// now on it counts as one that was never heard.
    fn learn_of_returns(&mut self, now: Instant, message: &Message) {
        let watchdog = self.majority.watchdog.filter(|_| !self.care.count.was_used());
        for heard in message.heard.iter().filter(|heard| !heard.links.is_empty()) {
            let Some(at) = self.config.member(heard.member) else { continue };
            let member = &mut self.members[usize::from(at.0)];
            let is_back = member.generation().is_some_and(|life| heard.is_of_later_than(life));
            if member.presence == Presence::Left && is_back {
                (member.presence, member.silent_since) = (Presence::Unheard, now);
                member.watchdog = watchdog;
            }
        }
    }

    /// Which of our frames a member confirms; none if it does not hear us now, or means an earlier life of ours.
    fn confirmed_by(&self, heard: &Heard) -> Option<Sequence> {
        let our_life = heard.is_of(self.generation) || planted(Bug::OldConfirmationCounts);
        if (heard.links.is_empty() && !planted(Bug::OneWayIsAlive)) || !our_life {
            return None;
        }
        heard.frame_up_to(self.sequence)
    }

    fn compare_configurations(
        &mut self,
        from: MemberIndex,
        message: &Message,
        agreed: bool,
        effects: &mut Effects,
    ) {
        let agrees = self.members[usize::from(from.0)].agrees;
        if agrees {
            if !agreed {
                effects.say(Notice::ConfigurationAgrees(from));
            }
            self.differing &= !(1 << from.0);
            return;
        }
        // Which lines differ can be told once the other has noticed too and names its lines.
        let named = message.lines.len() == message.groups.len();
        if !named || self.differing & (1 << from.0) != 0 {
            return;
        }
        self.differing |= 1 << from.0;
        let ours_only = |line: &[u8; 2]| !message.lines.contains(line);
        let ours = (0u32..).zip(&self.config.groups).filter(|(_, group)| ours_only(&group.digest));
        let ours = ours.fold(0, |mask, (at, _)| mask | 1 << at);
        let theirs_only = |line: &&[u8; 2]| self.config.groups.iter().all(|group| group.digest != **line);
        let theirs = u8::try_from(message.lines.iter().filter(theirs_only).count()).unwrap_or(u8::MAX);
        effects.say(Notice::ConfigurationDiffers { member: from, ours, theirs });
    }
}
