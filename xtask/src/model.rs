//! `cargo xtask model`: every interleaving of two nodes, one group and a few faults, as far as the time allows.

use std::ffi::OsString;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// Builds the explorer for speed and runs it.
///
/// # Errors
/// If it does not build, or finds a promise broken.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    let mut model = workspace.cargo("run");
    model
        .args(["--profile", "explore", "--locked", "--package", "heartline-model", "--target-dir"])
        .arg(&workspace.target)
        .arg("--")
        .args(arguments);
    process::run(&mut model)
}
