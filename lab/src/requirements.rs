//! What the lab needs of the machine: tools, and a kernel that gives namespaces.

use crate::command::{self, PATH, tool};
use crate::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

/// A tool that the lab calls, and where to get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement {
    /// The program's name.
    pub tool: &'static str,
    /// The Debian package that holds it.
    pub package: &'static str,
}

impl fmt::Display for Requirement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (Debian package {})", self.tool, self.package)
    }
}

const TOOLS: [Requirement; 7] = [
    Requirement { tool: "unshare", package: "util-linux" },
    Requirement { tool: "nsenter", package: "util-linux" },
    Requirement { tool: "setpriv", package: "util-linux" },
    Requirement { tool: "mount", package: "mount" },
    Requirement { tool: "ip", package: "iproute2" },
    Requirement { tool: "nft", package: "nftables" },
    Requirement { tool: "mkfs.ext4", package: "e2fsprogs" },
];

/// What emulates boards.
const EMULATOR: Requirement = Requirement { tool: "qemu-system-arm", package: "qemu-system-arm" };

fn is_missing(requirement: &Requirement) -> bool {
    !PATH.split(':').any(|directory| Path::new(directory).join(requirement.tool).is_file())
}

/// What this machine lacks to emulate boards.
#[must_use]
pub fn missing_for_boards() -> Vec<Requirement> {
    [EMULATOR].into_iter().filter(is_missing).collect()
}

/// The tools that this machine lacks; empty when the lab can work.
#[must_use]
pub fn missing() -> Vec<Requirement> {
    let mut missing: Vec<_> = TOOLS.into_iter().filter(is_missing).collect();
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let modules = format!("/lib/modules/{}", kernel_release());
    if !filesystems.lines().any(|line| line.ends_with("\toverlay")) && !Path::new(&modules).is_dir() {
        missing.push(Requirement { tool: "overlayfs", package: "linux-image-amd64" });
    }
    missing
}

/// How this process can have namespaces of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// It is root, with all that goes with it.
    Root,
    /// It becomes root in a user namespace.
    UserNamespace,
}

impl Privilege {
    /// Finds out by trying; an error says how to get there.
    pub(crate) fn find() -> Result<Self, Error> {
        let missing = missing();
        if !missing.is_empty() {
            return Err(Error::Missing(missing));
        }
        if tries("unshare --fork --pid --mount --net --uts --ipc true").is_ok() {
            return Ok(Self::Root);
        }
        tries("unshare --user --map-root-user --fork --pid --mount --net --uts --ipc true")
            .map(|()| Self::UserNamespace)
            .map_err(|reason| Error::NoNamespaces { reason })
    }

    /// Whether the process that asks, inside a world, has the rights of root only in a user namespace.
    pub(crate) fn inside() -> Self {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
        if whole { Self::Root } else { Self::UserNamespace }
    }
}

fn tries(line: &str) -> Result<(), String> {
    let output = command::output(&mut tool(line)).map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(output.stderr.trim().to_owned()) }
}

fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_named_with_its_package() {
        let error = Error::Missing(vec![TOOLS[5], TOOLS[6]]);
        assert_eq!(
            error.to_string(),
            "this machine lacks nft (Debian package nftables), mkfs.ext4 (Debian package e2fsprogs)"
        );
    }
}
