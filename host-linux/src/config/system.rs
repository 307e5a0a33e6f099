//! What a reader of the configuration asks of the machine. Only questions: nothing here changes anything.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;
use nix::unistd::{Group, Uid, User, geteuid, gethostname};

use super::questions::{Answer, Question, Silence, ask_all};

/// Where programs are looked for.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long programs are waited for: agents themselves say that `meta-data` needs no longer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// No configuration file is longer, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// So many entries of a directory are looked at.
const DIRECTORY_ENTRIES_MAX: usize = 1_000;

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A character device.
    CharacterDevice,
    /// Anything else.
    Other,
}

/// What is known of a path without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileInfo {
    /// Its kind, symbolic links followed.
    pub kind: FileKind,
    /// The user id of its owner.
    pub owner: u32,
    /// The nine permission bits and the three above.
    pub mode: u32,
}

impl FileInfo {
    /// Whether it is a program: a regular file that somebody may execute.
    #[must_use]
    pub fn is_program(&self) -> bool {
        self.kind == FileKind::Regular && self.mode & 0o111 != 0
    }
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// Its name (`eth0`).
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The first configured IPv4 broadcast address.
    pub broadcast: Option<Ipv4Addr>,
}

/// The numbers of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The user's.
    pub uid: u32,
    /// The user's primary group's.
    pub gid: u32,
}

/// The machine that a configuration is for.
pub trait System {
    /// The kernel's host name, what `uname -n` says.
    ///
    /// # Errors
    /// When the kernel does not tell it or it is no text.
    fn host_name(&self) -> io::Result<String>;

    /// The contents of a regular file of at most 1 MiB, and what is known of that very file.
    ///
    /// # Errors
    /// When it cannot be read, is not a regular file or is longer.
    fn read_file(&self, path: &Path) -> io::Result<(Vec<u8>, FileInfo)>;

    /// What is known of a path.
    ///
    /// # Errors
    /// When there is nothing or it cannot be examined.
    fn file_info(&self, path: &Path) -> io::Result<FileInfo>;

    /// The effective user id of this process.
    fn effective_user(&self) -> u32;

    /// The user of this name or, in decimal, number.
    fn account(&self, user: &str) -> Option<Account>;

    /// Whether there is a user of this name or, in decimal, number.
    fn user_exists(&self, user: &str) -> bool {
        self.account(user).is_some()
    }

    /// Whether there is a group of this name or, in decimal, number.
    fn group_exists(&self, group: &str) -> bool;

    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    fn names_in(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// All network interfaces, also those without an address.
    ///
    /// # Errors
    /// When the kernel does not tell them.
    fn interfaces(&self) -> io::Result<Vec<Interface>>;

    /// The addresses of a host, best first; an address is its own answer.
    ///
    /// # Errors
    /// When the name does not resolve.
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;

    /// What programs of this machine answer, in the order of the questions. A machine that runs none gives none.
    fn ask(&self, questions: &[Question]) -> Vec<Answer> {
        let nobody = Silence::NotRun("no programs are run here".to_owned());
        vec![Err(nobody); questions.len()]
    }

    /// A process that has this file or device open, and the name of its program; nothing if there is none or it is not
    /// to be seen.
    fn holder(&self, _: &Path) -> Option<(u32, String)> {
        None
    }

    /// The UDP services of `/etc/services` by name and port, empty if unreadable.
    fn udp_services(&self) -> Vec<(String, u16)> {
        let services = self.read_file(Path::new("/etc/services")).unwrap_or_else(|_| no_file());
        String::from_utf8_lossy(&services.0)
            .lines()
            .filter_map(|line| {
                let mut words = line.split('#').next()?.split_whitespace();
                let name = words.next()?;
                let port = words.next()?.strip_suffix("/udp")?.parse().ok()?;
                Some((name.to_owned(), port))
            })
            .collect()
    }

    /// The names of the kernel's console devices (`ttyS0`), empty if unreadable.
    fn consoles(&self) -> Vec<String> {
        let consoles = self.read_file(Path::new("/proc/consoles")).unwrap_or_else(|_| no_file());
        String::from_utf8_lossy(&consoles.0)
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect()
    }
}

/// This machine's user of this name or, in decimal, number.
pub(crate) fn account(user: &str) -> Option<User> {
    let by_number = || User::from_uid(Uid::from_raw(user.parse().ok()?)).ok().flatten();
    User::from_name(user).ok().flatten().or_else(by_number)
}

fn no_file() -> (Vec<u8>, FileInfo) {
    (Vec::new(), FileInfo { kind: FileKind::Other, owner: 0, mode: 0 })
}

/// The machine that this process runs on.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealSystem;

impl System for RealSystem {
    fn host_name(&self) -> io::Result<String> {
        let name = gethostname()?;
        name.into_string().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the host name is no text"))
    }

