//! `cl_status` as the original's, byte for byte, exit codes included. It knows only what the daemon's snapshot says.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::getopt::{self, Parsed};
use super::{Output, host_name};
use crate::clock;
use crate::control::snapshot::{Link, Node, NodeKind, NodeStatus};
use crate::control::{Answer, Client, ClientError, Request, Snapshot};
use crate::log::{self, Level, Style};

#[cfg(test)]
mod tests;

/// The original's limit for everything together.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The original's exit codes.
mod exit {
    pub(super) const NORMAL_FAILURE: u8 = 1;
    pub(super) const PARAMETER_ERROR: u8 = 11;
    pub(super) const TIMED_OUT: u8 = 12;
    pub(super) const UNKNOWN_ERROR: u8 = 13;
}

/// Runs a subcommand against the daemon behind `socket`.
pub(super) fn run(words: &[String], socket: &Path) -> Output {
    let usage = || Output::good(include_str!("usage.txt"));
    let Some(name) = words.iter().find(|word| !word.starts_with('-')) else { return usage() };
    let Some((options, command)) = subcommand(name) else {
        return errors(exit::PARAMETER_ERROR, &[&format!("{name}: invalid sub-command.")]);
    };
    let mut parsed = match getopt::parse(words, options) {
        Ok(parsed) => parsed,
        Err(error) => {
            return Output::bad(exit::PARAMETER_ERROR, format!("cl_status: {error}\n"));
        }
    };
    if parsed.has('h') {
        return usage();
    }
    parsed.parameters.remove(0);
    command(&parsed, socket).unwrap_or_else(|failure| failure)
}

/// A subcommand answers, or fails with what is to be said about it; both end the same way.
type Subcommand = fn(&Parsed, &Path) -> Result<Output, Output>;

fn subcommand(name: &str) -> Option<(&'static str, Subcommand)> {
    Some(match name {
        "clientstatus" => ("hm", client_status),
        "hblinkstatus" => ("hm", link_status),
        "hbparameter" => ("hmp:", parameter),
        "hbstatus" => ("hmv", heartbeat_status),
        "listhblinks" => ("hmv", list_links),
        "listnodes" => ("hmvpn", list_nodes),
        "nodesite" => ("hm", node_site),
        "nodestatus" => ("hm", node_status),
        "nodetype" => ("hm", node_type),
        "nodeweight" => ("hm", node_weight),
        "rscstatus" => ("hm", resource_status),
        "test" => ("hm", test),
        _ => return None,
    })
}

fn heartbeat_status(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let snapshot = match connect_and_ask(socket, &Request::Status) {
        Ok(answer) => present(answer)?,
        Err(ClientError::TimedOut) => return Err(unreachable(&ClientError::TimedOut)),
        Err(_) => {
            let stdout = "Heartbeat is stopped on this machine.\n".to_owned();
            return Ok(Output { stdout, code: exit::NORMAL_FAILURE, ..Output::default() });
        }
    };
    if !parsed.has('v') {
        return Ok(Output::good("Heartbeat is running on this machine.\n"));
    }
    let (version, manager) = (&snapshot.version, &snapshot.managed_by);
    let head = if parsed.has('m') {
        format!("Heartbeat version {version}\nResources controlled by \"{manager}\"\n")
    } else {
        format!("version:\t{version}\nmanaged by:\t\"{manager}\"\n")
    };
    Ok(Output::good(head + &node_list(parsed, &snapshot)))
}

fn list_nodes(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    Ok(Output::good(node_list(parsed, &*snapshot(socket)?)))
}

fn node_list(parsed: &Parsed, snapshot: &Snapshot) -> String {
    let mut text = String::new();
    if parsed.has('m') {
        text.push_str("The nodes are as follow:\n");
    }
    for node in snapshot.nodes.iter().rev() {
        match node.kind {
            NodeKind::Normal if parsed.has('p') => continue,
            NodeKind::Ping if parsed.has('n') => continue,
            NodeKind::Normal | NodeKind::Ping => {}
        }
        if parsed.has('v') {
            let (status, kind) = (node.status.original_word(), node.kind.word());
            let _ = writeln!(text, "\n{}\t{status}\t(nodetype: {kind})", node.name);
            text.push_str(&link_list(parsed, node));
        } else {
            let _ = writeln!(text, "{}", node.name);
        }
    }
    text
}

