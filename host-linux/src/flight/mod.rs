//! The flight record: what the core was told and when, so that an incident can be replayed on another machine, exactly
//! or with other settings. `segment` is the format, `recorder` writes it beside a running daemon, `replay` and
//! `what_if` read it, `compare` sets both side by side; what a step or a frame looks like in it is the core's business.
//!
//! `STATE_DIR/flight.0` is written to, over all lives of the daemon; at 1 MiB it becomes `flight.1`, replacing the one
//! before. So the last 1 to 2 MiB are there: with two nodes on two media, 1 MiB is 20 to 30 minutes at a keepalive of
//! 200 ms, about two hours at 1 s. There is nothing secret in it: no key, and no frame's tag.

mod compare;
mod recorder;
mod replay;
mod segment;
#[cfg(test)]
mod tests;
mod what_if;

pub use compare::{Difference, compare};
pub use recorder::{Recorder, Remark};
pub use replay::{Decision, Finding, Playback, replay};
pub use segment::{MAGIC, Occasion, Record, RecordError, Snapshot};
pub use what_if::{Change, ChangeError, WhatIf};
