//! What the machine boots: Debian's kernel out of its package, and a few files in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure, file_failure};

/// The package that needs the newest kernel.
const NEWEST: &str = "linux-image-amd64";
/// What it needs for the watchdog, in the order of loading.
const MODULES: [&str; 2] = ["watchdog.ko", "i6300esb.ko"];

/// A kernel and its driver of the watchdog.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) image: PathBuf,
    modules: [PathBuf; 2],
}

/// The kernel, downloaded if that has not happened yet. It is not installed.
pub(super) fn kernel(directory: &Path) -> Result<Kernel, Failure> {
    let kernel =
        Kernel { image: directory.join("vmlinuz"), modules: MODULES.map(|module| directory.join(module)) };
    if kernel.image.exists() {
        return Ok(kernel);
    }
    let package = package().or_else(|_| {
        process::run(Command::new("apt-get").args(["-q", "update"]))?;
        package()
    })?;
    process::run(Command::new("apt-get").args(["-q", "download", &package]).current_dir(directory))?;
    // The image goes last: it says that all is there.
    let unpack = "archive=$(ls \"$1\"_*.deb) && dpkg-deb --fsys-tarfile \"$archive\" | \
                  tar -x --wildcards --transform 's,.*/,,' \"*/$2\" \"*/$3\" './boot/vmlinuz-*' && \
                  rm \"$archive\" && mv vmlinuz-* vmlinuz";
    let mut shell = Command::new("sh");
    process::run(shell.args(["-c", unpack, "sh", &package]).args(MODULES).current_dir(directory))?;
    Ok(kernel)
}

fn package() -> Result<String, Failure> {
    let depends = process::read(Command::new("apt-cache").args(["depends", NEWEST]))?;
    let mut needed = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let none = || Failure::Other(format!("apt knows no kernel that {NEWEST} needs"));
    needed.find(|name| name.starts_with("linux-image-")).map(str::to_owned).ok_or_else(none)
}

/// The archive of the guest's files.
pub(super) fn build(directory: &Path, binary: &Path, kernel: &Kernel) -> Result<PathBuf, Failure> {
    let root = directory.join("root");
    // From the last time.
    let _ = fs::remove_dir_all(&root);
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&root))
            .and_then(|()| fs::write(&path, text))
            .map_err(file_failure(path))
    };
    for directory in ["dev", "proc", "run", "sys", "tmp", "var/lib/heartbeat", "var/log"] {
        put(&format!("{directory}/.keep"), "")?;
    }
    put("init", include_str!("init.sh"))?;
    put("etc/ha.d/ha.cf", HA_CF)?;
    put("etc/ha.d/authkeys", "auth 1\n1 sha256 a-secret-that-nobody-needs\n")?;
    put("etc/ha.d/haresources", "")?;
    put("bin/.keep", "")?;
    let copy = |from: &Path, to: &str| {
        let to = root.join(to.trim_start_matches('/'));
        let made = fs::create_dir_all(to.parent().unwrap_or(&root));
        made.and_then(|()| fs::copy(from, &to)).map_err(file_failure(from))
    };
    copy(Path::new("/bin/busybox"), "bin/busybox")?;
    for (module, name) in kernel.modules.iter().zip(MODULES) {
        copy(module, name)?;
    }
    for name in ["heartline", "heartbeat"] {
        copy(binary, &format!("bin/{name}"))?;
    }
    for library in libraries(binary)? {
        copy(Path::new(&library), &library)?;
    }
    let archive = directory.join("initramfs");
    let pack = "chmod 755 init && chmod 600 etc/ha.d/authkeys && find . | cpio --quiet -o -H newc > \"$1\"";
    process::run(Command::new("sh").args(["-c", pack, "sh"]).arg(&archive).current_dir(&root))?;
    Ok(archive)
}

/// The shared libraries of a program, the loader among them.
fn libraries(program: &Path) -> Result<Vec<String>, Failure> {
    let listed = process::read(Command::new("ldd").arg(program))?;
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    Ok(listed.lines().filter_map(path).collect())
}

/// Alone, since nobody else is in the machine. The time-out of the watchdog is 4 s.
const HA_CF: &str = "\
logfile /var/log/ha-log
keepalive 200ms
deadtime 3
initdead 10
ucast lo 127.0.0.1
auto_failback on
watchdog /dev/watchdog
node guest peer
";
