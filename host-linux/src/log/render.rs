//! What the core notices, in words: one line of the log for each notice, the original's own words where it had some,
//! then the reason with its figures. `json` says the same to programs. Nothing here decides or writes.

mod fencing;
mod json;
mod names;
mod recovery;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod witness;

use std::fmt;

use heartline_core::ids::{Epoch, GroupIndex, LinkIndex, MemberIndex, PingIndex};
use heartline_core::input::JobFailure;
use heartline_core::message::{GroupState, Phase};
use heartline_core::notice::{ClaimCause, Notice, ReleaseCause};
use heartline_core::refusal::Refusal;
use heartline_core::time::Duration;

use super::Level;
pub use fencing::why as fence_reason;

pub use json::json;
pub use names::Names;
pub use witness::{deed_words, fence_answer, reset_reason};

/// The log line for a notice, and how grave it is.
#[must_use]
pub fn render(notice: &Notice, names: &Names) -> (Level, String) {
    (level(notice), text(notice, names))
}

fn level(notice: &Notice) -> Level {
    match notice {
        Notice::Phase(_)
        | Notice::LinkUp { .. }
        | Notice::LinkDead { .. }
        | Notice::MemberHeard { .. }
        | Notice::MemberHearsUs(_)
        | Notice::MemberRestarted { .. }
        | Notice::MemberPhase { .. }
        | Notice::Maintenance { .. }
        | Notice::NextLife { .. }
        | Notice::MemberRestarts { .. }
        | Notice::QuorumGained
        | Notice::PingUp(_)
        | Notice::PingsCount(_)
        | Notice::ConfigurationAgrees(_)
        | Notice::Probed { .. }
        | Notice::Adopted { .. }
        | Notice::Claiming { .. }
        | Notice::ClaimWithdrawn { .. }
        | Notice::Starting { .. }
        | Notice::Started { .. }
        | Notice::Stopped { .. }
        | Notice::Healthy(_)
        | Notice::Repaired(_)
        | Notice::RunsElsewhere { .. }
        | Notice::FencingDelayed { .. }
        | Notice::Fencing { .. }
        | Notice::Fenced { .. }
        | Notice::WitnessWatches { .. }
        | Notice::WitnessVoted { .. } => Level::Info,
        Notice::OnePathLeft { .. }
        | Notice::MemberDeaf(_)
        | Notice::MemberDead { .. }
        | Notice::LateHeartbeat { .. }
        | Notice::PingDead(_)
        | Notice::Doubtful { .. }
        | Notice::Repairing(_)
        | Notice::Restarting { .. }
        | Notice::LeavesRunning(_)
        | Notice::NextLifeGivenUp
        | Notice::ConfirmedDown(_)
        | Notice::Unprotected { .. }
        | Notice::WatchdogFired { .. }
        | Notice::WasFenced { .. }
        | Notice::WitnessWatchesNot(_)
        | Notice::PowerLost(_)
        | Notice::ResetByWitness { .. }
        | Notice::WasResetByWitness { .. }
        | Notice::Dropped(_) => Level::Warn,
        Notice::ConfigurationDiffers { .. }
        | Notice::ConflictWon { .. }
        | Notice::NobodyFit(_)
        | Notice::Unhealthy { .. }
        | Notice::QuorumLost
        | Notice::FencingFailed { .. }
        | Notice::DuplicateName(_) => Level::Error,
        Notice::MemberReturned(_)
        | Notice::FenceBelied(_)
        | Notice::Stalled(_)
        | Notice::StartFailed { .. }
        | Notice::StopFailed { .. } => Level::Crit,
        Notice::Releasing { cause, .. } => match cause {
            ReleaseCause::HigherBid(_) | ReleaseCause::Leaving | ReleaseCause::FailedStart => Level::Info,
            ReleaseCause::NotWhole => Level::Warn,
            ReleaseCause::Retired => Level::Info,
            ReleaseCause::NewerHolder { .. } | ReleaseCause::QuorumLost | ReleaseCause::FailedTooOften => {
                Level::Error
            }
        },
        Notice::Refused { refusal, .. } => match refusal {
            Refusal::Seal(_) | Refusal::Body | Refusal::TooOld | Refusal::Replay | Refusal::Flood => {
                Level::Warn
            }
            Refusal::UnknownMember(_) | Refusal::OldGeneration => Level::Error,
        },
    }
}