fn list_links(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let name = first(parsed, "No enough parameter.")?;
    let snapshot = snapshot(socket)?;
    let node = node(&snapshot, name).ok_or_else(|| {
        errors(exit::UNKNOWN_ERROR, &["Cannot start heartbeat link interface walk.", "REASON: EINVAL"])
    })?;
    Ok(Output::good(link_list(parsed, node)))
}

fn link_list(parsed: &Parsed, node: &Node) -> String {
    let mut text = String::new();
    if parsed.has('m') {
        text.push_str("\tthis node has the following heartbeat links:\n");
    }
    for link in node.links.iter().rev() {
        let _ = match parsed.has('v') {
            true => writeln!(text, "\t{}\t{}", link.name, link_word(link)),
            false => writeln!(text, "\t{}", link.name),
        };
    }
    text
}

fn link_status(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let [name, link_name, ..] = parsed.parameters.as_slice() else {
        return Err(Output::bad(exit::PARAMETER_ERROR, "No enough parameter.\n"));
    };
    let snapshot = snapshot(socket)?;
    let link = node(&snapshot, name)
        .and_then(|node| node.links.iter().find(|link| link.name == *link_name))
        .ok_or_else(|| errors(exit::UNKNOWN_ERROR, &["Cannot get heartbeat link status", "REASON: "]))?;
    let sentence = format!("The node {name}'s heartbeat link {link_name} is ");
    let code = if link.up { 0 } else { exit::NORMAL_FAILURE };
    Ok(Output { code, ..answer(parsed, &sentence, link_word(link), "") })
}

fn link_word(link: &Link) -> &'static str {
    if link.up { "up" } else { "dead" }
}

fn node_status(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let name = first(parsed, "Not enough parameters.")?;
    let snapshot = snapshot(socket)?;
    let node = known_node(&snapshot, name)?;
    let code = match node.status {
        NodeStatus::Active | NodeStatus::Up | NodeStatus::Ping => 0,
        NodeStatus::Init | NodeStatus::Dead | NodeStatus::Left => exit::NORMAL_FAILURE,
    };
    let sentence = format!("The cluster node {name} is ");
    Ok(Output { code, ..answer(parsed, &sentence, node.status.original_word(), "") })
}

fn node_type(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let name = first(parsed, "No enough parameter.")?;
    let snapshot = snapshot(socket)?;
    let node = known_node(&snapshot, name)?;
    Ok(answer(parsed, &format!("The node {name}'s type: "), node.kind.word(), ""))
}

/// Weights and sites mean nothing in a haresources cluster; these are the original's defaults.
fn node_weight(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let name = first(parsed, "Not enough parameters.")?;
    known_node(&*snapshot(socket)?, name)?;
    Ok(answer(parsed, &format!("The cluster node {name} weighs "), "100", ""))
}

fn node_site(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let name = first(parsed, "Not enough parameters.")?;
    known_node(&*snapshot(socket)?, name)?;
    Ok(answer(parsed, &format!("The cluster node {name} site is "), "", ""))
}

/// The only client that there is, is `ipfail`, which is part of the daemon.
fn client_status(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let [name, client, ..] = parsed.parameters.as_slice() else {
        return Err(Output::bad(exit::PARAMETER_ERROR, "No enough parameter.\n"));
    };
    let snapshot = snapshot(socket)?;
    let online = client == "ipfail"
        && snapshot.ipfail
        && node(&snapshot, name).is_some_and(|node| node.status == NodeStatus::Active);
    let (word, code) = if online { ("online", 0) } else { ("offline", exit::NORMAL_FAILURE) };
    let sentence = format!("The status of the client {name}/{client} is ");
    Ok(Output { code, ..answer(parsed, &sentence, word, "") })
}

