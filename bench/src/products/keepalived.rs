//! Keepalived of Debian, VRRP version 3: an advertisement every 10 ms when it is to be quick. It has no order to
//! hand the address over; administrators stop it, and it says farewell with priority 0.

use super::{ADDRESS, HOSTS, Product, Tempo};
use crate::error::Error;
use crate::pair::Node;
use heartline_lab::{Host, Job, NullModem};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian has the daemon.
pub(crate) const PROGRAM: &str = "/usr/sbin/keepalived";
const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";
/// Both nodes wait as long as they can tell apart: the first in the list has the edge.
const PRIORITIES: [u32; 2] = [254, 253];
const STOP_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Keepalived;

impl Product for Keepalived {
    fn programs(&self, _heartline: &Path) -> Vec<PathBuf> {
        vec![PROGRAM.into()]
    }

    fn interval(&self, tempo: Tempo) -> Duration {
        match tempo {
            Tempo::Quick => Duration::from_millis(10),
            Tempo::Steady => Duration::from_millis(200),
        }
    }

    /// Three intervals and the skew of the lower priority (RFC 5798, 6.1).
    fn dead_time(&self, tempo: Tempo) -> Duration {
        let interval = self.interval(tempo);
        interval * 3 + interval * (256 - PRIORITIES[1]) / 256
    }

    fn install(&self, host: &mut Host, tempo: Tempo, _serial: Option<&NullModem>) -> Result<(), Error> {
        let first = host.name() == HOSTS[0];
        let priority = PRIORITIES[usize::from(!first)];
        let interval = self.interval(tempo).as_secs_f64();
        let configuration = format!(
            "global_defs {{\n vrrp_version 3\n vrrp_garp_master_repeat 1\n}}\n\
             vrrp_instance bench {{\n state BACKUP\n nopreempt\n interface eth0\n virtual_router_id 51\n \
             priority {priority}\n advert_int {interval:.2}\n virtual_ipaddress {{\n  {ADDRESS}/24 dev eth0\n }}\n}}\n"
        );
        host.write(CONFIGURATION, configuration, 0o644)?;
        Ok(())
    }

    fn start(&self, host: &mut Host) -> Result<Job, Error> {
        Ok(host.spawn(&[PROGRAM, "--dont-fork", "--log-console", "--log-detail"])?)
    }

    fn settled(&self, holder: &Node, other: &Node) -> Result<bool, Error> {
        let state = |node: &Node| {
            let said = node.job.as_ref().map(Job::said).unwrap_or_default();
            said.lines().rev().find_map(|line| line.split("Entering ").nth(1).map(str::to_owned))
        };
        let is = |state: Option<String>, wanted: &str| state.is_some_and(|state| state.starts_with(wanted));
        Ok(is(state(holder), "MASTER") && is(state(other), "BACKUP"))
    }

    fn hand_over(&self, holder: &mut Node) -> Result<(), Error> {
        if let Some(job) = holder.job.take() {
            job.signal(Signal::SIGTERM)?;
            job.wait(STOP_LIMIT)?;
        }
        holder.job = Some(self.start(&mut holder.host)?);
        Ok(())
    }
}
