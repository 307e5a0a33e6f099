//! `cargo xtask core-thumb`: proof that the core needs neither an operating system nor an allocator. It is built for
//! a Cortex-M3 beside a standard library that consists of `core` alone: there is no `alloc` to be found.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages;
use crate::process::{self, Failure};
use crate::workspace::Workspace;

const TARGET: &str = "thumbv7m-none-eabi";
/// Debian's compiler with the sources of the standard library.
const DEBIAN_RUST: &[&str] = &["cargo-web", "rust-web-src", "rustc-web"];

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

/// A cargo and the rustc that belongs to it.
#[derive(Debug)]
struct Toolchain {
    cargo: OsString,
    rustc: OsString,
}

impl Toolchain {
    /// One that can compile `core`: the one in use, if rustup can give it the sources, or else Debian's.
    fn with_sources() -> Result<Self, Failure> {
        let used = Self::in_use();
        if used.has_sources() || used.fetches_sources() {
            return Ok(used);
        }
        packages::require(DEBIAN_RUST)?;
        let debian = Self { cargo: "/usr/bin/cargo".into(), rustc: "/usr/bin/rustc".into() };
        if debian.has_sources() {
            return Ok(debian);
        }
        Err(Failure::Other(format!("{} come without the sources of `core`", DEBIAN_RUST.join(", "))))
    }

    fn in_use() -> Self {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // Its neighbour, so that both are of one version even where rustup's shims come first in PATH.
        let neighbour = Path::new(&cargo).with_file_name("rustc");
        let rustc = if neighbour.is_file() { neighbour.into_os_string() } else { "rustc".into() };
        Self { cargo, rustc }
    }

    fn has_sources(&self) -> bool {
        let sysroot = process::read(Command::new(&self.rustc).args(["--print", "sysroot"]));
        sysroot.is_ok_and(|sysroot| core_sources(Path::new(&sysroot)).is_file())
    }

    fn fetches_sources(&self) -> bool {
        process::succeeds(Command::new("rustup").args(["component", "add", "rust-src"])) && self.has_sources()
    }

    /// Its cargo, free of what another toolchain left in the environment.
    fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(variable);
        }
        // `-Zbuild-std` is a promise of nightly only; a stable compiler keeps it when asked like this.
        command.env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
        command
    }
}

fn core_sources(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs")
}
