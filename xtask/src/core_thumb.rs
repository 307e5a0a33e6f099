//! `cargo xtask core-thumb`: proof that the core needs neither an operating system nor an allocator. It is built for
//! a Cortex-M3 beside a standard library that consists of `core` alone: there is no `alloc` to be found.

use crate::process::{self, Failure};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

const TARGET: &str = "thumbv7m-none-eabi";

/// Builds the core.
///
/// # Errors
/// If it does not build, or the sources of the standard library cannot be had.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let toolchain = Toolchain::with_sources()?;
    let mut build = toolchain.cargo();
    build
        .args(["build", "--release", "--locked", "--package", "heartline-core", "-Zbuild-std=core"])
        .args(["--target", TARGET, "--target-dir"])
        // Its own: the other compiler's products would be thrown away.
        .arg(workspace.target.join("thumb"))
        .current_dir(&workspace.root);
    process::run(&mut build)
}
