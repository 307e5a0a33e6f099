//! `cl_status` against the recorded session of the original, line by line.

use super::*;
use crate::cli::fake_daemon::{FakeDaemon, recorded_cluster};
use crate::control::Outcome;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Standard output and error as the recording has them, time, host and process made the same.
fn comparable(text: &str) -> String {
    let line = |line: &str| match line.split_once(" cl_status: [") {
        Some((_, rest)) => format!("cl_status{}", &rest[rest.find(']').unwrap()..]),
        None => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn every_answer_of_the_recorded_session_is_the_same() {
    let daemon = FakeDaemon::start(recorded_cluster(), Outcome::done(""));
    let recording = include_str!("transcript.txt");
    let mut compared = 0;
    for session in recording.split("wna# cl_status ").skip(1) {
        let (command, rest) = session.split_once('\n').unwrap();
        let (expected, code) = rest.rsplit_once("[exit ").unwrap();
        let output = run(&words(command), &daemon.socket());
        let said = comparable(&(output.stdout + &output.stderr));
        assert_eq!(said, comparable(expected), "cl_status {command}");
        assert_eq!(format!("{}]\n", output.code), code, "cl_status {command}");
        compared += 1;
    }
    assert_eq!(compared, recording.matches("wna# ").count());
    assert!(compared > 40);
}

#[test]
fn without_a_daemon_the_answers_are_those_of_the_original() {
    let nowhere = Path::new("/nonexistent/control");
    let output = run(&words("hbstatus"), nowhere);
    assert_eq!((output.stdout.as_str(), output.code), ("Heartbeat is stopped on this machine.\n", 1));
    for command in ["rscstatus", "listnodes", "hbparameter -p deadtime", "nodestatus wna"] {
        let output = run(&words(command), nowhere);
        assert_eq!(
            comparable(&output.stderr),
            "cl_status]: ERROR: Cannot signon with heartbeat\ncl_status]: ERROR: REASON: hb_api_signon: \
             Can't initiate connection to heartbeat\n"
        );
        assert_eq!((output.stdout.as_str(), output.code), ("", 1), "{command}");
    }
}

#[test]
fn ping_nodes_and_ipfail_look_as_in_the_original() {
    let mut cluster = recorded_cluster();
    cluster.ipfail = true;
    for (name, status, up) in [("10.96.0.254", NodeStatus::Ping, true), ("grp", NodeStatus::Dead, false)] {
        cluster.nodes.push(Node {
            name: name.to_owned(),
            kind: NodeKind::Ping,
            status,
            phase: None,
            generation: None,
            links: vec![Link { name: name.to_owned(), kind: "ping".to_owned(), up, heard_ms_ago: None }],
            hears_us: up,
            configuration_agrees: true,
            heard_ms_ago: None,
        });
    }
    let daemon = FakeDaemon::start(cluster, Outcome::done(""));
    let said = |line: &str| {
        let output = run(&words(line), &daemon.socket());
        (output.stdout, output.code)
    };
    let answer = |text: &str, code| (text.to_owned(), code);
    assert!(said("listnodes -v").0.starts_with(
        "\ngrp\tdead\t(nodetype: ping)\n\tgrp\tdead\n\n10.96.0.254\tping\t(nodetype: ping)\n\t10.96.0.254\tup\n\nwnb\t"
    ));
    assert_eq!(said("nodestatus grp"), answer("dead\n", 1));
    assert_eq!(said("nodestatus 10.96.0.254"), answer("ping\n", 0));
    assert_eq!(said("nodetype grp"), answer("ping\n", 0));
    assert_eq!(said("clientstatus wnb ipfail"), answer("online\n", 0));
    assert_eq!(said("listnodes -p"), answer("grp\n10.96.0.254\n", 0));
    assert_eq!(said("listnodes -n"), answer("wnb\nwna\n", 0));
}

#[test]
fn a_node_that_left_is_dead_in_the_originals_words() {
    let mut cluster = recorded_cluster();
    cluster.nodes[0].status = NodeStatus::Left;
    cluster.nodes[0].links.iter_mut().for_each(|link| link.up = false);
    let daemon = FakeDaemon::start(cluster, Outcome::done(""));
    let output = run(&words("nodestatus wna"), &daemon.socket());
    assert_eq!((output.stdout.as_str(), output.code), ("dead\n", 1));
    let output = run(&words("listhblinks -v wna"), &daemon.socket());
    assert_eq!(output.stdout, "\teth0\tdead\n\t/dev/ttyS0\tdead\n");
    let output = run(&words("hblinkstatus wna eth0"), &daemon.socket());
    assert_eq!((output.stdout.as_str(), output.code), ("dead\n", 1));
}