    fn read_file(&self, path: &Path) -> io::Result<(Vec<u8>, FileInfo)> {
        // A named pipe in the place of a file must not stop us.
        let file = File::options()
            .read(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
            .open(path)?;
        let info = describe(&file.metadata()?);
        if info.kind != FileKind::Regular {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut contents = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut contents)?;
        if u64::try_from(contents.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
        }
        Ok((contents, info))
    }

    fn file_info(&self, path: &Path) -> io::Result<FileInfo> {
        Ok(describe(&std::fs::metadata(path)?))
    }

    fn effective_user(&self) -> u32 {
        geteuid().as_raw()
    }

    fn account(&self, user: &str) -> Option<Account> {
        account(user).map(|user| Account { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }

    fn group_exists(&self, group: &str) -> bool {
        let by_number = || Group::from_gid(nix::unistd::Gid::from_raw(group.parse().ok()?)).ok().flatten();
        Group::from_name(group).ok().flatten().or_else(by_number).is_some()
    }

    fn names_in(&self, directory: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(directory)?.take(DIRECTORY_ENTRIES_MAX);
        Ok(names.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    fn interfaces(&self) -> io::Result<Vec<Interface>> {
        let mut interfaces: Vec<Interface> = Vec::new();
        for entry in getifaddrs()? {
            let index = interfaces.iter().position(|known| known.name == entry.interface_name);
            let index = index.unwrap_or_else(|| {
                interfaces.push(Interface { name: entry.interface_name.clone(), ..Interface::default() });
                interfaces.len() - 1
            });
            let Some(interface) = interfaces.get_mut(index) else { continue };
            interface.addresses.extend(entry.address.as_ref().and_then(ip_address));
            if let Some(IpAddr::V4(broadcast)) = entry.broadcast.as_ref().and_then(ip_address) {
                interface.broadcast.get_or_insert(broadcast);
            }
        }
        Ok(interfaces)
    }

    fn ask(&self, questions: &[Question]) -> Vec<Answer> {
        ask_all(questions, ANSWER_LIMIT)
    }

    fn holder(&self, path: &Path) -> Option<(u32, String)> {
        let path = path.canonicalize().ok()?;
        let is_open = |process: &Path| {
            let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
            open.map(|entry| entry.path()).any(|entry| fs::read_link(entry).is_ok_and(|file| file == path))
        };
        let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
        let mut numbered = processes.filter_map(|process| {
            let pid = process.file_name()?.to_str()?.parse().ok()?;
            Some((pid, process))
        });
        let (pid, process) = numbered.find(|(_, process)| is_open(process))?;
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        Some((pid, name.trim().to_owned()))
    }

    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok((host, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
    }
}

fn ip_address(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

fn describe(metadata: &std::fs::Metadata) -> FileInfo {
    let kind = metadata.file_type();
    let kind = if kind.is_file() {
        FileKind::Regular
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_char_device() {
        FileKind::CharacterDevice
    } else {
        FileKind::Other
    };
    FileInfo { kind, owner: metadata.uid(), mode: metadata.mode() & 0o7777 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_answers() {
        let system = RealSystem;
        assert!(!system.host_name().unwrap().is_empty());
        let loopback = system.interfaces().unwrap();
        assert!(loopback.iter().any(|interface| interface.name == "lo"));
        assert!(system.user_exists("root") && system.user_exists("0") && !system.user_exists("no such user"));
        assert!(system.group_exists("root") && system.group_exists("0"));
        assert_eq!(system.file_info(Path::new("/dev/null")).unwrap().kind, FileKind::CharacterDevice);
        assert!(system.file_info(Path::new("/bin/sh")).unwrap().is_program());
        assert_eq!(system.resolve("192.0.2.1").unwrap(), [IpAddr::from([192, 0, 2, 1])]);
    }

    #[test]
    fn who_holds_a_file_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(RealSystem.holder(file.path()).map(|(pid, _)| pid), Some(std::process::id()));
        assert_eq!(RealSystem.holder(&file.into_temp_path()), None);
    }

    #[test]
    fn only_short_regular_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "text").unwrap();
        let (contents, info) = RealSystem.read_file(&path).unwrap();
        assert_eq!((contents.as_slice(), info.kind), (&b"text"[..], FileKind::Regular));

        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(RealSystem.read_file(&pipe).is_err());
        assert!(RealSystem.read_file(directory.path()).is_err());

        std::fs::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
        assert!(RealSystem.read_file(&path).is_err());
    }
}
