//! Process 1 of a world: makes the world's own `/run` and `/proc`, starts one program, reaps whatever becomes an
//! orphan, and ends with the program. When it ends, the kernel ends everything in the world.

use crate::error::Error;
use crate::processes::pid_of;
use crate::world::{OUTSIDE_PROC, SCRATCH};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Runs `-- PROGRAM ARGUMENTS` as process 1 of a new world, and gives the program's exit code, or 128 and the
/// number of the signal that killed it. Called through [`dispatch`](crate::dispatch).
///
/// # Errors
/// The program cannot be started, or the world's file systems cannot be mounted.
pub fn run(arguments: &[OsString]) -> Result<ExitCode, Error> {
    let [dashes, program, arguments @ ..] = arguments else {
        return Err(Error::Usage("lab-init -- PROGRAM ARGUMENTS"));
    };
    if dashes != "--" || Pid::this().as_raw() != 1 {
        return Err(Error::Usage("lab-init -- PROGRAM ARGUMENTS, as process 1"));
    }
    mount_file_systems()?;
    // Before the program starts: what is sent to it from then on is passed on.
    let signals = signals()?;
    let what = format!("start {}", program.display());
    let mut start = Command::new("/proc/self/exe");
    start.args(["lab-exec", "--"]).arg(program).args(arguments);
    let child = start.spawn().map_err(Error::io(what))?;
    reap(&signals, Some(pid_of(&child)))
}

/// Becomes `-- PROGRAM ARGUMENTS` with no signal blocked and none ignored: a program inherits both, process 1 blocks
/// signals, and whoever started the world in the background may have had some ignored.
///
/// # Errors
/// The program cannot be started.
pub(crate) fn become_program(arguments: &[OsString]) -> Result<ExitCode, Error> {
    let [dashes, program, arguments @ ..] = arguments else {
        return Err(Error::Usage("lab-exec -- PROGRAM ARGUMENTS"));
    };
    if dashes != "--" {
        return Err(Error::Usage("lab-exec -- PROGRAM ARGUMENTS"));
    }
    SigSet::empty().thread_set_mask().map_err(Error::io("unblock signals"))?;
    let what = format!("start {}", program.display());
    let mut become_it = Command::new("env");
    become_it.arg("--default-signal=HUP,INT,QUIT,TERM").arg(program).args(arguments);
    Err(Error::io(what)(become_it.exec()))
}

/// Reaps every child that ends, until `program` does. Signals that somebody sent are passed on to it; those of
/// the terminal are not, because the terminal sends them to every process in the foreground.
pub(crate) fn reap(signals: &SignalFd, program: Option<Pid>) -> Result<ExitCode, Error> {
    loop {
        if let Some(code) = reap_ended(program)? {
            return Ok(code);
        }
        let Some(signal) = signals.read_signal().map_err(Error::io("wait for a signal"))? else { continue };
        let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
        let sent = signal.ssi_code != libc::SI_KERNEL;
        if let (true, Some(program), Ok(signal)) = (sent, program, Signal::try_from(number))
            && signal != Signal::SIGCHLD
        {
            // It may have ended in this moment: then the next turn reaps it.
            let _ = kill(program, signal);
        }
    }
}

/// Takes the signals of process 1 out of their usual course. Children started from now on inherit this mask.
pub(crate) fn signals() -> Result<SignalFd, Error> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        signals.add(signal);
    }
    signals.thread_block().map_err(Error::io("block signals"))?;
    SignalFd::new(&signals).map_err(Error::io("open a signal descriptor"))
}

fn reap_ended(program: Option<Pid>) -> Result<Option<ExitCode>, Error> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if Some(pid) == program => return Ok(Some(exit_code(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) if Some(pid) == program => {
                return Ok(Some(exit_code(128 + signal as i32)));
            }
            Ok(WaitStatus::StillAlive) | Err(nix::Error::ECHILD) => return Ok(None),
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(Error::io("wait for a child")(error)),
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// A private tmpfs over `/run` is the world's scratch space. The outside's `/proc` stays visible in it, so that
/// an administrator outside can be told which process to enter.
fn mount_file_systems() -> Result<(), Error> {
    let tmpfs = Some("tmpfs");
    mount(tmpfs, "/run", tmpfs, MsFlags::MS_NOSUID, Some("mode=755")).map_err(Error::io("mount /run"))?;
    for directory in [SCRATCH, OUTSIDE_PROC] {
        fs::create_dir_all(directory).map_err(Error::io(format!("make {directory}")))?;
    }
    let all = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/proc"), OUTSIDE_PROC, None::<&str>, all, None::<&str>)
        .map_err(Error::io("keep the outside's /proc"))?;
    mount_proc(Path::new("/proc"))
}

/// Mounts the `/proc` of the namespace that this process is in.
pub(crate) fn mount_proc(target: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), target, Some("proc"), flags, None::<&str>).map_err(Error::io("mount /proc"))
}
