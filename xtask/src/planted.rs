//! `cargo xtask planted`: bugs on purpose in the core, to see that the simulator's promises are checked.

use std::ffi::OsString;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Builds the simulator with the core's planted bugs and hunts them.
///
/// # Errors
/// If it does not build, or a bug is not caught as expected.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    let mut hunt = workspace.cargo("run");
    hunt.args(["--profile", "simulator", "--locked", "--package", "heartline-sim"])
        .args(["--features", "planted-bugs", "--bin", "heartline-planted", "--target-dir"])
        .arg(&workspace.target)
        .arg("--")
        .args(arguments);
    process::run(&mut hunt)
}
