//! A notice as one JSON object, for tests and tools: its kind, names instead of numbers, and every figure.

use heartline_core::input::JobFailure;
use heartline_core::notice::{ClaimCause, Notice, ReleaseCause};
use heartline_core::refusal::Refusal;
use heartline_core::seal::SealError;
use serde_json::{Value, json};

use super::{Names, fencing, witness};
use crate::control::snapshot::{Ailment, GroupState, Phase};

/// A notice as a JSON object. `notice` is its kind in snake case; times are whole milliseconds and end in `_ms`.
#[must_use]
pub fn json(notice: &Notice, names: &Names) -> Value {
    let node = |member| names.member(member);
    let on = |link| names.link(link);
    let of = |group| names.group(group);
    match *notice {
        Notice::Phase(phase) => json!({ "notice": "phase", "phase": Phase::from(phase) }),
        Notice::LinkUp { member, link } => {
            json!({ "notice": "link_up", "member": node(member), "link": on(link) })
        }
        Notice::LinkDead { member, link, silence } => json!({
            "notice": "link_dead", "member": node(member), "link": on(link), "silence_ms": silence.millis(),
        }),
        Notice::OnePathLeft { member, link } => {
            json!({ "notice": "one_path_left", "member": node(member), "link": on(link) })
        }
        Notice::MemberHeard { member, generation } => {
            json!({ "notice": "member_heard", "member": node(member), "generation": generation.0 })
        }
        Notice::MemberHearsUs(member) => json!({ "notice": "member_hears_us", "member": node(member) }),
        Notice::MemberDeaf(member) => json!({ "notice": "member_deaf", "member": node(member) }),
        Notice::MemberRestarted { member, generation } => {
            json!({ "notice": "member_restarted", "member": node(member), "generation": generation.0 })
        }
        Notice::MemberPhase { member, phase } => {
            json!({ "notice": "member_phase", "member": node(member), "phase": Phase::from(phase) })
        }
        Notice::MemberDead { member, silence, limit } => json!({
            "notice": "member_dead", "member": node(member),
            "silence_ms": silence.millis(), "limit_ms": limit.millis(),
        }),
        Notice::MemberReturned(member) => json!({ "notice": "member_returned", "member": node(member) }),
        Notice::LateHeartbeat { member, interval } => {
            json!({ "notice": "late_heartbeat", "member": node(member), "interval_ms": interval.millis() })
        }
        Notice::Stalled(gap) => json!({ "notice": "stalled", "gap_ms": gap.millis() }),
        Notice::Maintenance { on, by } => json!({ "notice": "maintenance", "on": on, "by": by.map(node) }),
        Notice::LeavesRunning(running) => {
            json!({ "notice": "leaves_running", "groups": groups(running, names) })
        }
        Notice::NextLife { deadtime } => {
            json!({ "notice": "next_life", "deadtime_ms": deadtime.millis() })
        }
        Notice::NextLifeGivenUp => json!({ "notice": "next_life_given_up" }),
        Notice::MemberRestarts { member, deadtime } => json!({
            "notice": "member_restarts", "member": node(member), "deadtime_ms": deadtime.millis(),
        }),
        Notice::ConfirmedDown(member) => json!({ "notice": "confirmed_down", "member": node(member) }),
        Notice::QuorumGained => json!({ "notice": "quorum_gained" }),
        Notice::QuorumLost => json!({ "notice": "quorum_lost" }),
        Notice::PingUp(ping) => json!({ "notice": "ping_up", "ping": names.ping(ping) }),
        Notice::PingDead(ping) => json!({ "notice": "ping_dead", "ping": names.ping(ping) }),
        Notice::PingsCount(count) => json!({ "notice": "pings_count", "count": count }),
        Notice::ConfigurationDiffers { member, ours, theirs } => json!({
            "notice": "configuration_differs", "member": node(member),
            "ours": groups(ours, names), "theirs": theirs,
        }),
        Notice::ConfigurationAgrees(member) => {
            json!({ "notice": "configuration_agrees", "member": node(member) })
        }
        Notice::Probed { group, state } => {
            json!({ "notice": "probed", "group": of(group), "state": GroupState::from(state) })
        }
        Notice::Adopted { group, epoch } => {
            json!({ "notice": "adopted", "group": of(group), "epoch": epoch.0 })
        }
        Notice::Claiming { group, epoch, cause } => {
            let (cause, member) = match cause {
                ClaimCause::NobodyRunsIt => ("nobody_runs_it", None),
                ClaimCause::HolderDied(member) => ("holder_died", Some(member)),
                ClaimCause::HolderReleased(member) => ("holder_released", Some(member)),
            };
            json!({
                "notice": "claiming", "group": of(group), "epoch": epoch.0,
                "cause": cause, "member": member.map(node),
            })
        }
        Notice::ClaimWithdrawn { group, winner } => {
            json!({ "notice": "claim_withdrawn", "group": of(group), "winner": winner.map(node) })
        }
        Notice::Unprotected { group, member } => {
            json!({ "notice": "unprotected", "group": of(group), "member": node(member) })
        }
        Notice::WatchdogFired { group, member } => {
            json!({ "notice": "watchdog_fired", "group": of(group), "member": node(member) })
        }
        Notice::Starting { group, epoch } => {
            json!({ "notice": "starting", "group": of(group), "epoch": epoch.0 })
        }
        Notice::Started { group, took } => {
            json!({ "notice": "started", "group": of(group), "took_ms": took.millis() })
        }
        Notice::StartFailed { group, job, failure } => json!({
            "notice": "start_failed", "group": of(group), "job": job.0, "failure": failure_word(failure),
        }),
        Notice::Doubtful { group, job, failure } => json!({
            "notice": "doubtful", "group": of(group), "job": job.0, "failure": failure_word(failure),
        }),
        Notice::Healthy(group) => json!({ "notice": "healthy", "group": of(group) }),
        Notice::Unhealthy { group, job, ailment } => json!({
            "notice": "unhealthy", "group": of(group), "job": job.0, "ailment": Ailment::from(ailment),
        }),
        Notice::Repairing(group) => json!({ "notice": "repairing", "group": of(group) }),
        Notice::Repaired(group) => json!({ "notice": "repaired", "group": of(group) }),
        Notice::Restarting { group, count, limit } => json!({
            "notice": "restarting", "group": of(group), "count": count, "limit": limit,
        }),
        Notice::Releasing { group, cause } => releasing(of(group), cause, names),
        Notice::Stopped { group, took } => {
            json!({ "notice": "stopped", "group": of(group), "took_ms": took.millis() })
        }
        Notice::StopFailed { group, job, failure } => json!({
            "notice": "stop_failed", "group": of(group), "job": job.0, "failure": failure_word(failure),
        }),
        Notice::ConflictWon { group, member, ours, theirs } => json!({
            "notice": "conflict_won", "group": of(group), "member": node(member),
            "our_epoch": ours.0, "their_epoch": theirs.0,
        }),
        Notice::RunsElsewhere { group, member, epoch } => json!({
            "notice": "runs_elsewhere", "group": of(group), "member": node(member), "epoch": epoch.0,
        }),
        Notice::NobodyFit(group) => json!({ "notice": "nobody_fit", "group": of(group) }),
        Notice::FencingDelayed { .. }
        | Notice::Fencing { .. }
        | Notice::Fenced { .. }
        | Notice::FenceBelied(_)
        | Notice::WasFenced { .. } => fencing::object(notice, names).unwrap_or_default(),
        Notice::WitnessWatches { .. }
        | Notice::WitnessWatchesNot(_)
        | Notice::WitnessVoted { .. }
        | Notice::PowerLost(_)
        | Notice::ResetByWitness { .. }
        | Notice::WasResetByWitness { .. } => witness::object(notice, names).unwrap_or_default(),
        Notice::FencingFailed { member, failure, retry_in } => json!({
            "notice": "fencing_failed", "member": node(member), "failure": failure_word(failure),
            "retry_in_ms": retry_in.millis(),
        }),
        Notice::Refused { link, refusal, count } => json!({
            "notice": "refused", "link": on(link), "refusal": refusal_word(&refusal),
            "detail": refusal.to_string(), "count": count,
        }),
        Notice::DuplicateName(link) => json!({ "notice": "duplicate_name", "link": on(link) }),
        Notice::Dropped(count) => json!({ "notice": "dropped", "count": count }),
    }
}

