//! Heartbeats out: every keepalive, and at once when something in them changed or somebody waits for our word.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use super::Node;
use super::next_life::NextLife;
use crate::effect::{Effect, Effects};
use crate::frame::{FrameError, Header};
use crate::heard::Heard;
use crate::ids::{LinkSet, MemberIndex};
use crate::limits::{MAX_GROUPS, MAX_UNSCHEDULED};
use crate::maintenance::Maintenance;
use crate::member::{Member, Presence};
use crate::message::{GroupReport, Message, Phase};
use crate::planted::{Bug, planted};
use crate::time::{Duration, Instant};
use crate::witness::Asks;

/// What was said last, without the parts that change with every frame heard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub(super) struct Spoken {
    phase: Option<Phase>,
    /// By which the others judge our silence.
    pub(super) deadtime: Option<Duration>,
    pings: u8,
    watchdog: Option<Duration>,
    maintenance: Maintenance,
    restarting: bool,
    asks: Asks,
    /// The members that are heard, bit by member.
    heard: u16,
    naming_lines: bool,
    /// The members that are told of their fence, bit by member.
    telling_fences: u16,
    reports: Vec<GroupReport, MAX_GROUPS>,
}

impl Node {
    pub(super) fn speak_if_due(&mut self, now: Instant, effects: &mut Effects) {
        let scheduled = now >= self.next_heartbeat;
        if now >= self.turn_since + self.config.intervals.keepalive {
            (self.turn_since, self.unscheduled) = (now, 0);
        }
        let words = self.words();
        let wanted = self.reply_due || words != self.spoken;
        let out_of_turn = wanted && self.unscheduled < MAX_UNSCHEDULED && !planted(Bug::ChangesWait);
        if !scheduled && !out_of_turn {
            return;
        }
        self.unscheduled += u8::from(!scheduled);
        self.reply_due = false;
        self.next_heartbeat = now + self.config.intervals.keepalive;
        self.spoke_at = now;
        self.sequence = self.sequence.next();
        self.ballots.sent(now, self.sequence, self.config.intervals.deadtime);
        self.note_told(words.telling_fences);
        // The capacities are chosen so that the longest message fits; a frame that does not is not sent.
        if self.write_frame(&words, effects).is_ok() {
            effects.order(Effect::Transmit);
        }
        self.spoken = words;
        if scheduled && self.may_feed_watchdog() {
            effects.order(Effect::FeedWatchdog);
        }
    }

    /// One wake-up instead of two: a heartbeat that is due soon goes out with one that was just heard, and draws nearer
    /// to it until then. Only among equal intervals, or the slower one would speak more often than it was told to. Gives
    /// whether it is due now.
    pub(super) fn fall_into_step(&mut self, now: Instant, heard: MemberIndex) -> bool {
        let keepalive = self.config.intervals.keepalive;
        let wait = self.next_heartbeat.since(now);
        let is_near = wait.times(2) <= keepalive && self.members[usize::from(heard.0)].keepalive == keepalive;
        if is_near {
            let stride = Duration::from_micros(keepalive.micros() / 8);
            self.next_heartbeat = if wait <= stride { now } else { now + wait - stride };
        }
        now >= self.next_heartbeat
    }

    fn write_frame(&self, words: &Spoken, effects: &mut Effects) -> Result<(), FrameError> {
        let header = Header {
            key: self.keys.signing(),
            sender: self.config.members[usize::from(self.config.this.0)].id,
            generation: self.generation,
            sequence: self.sequence,
        };
        let frame = effects.frame_mut();
        header.begin(frame)?;
        self.message(words).encode(frame)?;
        self.keys.close(&self.config.cluster, frame)
    }

    fn message(&self, words: &Spoken) -> Message {
        let lines = match words.naming_lines {
            true => self.config.groups.iter().map(|group| group.digest).collect(),
            false => Vec::new(),
        };
        Message {
            phase: self.phase,
            watchdog: words.watchdog,
            pings: words.pings,
            keepalive: self.config.intervals.keepalive,
            deadtime: words.deadtime.unwrap_or(self.config.intervals.deadtime),
            digest: self.config.digest,
            heard: self
                .others()
                .filter_map(|(at, member)| heard(self.config.members[usize::from(at.0)].id, member))
                .collect(),
            groups: words.reports.clone(),
            lines,
            fenced: self.fence_reports(words.telling_fences),
            maintenance: words.maintenance,
            restarting: words.restarting,
            asks: words.asks,
            // Witnesses have a program of their own.
            witness: None,
        }
    }

    fn words(&self) -> Spoken {
        let alive = |member: &Member| member.presence == Presence::Alive;
        Spoken {
            phase: Some(self.phase),
            pings: self.own_pings(),
            watchdog: self.watchdog_to_rely_on(),
            deadtime: Some(self.deadtime_to_announce()),
            maintenance: self.care.count,
            restarting: self.next_life.as_ref().is_some_and(NextLife::is_told),
            asks: self.asks(),
            heard: self
                .others()
                .filter(|(_, member)| alive(member))
                .fold(0, |mask, (at, _)| mask | 1 << at.0),
            naming_lines: !self.configurations_agree(),
            telling_fences: self.untold_members(),
            reports: self
                .config
                .groups()
                .map(|group| {
                    let own = self.group(group);
                    GroupReport { state: own.state(), bid: self.group_bid(group), epoch: own.epoch }
                })
                .collect(),
        }
    }
}

/// What we say of another member: nothing while it was never heard; no links while it is held for dead.
fn heard(id: crate::ids::NodeId, member: &Member) -> Option<Heard> {
    let generation = member.freshness.generation()?;
    let newest = member.freshness.newest()?;
    let links = match member.presence {
        // One that left waits for our word that it was heard.
        Presence::Alive | Presence::Left => member.links_up(),
        Presence::Unheard | Presence::Dead => LinkSet::EMPTY,
    };
    Some(Heard::new(id, generation, newest, links))
}
