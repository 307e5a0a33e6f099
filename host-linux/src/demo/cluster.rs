//! The cluster: builds it, files and all, and does to it what an administrator or a mishap does. Judges nothing.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use heartline_lab::{Host, NullModem, SharedDisk, Switch, World};

use super::dongle::Dongle;
use super::error::DemoError;
use super::expected::{HOSTS, Sight};
use super::files::{self, BAUD, DIRECTORY, MOUNT_POINT, NETWORK, Pace, SERVICE};
use super::web::{SHARED_PAGES, WebServer};
use super::{Method, root};

const HEARTLINE: &str = "/usr/sbin/heartline";
/// The original's names of the commands, links as a package installs them.
const OTHER_NAMES: [&str; 4] = ["heartbeat", "cl_status", "hb_standby", "hb_takeover"];
const DISK_MEGABYTES: u32 = 16;

/// Two hosts and what joins them, and a client.
pub(super) struct Cluster {
    pub(super) pace: Pace,
    pub(super) method: Method,
    pub(super) web: WebServer,
    pub(super) hosts: [Host; 2],
    /// With a witness in it, the first host's half.
    pub(super) cable: NullModem,
    pub(super) dongle: Option<Dongle>,
    pub(super) disk: SharedDisk,
    /// Until the story takes it.
    pub(super) client: Option<Host>,
    switch: Switch,
    serial: String,
}

impl Cluster {
    /// Builds everything and switches the hosts on; no daemon runs yet.
    /// With this firmware there is a witness in the cable.
    pub(super) fn build(
        pace: Pace,
        method: Method,
        web: WebServer,
        firmware: Option<&Path>,
    ) -> Result<Self, DemoError> {
        root::renew(MOUNT_POINT)?;
        let program = std::env::current_exe().map_err(DemoError::io("find the path of this program"))?;
        let mut world = World::new(program)?;
        let mut switch = world.switch("lan", NETWORK)?;
        let mut hosts = [world.host(HOSTS[0])?, world.host(HOSTS[1])?];
        let mut client = world.host("client")?;
        for host in hosts.iter_mut().chain([&mut client]) {
            switch.connect(host)?;
        }
        let (cable, dongle) = match firmware {
            Some(firmware) => {
                let (cable, dongle) = Dongle::build(&mut world, &mut hosts, firmware)?;
                (cable, Some(dongle))
            }
            None => {
                let [ha1, ha2] = &mut hosts;
                (world.null_modem(ha1, ha2, BAUD)?, None)
            }
        };
        let serial = cable.device(&hosts[0]).unwrap_or(Path::new("/dev/ttyS0")).display().to_string();
        let disk = world.shared_disk(DISK_MEGABYTES)?;
        for host in &mut hosts {
            disk.attach(host)?;
            web.install(host)?;
        }
        for host in hosts.iter_mut().chain([&mut client]) {
            host.boot()?;
        }
        let client = Some(client);
        let cluster = Self { pace, method, web, hosts, cable, dongle, disk, client, switch, serial };
        for host in 0..cluster.hosts.len() {
            cluster.link_commands(host)?;
        }
        cluster.write_files(method)?;
        cluster.fill_disk()?;
        Ok(cluster)
    }

    /// Writes the three files on both hosts.
    pub(super) fn write_files(&self, method: Method) -> Result<(), DemoError> {
        for host in &self.hosts {
            host.write(format!("{DIRECTORY}/ha.cf"), self.ha_cf(), 0o644)?;
            host.write(format!("{DIRECTORY}/authkeys"), files::authkeys(method), 0o600)?;
            host.write(format!("{DIRECTORY}/haresources"), self.haresources(), 0o644)?;
        }
        Ok(())
    }

    pub(super) fn ha_cf(&self) -> String {
        files::ha_cf(self.pace, &self.serial, self.ping(), self.dongle.is_some())
    }

    pub(super) fn haresources(&self) -> String {
        files::haresources(self.disk.kind())
    }

    /// The serial port, the same on both hosts.
    pub(super) fn serial(&self) -> &str {
        &self.serial
    }

    /// The ping node: the router of the network.
    pub(super) fn ping(&self) -> Ipv4Addr {
        self.switch.address()
    }

