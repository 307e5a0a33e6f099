//! What of a node matters for what it will do: two nodes of one configuration that agree in it answer the same inputs
//! alike from now on. It is for explorers that must know a state again; nothing here takes part in a decision.

use core::hash::{Hash, Hasher};

use super::Node;
use crate::config::{Config, Quorum};
use crate::fencing::{Fence, Untold};
use crate::group::{Activity, Group};
use crate::ids::Sequence;
use crate::limits::MAX_UNSCHEDULED;
use crate::member::{LinkRecord, Member, Presence};
use crate::message::Phase;
use crate::quorum::lengthened;
use crate::time::{Duration, Instant};

impl Node {
    /// Feeds `hasher` with all that matters at `now`, which must not be before the last step.
    ///
    /// Times count by what is left until they are due, jobs by being under way, frame numbers by what waits for their
    /// confirmation; what only notices, counters and the status tell does not count. Which job has which name and which
    /// frames of the others are new is for the caller to compare: see [`Group::job`], [`Member::fence`],
    /// [`Member::freshness`] and [`Node::awaited_frames`].
    pub fn hash_future(&self, now: Instant, hasher: &mut impl Hasher) {
        // All fields are named, so that whoever adds one has to decide whether it matters.
        let Self {
            config: _,
            keys: _,
            generation,
            sequence: _,
            phase,
            started,
            last_step: _,
            next_heartbeat,
            spoke_at,
            spoken,
            listening,
            unscheduled,
            turn_since,
            reply_due,
            leaving,
            gone,
            members: _,
            groups,
            pings,
            orders,
            counters: _,
            under_our_name: _,
            differing,
            jobs: _,
            ballots,
            majority,
            care,
            next_life,
            dealings: _,
        } = self;
        let left = |due: Instant| due.since(now);
        let intervals = &self.config.intervals;
        (generation, phase, reply_due, gone, differing).hash(hasher);
        // A count far below its limit says how lively it was, not what follows.
        let lively = unscheduled.checked_sub(MAX_UNSCHEDULED / 2);
        lively.map(|count| (count, left(*turn_since + intervals.keepalive))).hash(hasher);
        (*phase == Phase::Starting).then(|| left(*started + intervals.initdead)).hash(hasher);
        (left(*next_heartbeat), left(self.next_deadline())).hash(hasher);
        left(*spoke_at + self.stall_limit()).hash(hasher);
        (spoken, listening, majority).hash(hasher);
        if self.counts_votes() {
            ballots.hash_future(now, self.sequence, hasher);
            since(now, *started, intervals.deadtime).hash(hasher);
        }
        leaving.map(|(limit, said)| (left(limit), self.sequence >= said)).hash(hasher);
        for (_, member) in self.others() {
            member.hash_future(now, *started, &self.config, hasher);
            if self.counts_votes() {
                member.hash_votes(now, hasher);
            }
            for awaited in self.awaited_frames() {
                let confirmed = member.confirmed.is_some_and(|confirmed| confirmed >= awaited);
                confirmed.then(|| member.vote_ends.map(left)).hash(hasher);
            }
        }
        for (at, group) in self.config.groups().zip(groups) {
            group.hash_future(hasher);
            if self.config.monitor(at).is_some() || !group.health.is_at_rest() {
                group.health.hash_future(now, self.config.policy.recovery.window, hasher);
            }
        }
        pings.hash_future(now, &self.config, hasher);
        orders.iter().for_each(|order| order.hash_future(hasher));
        (care.count, self.sequence >= care.said_from).hash(hasher);
        next_life.iter().for_each(|next| next.hash_future(now, self.sequence, hasher));
        self.hash_witness(hasher);
    }

