//! Linux-HA heartbeat 3.0.6 of Debian, with the times that it is known to hold: keepalive 200 ms, deadtime 1 s.

use super::{ADDRESS, Product, Tempo, ha_cf, must, write_cluster_files};
use crate::error::Error;
use crate::pair::Node;
use heartline_lab::{Host, Job, NullModem};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian has the daemon.
pub(crate) const PROGRAM: &str = "/usr/libexec/heartbeat/heartbeat";
const CL_STATUS: &str = "/usr/bin/cl_status";
const HB_STANDBY: &str = "/usr/share/heartbeat/hb_standby";
/// What the package has in /etc/ha.d, which starts empty on a test host.
const SCRIPTS: [&str; 4] =
    ["/etc/ha.d/harc", "/etc/ha.d/rc.d", "/etc/ha.d/resource.d", "/etc/ha.d/shellfuncs"];
/// What Debian's tmpfiles.d makes at boot.
const RUNTIME_DIRECTORIES: &str = "install -d -m 0750 -o hacluster -g haclient \
     /run/heartbeat /run/heartbeat/ccm /run/heartbeat/crm /run/heartbeat/dopd";
const STATE_DIRECTORIES: &str = "install -d -m 0750 -o hacluster -g haclient \
     /var/lib/heartbeat /var/lib/heartbeat/api /var/lib/heartbeat/casual /var/lib/heartbeat/ccm \
     /var/lib/heartbeat/cores /var/lib/heartbeat/cores/root";

pub(super) struct Heartbeat;

impl Product for Heartbeat {
    fn programs(&self, _heartline: &Path) -> Vec<PathBuf> {
        vec![PROGRAM.into()]
    }

    fn interval(&self, _tempo: Tempo) -> Duration {
        Duration::from_millis(200)
    }

    fn dead_time(&self, _tempo: Tempo) -> Duration {
        Duration::from_secs(1)
    }

    fn install(&self, host: &mut Host, tempo: Tempo, serial: Option<&NullModem>) -> Result<(), Error> {
        for scripts in SCRIPTS {
            copy(host, Path::new(scripts))?;
        }
        let times = "keepalive 200ms\ndeadtime 1\nwarntime 500ms\ninitdead 10\n";
        write_cluster_files(host, &ha_cf(times, tempo, serial.and_then(|cable| cable.device(host))))
    }

    fn start(&self, host: &mut Host) -> Result<Job, Error> {
        must(host, &["sh", "-c", &format!("{RUNTIME_DIRECTORIES} && {STATE_DIRECTORIES}")])?;
        Ok(host.spawn(&[PROGRAM, "-f"])?)
    }

    fn settled(&self, holder: &Node, other: &Node) -> Result<bool, Error> {
        // What it believes to hold is bookkeeping, never compared with the truth: ask the kernel.
        let has_address = |node: &Node| -> Result<bool, Error> {
            let line = ["ip", "-o", "-4", "address", "show", "to", &ADDRESS.to_string()];
            Ok(!must(&node.host, &line)?.is_empty())
        };
        let is_at_rest = |node: &Node| -> Result<bool, Error> {
            let holdings = node.host.run(&[CL_STATUS, "rscstatus"])?.stdout;
            let nodes = node.host.run(&[CL_STATUS, "listnodes", "-v"])?.stdout;
            let told = matches!(holdings.trim(), "none" | "local" | "foreign" | "all");
            Ok(told && nodes.matches("\tactive\t").count() == 2)
        };
        Ok(has_address(holder)? && !has_address(other)? && is_at_rest(holder)? && is_at_rest(other)?)
    }

    fn rest(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn hand_over(&self, holder: &mut Node) -> Result<(), Error> {
        must(&holder.host, &[HB_STANDBY]).map(drop)
    }
}

/// Copies a file, or the files of a directory, from this machine to the same place on the host's disk.
fn copy(host: &Host, path: &Path) -> Result<(), Error> {
    let failed = || Error::io(format!("copy {}", path.display()));
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(failed())? {
            copy(host, &entry.map_err(failed())?.path())?;
        }
        return Ok(());
    }
    let mode = fs::metadata(path).map_err(failed())?.permissions().mode() & 0o7777;
    host.write(path, fs::read(path).map_err(failed())?, mode)?;
    Ok(())
}
