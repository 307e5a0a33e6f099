//! What a cluster is made of, and the three files that say so, as an administrator of the original would write them.

use std::net::IpAddr;

/// Where the shared disk is mounted.
pub(crate) const MOUNT_POINT: &str = "/var/lib/ha";

/// A resource group: an address, perhaps the shared disk, and a service.
#[derive(Debug, Clone)]
pub struct Group {
    /// The node that it belongs to.
    pub preferred: String,
    /// The floating address.
    pub address: IpAddr,
    /// The name of its service.
    pub service: String,
    /// Where the service listens.
    pub port: u16,
    /// Whether it needs the shared disk.
    pub disk: bool,
    /// Its resources as an administrator writes them, in place of those that follow from the rest.
    pub words: Option<String>,
}

impl Group {
    /// `web` on 10.77.1.100, port 80.
    #[must_use]
    pub fn web(preferred: &str) -> Self {
        Self::new(preferred, "web", IpAddr::from([10, 77, 1, 100]), 80)
    }

    /// `mail` on 10.77.1.101, port 25.
    #[must_use]
    pub fn mail(preferred: &str) -> Self {
        Self::new(preferred, "mail", IpAddr::from([10, 77, 1, 101]), 25)
    }

    /// Any other.
    #[must_use]
    pub fn new(preferred: &str, service: &str, address: IpAddr, port: u16) -> Self {
        let (preferred, service) = (preferred.to_owned(), service.to_owned());
        Self { preferred, address, service, port, disk: false, words: None }
    }

    /// The same made of these resources.
    #[must_use]
    pub fn of(mut self, words: &str) -> Self {
        self.words = Some(words.to_owned());
        self
    }

    /// The same with the shared disk between address and service.
    #[must_use]
    pub fn with_disk(mut self) -> Self {
        self.disk = true;
        self
    }

    /// Its first resource as written, which is what the daemon calls it.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(words) = &self.words {
            return words.split(' ').next().unwrap_or_default().to_owned();
        }
        match self.address {
            IpAddr::V4(address) => format!("{address}/24/eth0"),
            IpAddr::V6(address) => format!("IPv6addr::{address}/64/eth0"),
        }
    }

    /// Its line of `haresources`; `disk` is the resource that mounts the shared disk.
    #[must_use]
    pub(crate) fn line(&self, disk: &str) -> String {
        if let Some(words) = &self.words {
            return format!("{} {words}\n", self.preferred);
        }
        let disk = if self.disk { format!(" {disk}") } else { String::new() };
        format!("{} {}{disk} svc::{}::{}\n", self.preferred, self.name(), self.service, self.port)
    }
}

/// What a cluster is made of. The default is the whole of it: a null-modem cable at 19200 baud and an Ethernet, one
/// group that belongs to ha1, short intervals, `auto_failback on`, a `crc` key.
#[derive(Debug, Clone)]
pub struct Plan {
    directives: Vec<(String, String)>,
    media: Vec<String>,
    devices: Vec<String>,
    pub(crate) keys: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) second_lan: bool,
    pub(crate) disk_megabytes: u32,
    pub(crate) hosts: usize,
    pub(crate) dongle: Option<Witness>,
}

/// What runs the firmware of a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Witness {
    /// This program, unless the tests are to be run with the board.
    Usual,
    /// The emulated board.
    Board,
}

impl Default for Plan {
    fn default() -> Self {
        let directives = [
            ("logfile", "/var/log/ha-log"),
            ("debugfile", "/var/log/ha-debug"),
            ("keepalive", "100ms"),
            ("deadtime", "1"),
            ("warntime", "500ms"),
            ("initdead", "3"),
            ("baud", "19200"),
            ("auto_failback", "on"),
        ];
        Self {
            directives: directives.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            devices: Vec::new(),
            media: vec!["serial /dev/ttyS0".to_owned(), "bcast eth0".to_owned()],
            keys: "auth 2\n2 crc\n".to_owned(),
            groups: vec![Group::web("ha1")],
            second_lan: false,
            disk_megabytes: 16,
            hosts: 2,
            dongle: None,
        }
    }
}

