//! Running things on a host.

use super::Host;
use crate::command::{Output, PATH, output};
use crate::error::Error;
use crate::job::Job;
use crate::processes;
use crate::requirements::Privilege;
use crate::world::OUTSIDE_PROC;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

impl Host {
    /// A command that runs on the host, in its root directory, until its host or its caller's child dies.
    ///
    /// The child is `nsenter`: to signal the program itself, use [`Host::spawn`].
    ///
    /// # Errors
    /// [`Error::Down`].
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command, Error> {
        let init = self.init()?;
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &init.to_string(), "--mount", "--uts", "--ipc", "--net", "--pid", "--wd"])
            .args(["--", "setpriv", "--pdeathsig", "KILL"])
            .arg(program)
            .env("PATH", PATH)
            .env("HOME", "/root");
        Ok(command)
    }

    /// Runs a program on the host to its end, whatever that is, with nothing on its standard input.
    ///
    /// # Errors
    /// [`Error::Down`], or `nsenter` cannot be run. That the program is missing is told by status 127.
    pub fn run<S: AsRef<OsStr>>(&self, line: &[S]) -> Result<Output, Error> {
        output(self.command_line(line)?.stdin(Stdio::null()))
    }

    /// Starts a program on the host; what it says is kept, also when the host goes down.
    ///
    /// # Errors
    /// [`Error::Down`], or `nsenter` cannot be run.
    pub fn spawn<S: AsRef<OsStr>>(&mut self, line: &[S]) -> Result<Job, Error> {
        let log = self.directory.join("jobs").join(self.jobs.to_string());
        self.jobs += 1;
        let stdout = File::create(&log).map_err(Error::io(format!("make {}", log.display())))?;
        let stderr = stdout.try_clone().map_err(Error::io("share a log"))?;
        let mut command = self.command_line(line)?;
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn();
        Ok(Job::new(child.map_err(Error::io("run nsenter"))?, log))
    }

    /// What an administrator outside the world types to get a shell on the host.
    ///
    /// # Errors
    /// [`Error::Down`]; or the host is not to be found from outside.
    pub fn enter_hint(&self) -> Result<String, Error> {
        let pid = self.outside_pid()?;
        Ok(match Privilege::inside() {
            Privilege::Root => format!("nsenter --target {pid} --mount --uts --ipc --net --pid --wd sh"),
            Privilege::UserNamespace => format!(
                "nsenter --target {pid} --user --preserve-credentials --mount --uts --ipc --net --pid --wd sh"
            ),
        })
    }

    /// The processes of the host that are called `name`, as the world numbers them; zombies not counted.
    ///
    /// # Errors
    /// [`Error::Down`].
    pub fn pids_of(&self, name: &str) -> Result<Vec<Pid>, Error> {
        let proc = Path::new("/proc");
        let here = processes::namespace(proc, self.init()?, "pid");
        let mut pids = processes::all(proc)?;
        pids.retain(|&pid| processes::namespace(proc, pid, "pid") == here && processes::is_called(pid, name));
        Ok(pids)
    }

    /// Stops processes, numbered as the world does, so that they get no time at all.
    ///
    /// # Errors
    /// One of them has ended.
    pub fn freeze(&self, pids: &[Pid]) -> Result<(), Error> {
        signal_all(pids, Signal::SIGSTOP)
    }

    /// Lets stopped processes go on.
    ///
    /// # Errors
    /// One of them has ended.
    pub fn thaw(&self, pids: &[Pid]) -> Result<(), Error> {
        signal_all(pids, Signal::SIGCONT)
    }

    fn command_line<S: AsRef<OsStr>>(&self, line: &[S]) -> Result<Command, Error> {
        let (program, arguments) = line.split_first().ok_or(Error::Usage("PROGRAM ARGUMENTS"))?;
        let mut command = self.command(program)?;
        command.args(arguments);
        Ok(command)
    }

    /// The namespaces have the same names outside: that is how process 1 is recognised there, as the first in
    /// its namespace.
    fn outside_pid(&self) -> Result<Pid, Error> {
        let (inside, outside) = (Path::new("/proc"), Path::new(OUTSIDE_PROC));
        let namespace = processes::namespace(inside, self.init()?, "pid");
        let is_init = |pid: Pid| {
            processes::namespace(outside, pid, "pid") == namespace
                && processes::innermost_number(outside, pid) == Some(1)
        };
        let found = processes::all(outside)?.into_iter().find(|&pid| is_init(pid));
        found.ok_or_else(|| Error::Down(self.name.clone()))
    }
}

fn signal_all(pids: &[Pid], signal: Signal) -> Result<(), Error> {
    pids.iter()
        .try_for_each(|&pid| kill(pid, signal).map_err(Error::io(format!("send {signal} to process {pid}"))))
}