    fn link_commands(&self, host: usize) -> Result<(), DemoError> {
        for name in OTHER_NAMES {
            self.run(host, &["ln", "-s", "heartline", &format!("/usr/sbin/{name}")])?;
        }
        Ok(())
    }

    /// Puts the page on the shared disk, from the first host, as long as nobody else uses it.
    fn fill_disk(&self) -> Result<(), DemoError> {
        let mount = self.disk.mount_line(MOUNT_POINT).join(" ");
        let pages = format!("{MOUNT_POINT}/{SHARED_PAGES}");
        let page = "This page is on the shared disk.";
        let line = format!(
            "{mount} && mkdir -p {pages} && echo '{page}' >{pages}/index.html && umount {MOUNT_POINT}"
        );
        self.run(0, &["sh", "-c", &line]).map(drop)
    }

    /// Starts the daemon, as the init script of the original does.
    pub(super) fn start_daemon(&self, host: usize) -> Result<(), DemoError> {
        self.run(host, &["/usr/sbin/heartbeat"]).map(drop)
    }

    /// Stops the daemon in good order, as the init script of the original does; returns when it is gone.
    pub(super) fn stop_daemon(&self, host: usize) -> Result<(), DemoError> {
        self.run(host, &["/usr/sbin/heartbeat", "-k"]).map(drop)
    }

    /// Cuts the power of a host; a witness senses that.
    pub(super) fn cut_power(&mut self, host: usize) -> Result<(), DemoError> {
        self.hosts[host].power_cut()?;
        self.dongle.iter().for_each(|dongle| dongle.sense(host, false));
        Ok(())
    }

    /// Switches a host on again.
    pub(super) fn switch_on(&mut self, host: usize) -> Result<(), DemoError> {
        self.dongle.iter().for_each(|dongle| dongle.sense(host, true));
        Ok(self.hosts[host].boot()?)
    }

    /// Runs one of our own commands that must succeed; what it says.
    pub(super) fn heartline(&self, host: usize, words: &[&str]) -> Result<String, DemoError> {
        self.run(host, &[&[HEARTLINE], words].concat())
    }

    /// Runs a command that must succeed; what it says.
    fn run(&self, host: usize, line: &[&str]) -> Result<String, DemoError> {
        let host = &self.hosts[host];
        let output = host.run(line)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(DemoError::Command {
            host: host.name().to_owned(),
            line: line.join(" "),
            status: output.status,
            said: format!("{}{}", output.stdout, output.stderr).trim().to_owned(),
        })
    }

    /// What both hosts show from outside and say of themselves.
    pub(super) fn look(&mut self) -> Result<[Sight; 2], DemoError> {
        Ok([self.look_at(0)?, self.look_at(1)?])
    }

    fn look_at(&mut self, index: usize) -> Result<Sight, DemoError> {
        let host = &mut self.hosts[index];
        if !host.booted()? {
            return Ok(Sight::default());
        }
        let snapshot = host.run(&[HEARTLINE, "status", "--json"])?;
        let addresses = host.run(&["ip", "-j", "address", "show"])?;
        Ok(Sight {
            holds_address: lists_address(&addresses.stdout, SERVICE),
            holds_disk: self.disk.is_mounted_on(&self.hosts[index]),
            snapshot: serde_json::from_str(&snapshot.stdout).ok(),
        })
    }

    /// How long an event is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.pace.patience()
    }
}

/// Whether `ip -j address show` lists an address on any interface.
fn lists_address(json: &str, address: Ipv4Addr) -> bool {
    let interfaces: Vec<serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    let address = address.to_string();
    let mut all = interfaces.iter().filter_map(|interface| interface["addr_info"].as_array()).flatten();
    all.any(|entry| entry["local"] == address.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_on_any_interface() {
        let json = r#"[{"ifname":"lo","addr_info":[{"local":"127.0.0.1"}]},{"ifname":"sit0"},
            {"ifname":"eth0","addr_info":[{"local":"10.77.1.1"},{"local":"10.77.1.46"}]}]"#;
        assert!(lists_address(json, SERVICE));
        assert!(!lists_address(json, Ipv4Addr::new(10, 77, 1, 4)));
        assert!(!lists_address("", SERVICE));
    }
}
