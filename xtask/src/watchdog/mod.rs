//! `cargo xtask watchdog`: the release binary in a virtual machine that has a hardware watchdog. It must not be reset while
//! the daemon lives or after it left, and must be when the daemon hangs or dies.

mod guest;
mod initramfs;

use std::fs;
use std::path::PathBuf;

use crate::packages;
use crate::process::Failure;
use crate::process::file_failure;
use crate::workspace::{Profile, Workspace};

use guest::Guest;

/// The emulator, the guest's shell, and who puts the guest's files together.
const PACKAGES: &[&str] = &["busybox-static", "cpio", "qemu-system-x86"];
/// What the kernel says of the boot after a reset by the watchdog: `WDIOF_CARDRESET`.
const RESET_BY_WATCHDOG: &str = "up, 32";
/// What it says of any other boot.
const SWITCHED_ON: &str = "up, 0";

/// Installs what is missing, boots the machine and plays the story.
///
/// # Errors
/// If something cannot be had or built, or the machine is reset when it must not be, or not when it must.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    packages::require(PACKAGES)?;
    let binary = workspace.build_heartline(Profile::Release)?;
    let directory: PathBuf = workspace.target.join("watchdog");
    fs::create_dir_all(&directory).map_err(file_failure(&directory))?;
    let kernel = initramfs::kernel(&directory)?;
    let files = initramfs::build(&directory, &binary, &kernel)?;
    let mut guest = Guest::boot(&kernel.image, &files)?;
    let story = [
        (None, SWITCHED_ON, "the machine is up"),
        (Some("feed"), "fed", "it is not reset while the daemon runs"),
        (Some("return"), "returned", "nor when the daemon dies and comes back in time"),
        (Some("restart"), "restarted", "nor when it is restarted with its services kept"),
        (Some("leave"), "left", "nor after the daemon left in good order"),
        (Some("feed"), "fed", "the daemon runs again"),
        (Some("restart"), "restarted", "and is restarted"),
        (Some("stall"), RESET_BY_WATCHDOG, "the machine is reset when the daemon hangs"),
        (Some("feed"), "fed", "the daemon runs again"),
        (Some("die"), RESET_BY_WATCHDOG, "and when it is killed"),
    ];
    for (order, answer, meaning) in story {
        guest.play(order, answer)?;
        println!("{meaning}");
    }
    guest.switch_off()
}
