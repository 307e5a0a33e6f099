//! `cargo xtask bench`: the release binary measured beside the peers that are installed.

use std::ffi::OsString;

use crate::packages;
use crate::process::{self, Failure};
use crate::workspace::{Profile, Workspace};

/// What Heartline is measured against.
const PEERS: &[&str] = &["heartbeat", "keepalived"];

/// Installs what is missing, the peers only if asked and never started, and prints the table.
///
/// # Errors
/// If something cannot be installed or built, or a product could not be measured.
pub(crate) fn run(workspace: &Workspace, install_peers: bool, arguments: &[OsString]) -> Result<(), Failure> {
    packages::require(packages::LABORATORY)?;
    if install_peers {
        packages::require(PEERS)?;
    }
    let heartline = workspace.build_heartline(Profile::Release)?;
    let mut bench = workspace.cargo("run");
    bench
        .args(["--release", "--locked", "--package", "heartline-bench", "--target-dir"])
        .arg(&workspace.target);
    bench.args(["--", "--heartline"]).arg(heartline).args(arguments);
    process::run(&mut bench)
}
