//! `cargo xtask demo`: the demo with Debian's own web server.

use std::ffi::OsString;

use crate::firmware;
use crate::packages;
use crate::process::{self, Failure};
use crate::workspace::Workspace;

const WEB_SERVER: &str = "apache2";
/// The demo with a witness in the cable.
const DONGLE: &str = "--dongle";

/// Installs what is missing, then runs `heartline demo` with these arguments.
///
/// # Errors
/// If something cannot be installed or built, or a step of the demo did not hold.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    packages::require(packages::LABORATORY)?;
    packages::require_services(&[WEB_SERVER])?;
    let mut demo = workspace.cargo("run");
    if arguments.iter().any(|argument| argument == DONGLE) {
        packages::require(packages::EMULATOR)?;
        demo.env(firmware::FIRMWARE_VARIABLE, firmware::emulated(workspace)?);
    }
    demo.args(["--release", "--locked", "--package", "heartline", "--", "demo"]).args(arguments);
    process::run(&mut demo)
}
