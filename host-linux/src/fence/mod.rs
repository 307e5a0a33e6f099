//! Fencing devices: how a dead node is made sure to be dead.
//!
//! `device` knows how the two families of fencing programs are called, `fencer` runs them one after the other and reads
//! back what they did, or has the witness asked, `checks` asks them now and then whether they work, `history` keeps what was done. Whether and
//! when a node is fenced, and how often it is tried again, is decided in the core.

mod checks;
mod device;
mod fencer;
pub mod history;
mod remark;

pub use checks::Condition;
pub use fencer::{Fencer, ForWitness, Outcome};
pub use remark::Remark;

#[cfg(test)]
mod tests;
