//! Which decisions the nodes have taken, and between which states they went. A rule that no seed reaches is a hole in the
//! simulator: the report names it.

use heartline_core::Node;
use heartline_core::effect::{Answer, FenceAnswer};
use heartline_core::member::Presence;
use heartline_core::message::{GroupState, Phase};
use heartline_core::notice::{ClaimCause, Notice, ReleaseCause};
use heartline_core::refusal::Refusal;
use heartline_core::seal::SealError;
use heartline_core::witness::{Deed, FenceRefusal, ReadBack, ResetCause, StartCause};

/// Everything that a node can decide or answer.
pub const RULES: [&str; 118] = [
    "phase starting",
    "phase active",
    "phase leaving",
    "phase left",
    "link up",
    "link dead",
    "one path left",
    "member heard",
    "member hears us",
    "member deaf",
    "member restarted",
    "member's phase",
    "member dead",
    "member returned",
    "late heartbeat",
    "stalled",
    "ping up",
    "ping dead",
    "pings count",
    "configuration differs",
    "configuration agrees",
    "probed",
    "adopted",
    "claiming: nobody runs it",
    "claiming: holder died",
    "claiming: holder released",
    "claim withdrawn",
    "unprotected",
    "starting",
    "started",
    "start failed",
    "releasing: higher bid",
    "releasing: leaving",
    "releasing: newer holder",
    "releasing: retired",
    "releasing: failed start",
    "releasing: not whole",
    "stopped",
    "stop failed",
    "conflict won",
    "runs elsewhere",
    "nobody fit",
    "fencing",
    "fenced",
    "fencing failed",
    "refused: not a frame",
    "refused: unknown key",
    "refused: wrong tag",
    "refused: earlier life",
    "refused: too old",
    "refused: replay",
    "refused: other",
    "announced again",
    "answer: done",
    "answer: nothing",
    "answer: nobody else",
    "answer: not moved",
    "answer: not active",
    "answer: configuration differs",
    "answer: busy",
    "quorum gained",
    "quorum lost",
    "releasing: quorum lost",
    "watchdog must have fired",
    "fencing delayed",
    "fence belied",
    "was fenced",
    "doubtful",
    "healthy",
    "unhealthy",
    "repairing",
    "repaired",
    "restarting",
    "releasing: failed too often",
    "maintenance on",
    "maintenance off",
    "leaves running",
    "next life",
    "next life given up",
    "member restarts",
    "confirmed down",
    "answer: maintenance",
    "answer: overruled",
    "answer: not dead",
    "answer: not restarted",
    "witness watches",
    "witness watches not",
    "witness voted",
    "power lost",
    "reset by the witness",
    "was reset by the witness",
    "asked the witness: done",
    "asked the witness: power went off",
    "asked the witness: other was first",
    "asked the witness: not the other",
    "asked the witness: no line",
    "asked the witness: not armed",
    "asked the witness: stayed on",
    "asked the witness: withdrawn",
    "witness started: power",
    "witness started: pin",
    "witness started: own watchdog",
    "witness started: brown-out",
    "witness started: software",
    "witness armed",
    "witness released",
    "witness reset: watchdog",
    "witness reset: power lost",
    "witness reset: fence",
    "witness reset: stayed on",
    "witness reset: line belied",
    "witness withheld",
    "witness refused: other was first",
    "witness refused: no line",
    "witness refused: not armed",
    "witness saw power go",
    "witness saw power come",
    "witness gave its vote",
];

/// What cannot be reached from here, with the reason.
const UNREACHABLE: [&str; 3] = [
    // Nodes begin in it without a word.
    "phase starting",
    // Links carry no authentic frames of strangers, and no step has that many notices.
    "refused: other",
    // No host asks for the reset of itself or of a stranger.
    "asked the witness: not the other",
];