fn text(notice: &Notice, names: &Names) -> String {
    let node = |member: &MemberIndex| names.member(*member);
    let link_name = |link: &LinkIndex| names.link(*link);
    let group_name = |group: &GroupIndex| names.group(*group);
    let ping_name = |ping: &PingIndex| names.ping(*ping);
    match notice {
        Notice::Phase(phase) => own_phase(*phase).to_owned(),
        Notice::LinkUp { member, link } => format!("Link {}:{} up.", node(member), link_name(link)),
        Notice::LinkDead { member, link, silence } => {
            let (member, link) = (node(member), link_name(link));
            format!("Link {member}:{link} dead. No heartbeat came over it for {}.", Millis(silence))
        }
        Notice::OnePathLeft { member, link } => {
            let (member, link) = (node(member), link_name(link));
            format!("One path is left to node {member}: {link}. If it fails too, {member} looks dead.")
        }
        Notice::MemberHeard { member, generation } => {
            let member = node(member);
            format!("Status update for node {member}: status up (first heard, generation {})", generation.0)
        }
        Notice::MemberHearsUs(member) => {
            format!("node {} hears this node: it is alive in both directions", node(member))
        }
        Notice::MemberDeaf(member) => {
            format!("node {} does not hear this node, which hears it: one direction is cut", node(member))
        }
        Notice::MemberRestarted { member, generation } => {
            format!("Heartbeat restart on node {} (generation {})", node(member), generation.0)
        }
        Notice::MemberPhase { member, phase } => member_phase(node(member), *phase),
        Notice::MemberDead { member, silence, limit } => format!(
            "node {}: is dead (no heartbeat for {}, dead time {})",
            node(member),
            Millis(silence),
            Millis(limit)
        ),
        Notice::MemberReturned(member) => format!(
            "Cluster node {} returning after partition. It went on in the same life: links were cut, or it was \
             stalled.",
            node(member)
        ),
        Notice::LateHeartbeat { member, interval } => {
            format!("Late heartbeat: Node {}: interval {}", node(member), Millis(interval))
        }
        Notice::Stalled(gap) => format!(
            "Late heartbeat: Node {}: interval {} (> deadtime). This node itself did nothing for so long; it listens \
             before it judges anybody.",
            names.this_node(),
            Millis(gap)
        ),
        Notice::Maintenance { on, by } => maintenance(*on, by.as_ref().map(node)),
        Notice::LeavesRunning(groups) => {
            let running: Vec<&str> = names.groups_in(*groups).map(|group| names.group(group)).collect();
            format!(
                "Maintenance is on: this node leaves, and its resources go on running here without it: {}",
                running.join(", ")
            )
        }
        Notice::NextLife { deadtime } => format!(
            "Heartbeat restart triggered. Resources stay as they are; the other nodes are asked to wait for {}.",
            Millis(deadtime)
        ),
        Notice::NextLifeGivenUp => {
            "Heartbeat restart given up: this daemon goes on as before. Resources stay as they are."
                .to_owned()
        }
        Notice::MemberRestarts { member, deadtime } => format!(
            "node {} restarts its heartbeat; its resources stay as they are. It is held for dead if it is silent for {}.",
            node(member),
            Millis(deadtime)
        ),
        Notice::ConfirmedDown(member) => format!(
            "node {} is down by the word of an operator: it counts as fenced, its resources are free",
            node(member)
        ),
        Notice::QuorumGained => "Quorum gained: more than half of all nodes hear each other".to_owned(),
        Notice::QuorumLost => {
            "Quorum lost: this node and those that hear it are not more than half of all nodes. \
             Nothing may run here until they are."
                .to_owned()
        }
        Notice::PingUp(ping) => format!("Status update for node {}: status ping", ping_name(ping)),
        Notice::PingDead(ping) => format!("node {}: is dead (it answers no pings)", ping_name(ping)),
        Notice::PingsCount(count) => format!("Ping node count is {count} of {} now", names.ping_count()),
        Notice::ConfigurationDiffers { member, ours, theirs } => {
            configuration_differs(node(member), *ours, *theirs, names)
        }
        Notice::ConfigurationAgrees(member) => {
            format!("The resource configuration of node {} agrees with this node's again", node(member))
        }
        Notice::Probed { group, state } => {
            format!("Resource group {} at the first look: {}", group_name(group), found(*state))
        }
        Notice::Adopted { group, epoch } => format!(
            "Resource group {} is kept: it ran here before this start, and nobody else has it (epoch {})",
            group_name(group),
            epoch.0
        ),
        Notice::Claiming { group, epoch, cause } => claiming(group_name(group), *epoch, *cause, names),
        Notice::ClaimWithdrawn { group, winner: Some(winner) } => {
            format!("Claim to resource group {} withdrawn in favour of {}", group_name(group), node(winner))
        }
        Notice::ClaimWithdrawn { group, winner: None } => {
            format!("Claim to resource group {} withdrawn: this node may not run it now", group_name(group))
        }
        Notice::Unprotected { group, member } => format!(
            "No STONITH device configured. Shared disks are not protected: resource group {} is taken from dead node \
             {}, which may still run it.",
            group_name(group),
            node(member)
        ),
        Notice::WatchdogFired { group, member } => format!(
            "Resource group {} is taken from dead node {}, whose watchdog must have reset it by now",
            group_name(group),
            node(member)
        ),
        Notice::Starting { group, epoch } => {
            format!("Taking over resource group {} (epoch {})", group_name(group), epoch.0)
        }
        Notice::Started { group, took } => {
            format!("Resource group {} runs here. Its start took {}.", group_name(group), Millis(took))
        }
        Notice::StartFailed { group, failure, job: _ } => format!(
            "Giving up resources due to failure of {}. Its start failed: {}. It stays away from this node until it is \
             cleaned up or ordered here.",
            group_name(group),
            failure_words(*failure)
        ),
        Notice::Doubtful { group, failure, job: _ } => recovery::doubtful(group_name(group), *failure),
        Notice::Healthy(group) => recovery::healthy(group_name(group)),
        Notice::Unhealthy { group, ailment, job: _ } => recovery::unhealthy(group_name(group), *ailment),
        Notice::Repairing(group) => recovery::repairing(group_name(group)),
        Notice::Repaired(group) => recovery::repaired(group_name(group)),
        Notice::Restarting { group, count, limit } => recovery::restarting(group_name(group), *count, *limit),
        Notice::Releasing { group, cause } => releasing(*group, *cause, names),
        Notice::Stopped { group, took } => {
            format!("Resource group {} is stopped here. Its stop took {}.", group_name(group), Millis(took))
        }
        Notice::StopFailed { group, failure, job: _ } => format!(
            "Resource STOP failure. Resource group {} may still run in part: {}.",
            group_name(group),
            failure_words(*failure)
        ),
        Notice::ConflictWon { group, member, ours, theirs } => {
            let (complaint, group, member) =
                (both_own(names.is_local(*group)), group_name(group), node(member));
            let why = if ours == theirs {
                format!("both under epoch {}, and this node's bid is higher", ours.0)
            } else {
                format!("this node's epoch {} is newer than {}", ours.0, theirs.0)
            };
            format!(
                "{complaint} Resource group {group} runs on {member} too: {why}, so {member} must stop it."
            )
        }
        Notice::RunsElsewhere { group, member, epoch } => {
            format!("Resource group {} runs on {} (epoch {})", group_name(group), node(member), epoch.0)
        }
        Notice::NobodyFit(group) => {
            let whose = if names.is_local(*group) { "our local" } else { "foreign" };
            let group = group_name(group);
            format!(
                "No one owns {whose} resources! Resource group {group} can run nowhere: no node that is there may take \
                 it."
            )
        }
        Notice::FencingDelayed { .. }
        | Notice::Fencing { .. }
        | Notice::Fenced { .. }
        | Notice::FenceBelied(_)
        | Notice::WasFenced { .. } => fencing::text(notice, names).unwrap_or_default(),
        Notice::WitnessWatches { .. }
        | Notice::WitnessWatchesNot(_)
        | Notice::WitnessVoted { .. }
        | Notice::PowerLost(_)
        | Notice::ResetByWitness { .. }
        | Notice::WasResetByWitness { .. } => witness::text(notice, names).unwrap_or_default(),
        Notice::FencingFailed { member, failure, retry_in } => format!(
            "STONITH of {} failed.  Retrying... ({}; the next attempt is in {} s)",
            node(member),
            failure_words(*failure),
            retry_in.millis() / 1000
        ),
        Notice::Refused { link, refusal, count } => {
            let suspicion = match refusal {
                Refusal::OldGeneration => "attempted replay attack? ",
                Refusal::UnknownMember(_) => "bad node in message: ",
                Refusal::Seal(_) | Refusal::Body | Refusal::TooOld | Refusal::Replay | Refusal::Flood => "",
            };
            format!("{suspicion}frame refused on link {}: {refusal} ({count} so far)", link_name(link))
        }
        Notice::DuplicateName(link) => format!(
            "Another machine on link {} sends under this node's name {}: every node needs its own",
            link_name(link),
            names.this_node()
        ),
        Notice::Dropped(count) => format!("{count} notices were left out: too much happened at once"),
    }
}

