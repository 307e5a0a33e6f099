//! Heartline: keepalive 20 ms and deadtime 200 ms when it is to be quick.

use super::{Product, Tempo, ha_cf, must, write_cluster_files};
use crate::error::Error;
use crate::pair::Node;
use heartline_lab::{Host, Job, NullModem};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PROGRAM: &str = "/usr/sbin/heartline";

pub(super) struct Heartline;

impl Product for Heartline {
    fn programs(&self, heartline: &Path) -> Vec<PathBuf> {
        vec![heartline.to_owned()]
    }

    fn interval(&self, tempo: Tempo) -> Duration {
        match tempo {
            Tempo::Quick => Duration::from_millis(20),
            Tempo::Steady => Duration::from_millis(200),
        }
    }

    fn dead_time(&self, tempo: Tempo) -> Duration {
        match tempo {
            Tempo::Quick => Duration::from_millis(200),
            Tempo::Steady => Duration::from_secs(1),
        }
    }

    fn install(&self, host: &mut Host, tempo: Tempo, serial: Option<&NullModem>) -> Result<(), Error> {
        let times = match tempo {
            Tempo::Quick => "keepalive 20ms\ndeadtime 200ms\nwarntime 100ms\ninitdead 10\n",
            Tempo::Steady => "keepalive 200ms\ndeadtime 1\nwarntime 500ms\ninitdead 10\n",
        };
        write_cluster_files(host, &ha_cf(times, tempo, serial.and_then(|cable| cable.device(host))))
    }

    fn start(&self, host: &mut Host) -> Result<Job, Error> {
        Ok(host.spawn(&[PROGRAM, "daemon"])?)
    }

    fn settled(&self, holder: &Node, other: &Node) -> Result<bool, Error> {
        let (Some(here), Some(there)) = (status(&holder.host)?, status(&other.host)?) else {
            return Ok(false);
        };
        let owns = |status: &Status| {
            status.groups.iter().all(|group| group.owner.as_deref() == Some(holder.host.name()))
        };
        let running = here.groups.iter().all(|group| group.state == "running");
        Ok(running && owns(&here) && owns(&there) && here.is_whole() && there.is_whole())
    }

    fn hand_over(&self, holder: &mut Node) -> Result<(), Error> {
        must(&holder.host, &[PROGRAM, "standby"]).map(drop)
    }
}

/// What `heartline status --json` tells, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Status {
    nodes: Vec<Member>,
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Member {
    status: String,
    hears_us: bool,
}

#[derive(Debug, Deserialize)]
struct Group {
    owner: Option<String>,
    state: String,
}

impl Status {
    fn is_whole(&self) -> bool {
        self.nodes.iter().all(|member| member.status == "active" && member.hears_us)
    }
}

/// None while the daemon does not answer.
fn status(host: &Host) -> Result<Option<Status>, Error> {
    let output = host.run(&[PROGRAM, "status", "--json"])?;
    Ok(serde_json::from_str(&output.stdout).ok())
}