const ANSWERS: usize = 53;
const ANNOUNCED: usize = 52;
/// Where the eleven rules about administration begin.
const ADMINISTRATION: usize = 74;
/// Where the six rules about the witness begin.
const WITNESS: usize = 85;
/// Where the answers of the witness to those who asked for a reset begin.
const FENCES: usize = 91;
/// Where the witness's own deeds begin.
const DEEDS: usize = 99;
const STATES: usize = 7;

/// How often each rule fired and each step between states was taken.
#[derive(Debug, Clone)]
pub struct Coverage {
    rules: [u64; RULES.len()],
    groups: [[u64; STATES]; STATES],
    members: [[u64; 4]; 4],
    /// Of the run: each host's groups and members as last seen.
    seen: Vec<Seen>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    groups: Vec<GroupState>,
    members: Vec<Presence>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            rules: [0; RULES.len()],
            groups: [[0; STATES]; STATES],
            members: [[0; 4]; 4],
            seen: Vec::new(),
        }
    }
}

impl Coverage {
    pub(crate) fn notice(&mut self, notice: &Notice) {
        self.rules[rule(notice)] += 1;
    }

    pub(crate) fn answer(&mut self, answer: &Answer) {
        let at = match answer {
            Answer::Done => 0,
            Answer::Nothing => 1,
            Answer::NobodyElse(_) => 2,
            Answer::NotMoved(_) => 3,
            Answer::NotActive => 4,
            Answer::ConfigurationDiffers => 5,
            Answer::Busy => 6,
            Answer::Maintenance => ADMINISTRATION + 7 - ANSWERS,
            Answer::Overruled => ADMINISTRATION + 8 - ANSWERS,
            Answer::NotDead(_) => ADMINISTRATION + 9 - ANSWERS,
            Answer::NotRestarted => ADMINISTRATION + 10 - ANSWERS,
        };
        self.rules[ANSWERS + at] += 1;
    }

    pub(crate) fn fence_answer(&mut self, answer: &FenceAnswer) {
        let at = match answer {
            FenceAnswer::Done(ReadBack::NotSensed) => 0,
            FenceAnswer::Done(ReadBack::WentOff) => 1,
            FenceAnswer::Refused(FenceRefusal::OtherWasFirst) => 2,
            FenceAnswer::Refused(FenceRefusal::NotTheOther) => 3,
            FenceAnswer::Refused(FenceRefusal::NoLine) => 4,
            FenceAnswer::Refused(FenceRefusal::NotArmed) => 5,
            FenceAnswer::Refused(FenceRefusal::StayedOn) => 6,
            FenceAnswer::Withdrawn | FenceAnswer::NoWitness => 7,
        };
        self.rules[FENCES + at] += 1;
    }

    pub(crate) fn deed(&mut self, deed: &Deed) {
        let at = match deed {
            Deed::Started(StartCause::PowerOn) => 0,
            Deed::Started(StartCause::Pin) => 1,
            Deed::Started(StartCause::OwnWatchdog) => 2,
            Deed::Started(StartCause::BrownOut) => 3,
            Deed::Started(StartCause::Software) => 4,
            Deed::Armed(..) => 5,
            Deed::Released(_) => 6,
            Deed::Reset(_, ResetCause::Watchdog(_), _) => 7,
            Deed::Reset(_, ResetCause::PowerLost, _) => 8,
            Deed::Reset(_, ResetCause::Fence(_), _) => 9,
            Deed::StayedOn(..) => 10,
            Deed::LineBelied(_) => 11,
            Deed::Withheld(_) => 12,
            Deed::Refused(_, FenceRefusal::OtherWasFirst) => 13,
            Deed::Refused(_, FenceRefusal::NoLine) => 14,
            Deed::Refused(_, _) => 15,
            Deed::PowerLost(_) => 16,
            Deed::PowerBack(_) => 17,
            Deed::Voted(..) => 18,
            // It has its keys before it is powered here.
            Deed::Provisioned => return,
        };
        self.rules[DEEDS + at] += 1;
    }

    pub(crate) const fn announced(&mut self) {
        self.rules[ANNOUNCED] += 1;
    }

