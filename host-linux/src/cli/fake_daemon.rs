//! A daemon that knows one snapshot, for tests of the commands.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use tempfile::TempDir;

use crate::control::snapshot::{
    Elsewhere, Group, GroupState, Holdings, Link, Node, NodeKind, NodeStatus, Phase, Times,
};
use crate::control::{Outcome, Reply, Request, Snapshot, snapshot};

pub(super) struct FakeDaemon {
    directory: TempDir,
    /// What was asked of it, besides reading.
    pub(super) commands: Receiver<Request>,
}

impl FakeDaemon {
    /// Answers readers from `snapshot`, and commands with a step and `outcome`.
    pub(super) fn start(snapshot: Snapshot, outcome: Outcome) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("control")).unwrap();
        let (seen, commands) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                let request: Request = serde_json::from_str(&line).unwrap();
                for reply in replies(&snapshot, &outcome, &request) {
                    let mut line = serde_json::to_vec(&reply).unwrap();
                    line.push(b'\n');
                    // Who asked without waiting is gone.
                    let _ = stream.write_all(&line);
                }
                if !request.only_reads() && seen.send(request).is_err() {
                    return;
                }
            }
        });
        Self { directory, commands }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join("control")
    }
}

fn replies(snapshot: &Snapshot, outcome: &Outcome, request: &Request) -> Vec<Reply> {
    match request {
        Request::Status => {
            vec![Reply::Snapshot(Box::new(snapshot.clone())), Reply::Result(Outcome::done(""))]
        }
        Request::Parameter { name } => vec![
            Reply::Parameter { value: snapshot.parameters.get(name).cloned() },
            Reply::Result(Outcome::done("")),
        ],
        _ => vec![
            Reply::Progress { message: "Stopping svcA on wna.".to_owned() },
            Reply::Result(outcome.clone()),
        ],
    }
}

/// The cluster of the recorded session, as node `wna` saw it.
pub(super) fn recorded_cluster() -> Snapshot {
    Snapshot {
        version: "3.0.6 (node: 958e11be8686759f1b99204c17812f2c2633b169)".to_owned(),
        pid: 61,
        this_node: "wna".to_owned(),
        managed_by: "haresources".to_owned(),
        times: Times {
            keepalive_ms: 200,
            deadtime_ms: 1200,
            warntime_ms: 600,
            initdead_ms: 2000,
            deadping_ms: 1200,
        },
        nodes: vec![
            Node {
                heard_ms_ago: None,
                links: vec![link("/dev/ttyS0", "serial", None), link("eth0", "bcast", Some(120))],
                ..member("wna", 1_795_405_913)
            },
            Node {
                heard_ms_ago: Some(110),
                links: vec![link("/dev/ttyS0", "serial", Some(110)), link("eth0", "bcast", Some(115))],
                ..member("wnb", 1_795_405_914)
            },
        ],
        groups: vec![
            Group {
                name: "svcA::one::two".to_owned(),
                preferred: "wna".to_owned(),
                resources: vec!["svcA::one::two".to_owned()],
                owner: Some("wna".to_owned()),
                state: GroupState::Running,
                epoch: 3,
                elsewhere: vec![Elsewhere { node: "wnb".to_owned(), state: GroupState::Idle }],
                reason: None,
                failures: None,
            },
            Group {
                name: "svcB".to_owned(),
                preferred: "wnb".to_owned(),
                resources: vec!["svcB".to_owned(), "svcC::x".to_owned()],
                owner: Some("wnb".to_owned()),
                state: GroupState::Idle,
                epoch: 2,
                elsewhere: vec![Elsewhere { node: "wnb".to_owned(), state: GroupState::Running }],
                reason: None,
                failures: None,
            },
        ],
        media: Vec::new(),
        fencing: snapshot::Fencing::default(),
        rscstatus: Holdings::Local,
        maintenance: false,
        ipfail: false,
        quorum: None,
        watchdog: None,
        witness: None,
        parameters: BTreeMap::from(
            [
                ("deadtime", "1200ms"),
                ("keepalive", "200ms"),
                ("udpport", "694"),
                ("auto_failback", "on"),
                ("initdead", "2"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        warnings: Vec::new(),
        remarks: Vec::new(),
    }
}

fn member(name: &str, generation: u32) -> Node {
    Node {
        name: name.to_owned(),
        kind: NodeKind::Normal,
        status: NodeStatus::Active,
        phase: Some(Phase::Active),
        generation: Some(generation),
        links: Vec::new(),
        hears_us: true,
        configuration_agrees: true,
        heard_ms_ago: None,
    }
}

fn link(name: &str, kind: &str, heard_ms_ago: Option<u64>) -> Link {
    let up = heard_ms_ago.is_some();
    Link { name: name.to_owned(), kind: kind.to_owned(), up, heard_ms_ago }
}
