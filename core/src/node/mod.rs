//! A node: the order of business of one step, and what can be read of its state. The work is in the rooms below:
//! `hearing` (frames in), `watch` (silence), `jobs` (outcomes), `decide` (ownership), `recovery` (what runs and fails),
//! `fence`, `orders` (operators), `maintenance` and `next_life` (when to leave services alone), `speak` (heartbeats out),
//! `witness`, `deadlines`, `record` (what a flight recorder needs), `future` (what of all this matters, for explorers).

mod deadlines;
mod decide;
mod fence;
mod future;
mod hearing;
mod jobs;
mod maintenance;
mod next_life;
mod orders;
mod pings;
mod quorum;
mod reconfigure;
mod record;
mod recovery;
mod speak;
mod watch;
mod witness;

#[cfg(test)]
mod tests;

use heapless::Vec;
use serde::{Deserialize, Serialize};

pub use pings::PingState;
pub use reconfigure::ReconfigureError;
pub use witness::{Known, WitnessView};

use crate::config::{Config, MemberKind};
use crate::effect::{Effect, Effects};
use crate::group::{Activity, Group};
use crate::ids::{Generation, GroupIndex, JobId, LinkIndex, MemberIndex, PingIndex, Sequence};
use crate::input::Input;
use crate::limits::{MAX_GROUPS, MAX_LINKS, MAX_MEMBERS, MAX_ORDERS};
use crate::member::{Member, Presence};
use crate::message::{GroupState, Phase};
use crate::notice::Notice;
use crate::planted::{Bug, planted};
use crate::quorum::Ballots;
use crate::refusal::LinkCounters;
use crate::seal::KeyRing;
use crate::time::{Duration, Instant};

/// One member's view of the cluster, and all that it decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Node {
    config: Config,
    keys: KeyRing,
    generation: Generation,
    /// Of the newest frame sent.
    sequence: Sequence,
    phase: Phase,
    started: Instant,
    last_step: Instant,
    next_heartbeat: Instant,
    /// When the newest frame was sent.
    spoke_at: Instant,
    spoken: speak::Spoken,
    /// Stalled a moment ago: nothing is taken before the next tick, when all that was said meanwhile has been heard.
    listening: bool,
    /// Heartbeats sent out of turn within the keepalive that began at `turn_since`.
    unscheduled: u8,
    turn_since: Instant,
    /// Somebody waits for our word.
    reply_due: bool,
    /// When to leave even if not everybody has confirmed that we left, and which frame said so.
    leaving: Option<(Instant, Sequence)>,
    gone: bool,
    members: Vec<Member, MAX_MEMBERS>,
    groups: Vec<Group, MAX_GROUPS>,
    pings: pings::Pings,
    orders: Vec<orders::Order, MAX_ORDERS>,
    counters: [LinkCounters; MAX_LINKS],
    /// Frames that another machine sent under our name.
    under_our_name: u32,
    /// Members whose configuration was said to differ, bit by member.
    differing: u16,
    jobs: u32,
    ballots: Ballots,
    majority: quorum::Majority,
    care: maintenance::Care,
    next_life: Option<next_life::NextLife>,
    dealings: witness::Dealings,
}

impl Node {
    /// A node at its start. `generation` must be greater than in every earlier life and be stored durably before the
    /// first step. The first step should be an [`Input::Tick`].
    #[must_use]
    pub fn new(config: Config, keys: KeyRing, generation: Generation, now: Instant) -> Self {
        let members = config.members().map(|at| Member::new(&config, config.kind(at), now)).collect();
        let groups = config.groups().map(|_| Group::new()).collect();
        let pings = pings::Pings::new(usize::from(config.pings), now);
        let majority = quorum::Majority::new(config.policy.quorum);
        Self {
            config,
            keys,
            generation,
            sequence: Sequence(0),
            phase: Phase::Starting,
            started: now,
            last_step: now,
            next_heartbeat: now,
            spoke_at: now,
            spoken: speak::Spoken::default(),
            listening: false,
            unscheduled: 0,
            turn_since: now,
            reply_due: false,
            leaving: None,
            gone: false,
            members,
            groups,
            pings,
            orders: Vec::new(),
            counters: [LinkCounters::default(); MAX_LINKS],
            under_our_name: 0,
            differing: 0,
            jobs: 0,
            ballots: Ballots::new(),
            majority,
            care: maintenance::Care::default(),
            next_life: None,
            dealings: witness::Dealings::default(),
        }
    }