fn maintenance(on: bool, by: Option<&str>) -> String {
    let state = if on {
        "Maintenance is on: resources stay as they are, and nothing is managed until it ends"
    } else {
        "Maintenance is over: every resource group is looked at before anything is moved"
    };
    match by {
        Some(by) => format!("{state} ({by} says so)"),
        None => state.to_owned(),
    }
}

fn own_phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "Local status now set to: 'up'",
        Phase::Active => "Local status now set to: 'active'",
        Phase::Leaving => "Heartbeat shutdown in progress. Giving up all HA resources.",
        Phase::Left => "All HA resources relinquished.",
    }
}

fn member_phase(node: &str, phase: Phase) -> String {
    match phase {
        Phase::Starting => format!("Status update for node {node}: status up"),
        Phase::Active => format!("Status update for node {node}: status active"),
        Phase::Leaving => format!("node {node} shuts down: it gives up its resources"),
        Phase::Left => format!("Received shutdown notice from '{node}'. It runs nothing any more."),
    }
}

fn configuration_differs(node: &str, ours: u32, theirs: u8, names: &Names) -> String {
    let here: Vec<String> = names
        .groups_in(ours)
        .map(|group| format!("line {} ({})", names.line(group), names.group(group)))
        .collect();
    let details = match (here.as_slice(), theirs) {
        ([], 0) => "The lines are the same, but not their order, or the nodes of ha.cf differ".to_owned(),
        ([], more) => format!("Its file has {} that this node's has not", lines(more)),
        (here, 0) => format!("Only this node's file has {}", here.join(", ")),
        (here, more) => {
            format!("Only this node's file has {}; only its file has {}", here.join(", "), lines(more))
        }
    };
    format!("haresources of node {node} differs from this node's: nobody takes anything over. {details}.")
}

