//! A world: a set of fresh namespaces with a scratch space of its own. [`enter`] is for the outside, [`World`]
//! for the inside.

use crate::cable_board::CableBoard;
use crate::command::PATH;
use crate::disk::SharedDisk;
use crate::error::Error;
use crate::host::Host;
use crate::null_modem::NullModem;
use crate::power_switch::PowerSwitch;
use crate::processes;
use crate::requirements::Privilege;
use crate::switch::Switch;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;

/// The world's scratch space.
pub(crate) const SCRATCH: &str = "/run/lab";
/// The `/proc` of the outside, as seen inside the world.
pub(crate) const OUTSIDE_PROC: &str = "/run/lab/outside";
/// The `/etc/hosts` that all hosts share.
pub(crate) const HOSTS_FILE: &str = "/run/lab/etc-hosts";

/// The command that runs `program` with `arguments` in a new world, for a caller that wants its output.
///
/// The world ends with the program, and when the command is killed, and when the thread that started the command
/// ends: so wait for it in the thread that starts it.
///
/// # Errors
/// [`Error::Missing`] and [`Error::NoNamespaces`] say what this machine lacks and how to get it.
pub fn command(program: &Path, arguments: &[OsString]) -> Result<Command, Error> {
    let privilege = Privilege::find()?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]);
    if privilege == Privilege::UserNamespace {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--fork", "--kill-child", "--pid", "--mount", "--net", "--uts", "--ipc", "--"]);
    command.arg(helper()?).args(["lab-init", "--"]).arg(program).args(arguments).env("PATH", PATH);
    Ok(command)
}

/// Runs `program` with `arguments` in a new world, waits for its end and gives its exit status.
///
/// SIGINT, SIGTERM and SIGHUP that reach this thread meanwhile are passed on to the program. In a process with
/// other threads they may end the process instead, as usual, and the world with it.
///
/// # Errors
/// As for [`command`].
pub fn enter(program: &Path, arguments: &[OsString]) -> Result<ExitStatus, Error> {
    let mut command = command(program, arguments)?;
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        mask.add(signal);
    }
    let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(Error::io("block signals"))?;
    let status = wait_forwarding(&mut command, &mask);
    before.thread_set_mask().map_err(Error::io("restore the signal mask"))?;
    status
}

fn wait_forwarding(command: &mut Command, mask: &SigSet) -> Result<ExitStatus, Error> {
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(mask, flags).map_err(Error::io("open a signal descriptor"))?;
    let (over, running) = io::pipe().map_err(Error::io("make a pipe"))?;
    let mut child = command.spawn().map_err(Error::io("run setpriv"))?;
    let unshare = processes::pid_of(&child);
    let status = thread::scope(|scope| {
        scope.spawn(|| forward_signals(&signals, &over, unshare));
        let status = child.wait();
        drop(running);
        status
    });
    status.map_err(Error::io("wait for the world"))
}

/// Passes signals on to the world's process 1 until `over` is closed. What the terminal sends has reached the
/// inside already.
fn forward_signals(signals: &SignalFd, over: &PipeReader, unshare: Pid) {
    loop {
        let mut descriptors =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(over.as_fd(), PollFlags::POLLIN)];
        if poll(&mut descriptors, PollTimeout::NONE).is_err_and(|error| error != nix::Error::EINTR)
            || descriptors[1].any() == Some(true)
        {
            return;
        }
        while let Ok(Some(signal)) = signals.read_signal() {
            let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
            let Ok(name) = Signal::try_from(number) else { continue };
            // Of a terminal that hangs up, the kernel tells the leader of the session alone.
            if signal.ssi_code != libc::SI_KERNEL || name == Signal::SIGHUP {
                for init in processes::children(unshare) {
                    // The world may have ended in this moment.
                    let _ = kill(init, name);
                }
            }
        }
    }
}

/// The program that serves as the lab's helper: the one that runs now.
pub(crate) fn helper() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(Error::io("find the path of this program"))
}

/// The inside of a world. What it makes - hosts, switches, cables, disks - belongs to the caller.
#[derive(Debug)]
pub struct World {
    heartline: PathBuf,
    helper: PathBuf,
    names: HashSet<String>,
    hosts: u8,
    switches: u8,
    disks: u8,
    boards: u8,
}

