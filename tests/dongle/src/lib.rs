//! The witness's firmware in QEMU's `lm3s6965evb`, with its hardware at hand: both serial lines, the reset lines, the
//! power senses, the reset button and the console. What flashes it would keep are files of its directory.

pub mod clock;
mod emulator;
pub mod host;

pub use emulator::{Emulator, EmulatorError};