fn resource_status(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let word = snapshot(socket)?.rscstatus.word();
    Ok(answer(parsed, "This node is holding ", word, " resources."))
}

fn parameter(parsed: &Parsed, socket: &Path) -> Result<Output, Output> {
    let Some(name) = parsed.value('p') else {
        return Err(errors(exit::PARAMETER_ERROR, &["parameter name required"]));
    };
    let value = ask(socket, &Request::Parameter { name: name.to_owned() })?.parameter;
    let value = value.ok_or_else(|| {
        let reason = format!("Cannot get parameter {name}'s value");
        errors(exit::NORMAL_FAILURE, &[&reason, "REASON: "])
    })?;
    Ok(answer(parsed, &format!("Heartbeat parameter {name}'s value: "), &value, ""))
}

fn test(_: &Parsed, socket: &Path) -> Result<Output, Output> {
    let snapshot = snapshot(socket)?;
    let (times, rsc) = (snapshot.times, snapshot.rscstatus.word());
    Ok(Output::good(format!(
        "Dead time: {}\n keeplive time: {}\n mynodeid: {}\n rsc: {rsc}\n",
        times.deadtime_ms, times.keepalive_ms, snapshot.this_node
    )))
}

/// The bare word, or the word in its sentence with `-m`.
fn answer(parsed: &Parsed, before: &str, word: &str, after: &str) -> Output {
    Output::good(match parsed.has('m') {
        true => format!("{before}{word}{after}\n"),
        false => format!("{word}\n"),
    })
}

fn first<'a>(parsed: &'a Parsed, complaint: &str) -> Result<&'a str, Output> {
    let complain = || Output::bad(exit::PARAMETER_ERROR, format!("{complaint}\n"));
    parsed.parameters.first().map(String::as_str).ok_or_else(complain)
}

fn node<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Node> {
    snapshot.nodes.iter().find(|node| node.name.eq_ignore_ascii_case(name))
}

fn known_node<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Node, Output> {
    let complaint = "Error. May be due to incorrect node name\n";
    node(snapshot, name).ok_or_else(|| Output::bad(exit::PARAMETER_ERROR, complaint))
}

fn snapshot(socket: &Path) -> Result<Box<Snapshot>, Output> {
    present(ask(socket, &Request::Status)?)
}

fn present(answer: Answer) -> Result<Box<Snapshot>, Output> {
    answer.snapshot.ok_or_else(|| errors(exit::UNKNOWN_ERROR, &[&answer.outcome.message]))
}

fn ask(socket: &Path, request: &Request) -> Result<Answer, Output> {
    connect_and_ask(socket, request).map_err(|error| unreachable(&error))
}

fn connect_and_ask(socket: &Path, request: &Request) -> Result<Answer, ClientError> {
    Client::connect(socket, Some(TIME_LIMIT))?.ask(request, |_| {})
}

fn unreachable(error: &ClientError) -> Output {
    let signon = "Cannot signon with heartbeat";
    match error {
        ClientError::NotRunning => errors(
            exit::NORMAL_FAILURE,
            &[signon, "REASON: hb_api_signon: Can't initiate connection to heartbeat"],
        ),
        ClientError::TimedOut => errors(exit::TIMED_OUT, &[signon, &format!("REASON: {error}")]),
        _ => errors(exit::NORMAL_FAILURE, &[signon, &format!("REASON: {error}")]),
    }
}

/// Complaints in the format of the daemon's log, as the original's library writes them.
fn errors(code: u8, texts: &[&str]) -> Output {
    let (host, pid, now) = (host_name(), std::process::id(), clock::wall());
    let line = |text: &&str| log::line(Style::Syslog, now, &host, "cl_status", pid, Level::Error, text);
    Output::bad(code, texts.iter().map(line).collect::<String>())
}
