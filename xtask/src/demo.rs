//! `cargo xtask demo`: the demo with Debian's own web server.

use std::ffi::OsString;
use std::process::Command;

use crate::packages;
use crate::process::{self, Failure};
use crate::workspace::Workspace;

const WEB_SERVER: &str = "apache2";

/// Installs what is missing, then runs `heartline demo` with these arguments.
///
/// # Errors
/// If something cannot be installed or built, or a step of the demo did not hold.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    packages::require(packages::LABORATORY)?;
    if !packages::is_installed(WEB_SERVER) {
        packages::require(&[WEB_SERVER])?;
        // The cluster starts it, nothing else may: not this machine's next boot either.
        process::run(Command::new("update-rc.d").args([WEB_SERVER, "disable"]))?;
    }
    let mut demo = workspace.cargo("run");
    demo.args(["--release", "--locked", "--package", "heartline", "--", "demo"]).args(arguments);
    process::run(&mut demo)
}
