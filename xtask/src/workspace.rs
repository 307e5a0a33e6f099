//! The repository: where it is, where its products go, and how its cargo is called.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure};

/// The repository that this program was built in.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    /// The directory with the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo puts its products: `CARGO_TARGET_DIR`, or `target`.
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn here() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = package.parent().unwrap_or(package).to_owned();
        // Joining keeps an absolute directory as it is.
        let target = root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
        Self { root, target }
    }

    /// The cargo that started this program, with one of its commands.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.arg(subcommand).current_dir(&self.root);
        command
    }

    /// Builds the binary that people run, and says where it is.
    ///
    /// # Errors
    /// If it does not build.
    pub(crate) fn build_heartline(&self, profile: Profile) -> Result<PathBuf, Failure> {
        let mut build = self.cargo("build");
        build.args(["--locked", "--package", "heartline", "--target-dir"]).arg(&self.target);
        let directory = match profile {
            Profile::Dev => "debug",
            Profile::Release => {
                build.arg("--release");
                "release"
            }
        };
        process::run(&mut build)?;
        Ok(self.target.join(directory).join("heartline"))
    }
}

/// How cargo builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quickly.
    Dev,
    /// As it is shipped.
    Release,
}
