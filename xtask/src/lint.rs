//! `cargo xtask lint`: what machines can judge. All judges are heard, even after the first complaint.

use std::process::Command;

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// The version of cargo-deny to install where there is none.
const CARGO_DENY: &str = "0.20.2";

/// Runs every check and names those that failed.
///
/// # Errors
/// If one failed, or cargo-deny is missing and cannot be installed.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let failures: Vec<String> = checks(workspace)?
        .iter_mut()
        .filter_map(|check| process::run(check).err())
        .map(|failure| format!("\n  {failure}"))
        .collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(Failure::Other(format!("found fault:{}", failures.concat())))
    }
}

fn checks(workspace: &Workspace) -> Result<[Command; 4], Failure> {
    let mut format = workspace.cargo("fmt");
    format.args(["--all", "--check"]);
    let mut clippy = workspace.cargo("clippy");
    clippy.args(["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    let mut documentation = workspace.cargo("doc");
    documentation.args(["--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
    Ok([format, clippy, documentation, dependencies(workspace)?])
}

/// Licences, duplicates and sources, as `deny.toml` allows them.
fn dependencies(workspace: &Workspace) -> Result<Command, Failure> {
    if !process::succeeds(workspace.cargo("deny").arg("--version")) {
        process::run(workspace.cargo("install").args(["--locked", "--version", CARGO_DENY, "cargo-deny"]))?;
    }
    let mut deny = workspace.cargo("deny");
    deny.args(["--workspace", "--locked", "check", "bans", "licenses", "sources"]);
    Ok(deny)
}
