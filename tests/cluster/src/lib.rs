//! Whole clusters of the real binary in namespaces: two hosts, their cables, their files, and what really runs.
//!
//! A [`Plan`] says what the cluster is made of and what its files say; [`Cluster`] is that cluster, and judges it
//! by what is there: processes, addresses, mounts, answers to a client. The word of the daemons must agree with
//! it. What is done to the cluster is the business of the scenarios, in `tests/`.

mod client;
mod clock;
mod cluster;
pub mod database;
mod dongle;
mod error;
mod fencing;
mod flood;
mod node;
mod plan;
mod reality;
pub mod scenarios;
mod service;
mod watch;
mod witness;

pub use client::fetch;
pub use cluster::Cluster;
pub use dongle::Dongle;
pub use error::Error;
pub use flood::{Flood, overheard};
pub use node::Node;
pub use plan::{Group, Plan};
pub use service::{Call, Fault};
pub use watch::DoubleRun;
pub use witness::witness_host;

use std::time::Duration;

/// Long enough for anything that is going to happen on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// What most functions here give.
pub type Result<T> = std::result::Result<T, Error>;
