//! Starting the daemon in the background: this program again, in a session of its own, with a pipe on which it says
//! that it is up. (Forking without a new program is not safe to do in Rust.)

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::places::Places;

/// Starts the daemon and waits until it is up or has failed; the code to exit with.
///
/// # Errors
/// When no process can be had.
pub(super) fn start(places: &Places, debug: u8, realtime: bool) -> io::Result<u8> {
    let (up, up_writer) = io::pipe()?;
    // By its path, so that `ps` and `pgrep` show the program's name; /proc/self/exe would make it `exe`.
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    let mut command = Command::new(program);
    command.arg0("heartline").args(["daemon", "--detached"]);
    command.arg("--config-dir").arg(&places.config_dir);
    command.arg("--state-dir").arg(&places.state_dir);
    command.arg("--run-dir").arg(&places.run_dir);
    command.args((0..debug).map(|_| "--debug"));
    if !realtime {
        command.arg("--no-realtime");
    }
    let mut child = command.stdin(Stdio::null()).stdout(up_writer).spawn()?;
    // The command holds our copy of the pipe's other end; without it, the pipe ends with the daemon.
    drop(command);
    code_to_exit_with(up, || {
        let code = child.wait()?.code();
        Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    })
}

fn code_to_exit_with(mut up: impl Read, wait: impl FnOnce() -> io::Result<u8>) -> io::Result<u8> {
    let mut code = [0];
    match up.read_exact(&mut code) {
        Ok(()) => Ok(code[0]),
        Err(_) => wait(),
    }
}

/// The other side: leaves the starter's session and takes standard output for the pipe that it is.
///
/// # Errors
/// When the process leads a group already, or has no standard output.
pub(super) fn detach() -> io::Result<OwnedFd> {
    nix::unistd::setsid()?;
    let ready = io::stdout().as_fd().try_clone_to_owned()?;
    let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&nowhere)?;
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_exits_as_the_daemon_says_or_as_it_ended() {
        let running = || -> io::Result<u8> { panic!("waited for a daemon that is up") };
        assert_eq!(code_to_exit_with(&[0_u8][..], running).unwrap(), 0);
        assert_eq!(code_to_exit_with(&[][..], || Ok(6)).unwrap(), 6);
    }
}
