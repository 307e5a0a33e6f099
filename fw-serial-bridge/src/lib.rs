//! The witness in the null-modem cable: bridge, third member, watchdog and fencing device of two hosts, without its board.
//!
//! ```text
//! host A <-> port -> bridge -> witness (hosts, watchdog, fence, vote) -> reset lines
//! host B <-> port ->        <- speak (heartbeats)                     <- power senses
//!                    journal, store: what outlives a reset, and a power cut
//! ```
//!
//! A board crate opens its ports, pins and pages, makes a [`Bridge`] and a [`Dongle`] of them, and calls
//! [`Dongle::turn`] in a loop. No allocation, no floating point, no panic in what can be reached from outside; a
//! board lets both lines go if there is one all the same.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

/// Whether a bug of the core's list is to be made now: never, but in the test of the simulator's checkers.
#[cfg(feature = "planted-bugs")]
macro_rules! planted {
    ($bug:ident) => {
        heartline_core::planted::planted(heartline_core::planted::Bug::$bug)
    };
}
#[cfg(not(feature = "planted-bugs"))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

pub mod bridge;
pub mod dongle;
mod fence;
mod host;
pub mod journal;
pub mod power_sense;
pub mod reset_line;
mod speak;
pub mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod watchdog;
pub mod witness;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};

pub use bridge::{Bridge, LineErrors};
pub use dongle::{Dongle, End, Port};
pub use witness::Witness;

/// Of what is kept over a reset. Without a table: there is more time than flash.
static CRC32: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// The version of this firmware.
pub const FIRMWARE: [u8; 3] = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];

/// Part of a version; 255 for what does not fit.
const fn number(digits: &str) -> u8 {
    match u8::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => u8::MAX,
    }
}
