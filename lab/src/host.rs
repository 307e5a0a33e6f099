//! A host: its power and its disk. What runs on it is in `programs`, what it is wired to in `cables`.

mod cables;
mod programs;

use crate::boot::{Bind, Plan, READY};
use crate::command::tool;
use crate::error::Error;
use crate::hard_disk::{HardDisk, make_directory, write_file};
use crate::power_switch::init_file;
use crate::processes;
use crate::switch::Port;
use crate::wait::wait_until;
use crate::world::{HOSTS_FILE, SCRATCH, helper};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

/// Where a host sees the program under test, and where the lab's helper.
const HEARTLINE: &str = "/usr/sbin/heartline";
const HELPER: &str = "/usr/sbin/heartline-lab";

/// How a host went down by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It asked the kernel to restart.
    Restart,
    /// It asked the kernel to halt or to switch the power off.
    PowerOff,
    /// Its process 1 ended in another way.
    Other(ExitStatus),
}

/// A test host. Losing it cuts its power.
#[derive(Debug)]
pub struct Host {
    name: String,
    number: u8,
    directory: PathBuf,
    disk: HardDisk,
    binds: Vec<Bind>,
    ports: Vec<Port>,
    serial_ports: u8,
    jobs: u32,
    power: Option<Power>,
}

/// The processes that keep a host up.
#[derive(Debug)]
struct Power {
    unshare: Child,
    init: Pid,
}

impl Host {
    pub(crate) fn new(name: &str, number: u8, heartline: &Path, helper: &Path) -> Result<Self, Error> {
        let directory = Path::new(SCRATCH).join("hosts").join(name);
        make_directory(&directory.join("jobs"))?;
        let disk = HardDisk::at(&directory);
        disk.create()?;
        disk.write(Path::new("/etc/hostname"), format!("{name}\n").as_bytes(), 0o644)?;
        let mut host = Self {
            name: name.to_owned(),
            number,
            directory,
            disk,
            binds: Vec::new(),
            ports: Vec::new(),
            serial_ports: 0,
            jobs: 0,
            power: None,
        };
        host.bind(Path::new(HOSTS_FILE), Path::new("/etc/hosts"))?;
        host.bind(heartline, Path::new(HEARTLINE))?;
        host.bind(helper, Path::new(HELPER))?;
        Ok(host)
    }

