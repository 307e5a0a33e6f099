//! tmp
use super::Daemon;
use crate::control::Snapshot;
impl Daemon { pub(super) fn snapshot(&self, _now: heartline_core::time::Instant) -> Snapshot { todo!() } }