impl Plan {
    /// With another value for a directive, or one more directive.
    #[must_use]
    pub fn directive(mut self, name: &str, value: &str) -> Self {
        match self.directives.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.directives.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// With one more line of `ha.cf`, also of a directive that is there already.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        self.directives.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With these media instead; `{peer}` stands for the number of the other host, the last part of its addresses.
    #[must_use]
    pub fn media(mut self, lines: &[&str]) -> Self {
        self.media = lines.iter().map(|&line| line.to_owned()).collect();
        self
    }

    /// With this fencing device after those before it: a type with its parameters. `external/lab` and `fence_lab` work the
    /// power switch of the laboratory.
    #[must_use]
    pub fn fencing(mut self, device: &str) -> Self {
        self.devices.push(device.to_owned());
        self
    }

    /// The address of its first group.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.groups.first().map_or(IpAddr::from([0, 0, 0, 0]), |group| group.address)
    }

    /// Whether it has any fencing device.
    #[must_use]
    pub(crate) fn fences(&self) -> bool {
        !self.devices.is_empty()
    }

    /// With the witness `dongle` in the null-modem cable, which can pull a reset line of each host.
    #[must_use]
    pub fn dongle(mut self) -> Self {
        self.dongle = Some(Witness::Usual);
        self.media = vec!["witness dongle serial /dev/ttyS0".to_owned(), "bcast eth0".to_owned()];
        self
    }

    /// The same with the witness on the emulated board.
    #[must_use]
    pub fn board(self) -> Self {
        Self { dongle: Some(Witness::Board), ..self.dongle() }
    }

    /// With another `authkeys`.
    #[must_use]
    pub fn keys(mut self, text: &str) -> Self {
        text.clone_into(&mut self.keys);
        self
    }

    /// With these groups instead.
    #[must_use]
    pub fn groups(mut self, groups: impl IntoIterator<Item = Group>) -> Self {
        self.groups = groups.into_iter().collect();
        self
    }

    /// Its groups.
    #[must_use]
    pub fn all_groups(&self) -> &[Group] {
        &self.groups
    }

    /// With a second Ethernet, `eth1`, 10.77.2.0/24.
    #[must_use]
    pub fn second_lan(mut self) -> Self {
        self.second_lan = true;
        self
    }

    /// With a shared disk of this size.
    #[must_use]
    pub fn disk_megabytes(mut self, size: u32) -> Self {
        self.disk_megabytes = size;
        self
    }

    /// With so many hosts. The null-modem cable joins the first two, so the media have to do without.
    #[must_use]
    pub fn hosts(mut self, hosts: usize) -> Self {
        self.hosts = hosts;
        self
    }

    /// The names of the hosts.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        (1..=self.hosts).map(|number| format!("ha{number}"))
    }

    /// `ha.cf` for a host whose peer has this number.
    #[must_use]
    pub fn ha_cf(&self, peer: u8) -> String {
        let directives = self.directives.iter().map(|(name, value)| format!("{name} {value}\n"));
        let media = self.media.iter().map(|line| line.replace("{peer}", &peer.to_string()) + "\n");
        let devices = self.devices.iter().map(|device| format!("stonith_host * {device}\n"));
        let nodes = self.names().collect::<Vec<_>>().join(" ");
        directives.chain(media).chain(devices).chain([format!("node {nodes}\n")]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_replaced_where_they_stand() {
        let plan = Plan::default().directive("keepalive", "50ms").directive("stop_failure", "block");
        let text = plan.media(&["ucast eth0 10.77.1.{peer}"]).ha_cf(2);
        assert_eq!(text.matches("keepalive").count(), 1);
        assert!(text.contains("keepalive 50ms\n") && text.contains("stop_failure block\n"), "{text}");
        assert!(text.ends_with("ucast eth0 10.77.1.2\nnode ha1 ha2\n"), "{text}");
    }

    #[test]
    fn a_group_is_a_line() {
        assert_eq!(Group::web("ha1").line(""), "ha1 10.77.1.100/24/eth0 svc::web::80\n");
        assert_eq!(
            Group::web("ha1").with_disk().line("Filesystem::/dev/x::/y"),
            "ha1 10.77.1.100/24/eth0 Filesystem::/dev/x::/y svc::web::80\n"
        );
    }
}
