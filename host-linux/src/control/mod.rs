//! The control socket: newline-delimited JSON between the daemon and its commands.
//! `protocol` and `snapshot` have what is said, `server` the daemon's side, `client` the commands' side; what a request does is
//! the daemon's business.

pub mod client;
mod line;
pub mod protocol;
pub mod server;
pub mod snapshot;

use std::path::{Path, PathBuf};

pub use client::{Answer, Client, ClientError};
pub use protocol::{Outcome, Reply, Request, Scope};
pub use server::{ClientId, Incoming, Peer, Server, ServerError};
pub use snapshot::Snapshot;

/// Where the control socket is: `RUN_DIR/heartbeat/control`.
#[must_use]
pub fn socket_path(run_dir: &Path) -> PathBuf {
    run_dir.join("heartbeat/control")
}
