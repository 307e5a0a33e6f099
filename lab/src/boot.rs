//! Process 1 of a host: mounts what the host sees, brings `lo` up, says that it is ready, and reaps from then on.
//! It decides nothing: the plan comes from [`Host`](crate::Host).

use crate::command::{run as run_tool, tool};
use crate::error::Error;
use crate::hard_disk::{HardDisk, bind, make_directory};
use crate::init;
use nix::mount::{MsFlags, mount};
use nix::unistd::{Pid, chdir, dup2_stdin, dup2_stdout, sethostname};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What process 1 prints when the host is up.
pub(crate) const READY: [u8; 6] = *b"ready\n";
/// The nodes that a host shares with the machine.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("pts/ptmx", "ptmx"),
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
];

/// What a host finds when it boots.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) name: String,
    /// Where its disk and its mount point for `/dev` are.
    pub(crate) directory: PathBuf,
    pub(crate) binds: Vec<Bind>,
}

/// Something of the world that is visible in a host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
}

/// Runs `PLAN`, the path of a [`Plan`] in JSON, as process 1 of a host. Ends only by a signal.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode, Error> {
    let [plan] = arguments else { return Err(Error::Usage("lab-host PLAN")) };
    if Pid::this().as_raw() != 1 {
        return Err(Error::Usage("lab-host PLAN, as process 1"));
    }
    let plan = fs::read(plan).map_err(Error::io("read the plan"))?;
    let plan: Plan = serde_json::from_slice(&plan).map_err(Error::io("understand the plan"))?;
    let signals = init::signals()?;
    sethostname(&plan.name).map_err(Error::io("set the host name"))?;
    mount_all(&plan)?;
    disable_address_detection();
    run_tool(&mut tool("ip link set lo up"))?;
    chdir("/").map_err(Error::io("go to /"))?;
    report_ready()?;
    init::reap(&signals, None)
}

/// Keeps an IPv6 address usable at once: nobody else on a switch of the lab can have it. Without IPv6 in the
/// kernel there is nothing to switch off.
pub(crate) fn disable_address_detection() {
    for interfaces in ["all", "default"] {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{interfaces}/accept_dad"), "0");
    }
}

/// The order matters: `/run` holds the sources of what is mounted, so it is covered last.
fn mount_all(plan: &Plan) -> Result<(), Error> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(Error::io("make the mounts private"))?;
    init::mount_proc(Path::new("/proc"))?;
    // Where the kernel refuses, the machine's own /sys stays: only the list of interfaces in it differs.
    let _ = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::MS_NOSUID, None::<&str>);
    HardDisk::at(&plan.directory).mount()?;
    let devices = plan.directory.join("dev");
    make_devices(&devices)?;
    for Bind { source, target } in &plan.binds {
        match target.strip_prefix("/dev") {
            Ok(device) => bind_device(source, &devices.join(device))?,
            Err(_) => bind(source, target)?,
        }
    }
    mount(Some(&devices), "/dev", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .map_err(Error::io("move /dev to its place"))?;
    tmpfs(Path::new("/tmp"), "mode=1777")?;
    tmpfs(Path::new("/run"), "mode=755")?;
    make_directory(Path::new("/run/lock"))
}

fn make_devices(devices: &Path) -> Result<(), Error> {
    make_directory(devices)?;
    tmpfs(devices, "mode=755")?;
    for name in DEVICES {
        bind_device(&Path::new("/dev").join(name), &devices.join(name))?;
    }
    let (terminals, shared) = (devices.join("pts"), devices.join("shm"));
    make_directory(&terminals)?;
    make_directory(&shared)?;
    let options = Some("newinstance,ptmxmode=0666,mode=620");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("devpts"), &terminals, Some("devpts"), flags, options).map_err(Error::io("mount /dev/pts"))?;
    tmpfs(&shared, "mode=1777")?;
    for (target, name) in LINKS {
        symlink(target, devices.join(name)).map_err(Error::io(format!("link /dev/{name}")))?;
    }
    Ok(())
}

fn bind_device(source: &Path, target: &Path) -> Result<(), Error> {
    if source.is_dir() {
        make_directory(target)?;
    } else {
        File::create(target).map_err(Error::io(format!("make {}", target.display())))?;
    }
    bind(source, target)
}

fn tmpfs(target: &Path, options: &str) -> Result<(), Error> {
    let what = format!("mount a tmpfs on {}", target.display());
    let tmpfs = Some("tmpfs");
    mount(tmpfs, target, tmpfs, MsFlags::MS_NOSUID, Some(options)).map_err(Error::io(what))
}

/// Tells the world, and lets go of the pipe: whoever reads it sees its end.
fn report_ready() -> Result<(), Error> {
    nix::unistd::write(std::io::stdout(), &READY).map_err(Error::io("report to the world"))?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null");
    let null = null.map_err(Error::io("open /dev/null"))?;
    dup2_stdin(&null).and_then(|()| dup2_stdout(&null)).map_err(Error::io("let go of the standard streams"))
}
