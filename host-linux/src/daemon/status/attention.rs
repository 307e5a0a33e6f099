//! What deserves an administrator's attention, in sentences, from what the core and the daemon know.

use heartline_core::claims::Grant;
use heartline_core::config::Quorum;
use heartline_core::fencing::Fence;
use heartline_core::group::{Activity, Group};
use heartline_core::ids::{GroupIndex, LinkIndex, MemberIndex, Sequence};
use heartline_core::member::{Member, Presence};
use heartline_core::message::GroupState;

use super::{View, witness};
use crate::control::snapshot;

/// What somebody should look after, most urgent first.
pub(super) fn warnings(view: &View<'_>) -> Vec<String> {
    let quorum = quorum_lost(view);
    let watchdog = watchdog(view);
    let maintenance = maintenance(view);
    let left_running = view.others().filter_map(|(at, member)| left_running(view, at, member));
    let blocked = view.groups().filter_map(|(at, group)| blocked(view, at, group));
    let differing = view.others().filter_map(|(at, member)| differing(view, at, member));
    let unfenced = view.others().filter_map(|(at, member)| unfenced(view, at, member));
    let dead = view.others().filter_map(|(at, member)| dead(view, at, member));
    let deaf = view.others().filter_map(|(at, member)| deaf(view, at, member));
    let failed = view.groups().filter_map(|(at, group)| start_failed(view, at, group));
    let unwatched = view.groups().filter_map(|(at, group)| unwatched(view, at, group));
    let nowhere = view.groups().filter_map(|(at, group)| nowhere(view, at, group));
    let witness = witness::warnings(view);
    let one_path = view.others().filter_map(|(at, member)| one_path_left(view, at, member));
    maintenance
        .into_iter()
        .chain(quorum)
        .chain(left_running)
        .chain(blocked)
        .chain(watchdog)
        .chain(differing)
        .chain(unfenced)
        .chain(dead)
        .chain(deaf)
        .chain(failed)
        .chain(unwatched)
        .chain(nowhere)
        .chain(witness)
        .chain(one_path)
        .chain(devices(view))
        .chain(media(view))
        .chain(clients(view))
        .collect()
}

/// What is good to know and asks for nothing.
pub(super) fn remarks(view: &View<'_>) -> Vec<String> {
    let unprotected = !view.configuration.groups.is_empty() && !view.node.config().policy().is_protected();
    let text = "No fencing device is configured: the groups of a dead node are taken over without certainty that it \
                runs nothing.";
    unprotected.then(|| text.to_owned()).into_iter().collect()
}

/// Why a group is not as it should be here; nothing if it is.
pub(super) fn reason(view: &View<'_>, at: GroupIndex, group: &Group) -> Option<String> {
    let error = view.extra.last_error(at).map_or_else(String::new, |error| format!(": {error}"));
    match group.activity() {
        Activity::Failed => Some(format!("it could not be stopped here{error}")),
        _ if group.failed_here() && group.health().is_exhausted() => {
            Some("it failed too often here and stays away until heartline cleanup".to_owned())
        }
        _ if group.failed_here() => Some(format!("its start failed here{error}")),
        Activity::Unprobed | Activity::Probing(_) => {
            Some("whether it runs here is being found out".to_owned())
        }
        Activity::Claiming { from, restart } => waits_for(view, at, from, restart),
        Activity::Unclear => Some(format!(
            "parts of it run here, or its state cannot be told; it is looked at again when maintenance ends{error}"
        )),
        Activity::Idle if group.nobody_fit() => Some("no node that is there may run it".to_owned()),
        Activity::Running if group.health().is_unasked() => {
            Some(format!("nobody knows whether it still runs{error}"))
        }
        Activity::Idle
        | Activity::Starting { .. }
        | Activity::Running
        | Activity::Interrupting(_)
        | Activity::Stopping { .. } => None,
    }
}

