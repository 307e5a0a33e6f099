//! What administrators do to the daemons themselves: maintenance, a restart with the services kept, and their word that
//! a dead node is down.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::places::Places;
use super::status::Palette;
use super::transfer::{Patience, carry_out, show_step, unanswered};
use super::{Output, check};
use crate::clock;
use crate::control::snapshot::{GroupState, Node, NodeKind, NodeStatus, Phase};
use crate::control::{Client, ClientError, Request, Snapshot};

/// How long a daemon that is there may take for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How long the next life may take until it knows what runs here: longer than the others wait for it.
const COMEBACK_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// `heartline maintenance on|off`.
pub(super) fn maintenance(on: bool, socket: &Path) -> Output {
    carry_out(socket, &Request::Maintenance { on }, Patience::Wait, show_step)
}

/// `heartline restart --keep-services`.
pub(super) fn restart(places: &Places) -> Output {
    let socket = places.control_socket();
    // Mistakes in files concern nobody where no daemon runs.
    let before = match snapshot(&socket) {
        Ok(before) => before,
        Err(error) => return unanswered(&error),
    };
    // The next life would refuse these files, and then nobody would look after what runs here.
    let findings = check::examine(&places.config_dir, Palette::for_stream(&std::io::stderr()));
    if findings.errors {
        let stderr = format!("{}The daemon was not restarted.\n", findings.text);
        return Output::bad(6, stderr);
    }
    show_text(&findings.text);
    let attempt = || Client::connect(&socket, None)?.ask(&Request::Restart, show_step);
    match attempt() {
        Ok(answer) => Output::bad(answer.outcome.exit_code.max(1), format!("{}\n", answer.outcome.message)),
        // It ended as it should.
        Err(ClientError::Ended) => comeback(&before, &socket),
        Err(error) => unanswered(&error),
    }
}

fn snapshot(socket: &Path) -> Result<Box<Snapshot>, ClientError> {
    let answer = Client::connect(socket, Some(ANSWER_LIMIT))?.ask(&Request::Status, |_| {})?;
    answer.snapshot.ok_or(ClientError::Garbled(answer.outcome.message))
}

/// Waits until the next life knows what runs here, and compares that with what ran before.
fn comeback(before: &Snapshot, socket: &Path) -> Output {
    let limit = clock::monotonic() + COMEBACK_LIMIT;
    while clock::monotonic() < limit {
        if let Ok(after) = snapshot(socket)
            && is_another_life(before, &after)
            && is_back(&after)
        {
            return compared(before, &after);
        }
        pause(limit);
    }
    Output::bad(
        1,
        format!(
            "The daemon was restarted and has not come back within {} s; what ran here still does. Look at its log, and \
             start it with `heartbeat`. The other nodes take over when they have waited long enough.\n",
            COMEBACK_LIMIT.as_secs()
        ),
    )
}

#[expect(clippy::disallowed_methods, reason = "a command that looks again has nothing else to wait for")]
fn pause(limit: Instant) {
    thread::sleep(LOOK_AGAIN_AFTER.min(limit.saturating_duration_since(clock::monotonic())));
}

fn is_another_life(before: &Snapshot, after: &Snapshot) -> bool {
    let life = |snapshot: &Snapshot| this_node(snapshot).and_then(|node| node.generation);
    life(after) > life(before)
}

fn is_back(snapshot: &Snapshot) -> bool {
    this_node(snapshot).is_some_and(|node| node.phase != Some(Phase::Starting))
        && snapshot.groups.iter().all(|group| group.state != GroupState::Unknown || snapshot.maintenance)
}

fn this_node(snapshot: &Snapshot) -> Option<&Node> {
    snapshot.nodes.iter().find(|node| node.name == snapshot.this_node)
}

fn compared(before: &Snapshot, after: &Snapshot) -> Output {
    let runs = |snapshot: &Snapshot, name: &str| {
        let mut groups = snapshot.groups.iter();
        groups.any(|group| group.name == name && group.state == GroupState::Running)
    };
    let ran = || before.groups.iter().filter(|group| runs(before, &group.name));
    let lost: Vec<&str> =
        ran().filter(|group| !runs(after, &group.name)).map(|group| group.name.as_str()).collect();
    let life = this_node(after).and_then(|node| node.generation).unwrap_or_default();
    let back = format!("heartline {} runs [pid {}], generation {life}", after.version, after.pid);
    if lost.is_empty() {
        let kept = match ran().count() {
            1 => "1 resource group".to_owned(),
            count => format!("{count} resource groups"),
        };
        return Output::good(format!("{back}; {kept} kept.\n"));
    }
    Output::bad(1, format!("{back}; not running here any more: {}\n", lost.join(", ")))
}

/// `heartline confirm-down NODE`.
pub(super) fn confirm_down(name: &str, yes: bool, socket: &Path) -> Output {
    let node = match snapshot(socket) {
        Ok(snapshot) => match judge(&snapshot, name) {
            Ok(node) => node,
            Err(refusal) => return Output::bad(1, format!("{refusal}\n")),
        },
        Err(error) => return unanswered(&error),
    };
    if !yes {
        show_text(&warning(&node));
        if !std::io::stdin().is_terminal() {
            return Output::bad(
                1,
                "Nobody can be asked here, since this is no terminal. If it is certain that the node is down, add --yes. Nothing was changed.\n",
            );
        }
        if !confirms(&node, &mut std::io::stdin().lock()) {
            return Output::bad(1, "Nothing was changed.\n");
        }
    }
    carry_out(socket, &Request::ConfirmDown { node }, Patience::Wait, show_step)
}

