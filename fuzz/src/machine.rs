//! A machine made of values, on which a configuration is read: the first of two nodes, with every file of a good
//! configuration but the one that is given.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use heartline::config::system::{Account, FileInfo, FileKind, Interface, System};

/// Where its configuration is.
pub const DIRECTORY: &str = "/etc/ha.d";

const GOOD: [(&str, &[u8]); 3] = [
    (
        "ha.cf",
        b"logfacility local0\nkeepalive 1\ndeadtime 10\nbcast eth0\nauto_failback on\nnode ha1 ha2\nping 10.0.0.254\n",
    ),
    ("authkeys", b"auth 1\n1 sha1 a_secret_of_good_length\n"),
    ("haresources", b"ha1 10.0.0.9/24/eth0 apache\n"),
];

/// The machine; `contents` is what it has in place of the good file `name`.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The name of the file.
    pub name: &'a str,
    /// What is in it.
    pub contents: &'a [u8],
}

fn nothing<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::NotFound, "No such file or directory"))
}

impl Machine<'_> {
    fn file(&self, path: &Path) -> Option<(&[u8], FileInfo)> {
        let regular = |mode| FileInfo { kind: FileKind::Regular, owner: 0, mode };
        if let Ok(name) = path.strip_prefix(DIRECTORY) {
            let given = Some(self.contents).filter(|_| name == Path::new(self.name));
            let good =
                || GOOD.iter().find(|(good, _)| name == Path::new(good)).map(|(_, contents)| *contents);
            return given.or_else(good).map(|contents| (contents, regular(0o600)));
        }
        match path.to_str()? {
            "/dev/ttyS0" | "/dev/ttyS1" => {
                Some((b"", FileInfo { kind: FileKind::CharacterDevice, owner: 0, mode: 0o660 }))
            }
            "/var/log" => Some((b"", FileInfo { kind: FileKind::Directory, owner: 0, mode: 0o755 })),
            "/bin/true" | "/etc/init.d/apache" | "/usr/lib/ocf/resource.d/heartbeat/pgsql" => {
                Some((b"", regular(0o755)))
            }
            "/usr/lib/systemd/system/nginx.service" => Some((b"", regular(0o644))),
            "/etc/services" => Some((b"domain 53/udp # names\nha-cluster 694/udp\n", regular(0o644))),
            "/proc/consoles" => Some((b"ttyS1  -W- (EC p a)    4:65\n", regular(0o444))),
            _ => None,
        }
    }
}

impl System for Machine<'_> {
    fn host_name(&self) -> io::Result<String> {
        Ok("ha1".to_owned())
    }

    fn read_file(&self, path: &Path) -> io::Result<(Vec<u8>, FileInfo)> {
        self.file(path).map_or_else(nothing, |(contents, info)| Ok((contents.to_vec(), info)))
    }

    fn file_info(&self, path: &Path) -> io::Result<FileInfo> {
        self.file(path).map_or_else(nothing, |(_, info)| Ok(info))
    }

    fn effective_user(&self) -> u32 {
        1000
    }

    fn account(&self, user: &str) -> Option<Account> {
        ["root", "hacluster", "0"].contains(&user).then_some(Account { uid: 0, gid: 0 })
    }

    fn group_exists(&self, group: &str) -> bool {
        ["root", "haclient", "0"].contains(&group)
    }

    fn names_in(&self, _: &Path) -> io::Result<Vec<String>> {
        nothing()
    }

    fn interfaces(&self) -> io::Result<Vec<Interface>> {
        let interface = |name: &str, address: [u8; 4], broadcast: Option<[u8; 4]>| Interface {
            name: name.to_owned(),
            addresses: vec![IpAddr::from(address)],
            broadcast: broadcast.map(Into::into),
        };
        Ok(vec![
            interface("lo", [127, 0, 0, 1], None),
            interface("eth0", [10, 0, 0, 1], Some([10, 0, 0, 255])),
            interface("eth1", [10, 0, 1, 1], Some([10, 0, 1, 255])),
            interface("tun0", [10, 0, 2, 1], None),
        ])
    }

    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        match host {
            "peer" => Ok(vec![IpAddr::from([10, 0, 0, 2])]),
            address => address.parse().map_or_else(|_| nothing(), |address| Ok(vec![address])),
        }
    }
}
