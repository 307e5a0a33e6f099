//! `cargo xtask sim`: whole clusters of real core nodes in virtual time, checked against the promises of the design.

use std::ffi::OsString;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Builds the simulator for speed and runs it.
///
/// # Errors
/// If it cannot be built, or a seed breaks a promise.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    let mut sim = workspace.cargo("run");
    sim.args(["--profile", "simulator", "--locked", "--package", "heartline-sim", "--target-dir"]);
    sim.arg(&workspace.target).arg("--").args(arguments);
    process::run(&mut sim)
}