fn lines(count: u8) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

fn found(state: GroupState) -> &'static str {
    match state {
        GroupState::Idle => "it does not run here",
        GroupState::Claiming => "it does not run here and is claimed",
        GroupState::Starting => "it is being started here",
        GroupState::Running => "it runs here already",
        GroupState::Stopping => "it is being stopped here",
        GroupState::Unknown => "whether it runs here cannot be told",
        GroupState::Failed => "it could not be stopped here",
    }
}

fn claiming(group: &str, epoch: Epoch, cause: ClaimCause, names: &Names) -> String {
    let claim = format!("this node claims it under epoch {}", epoch.0);
    match cause {
        ClaimCause::NobodyRunsIt => format!("Nobody runs resource group {group}: {claim}"),
        ClaimCause::HolderDied(member) => {
            let member = names.member(member);
            format!("Resources being acquired from {member}. It died with resource group {group}: {claim}.")
        }
        ClaimCause::HolderReleased(member) => {
            let member = names.member(member);
            format!("Resources being acquired from {member}. It let resource group {group} go: {claim}.")
        }
    }
}

fn releasing(group: GroupIndex, cause: ReleaseCause, names: &Names) -> String {
    let (is_local, group) = (names.is_local(group), names.group(group));
    match cause {
        ReleaseCause::HigherBid(member) => {
            format!("Giving up resource group {group}: {} has the higher bid for it", names.member(member))
        }
        ReleaseCause::Leaving => format!("Giving up resource group {group}: this node leaves"),
        ReleaseCause::QuorumLost => format!("Giving up resource group {group}: quorum is lost"),
        ReleaseCause::Retired => {
            format!("Giving up resource group {group}: the new configuration does not have it in these words")
        }
        ReleaseCause::NewerHolder { member, ours, theirs } => {
            let member = names.member(member);
            let why = if ours == theirs {
                format!("both under epoch {}, and its bid is higher", ours.0)
            } else {
                format!("its epoch {} is newer than {} here", theirs.0, ours.0)
            };
            let complaint = both_own(is_local);
            format!("{complaint} Giving up resource group {group}: it runs on {member} too, {why}.")
        }
        ReleaseCause::FailedStart => {
            format!("Giving up resource group {group}: what was started of it is stopped again")
        }
        ReleaseCause::FailedTooOften => format!(
            "Giving up resource group {group}: it failed too often here. It stays away from this node until it is \
             cleaned up or ordered here."
        ),
        ReleaseCause::NotWhole => format!(
            "Giving up resource group {group}: at the first look only parts of it ran, or its state could not be told"
        ),
    }
}

/// The original's complaint, by whether the group prefers this node.
const fn both_own(is_local: bool) -> &'static str {
    if is_local { "Both machines own our resources!" } else { "Both machines own foreign resources!" }
}

const fn failure_words(failure: JobFailure) -> &'static str {
    match failure {
        JobFailure::Refused => "the agent reported a failure",
        JobFailure::TimedOut => "the agent did not end within its time limit",
        JobFailure::Cancelled => "it was cancelled",
        JobFailure::NotRun => "the agent could not be run",
    }
}

/// A span in whole milliseconds, as the original writes it.
struct Millis<'a>(&'a Duration);

impl fmt::Display for Millis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0.millis())
    }
}
