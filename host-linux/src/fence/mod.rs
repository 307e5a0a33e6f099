//! Fencing devices: how a dead node is made sure to be dead.
//!
//! `device` knows how the two families of fencing programs are called, `fencer` runs them one after the other. Whether
//! and when a node is fenced, and how often it is tried again, is decided in the core.

mod device;
mod fencer;

pub use fencer::{Fencer, Outcome, Remark};

#[cfg(test)]
mod tests;