    /// The host's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where this host sees the program that serves as the lab's helper (`lab-probe`, `lab-web`).
    #[must_use]
    pub fn helper(&self) -> &'static Path {
        Path::new(HELPER)
    }

    /// Makes a file, a directory or a device of the world visible on the host from its next boot on. Below
    /// `/dev`, the target is made at each boot; elsewhere it persists on the host's disk.
    ///
    /// # Errors
    /// [`Error::Up`]; [`Error::NotOnDisk`] for a target that no host can have.
    pub fn bind(&mut self, source: &Path, target: &Path) -> Result<(), Error> {
        self.needs_down()?;
        if !target.starts_with("/dev") {
            self.disk.placeholder(target, source.is_dir())?;
        }
        self.binds.push(Bind { source: source.to_owned(), target: target.to_owned() });
        Ok(())
    }

    /// Writes a file on the host's disk; `mode` is its permission bits, such as `0o755`. Works while the host is
    /// down and while it is up.
    ///
    /// # Errors
    /// [`Error::NotOnDisk`], or the file cannot be written: in a user namespace, a host that is up cannot write
    /// to directories that belong to the machine's root.
    pub fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>, mode: u32) -> Result<(), Error> {
        let path = path.as_ref();
        if self.power.is_none() {
            return self.disk.write(path, contents.as_ref(), mode);
        }
        let place = self.path(path)?;
        if let Some(parent) = place.parent() {
            make_directory(parent)?;
        }
        write_file(&place, contents.as_ref(), mode)
    }

    /// Reads a file of the host. While it is down, only what the host itself has written is found.
    ///
    /// # Errors
    /// As for reading any file, and [`Error::NotOnDisk`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String, Error> {
        let place = self.path(path)?;
        let bytes = fs::read(&place).map_err(Error::io(format!("read {}", place.display())))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where the world finds a file of the host, now: the answer changes when the host boots or goes down.
    /// Absolute symbolic links on the host are not followed rightly.
    ///
    /// # Errors
    /// [`Error::NotOnDisk`] when the host is down and its disk cannot hold the path.
    pub fn path(&self, path: impl AsRef<Path>) -> Result<PathBuf, Error> {
        let path = path.as_ref();
        match &self.power {
            Some(power) => {
                let root = PathBuf::from(format!("/proc/{}/root", power.init));
                Ok(root.join(path.strip_prefix("/").unwrap_or(path)))
            }
            None => self.disk.place(path),
        }
    }

    /// Switches the power on, and returns when the host is up and its interfaces are there.
    ///
    /// # Errors
    /// [`Error::Up`]; [`Error::Boot`] with what its process 1 said.
    pub fn boot(&mut self) -> Result<(), Error> {
        self.reap()?;
        self.needs_down()?;
        let plan =
            Plan { name: self.name.clone(), directory: self.directory.clone(), binds: self.binds.clone() };
        let (file, console) = (self.directory.join("plan.json"), self.directory.join("console"));
        let text = serde_json::to_vec(&plan).map_err(Error::io("write the plan"))?;
        fs::write(&file, text).map_err(Error::io("write the plan"))?;
        let stderr = File::create(&console).map_err(Error::io("open the console"))?;
        let mut unshare = tool("unshare --net --mount --uts --ipc --pid --fork --kill-child --")
            .arg(helper()?)
            .arg("lab-host")
            .arg(file)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(Error::io("run unshare"))?;
        // Should process 1 fail, `unshare` ends too, and the pipe with it.
        let mut said = [0; READY.len()];
        let heard = unshare.stdout.as_mut().is_some_and(|stdout| stdout.read_exact(&mut said).is_ok());
        let init = processes::children(processes::pid_of(&unshare)).first().copied();
        let (true, Some(init)) = (heard && said == READY, init) else {
            let _ = unshare.kill();
            let _ = unshare.wait();
            let console = fs::read_to_string(&console).unwrap_or_default();
            return Err(Error::Boot { name: self.name.clone(), console: console.trim().to_owned() });
        };
        fs::write(init_file(&self.name), init.to_string()).map_err(Error::io("note a process 1"))?;
        self.power = Some(Power { unshare, init });
        self.ports.iter().try_for_each(|port| port.plug(init))
    }

    /// Cuts the power: every process of the host, its mounts and its interfaces are gone when this returns.
    ///
    /// # Errors
    /// [`Error::Down`] when it has none.
    pub fn power_cut(&mut self) -> Result<(), Error> {
        self.reap()?;
        let power = self.power.as_mut().ok_or_else(|| Error::Down(self.name.clone()))?;
        // Not reaped yet, so the number cannot have gone to another process.
        let _ = kill(power.init, Signal::SIGKILL);
        power.unshare.wait().map_err(Error::io("wait for the host"))?;
        self.gone();
        Ok(())
    }

    /// Whether the host is up.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn booted(&mut self) -> Result<bool, Error> {
        self.reap()?;
        Ok(self.power.is_some())
    }

    /// Notices that a host went down by itself, and how; `None` when it is up, or was down before.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn reap(&mut self) -> Result<Option<Ended>, Error> {
        let Some(power) = self.power.as_mut() else { return Ok(None) };
        let status = power.unshare.try_wait().map_err(Error::io("wait for the host"))?;
        Ok(status.map(|status| {
            self.gone();
            ended(status)
        }))
    }

    /// Waits until a host that is up goes down by itself.
    ///
    /// # Errors
    /// [`Error::Down`] when it was down already; [`Error::Timeout`] when it stays up.
    pub fn wait_down(&mut self, limit: Duration) -> Result<Ended, Error> {
        let what = format!("host {} goes down", self.name);
        if self.power.is_none() {
            return Err(Error::Down(self.name.clone()));
        }
        let mut end = Ok(None);
        wait_until(&what, limit, || {
            end = self.reap();
            !matches!(end, Ok(None))
        })?;
        end?.ok_or(Error::Timeout { what, limit })
    }

    pub(crate) fn needs_down(&self) -> Result<(), Error> {
        if self.power.is_some() { Err(Error::Up(self.name.clone())) } else { Ok(()) }
    }

    /// What the host has mounted, in the form of `mountinfo`.
    pub(crate) fn mounts(&self) -> Result<String, Error> {
        let path = format!("/proc/{}/mountinfo", self.init()?);
        fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))
    }

    /// The host's process 1, as the world numbers it.
    fn init(&self) -> Result<Pid, Error> {
        self.power.as_ref().map(|power| power.init).ok_or_else(|| Error::Down(self.name.clone()))
    }

    /// Forgets what went with the power.
    fn gone(&mut self) {
        self.power = None;
        self.ports.iter().for_each(Port::unplug);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Down already is as good.
        let _ = self.power_cut();
    }
}

/// `unshare` ends as process 1 did; the kernel kills that with SIGHUP for a restart, SIGINT for the rest.
fn ended(status: ExitStatus) -> Ended {
    let signal = status.signal().or_else(|| status.code().and_then(|code| code.checked_sub(128)));
    match signal.and_then(|signal| Signal::try_from(signal).ok()) {
        Some(Signal::SIGHUP) => Ended::Restart,
        Some(Signal::SIGINT) => Ended::PowerOff,
        _ => Ended::Other(status),
    }
}