/// Whose word the claim that frame `from` carried first waits for. For a restart in place the dead are not asked.
fn waits_for(view: &View<'_>, at: GroupIndex, from: Sequence, restart: bool) -> Option<String> {
    let waits: Vec<String> = view
        .others()
        .filter(|(_, member)| !restart || member.presence() == Presence::Alive)
        .filter_map(|(index, member)| {
            let name = view.names.member(index);
            match view.node.grant(view.now, index, at, from) {
                grant if grant.allows() => None,
                Grant::NeedsFence => Some(format!("until {name} is fenced")),
                _ => Some(match (member.presence(), member.report(at).state) {
                    (Presence::Unheard, _) => format!("until {name} is heard or given up"),
                    _ if member.left_running(at) => {
                        format!("for {name}, which left it running in maintenance")
                    }
                    (Presence::Dead, _) if view.node.is_heard_elsewhere(index) => {
                        format!("for {name}, which another node hears")
                    }
                    (Presence::Dead, _) if view.lacks_vote() => {
                        format!("for the vote of the witness, since {name} is dead")
                    }
                    // What it has done already was before this daemon's start, or to an earlier life.
                    (Presence::Dead, _) if view.was_reset_by_witness(name) => format!(
                        "until the witness has reset {name} once more, or heartline confirm-down {name} says that it is down"
                    ),
                    (Presence::Dead, _) if view.configuration.witness_watchdog.is_some() => {
                        format!("until the witness has reset {name}")
                    }
                    (Presence::Dead, _) if view.node.config().policy().quorum != Quorum::Off => {
                        // One that was never heard is taken to have what this node has.
                        let has_watchdog = match member.generation() {
                            Some(_) => member.watchdog().is_some(),
                            None => view.extra.watchdog_armed.is_some(),
                        };
                        match has_watchdog {
                            true => format!("until the watchdog of {name} must have fired"),
                            false => format!("for {name} to come back, since no watchdog ends it"),
                        }
                    }
                    (_, GroupState::Idle) => format!("for the answer of {name}"),
                    (_, state) => {
                        format!("for {name}, where it is {}", snapshot::GroupState::from(state).word())
                    }
                }),
            }
        })
        .collect();
    (!waits.is_empty()).then(|| format!("it waits {}", waits.join(" and ")))
}

fn quorum_lost(view: &View<'_>) -> Option<String> {
    let quorum = view.quorum().filter(|quorum| !quorum.held)?;
    Some(format!(
        "No quorum: {} of {} {} must hear each other, this one among them. Nothing may run here until they do.",
        quorum.needed,
        quorum.nodes,
        if view.configuration.witness.is_some() { "members" } else { "nodes" }
    ))
}

/// Without fencing a majority counts on it.
fn watchdog(view: &View<'_>) -> Option<String> {
    let policy = view.node.config().policy();
    let counted_on =
        policy.quorum != Quorum::Off && !policy.fencing && view.configuration.witness_watchdog.is_none();
    let consequence = if counted_on { ". Should this node die, nobody takes its groups over." } else { "." };
    match (&view.extra.watchdog_problem, view.extra.watchdog_armed) {
        (Some(problem), _) => Some(format!("{problem}{consequence}")),
        (None, None) if counted_on => Some(format!("No watchdog is armed here{consequence}")),
        (None, _) => None,
    }
}

fn maintenance(view: &View<'_>) -> Option<String> {
    view.node.in_maintenance().then(|| {
        "Maintenance is on: nothing is started, stopped, moved or fenced. It ends with: heartline maintenance off"
            .to_owned()
    })
}

/// A dead member that said at its departure that its groups go on running.
fn left_running(view: &View<'_>, at: MemberIndex, member: &Member) -> Option<String> {
    let groups: Vec<&str> = view
        .groups()
        .map(|(group, _)| group)
        .filter(|group| member.left_running(*group) && member.fence() != Fence::Done)
        .map(|group| view.names.group(group))
        .collect();
    let name = view.names.member(at);
    (!groups.is_empty()).then(|| {
        format!(
            "{name} left in maintenance and {} went on running there, unmanaged. Start heartbeat on {name}, or, if it \
             is certain that {name} is down, call heartline confirm-down {name}.",
            groups.join(", ")
        )
    })
}

fn blocked(view: &View<'_>, at: GroupIndex, group: &Group) -> Option<String> {
    (group.activity() == Activity::Failed).then(|| {
        let name = view.names.group(at);
        format!(
            "{name} could not be stopped here and may run in part; no other node takes it. Stop it by hand, then call \
             heartline cleanup."
        )
    })
}

fn differing(view: &View<'_>, at: MemberIndex, member: &Member) -> Option<String> {
    (member.presence() == Presence::Alive && !member.agrees()).then(|| {
        let name = view.names.member(at);
        format!("The resource configuration of {name} differs from this node's: no group is taken over.")
    })
}

