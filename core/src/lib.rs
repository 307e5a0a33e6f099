//! The Heartline protocol and every decision, as a pure step function: no I/O, no clock, no allocation, no randomness.
//!
//! ```text
//! bytes of a link -> framing -> gate -> frame, seal -> freshness -> message -> member
//!                                                                                |
//!                    effects <- node::speak <- node::decide (bids, claims, group) <
//! ```
//!
//! A shell makes a [`Node`] from a [`config::Config`] and a [`seal::KeyRing`], hands it one [`Input`] after the other
//! with the time, and carries out the [`Effects`]. Frames of a serial line pass through [`framing`] first, and all of them
//! through the [`gate`] of their link.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod bids;
pub mod claims;
pub mod config;
pub mod effect;
pub mod fencing;
pub mod frame;
pub mod framing;
pub mod freshness;
pub mod gate;
pub mod group;
pub mod health;
pub mod heard;
pub mod ids;
pub mod input;
pub mod limits;
pub mod maintenance;
pub mod member;
pub mod message;
pub mod node;
pub mod notice;
#[cfg(feature = "planted-bugs")]
pub mod planted;
#[cfg(not(feature = "planted-bugs"))]
mod planted;
pub mod provision;
pub mod quorum;
pub mod record;
pub mod refusal;
pub mod seal;
pub mod time;
pub mod witness;

pub use effect::{Effect, Effects};
pub use input::Input;
pub use node::Node;
