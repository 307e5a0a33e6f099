//! A cargo and a rustc for machines without an operating system: what rustup has or can fetch, or Debian's compiler
//! with the sources of the standard library.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages;
use crate::process::{self, Failure};

/// Debian's compiler with the sources of the standard library.
const DEBIAN_RUST: &[&str] = &["cargo-web", "rust-web-src", "rustc-web"];
/// A linker for other machines; rustup brings its own.
const DEBIAN_LINKER: &[&str] = &["lld"];

/// A cargo and the rustc that belongs to it.
#[derive(Debug)]
pub(crate) struct Toolchain {
    cargo: OsString,
    rustc: OsString,
}

impl Toolchain {
    /// One that can compile `core`: the one in use, if rustup can give it the sources, or else Debian's.
    ///
    /// # Errors
    /// If there is none, and none can be had.
    pub(crate) fn with_sources() -> Result<Self, Failure> {
        let used = Self::in_use();
        if used.has_sources() || used.fetches_sources() {
            return Ok(used);
        }
        Self::debian()
    }

    fn debian() -> Result<Self, Failure> {
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
        self.sysroot().is_some_and(|sysroot| core_sources(&sysroot).is_file())
    }

    fn fetches_sources(&self) -> bool {
        process::succeeds(Command::new("rustup").args(["component", "add", "rust-src"])) && self.has_sources()
    }

    /// Whether `core` for this machine is there, built.
    fn has_target(&self, target: &str) -> bool {
        self.sysroot().is_some_and(|sysroot| sysroot.join("lib/rustlib").join(target).join("lib").is_dir())
    }

    fn fetches_target(&self, target: &str) -> bool {
        process::succeeds(Command::new("rustup").args(["target", "add", target])) && self.has_target(target)
    }

    fn sysroot(&self) -> Option<PathBuf> {
        process::read(Command::new(&self.rustc).args(["--print", "sysroot"])).ok().map(PathBuf::from)
    }

    /// Its cargo, free of what another toolchain left in the environment.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for variable in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(variable);
        }
        // `-Zbuild-std` is a promise of nightly only; a stable compiler keeps it when asked like this.
        command.env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
        command
    }

    /// `cargo build` of whole programs for a machine without an operating system.
    ///
    /// # Errors
    /// If there is no compiler for it, and none can be had.
    pub(crate) fn build_for(target: &str) -> Result<Command, Failure> {
        let used = Self::in_use();
        if used.has_target(target) || used.fetches_target(target) {
            let mut build = used.cargo();
            build.args(["build", "--target", target]);
            return Ok(build);
        }
        packages::require(DEBIAN_LINKER)?;
        let mut build = Self::debian()?.cargo();
        let linker = format!("CARGO_TARGET_{}_LINKER", target.to_uppercase().replace('-', "_"));
        build.args(["build", "-Zbuild-std=core", "--target", target]).env(linker, "lld");
        Ok(build)
    }
}

fn core_sources(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs")
}