    /// Takes in one thing that happened and adds to `effects` what is to be done about it.
    ///
    /// `now` must not go back; if it does, it is taken for the last instant known. Silence is judged at
    /// [`Input::Tick`] only, so that frames which were waiting count first.
    pub fn step(&mut self, now: Instant, input: Input<'_>, effects: &mut Effects) {
        let now = now.max(self.last_step);
        let mut is_due = now >= self.next_deadline();
        let has_stalled = self.notice_stall(now, effects);
        is_due |= self.notice_lost_quorum(now, effects);
        self.last_step = now;
        let mut is_news = true;
        match input {
            Input::Frame { link, bytes } => is_news = self.hear(now, link, bytes, effects),
            Input::Tick => {
                // One that ends a stall has not seen the frames that came during it.
                self.listening = has_stalled;
                self.judge_silence(now, effects);
            }
            Input::Pong(ping) => self.pings.answered(now, ping, effects),
            Input::Watchdog(timeout) => self.majority.watchdog = timeout,
            Input::JobEnded { job, outcome } => self.job_ended(now, job, outcome, effects),
            Input::Suspect(group) => self.suspect(group),
            Input::FenceByWitness { job, target } => self.request_reset(job, target, effects),
            Input::FenceWithdrawn(job) => self.withdraw_reset(job),
            Input::Order { id, command } => self.take_order(now, id, command, effects),
        }
        // Copies and refused frames, however many, leave nothing to decide.
        if is_news || is_due {
            self.act(now, effects);
        }
        effects.settle();
    }

    /// When the next [`Input::Tick`] is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        deadlines::next(self)
    }

    fn act(&mut self, now: Instant, effects: &mut Effects) {
        if self.gone {
            return;
        }
        self.end_retirement();
        self.notice_quorum(now, effects);
        self.believe_witness(now, effects);
        self.pings.weigh(now, &self.config, effects);
        self.advance_phase(now, effects);
        for group in self.config.groups() {
            self.decide(now, group, effects);
        }
        self.defend(now, effects);
        self.finish_leaving(now, effects);
        self.pursue_next_life(now, effects);
        self.answer_orders(effects);
        self.speak_if_due(now, effects);
        self.leave_if_done(now, effects);
    }

    /// Active as soon as everything here was looked at and the others have been heard in both directions, or are not
    /// there; or as soon as a member that is active already hears us.
    fn advance_phase(&mut self, now: Instant, effects: &mut Effects) {
        if self.phase != Phase::Starting || !self.groups.iter().all(is_settled) {
            return;
        }
        let initial_time_over = now >= self.started + self.config.intervals.initdead;
        let known = |member: &Member| match member.presence {
            _ if member.kind == MemberKind::Witness => true,
            Presence::Alive => member.hears_us || initial_time_over,
            Presence::Dead | Presence::Left => true,
            Presence::Unheard => false,
        };
        let joined = self.others().any(|(_, member)| member.hears_us() && member.phase == Phase::Active);
        if joined || self.others().all(|(_, member)| known(member)) {
            self.set_phase(Phase::Active, effects);
        }
    }

    fn set_phase(&mut self, phase: Phase, effects: &mut Effects) {
        self.phase = phase;
        effects.say(Notice::Phase(phase));
    }

    /// Once nothing runs here any more: says so, so that nobody has to wait for the dead time.
    fn finish_leaving(&mut self, now: Instant, effects: &mut Effects) {
        if self.phase != Phase::Leaving || self.groups.iter().any(|group| group.job().is_some()) {
            return;
        }
        match self.groups.iter().any(|group| group.state().may_run()) {
            true if self.in_maintenance() && !planted(Bug::LeavesRunning) => {
                self.leave_running(now, effects);
            }
            // Parts of a group may still run: the others must not be told otherwise.
            true if !planted(Bug::LeavesRunning) => self.go(effects),
            _ => {
                self.set_phase(Phase::Left, effects);
                self.leaving = Some((now + self.patience(), self.sequence.next()));
            }
        }
    }

    /// How long the last word of a life is repeated for those that have not confirmed it.
    fn patience(&self) -> Duration {
        self.config.intervals.keepalive.times(3).min(self.config.intervals.deadtime)
    }

    fn leave_if_done(&mut self, now: Instant, effects: &mut Effects) {
        let Some((limit, said)) = self.leaving else { return };
        if self.sequence >= said && (now >= limit || self.all_have_confirmed(said)) {
            self.go(effects);
        }
    }

    /// Whether every member that hears us has confirmed this frame or a later one.
    fn all_have_confirmed(&self, frame: Sequence) -> bool {
        self.others().all(|(_, member)| {
            !member.hears_us() || member.confirmed.is_some_and(|confirmed| confirmed >= frame)
        })
    }

    fn go(&mut self, effects: &mut Effects) {
        self.gone = true;
        effects.order(Effect::Leave);
    }

    fn new_job(&mut self) -> JobId {
        self.jobs = self.jobs.wrapping_add(1);
        JobId(self.jobs)
    }

    fn others(&self) -> impl Iterator<Item = (MemberIndex, &Member)> {
        let this = self.config.this;
        self.config.members().zip(&self.members).filter(move |(at, _)| *at != this)
    }

    fn group(&self, group: GroupIndex) -> &Group {
        &self.groups[usize::from(group.0)]
    }

    fn group_mut(&mut self, group: GroupIndex) -> &mut Group {
        &mut self.groups[usize::from(group.0)]
    }
}

