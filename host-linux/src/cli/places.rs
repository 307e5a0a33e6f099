//! Where things are on this machine: the original's directories, unless the environment says otherwise.

use std::path::PathBuf;

use crate::control;

/// The three directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) config_dir: PathBuf,
    pub(super) state_dir: PathBuf,
    pub(super) run_dir: PathBuf,
}

impl Places {
    /// `HEARTLINE_CONFIG_DIR`, `HEARTLINE_STATE_DIR`, `HEARTLINE_RUN_DIR`, or the defaults: so that the
    /// original's command names, which have no options for it, can be used beside each other on one machine.
    pub(super) fn from_environment() -> Self {
        let place = |variable: &str, default: &str| {
            std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
        };
        Self {
            config_dir: place("HEARTLINE_CONFIG_DIR", "/etc/ha.d"),
            state_dir: place("HEARTLINE_STATE_DIR", "/var/lib/heartbeat"),
            run_dir: place("HEARTLINE_RUN_DIR", "/run"),
        }
    }

    pub(super) fn control_socket(&self) -> PathBuf {
        control::socket_path(&self.run_dir)
    }
}