    /// A host's next daemon begins anew.
    pub(crate) fn begin(&mut self, host: usize) {
        if let Some(seen) = self.seen.get_mut(host) {
            *seen = Seen::default();
        }
    }

    /// Notes the steps between states since the last look.
    pub(crate) fn look_at(&mut self, host: usize, node: &Node) {
        if self.seen.len() <= host {
            self.seen.resize_with(host + 1, Seen::default);
        }
        let seen = &mut self.seen[host];
        for (at, group) in node.config().groups().enumerate() {
            let Some(state) = node.group_here(group).map(|group| group.state()) else { continue };
            match seen.groups.get_mut(at) {
                Some(before) if *before != state => {
                    self.groups[*before as usize][state as usize] += 1;
                    *before = state;
                }
                Some(_) => {}
                None => seen.groups.push(state),
            }
        }
        for member in node.config().members() {
            let presence = node.member(member).map_or(Presence::Unheard, |member| member.presence());
            match seen.members.get_mut(usize::from(member.0)) {
                Some(before) if *before != presence => {
                    self.members[*before as usize][presence as usize] += 1;
                    *before = presence;
                }
                Some(_) => {}
                None => seen.members.push(presence),
            }
        }
    }

    /// Adds what another run has reached.
    pub fn add(&mut self, other: &Self) {
        let sum = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        sum(&mut self.rules, &other.rules);
        self.groups.iter_mut().zip(&other.groups).for_each(|(to, from)| sum(to, from));
        self.members.iter_mut().zip(&other.members).for_each(|(to, from)| sum(to, from));
    }

    /// Each rule and how often it fired.
    pub fn rules(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        RULES.into_iter().zip(self.rules)
    }

    /// The rules that never fired but could have.
    pub fn never(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.rules().filter(|(rule, times)| *times == 0 && !UNREACHABLE.contains(rule)).map(|(rule, _)| rule)
    }

    /// The steps between states of groups and between presences of members that were taken, and how often.
    #[must_use]
    pub fn transitions(&self) -> Vec<(String, u64)> {
        const GROUPS: [GroupState; STATES] = [
            GroupState::Idle,
            GroupState::Claiming,
            GroupState::Starting,
            GroupState::Running,
            GroupState::Stopping,
            GroupState::Unknown,
            GroupState::Failed,
        ];
        const MEMBERS: [Presence; 4] = [Presence::Unheard, Presence::Alive, Presence::Dead, Presence::Left];
        let mut taken = Vec::new();
        for from in GROUPS {
            for to in GROUPS {
                taken.push((format!("group {from:?} -> {to:?}"), self.groups[from as usize][to as usize]));
            }
        }
        for from in MEMBERS {
            for to in MEMBERS {
                taken.push((format!("member {from:?} -> {to:?}"), self.members[from as usize][to as usize]));
            }
        }
        taken.retain(|(_, times)| *times > 0);
        taken
    }
}