/// Whether the first look at a group is over.
fn is_settled(group: &Group) -> bool {
    match group.activity {
        Activity::Unprobed | Activity::Probing(_) | Activity::Interrupting(_) | Activity::Stopping { .. } => {
            false
        }
        Activity::Idle
        | Activity::Claiming { .. }
        | Activity::Starting { .. }
        | Activity::Running
        | Activity::Failed
        | Activity::Unclear => true,
    }
}

/// What can be read of a node: for the status, for tests and for checkers.
impl Node {
    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Where this node is in its life.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// This node's life.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The number of the newest frame sent.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// What is known of another member; nothing for this node itself and for places that do not exist.
    #[must_use]
    pub fn member(&self, member: MemberIndex) -> Option<&Member> {
        self.members.get(usize::from(member.0)).filter(|_| member != self.config.this)
    }

    /// One group on this node; nothing for places that do not exist.
    #[must_use]
    pub fn group_here(&self, group: GroupIndex) -> Option<&Group> {
        self.groups.get(usize::from(group.0))
    }

    /// Who runs or starts a group, as far as this node knows.
    #[must_use]
    pub fn holder(&self, group: GroupIndex) -> Option<MemberIndex> {
        if self.group_here(group)?.state().holds() {
            return Some(self.config.this);
        }
        self.holder_elsewhere(group)
    }

    fn holder_elsewhere(&self, group: GroupIndex) -> Option<MemberIndex> {
        let holds =
            |member: &Member| member.presence == Presence::Alive && member.report(group).state.holds();
        self.others().find(|(_, member)| holds(member)).map(|(at, _)| at)
    }

    /// Whether every group is where it should be and nothing is under way, here or on a member that is alive.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let settled =
            |state: GroupState| matches!(state, GroupState::Idle | GroupState::Running | GroupState::Failed);
        self.phase == Phase::Active
            && self.config.groups().all(|group| {
                settled(self.group(group).state())
                    && self
                        .others()
                        .filter(|(_, member)| member.presence == Presence::Alive)
                        .all(|(_, member)| settled(member.report(group).state))
            })
    }

    /// One ping node.
    #[must_use]
    pub fn ping(&self, ping: PingIndex) -> PingState {
        self.pings.state(ping)
    }

    /// When a ping node last answered; nothing if it never did.
    #[must_use]
    pub fn last_pong(&self, ping: PingIndex) -> Option<Instant> {
        self.pings.last_answer(ping)
    }

    /// The counters of one link.
    #[must_use]
    pub fn counters(&self, link: LinkIndex) -> LinkCounters {
        self.counters.get(usize::from(link.0)).copied().unwrap_or_default()
    }

    /// How long this node has been running.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.since(self.started)
    }
}