    /// Our frames whose confirmation a claim or our departure waits for: those and all later ones will do.
    pub fn awaited_frames(&self) -> impl Iterator<Item = Sequence> + '_ {
        let claims = self.groups.iter().filter_map(|group| match group.activity {
            Activity::Claiming { from, .. } => Some(from),
            _ => None,
        });
        let found = self.groups.iter().filter_map(|group| group.found_running);
        let next_life = self.next_life.and_then(|next| next.awaited());
        claims.chain(found).chain(self.leaving.map(|(_, said)| said)).chain(next_life)
    }

    fn counts_votes(&self) -> bool {
        self.config.policy.quorum != Quorum::Off
    }
}

impl Member {
    fn hash_future(&self, now: Instant, started: Instant, config: &Config, hasher: &mut impl Hasher) {
        let Self {
            // Part of the configuration.
            kind: _,
            freshness,
            presence,
            silent_since,
            heard: _,
            keepalive,
            deadtime,
            links,
            phase,
            phase_since,
            hears_us,
            has_heard_us,
            confirmed,
            pings,
            agrees,
            reports,
            fence,
            fence_failures,
            fence_job,
            fence_attempt: _,
            untold,
            told_from,
            fenced_us,
            hears,
            watchdog,
            life_since: _,
            maintenance,
            knows_maintenance,
            restarting,
            dead_early,
            vote_ends: _,
            absent_since: _,
        } = self;
        let left = |due: Instant| due.since(now);
        (freshness.generation(), presence, keepalive, deadtime, phase).hash(hasher);
        (hears_us, has_heard_us, confirmed.is_some(), pings, agrees, reports, fence_failures).hash(hasher);
        let life = |untold: &Untold| untold.attempt.generation;
        (fence_job.is_some(), untold.as_ref().map(life), told_from.is_some(), fenced_us).hash(hasher);
        (hears, watchdog, maintenance, knows_maintenance, restarting).hash(hasher);
        dead_early.map(left).hash(hasher);
        (*phase == Phase::Starting).then(|| left(*phase_since + *deadtime)).hash(hasher);
        match presence {
            Presence::Unheard => left(started.max(*silent_since) + config.intervals.initdead).hash(hasher),
            Presence::Alive => left(*silent_since + *deadtime).hash(hasher),
            Presence::Dead | Presence::Left => {}
        }
        let silence = |link: &LinkRecord| link.heard.filter(|_| link.up).map(|heard| left(heard + *deadtime));
        links.iter().take(usize::from(config.links)).map(silence).for_each(|due| due.hash(hasher));
        match fence {
            Fence::None => (0u8, Duration::ZERO),
            Fence::Running(_) => (1, Duration::ZERO),
            Fence::Done => (2, Duration::ZERO),
            Fence::Waiting(until) => (3, left(*until)),
            Fence::Delayed(until) => (4, left(*until)),
        }
        .hash(hasher);
    }
}

impl Member {
    /// The rest, which matters only where votes count.
    fn hash_votes(&self, now: Instant, hasher: &mut impl Hasher) {
        since(now, self.life_since, self.deadtime).hash(hasher);
        self.vote_ends.map(|end| end.since(now)).hash(hasher);
        self.absent_since.map(|absent| now.since(absent)).hash(hasher);
    }
}

/// How long something has lasted, as far as it matters whether that is a dead time.
fn since(now: Instant, begin: Instant, deadtime: Duration) -> Duration {
    now.since(begin).min(lengthened(deadtime))
}

impl Group {
    fn hash_future(&self, hasher: &mut impl Hasher) {
        let Self {
            activity,
            epoch,
            failed_here,
            stance,
            retired,
            ours,
            found_running,
            disputed,
            nobody_fit,
            health: _,
            kept,
        } = self;
        core::mem::discriminant(activity).hash(hasher);
        matches!(activity, Activity::Starting { cancelled: true, .. }).hash(hasher);
        self.is_restarting().hash(hasher);
        (epoch, failed_here, stance, retired, ours, found_running.is_some(), disputed, nobody_fit, kept)
            .hash(hasher);
    }
}