impl World {
    /// Prepares the world that this process is in. `heartline` is the program under test; every host sees it as
    /// `/usr/sbin/heartline`.
    ///
    /// # Errors
    /// [`Error::NotInWorld`] when this process was not started by [`enter`].
    pub fn new(heartline: PathBuf) -> Result<Self, Error> {
        let init = fs::read("/proc/1/cmdline").unwrap_or_default();
        let is_lab = init.split(|&byte| byte == 0).nth(1) == Some(b"lab-init".as_slice());
        if !is_lab || !Path::new(SCRATCH).is_dir() {
            return Err(Error::NotInWorld);
        }
        fs::write(HOSTS_FILE, "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
            .map_err(Error::io("write the file of hosts"))?;
        Switch::prepare_network()?;
        Ok(Self {
            heartline,
            helper: helper()?,
            names: HashSet::new(),
            hosts: 0,
            switches: 0,
            disks: 0,
            boards: 0,
        })
    }

    /// A new host, still without power, with an empty disk.
    ///
    /// # Errors
    /// The name is taken or no host name, or its disk cannot be made.
    pub fn host(&mut self, name: &str) -> Result<Host, Error> {
        self.claim(name)?;
        self.hosts = self.hosts.checked_add(1).ok_or_else(|| Error::Name(name.to_owned()))?;
        Host::new(name, self.hosts, &self.heartline, &self.helper)
    }

    /// A new Ethernet switch with the given IPv4 network, such as `10.77.1.0/24`. The world itself has its last
    /// address.
    ///
    /// # Errors
    /// The name is taken or too long, or the network is not one.
    pub fn switch(&mut self, name: &str, network: &str) -> Result<Switch, Error> {
        self.claim(name)?;
        self.switches = self.switches.checked_add(1).ok_or_else(|| Error::Name(name.to_owned()))?;
        Switch::new(name, self.switches, network)
    }

    /// A null-modem cable between the next free serial ports (`/dev/ttyS0` first) of two hosts that are down.
    /// `baud` is in bits per second, of which a byte takes ten; zero counts as one.
    ///
    /// # Errors
    /// A host is up, or there are no pseudo-terminals left.
    pub fn null_modem(&mut self, a: &mut Host, b: &mut Host, baud: u32) -> Result<NullModem, Error> {
        NullModem::new(a, b, baud)
    }

    /// A null-modem cable from the next free serial port of a host that is down to a terminal of the world,
    /// [`NullModem::world_end`]: for what sits in a cable between two hosts.
    ///
    /// # Errors
    /// As [`World::null_modem`].
    pub fn cable_to_world(&mut self, host: &mut Host, baud: u32) -> Result<NullModem, Error> {
        NullModem::to_world(host, baud)
    }

    /// A microcontroller with this program in the cable between two hosts, of which each has one with an end in the world;
    /// its reset lines work the power switch.
    ///
    /// # Errors
    /// QEMU cannot be started, or a cable leads to another host.
    pub fn cable_board(
        &mut self,
        firmware: &Path,
        ends: [&NullModem; 2],
        power: &PowerSwitch,
    ) -> Result<CableBoard, Error> {
        self.boards = self.boards.saturating_add(1);
        let directory = Path::new(SCRATCH).join(format!("board{}", self.boards));
        fs::create_dir(&directory).map_err(Error::io(format!("make {}", directory.display())))?;
        CableBoard::new(firmware, directory, ends, power)
    }

    /// A new disk for several hosts, with an ext4 file system when this user can have a block device.
    ///
    /// # Errors
    /// The image cannot be made.
    pub fn shared_disk(&mut self, megabytes: u32) -> Result<SharedDisk, Error> {
        self.disks = self.disks.saturating_add(1);
        let directory = Path::new(SCRATCH).join(format!("disk{}", self.disks));
        SharedDisk::new(&directory, megabytes)
    }

    /// A power switch with a network port. There is one at a time.
    ///
    /// # Errors
    /// There is one already.
    pub fn power_switch(&mut self) -> Result<PowerSwitch, Error> {
        PowerSwitch::new()
    }

    /// The program under test, as the world sees it.
    #[must_use]
    pub fn heartline(&self) -> &Path {
        &self.heartline
    }

    fn claim(&mut self, name: &str) -> Result<(), Error> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=15).contains(&name.len())
            && name.bytes().all(letter)
            && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
        if valid && self.names.insert(name.to_owned()) {
            return Ok(());
        }
        Err(Error::Name(name.to_owned()))
    }
}