const fn rule(notice: &Notice) -> usize {
    match notice {
        Notice::Phase(Phase::Starting) => 0,
        Notice::Phase(Phase::Active) => 1,
        Notice::Phase(Phase::Leaving) => 2,
        Notice::Phase(Phase::Left) => 3,
        Notice::LinkUp { .. } => 4,
        Notice::LinkDead { .. } => 5,
        Notice::OnePathLeft { .. } => 6,
        Notice::MemberHeard { .. } => 7,
        Notice::MemberHearsUs(_) => 8,
        Notice::MemberDeaf(_) => 9,
        Notice::MemberRestarted { .. } => 10,
        Notice::MemberPhase { .. } => 11,
        Notice::MemberDead { .. } => 12,
        Notice::MemberReturned(_) => 13,
        Notice::LateHeartbeat { .. } => 14,
        Notice::Stalled(_) => 15,
        Notice::PingUp(_) => 16,
        Notice::PingDead(_) => 17,
        Notice::PingsCount(_) => 18,
        Notice::ConfigurationDiffers { .. } => 19,
        Notice::ConfigurationAgrees(_) => 20,
        Notice::Probed { .. } => 21,
        Notice::Adopted { .. } => 22,
        Notice::Claiming { cause: ClaimCause::NobodyRunsIt, .. } => 23,
        Notice::Claiming { cause: ClaimCause::HolderDied(_), .. } => 24,
        Notice::Claiming { cause: ClaimCause::HolderReleased(_), .. } => 25,
        Notice::ClaimWithdrawn { .. } => 26,
        Notice::Unprotected { .. } => 27,
        Notice::Starting { .. } => 28,
        Notice::Started { .. } => 29,
        Notice::StartFailed { .. } => 30,
        Notice::Releasing { cause: ReleaseCause::HigherBid(_), .. } => 31,
        Notice::Releasing { cause: ReleaseCause::Leaving, .. } => 32,
        Notice::Releasing { cause: ReleaseCause::NewerHolder { .. }, .. } => 33,
        Notice::Releasing { cause: ReleaseCause::Retired, .. } => 34,
        Notice::Releasing { cause: ReleaseCause::FailedStart, .. } => 35,
        Notice::Releasing { cause: ReleaseCause::NotWhole, .. } => 36,
        Notice::Stopped { .. } => 37,
        Notice::StopFailed { .. } => 38,
        Notice::ConflictWon { .. } => 39,
        Notice::RunsElsewhere { .. } => 40,
        Notice::NobodyFit(_) => 41,
        Notice::Fencing { .. } => 42,
        Notice::Fenced { .. } => 43,
        Notice::FencingFailed { .. } => 44,
        Notice::Refused { refusal, .. } => match refusal {
            Refusal::Seal(SealError::Frame(_)) => 45,
            Refusal::Seal(SealError::UnknownKey(_)) => 46,
            Refusal::Seal(SealError::WrongTag(_)) => 47,
            Refusal::OldGeneration => 48,
            Refusal::TooOld => 49,
            Refusal::Replay => 50,
            Refusal::Body | Refusal::UnknownMember(_) | Refusal::Flood => 51,
        },
        Notice::QuorumGained => 60,
        Notice::QuorumLost => 61,
        Notice::Releasing { cause: ReleaseCause::QuorumLost, .. } => 62,
        Notice::WatchdogFired { .. } => 63,
        Notice::FencingDelayed { .. } => 64,
        Notice::FenceBelied(_) => 65,
        Notice::WasFenced { .. } => 66,
        Notice::Doubtful { .. } => 67,
        Notice::Healthy(_) => 68,
        Notice::Unhealthy { .. } => 69,
        Notice::Repairing(_) => 70,
        Notice::Repaired(_) => 71,
        Notice::Restarting { .. } => 72,
        Notice::Releasing { cause: ReleaseCause::FailedTooOften, .. } => 73,
        Notice::Maintenance { on: true, .. } => ADMINISTRATION,
        Notice::Maintenance { on: false, .. } => ADMINISTRATION + 1,
        Notice::LeavesRunning(_) => ADMINISTRATION + 2,
        Notice::NextLife { .. } => ADMINISTRATION + 3,
        Notice::NextLifeGivenUp => ADMINISTRATION + 4,
        Notice::MemberRestarts { .. } => ADMINISTRATION + 5,
        Notice::ConfirmedDown(_) => ADMINISTRATION + 6,
        Notice::WitnessWatches { .. } => WITNESS,
        Notice::WitnessWatchesNot(_) => WITNESS + 1,
        Notice::WitnessVoted { .. } => WITNESS + 2,
        Notice::PowerLost(_) => WITNESS + 3,
        Notice::ResetByWitness { .. } => WITNESS + 4,
        Notice::WasResetByWitness { .. } => WITNESS + 5,
        Notice::DuplicateName(_) | Notice::Dropped(_) => 51,
    }
}