fn releasing(group: &str, cause: ReleaseCause, names: &Names) -> Value {
    let mut object = json!({ "notice": "releasing", "group": group });
    match cause {
        ReleaseCause::HigherBid(member) => {
            object["cause"] = json!("higher_bid");
            object["member"] = json!(names.member(member));
        }
        ReleaseCause::Leaving => object["cause"] = json!("leaving"),
        ReleaseCause::QuorumLost => object["cause"] = json!("quorum_lost"),
        ReleaseCause::Retired => object["cause"] = json!("retired"),
        ReleaseCause::NewerHolder { member, ours, theirs } => {
            object["cause"] = json!("newer_holder");
            object["member"] = json!(names.member(member));
            object["our_epoch"] = json!(ours.0);
            object["their_epoch"] = json!(theirs.0);
        }
        ReleaseCause::FailedStart => object["cause"] = json!("failed_start"),
        ReleaseCause::FailedTooOften => object["cause"] = json!("failed_too_often"),
        ReleaseCause::NotWhole => object["cause"] = json!("not_whole"),
    }
    object
}

fn groups(mask: u32, names: &Names) -> Vec<&str> {
    names.groups_in(mask).map(|group| names.group(group)).collect()
}

const fn failure_word(failure: JobFailure) -> &'static str {
    match failure {
        JobFailure::Refused => "refused",
        JobFailure::TimedOut => "timed_out",
        JobFailure::Cancelled => "cancelled",
        JobFailure::NotRun => "not_run",
    }
}

const fn refusal_word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Seal(SealError::Frame(_)) => "not_a_frame",
        Refusal::Seal(SealError::UnknownKey(_)) => "unknown_key",
        Refusal::Seal(SealError::WrongTag(_)) => "wrong_tag",
        Refusal::Body => "malformed",
        Refusal::UnknownMember(_) => "unknown_member",
        Refusal::OldGeneration => "old_generation",
        Refusal::TooOld => "too_old",
        Refusal::Replay => "replay",
        Refusal::Flood => "flood",
    }
}