fn unfenced(view: &View<'_>, at: MemberIndex, member: &Member) -> Option<String> {
    let name = view.names.member(at);
    match member.fence() {
        Fence::Waiting(next) => {
            let error = view.extra.fence_errors.get(&at.0);
            let error = error.map_or_else(String::new, |error| format!(" ({})", error.trim_end()));
            let waits = view.groups().any(|(_, group)| matches!(group.activity(), Activity::Claiming { .. }));
            let so = if waits { ": its groups wait" } else { "" };
            Some(format!(
                "{name} is dead and could not be fenced{so}{error}. The next attempt is in {} s. If it is certain that \
                 {name} is down: heartline confirm-down {name}.",
                next.since(view.now).millis().div_ceil(1000)
            ))
        }
        Fence::Delayed(until) => Some(format!(
            "{name} is dead and may have more to lose than this node: it is fenced in {} s (fence_delay).",
            until.since(view.now).millis().div_ceil(1000)
        )),
        Fence::None | Fence::Running(_) | Fence::Done => None,
    }
}

/// A member that is missed, and of which nothing else is said.
fn dead(view: &View<'_>, at: MemberIndex, member: &Member) -> Option<String> {
    let is_told = matches!(member.fence(), Fence::Waiting(_) | Fence::Delayed(_))
        || view.groups().any(|(group, _)| member.left_running(group));
    let name = view.names.member(at);
    let alone = if view.configuration.nodes.len() == 2 { ": no other node stands by" } else { "" };
    (member.presence() == Presence::Dead && !is_told).then(|| format!("{name} is dead{alone}."))
}

/// What would have to be repaired before it is needed.
fn devices(view: &View<'_>) -> impl Iterator<Item = String> + use<> {
    view.fencing_devices().into_iter().filter_map(|device| {
        let problem = device.problem.as_deref()?.trim_end_matches('.');
        Some(format!("Fencing device {} does not work: {problem}.", device.kind))
    })
}

fn deaf(view: &View<'_>, at: MemberIndex, member: &Member) -> Option<String> {
    (member.presence() == Presence::Alive && !member.hears_us()).then(|| {
        let name = view.names.member(at);
        format!("{name} is heard but does not hear this node: one direction is cut.")
    })
}

fn start_failed(view: &View<'_>, at: GroupIndex, group: &Group) -> Option<String> {
    (group.failed_here() && group.activity() != Activity::Failed).then(|| {
        let name = view.names.group(at);
        let how =
            if group.health().is_exhausted() { "failed too often here" } else { "failed to start here" };
        format!("{name} {how} and stays away from this node until heartline cleanup.")
    })
}

fn unwatched(view: &View<'_>, at: GroupIndex, group: &Group) -> Option<String> {
    group.health().is_unasked().then(|| {
        let name = view.names.group(at);
        format!("{name} cannot be asked whether it still runs; it is left alone.")
    })
}

fn nowhere(view: &View<'_>, at: GroupIndex, group: &Group) -> Option<String> {
    (group.nobody_fit() && group.activity() == Activity::Idle)
        .then(|| format!("{} runs nowhere: no node that is there may run it.", view.names.group(at)))
}

/// Two nodes are joined by every medium; among more nodes a medium may lead to one of them only (`ucast`), so there a
/// path is missed only once it worked.
fn one_path_left(view: &View<'_>, at: MemberIndex, member: &Member) -> Option<String> {
    let media = view.configuration.media.len();
    let links = || (0u8..).take(media).map(LinkIndex);
    let worked = links().filter(|link| member.link(*link).heard.is_some()).count();
    let paths = if view.configuration.nodes.len() == 2 { media } else { worked };
    if member.presence() != Presence::Alive || member.links_up().len() != 1 || paths < 2 {
        return None;
    }
    let left = links().find(|link| member.links_up().contains(*link))?;
    let (name, link) = (view.names.member(at), view.names.link(left));
    Some(format!("One path is left to {name}: {link}. If it fails too, {name} looks dead."))
}

fn clients<'a>(view: &'a View<'_>) -> impl Iterator<Item = String> + 'a {
    let given_up = view.extra.clients_given_up.iter();
    given_up.map(|command| {
        format!(
            "Client {command} does not run: it ended too soon too often. Mend it, then have it started again with \
             `heartbeat -r`."
        )
    })
}

fn media<'a>(view: &'a View<'_>) -> impl Iterator<Item = String> + 'a {
    view.configuration.media.iter().zip(&view.extra.media).filter_map(|(medium, condition)| {
        let (kind, name) = (medium.kind(), medium.link_name());
        let problem = condition.problem.as_deref().map(|text| text.trim_end_matches('.'));
        match (condition.open, problem) {
            (true, None) => None,
            (true, Some(problem)) => Some(format!("Medium {kind} {name}: {problem}.")),
            (false, Some(problem)) => Some(format!("Medium {kind} {name} does not work: {problem}.")),
            (false, None) => Some(format!("Medium {kind} {name} is not open.")),
        }
    })
}
