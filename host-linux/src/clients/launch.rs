//! The first moments of a client, in its own process: `heartline client USER COMMAND` becomes the user, then the
//! command. A name service that takes its time delays nobody else.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::unistd::{User, getegid, geteuid, initgroups, setgid, setuid};

use crate::config;

/// Why a client did not become its user or its command.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The user is gone since `ha.cf` was read, or is not known now.
    #[error("there is no user `{0}`")]
    NoUser(String),
    /// The system does not let this process become the user.
    #[error("cannot become user `{user}`: {}", .cause.desc())]
    Become {
        /// The user.
        user: String,
        /// What the system answered.
        cause: Errno,
    },
    /// The shell that runs the command cannot be run.
    #[error("cannot run /bin/sh: {0}")]
    Shell(#[from] io::Error),
}

/// Becomes `user` (name or number) with the primary group and all supplementary groups, then `command`, run by a shell
/// with nothing on its three standard streams. Returns only if that fails.
#[must_use]
pub fn launch(user: &str, command: &str) -> LaunchError {
    let Some(account) = config::system::account(user) else { return LaunchError::NoUser(user.to_owned()) };
    if let Err(cause) = become_user(&account) {
        return LaunchError::Become { user: user.to_owned(), cause };
    }
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("exec {command}")]);
    LaunchError::Shell(shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).exec())
}

fn become_user(account: &User) -> nix::Result<()> {
    let name = CString::new(account.name.as_str()).map_err(|_| Errno::EINVAL)?;
    if let Err(cause) = initgroups(&name, account.gid) {
        // In a user namespace nobody may set groups; who is the user already needs nothing more.
        return if (geteuid(), getegid()) == (account.uid, account.gid) { Ok(()) } else { Err(cause) };
    }
    setgid(account.gid)?;
    setuid(account.uid)
}