/// The name of a node that is held for dead, or why it may not be confirmed.
fn judge(snapshot: &Snapshot, name: &str) -> Result<String, String> {
    let name = name.to_ascii_lowercase();
    let members = || snapshot.nodes.iter().filter(|node| node.kind == NodeKind::Normal);
    let Some(node) = members().find(|node| node.name == name) else {
        let known: Vec<&str> = members().map(|node| node.name.as_str()).collect();
        return Err(format!("ha.cf names no node {name}. It names {}.", known.join(", ")));
    };
    let links: Vec<&str> = node.links.iter().filter(|link| link.up).map(|link| link.name.as_str()).collect();
    match node.status {
        NodeStatus::Dead => Ok(name),
        _ if name == snapshot.this_node => Err(format!("{name} is this node, and it is up.")),
        NodeStatus::Left => {
            Err(format!("{name} left in good order and runs nothing: there is nothing to confirm."))
        }
        NodeStatus::Init => Err(format!(
            "{name} was not heard yet, and the initial dead time (initdead) is not over. Wait for that."
        )),
        NodeStatus::Up | NodeStatus::Active | NodeStatus::Ping => {
            Err(format!("{name} is alive: it is heard on {}. Nothing was changed.", links.join(", ")))
        }
    }
}

fn warning(node: &str) -> String {
    format!(
        "You are about to vouch that {node} is down: switched off, or cut off from every disk and address that it shares.\n\
         Its resource groups are taken over without further proof. If {node} still runs, both nodes use the shared disk at\n\
         once, and the data on it is destroyed. Look at the machine itself, not at the network.\n"
    )
}

/// Only the name itself is a yes.
fn confirms(node: &str, answers: &mut impl BufRead) -> bool {
    show_text("To confirm, type the name of the node that is down: ");
    let mut line = String::new();
    answers.read_line(&mut line).is_ok() && line.trim().eq_ignore_ascii_case(node)
}

fn show_text(text: &str) {
    let mut stderr = std::io::stderr();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake_daemon::{FakeDaemon, recorded_cluster};
    use crate::control::Outcome;

    fn with_status(status: NodeStatus) -> Snapshot {
        let mut snapshot = recorded_cluster();
        let this_node = snapshot.this_node.clone();
        let peer =
            snapshot.nodes.iter_mut().find(|node| node.kind == NodeKind::Normal && node.name != this_node);
        peer.unwrap().status = status;
        snapshot
    }

    fn peer(snapshot: &Snapshot) -> &Node {
        let mut nodes = snapshot.nodes.iter();
        nodes.find(|node| node.kind == NodeKind::Normal && node.name != snapshot.this_node).unwrap()
    }

    #[test]
    fn only_the_dead_are_confirmed() {
        let dead = with_status(NodeStatus::Dead);
        let name = peer(&dead).name.clone();
        assert_eq!(judge(&dead, &name.to_ascii_uppercase()), Ok(name.clone()));
        for (status, reason) in [
            (NodeStatus::Active, "is alive: it is heard on "),
            (NodeStatus::Init, "initdead"),
            (NodeStatus::Left, "nothing to confirm"),
        ] {
            let refusal = judge(&with_status(status), &name).unwrap_err();
            assert!(refusal.contains(reason), "{refusal}");
        }
        assert!(judge(&dead, "nobody").unwrap_err().contains(&name), "the known ones are named");
        assert!(judge(&dead, &dead.this_node.clone()).unwrap_err().contains("this node"));
    }

    #[test]
    fn only_the_name_is_a_yes() {
        for (said, counts) in
            [("ha2\n", true), (" HA2 \n", true), ("yes\n", false), ("\n", false), ("", false)]
        {
            assert_eq!(confirms("ha2", &mut said.as_bytes()), counts, "{said:?}");
        }
    }

    #[test]
    fn a_confirmation_is_asked_of_the_daemon() {
        let snapshot = with_status(NodeStatus::Dead);
        let name = peer(&snapshot).name.clone();
        let daemon = FakeDaemon::start(snapshot, Outcome::done("it counts as down"));
        assert_eq!(confirm_down(&name, true, &daemon.socket()), Output::good("it counts as down\n"));
        assert_eq!(daemon.commands.recv().unwrap(), Request::ConfirmDown { node: name });
    }

    #[test]
    fn a_comeback_tells_what_was_kept() {
        let before = recorded_cluster();
        let mut after = before.clone();
        assert!(!is_another_life(&before, &after));
        let this_node = after.this_node.clone();
        let here = after.nodes.iter_mut().find(|node| node.name == this_node).unwrap();
        here.generation = here.generation.map(|life| life + 1);
        assert!(is_another_life(&before, &after) && is_back(&after));
        assert_eq!(compared(&before, &after).code, 0);
        let ran = after.groups.iter_mut().find(|group| group.state == GroupState::Running).unwrap();
        ran.state = GroupState::Idle;
        let name = ran.name.clone();
        let output = compared(&before, &after);
        assert!(output.code == 1 && output.stderr.contains(&name), "{output:?}");
    }

    #[test]
    fn a_restart_looks_for_a_daemon_before_it_looks_at_files() {
        let nowhere = tempfile::tempdir().unwrap();
        let directory = |name: &str| nowhere.path().join(name);
        let places =
            Places { config_dir: directory("etc"), state_dir: directory("state"), run_dir: directory("run") };
        let output = restart(&places);
        assert!(output.code == 1 && output.stderr.contains("does not run"), "{output:?}");
    }

    #[test]
    fn maintenance_is_asked_of_the_daemon() {
        let daemon = FakeDaemon::start(recorded_cluster(), Outcome::done("maintenance is on"));
        assert_eq!(maintenance(true, &daemon.socket()), Output::good("maintenance is on\n"));
        assert_eq!(daemon.commands.recv().unwrap(), Request::Maintenance { on: true });
    }
}
