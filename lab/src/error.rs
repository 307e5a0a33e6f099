//! What can go wrong in the lab, in sentences for the person who runs it.

use crate::requirements::Requirement;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why the lab could not do something. What was built before stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tool ended with a failure.
    #[error("`{line}` failed ({status}): {stderr}")]
    Command {
        /// The command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said on its standard error.
        stderr: String,
    },
    /// A system call or a file operation failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried, such as "mount /etc".
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Tools are missing on this machine.
    #[error("this machine lacks {}", list(.0))]
    Missing(Vec<Requirement>),
    /// The kernel gives this user no namespaces.
    #[error(
        "the kernel refuses new namespaces ({reason}). Run this as root, or allow ordinary users their own: \
         `sysctl -w user.max_user_namespaces=10000`, on Ubuntu also \
         `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, on older Debian \
         `sysctl -w kernel.unprivileged_userns_clone=1`; in a container, start it with `--privileged`"
    )]
    NoNamespaces {
        /// What `unshare` said.
        reason: String,
    },
    /// [`World::new`](crate::World::new) was called outside a world.
    #[error("this program is not inside a world; use `world::enter` first")]
    NotInWorld,
    /// Something expected did not come about in time.
    #[error("waited {limit:?} in vain until {what}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The host is down, and what was asked needs it up.
    #[error("host {0} is down")]
    Down(String),
    /// The host is up, and what was asked needs it down.
    #[error("host {0} is up")]
    Up(String),
    /// The host did not come up.
    #[error("host {name} did not boot: {console}")]
    Boot {
        /// Its name.
        name: String,
        /// What its process 1 said.
        console: String,
    },
    /// The host has no such interface.
    #[error("host {host} has no interface {interface}")]
    NoInterface {
        /// Its name.
        host: String,
        /// The interface asked for.
        interface: String,
    },
    /// The path cannot be on a host's own disk.
    #[error(
        "{0} cannot be on the disk of a host: it must be absolute, below a top directory of this machine other than /dev, /proc, /run, /sys and /tmp"
    )]
    NotOnDisk(PathBuf),
    /// Not an IPv4 network such as `10.77.1.0/24`.
    #[error("`{0}` is not an IPv4 network such as 10.77.1.0/24")]
    Network(String),
    /// Every address of the network is taken.
    #[error("switch {0} has no free address left")]
    NoAddress(String),
    /// A name that cannot be that of a host or a switch.
    #[error(
        "`{0}` cannot be a name here: use 1 to 15 lower-case letters, digits and hyphens, each name once"
    )]
    Name(String),
    /// A cable between two hosts has no end in the world.
    #[error("this cable has no end in the world")]
    NoEnd,
    /// The program for the emulated board was not built.
    #[error("there is no {}; `cargo xtask firmware build` makes it", .0.display())]
    NoFirmware(PathBuf),
    /// The emulator of the board answered something else than it was asked, or ended.
    #[error("qemu-system-arm failed: {}", .0.trim())]
    Emulator(String),
    /// A helper was called with arguments that it does not understand.
    #[error("usage: {0}")]
    Usage(&'static str),
}

impl Error {
    /// A closure for `map_err`, naming what was tried.
    pub(crate) fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source: source.into() }
    }
}

fn list(missing: &[Requirement]) -> String {
    let all: Vec<String> = missing.iter().map(ToString::to_string).collect();
    all.join(", ")
}
