//! The three files, as an administrator of the original would write them, and the addresses in them.

use std::net::Ipv4Addr;
use std::time::Duration;

use heartline_lab::{DiskKind, SharedDisk};

use super::Method;

/// The network of the cluster and its clients.
pub(super) const NETWORK: &str = "10.77.1.0/24";
/// The address that moves with the service.
pub(super) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 77, 1, 46);
/// Where the shared disk is mounted.
pub(super) const MOUNT_POINT: &str = "/ha";
/// Bits per second on the null-modem cable.
pub(super) const BAUD: u32 = 19_200;
/// The name of the witness in the cable, where there is one.
const WITNESS: &str = "dongle";
/// Where the daemon logs.
pub(super) const LOG_FILE: &str = "/var/log/ha-log";
/// The same with debug lines.
pub(super) const DEBUG_FILE: &str = "/var/log/ha-debug";
/// Where the three files are.
pub(super) const DIRECTORY: &str = "/etc/ha.d";

/// The intervals in `ha.cf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Short enough to watch.
    Short,
    /// Those of the articles about the original.
    Article,
}

impl Pace {
    /// `keepalive`, `deadtime`, `warntime`, `initdead`, as `ha.cf` has them.
    fn words(self) -> [&'static str; 4] {
        match self {
            Self::Short => ["200ms", "2", "1", "10"],
            Self::Article => ["2", "60", "10", "120"],
        }
    }

    /// `witness_watchdog`: a little more than the dead time.
    fn watchdog(self) -> &'static str {
        match self {
            Self::Short => "3",
            Self::Article => "65",
        }
    }

    pub(super) fn deadtime(self) -> Duration {
        Duration::from_secs(match self {
            Self::Short => 2,
            Self::Article => 60,
        })
    }

    /// How long an event is waited for: generous, because a machine may be busy.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Short => 60,
            Self::Article => 300,
        })
    }
}

/// `ha.cf`, the same on both hosts; with a witness in the cable or without.
pub(super) fn ha_cf(pace: Pace, serial: &str, ping: Ipv4Addr, has_witness: bool) -> String {
    let [keepalive, deadtime, warntime, initdead] = pace.words();
    let watchdog = pace.watchdog();
    let serial = if has_witness {
        format!(
            "witness {WITNESS} serial {serial}\n\
             quorum witness\n\
             witness_watchdog {watchdog}\n\
             stonith_host * dongle {WITNESS}\n"
        )
    } else {
        format!("serial {serial}\n")
    };
    format!(
        "debugfile {DEBUG_FILE}\n\
         logfile {LOG_FILE}\n\
         logfacility local0\n\
         keepalive {keepalive}\n\
         deadtime {deadtime}\n\
         warntime {warntime}\n\
         initdead {initdead}\n\
         baud {BAUD}\n\
         {serial}\
         bcast eth0\n\
         auto_failback on\n\
         node ha1\n\
         node ha2\n\
         ping {ping}\n\
         respawn hacluster /usr/lib/heartbeat/ipfail\n"
    )
}

/// `authkeys`, the same on both hosts, mode 600.
pub(super) fn authkeys(method: Method) -> &'static str {
    match method {
        Method::Crc => "auth 2\n2 crc\n",
        Method::Sha1 => "auth 1\n1 sha1 OnlyForThisDemonstration\n",
    }
}

/// `haresources`, the same on both hosts.
pub(super) fn haresources(disk: &DiskKind) -> String {
    let file_system = match disk {
        DiskKind::Block => "ext4::rw",
        DiskKind::Folder { .. } => "none::bind,rw",
    };
    format!("ha1 {SERVICE} Filesystem::{}::{MOUNT_POINT}::{file_system} httpd\n", SharedDisk::DEVICE)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::{self, AuthMethod, RealSystem};

    /// The files as a real machine reads them; only the port, the interface and the node's name are this machine's.
    fn load(pace: Pace, method: Method, disk: &DiskKind, has_witness: bool) -> config::Loaded {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = directory.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        };
        let ping = Ipv4Addr::new(127, 0, 0, 1);
        write("ha.cf", &ha_cf(pace, "/dev/null", ping, has_witness).replace("bcast eth0", "bcast lo"));
        write("authkeys", authkeys(method));
        write("haresources", &haresources(disk));
        write("nodeinfo", "ha1\n");
        config::load(directory.path(), &RealSystem)
    }

    #[test]
    fn the_three_files_are_accepted_and_mean_what_the_story_tells() {
        let folder = DiskKind::Folder { reason: String::new() };
        for (pace, disk, times) in [
            (Pace::Short, &DiskKind::Block, [200, 2_000, 1_000, 10_000]),
            (Pace::Article, &folder, [2_000, 60_000, 10_000, 120_000]),
        ] {
            let loaded = load(pace, Method::Crc, disk, false);
            let found = loaded.configuration.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
            let in_force =
                [found.times.keepalive, found.times.deadtime, found.times.warntime, found.times.initdead];
            assert_eq!(in_force.map(|time| time.as_millis()), times);
            assert_eq!(found.times.deadtime, pace.deadtime());
            assert!(found.auto_failback && found.ipfail);
            assert_eq!((found.media.len(), found.pings.len()), (2, 1));
            let group = &found.groups[0];
            let agents: Vec<_> = group.resources.iter().map(|resource| resource.agent.as_str()).collect();
            assert_eq!(agents, ["IPaddr", "Filesystem", "httpd"]);
            assert_eq!((group.preferred.as_str(), group.name()), ("ha1", "10.77.1.46"));
        }
    }

    #[test]
    fn a_witness_in_the_cable_votes_watches_and_fences() {
        for pace in [Pace::Short, Pace::Article] {
            let loaded = load(pace, Method::Sha1, &DiskKind::Block, true);
            let found = loaded.configuration.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
            assert_eq!(found.witness.map(|witness| witness.name).as_deref(), Some(WITNESS));
            assert!(found.witness_watchdog.is_some_and(|time| time > pace.deadtime()));
            assert_eq!((found.media.len(), found.fencing.len()), (2, 1));
        }
    }

    #[test]
    fn the_keys_sign_as_they_say() {
        for (method, signing, expected) in
            [(Method::Crc, 2, AuthMethod::Crc), (Method::Sha1, 1, AuthMethod::Sha1)]
        {
            let keys = load(Pace::Short, method, &DiskKind::Block, false).configuration.unwrap().keys;
            let key = keys.keys.iter().find(|key| key.number == keys.signing).unwrap();
            assert_eq!((keys.signing, key.method), (signing, expected));
        }
    }
}
