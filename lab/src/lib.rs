//! Test hosts in Linux namespaces on one machine, which leave nothing behind whatever crashes.
//!
//! A [`World`] is a set of fresh namespaces that a program enters by running itself again ([`world::enter`]).
//! In it live [`Host`]s with a disk and a power switch, joined by a [`Switch`], a [`NullModem`], a
//! [`SharedDisk`] and a [`PowerSwitch`]; a [`CableBoard`] may sit in a cable. Everything ends with process 1 of the world. The lab knows nothing of clusters.
//!
//! A program that uses the lab hands its arguments to [`dispatch`] first: the helpers inside the world and
//! inside the hosts are that same program, called with `lab-...` as its first argument.

pub mod board;
mod boot;
mod cable_board;
mod clock;
mod command;
mod disk;
mod error;
mod hard_disk;
mod host;
pub mod init;
mod job;
mod line;
mod null_modem;
mod power_switch;
pub mod probe;
mod processes;
mod requirements;
mod switch;
mod wait;
pub mod web;
pub mod world;

pub use board::Board;
pub use cable_board::CableBoard;
pub use command::Output;
pub use disk::{DiskKind, SharedDisk};
pub use error::Error;
pub use host::{Ended, Host};
pub use job::Job;
pub use null_modem::NullModem;
pub use power_switch::{PowerFault, PowerSwitch, ResetButton};
pub use probe::{Outage, Try, outages};
pub use requirements::{Requirement, missing, missing_for_boards};
pub use switch::Switch;
pub use wait::wait_until;
pub use world::World;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the helper that `arguments` (without the program's name) ask for, and gives the program's exit code;
/// `None` when the first argument is none of the lab's.
///
/// The helpers: `lab-init -- PROGRAM ARGUMENTS`, `lab-host PLAN`, `lab-probe ADDRESS PORT PATH INTERVAL_MS`,
/// `lab-power VERB HOST`, `lab-web ROOT... ADDRESS:PORT`. To be called before any thread is started.
#[must_use]
pub fn dispatch(arguments: &[OsString]) -> Option<ExitCode> {
    let (helper, arguments) = arguments.split_first()?;
    let result = match helper.to_str()? {
        "lab-init" => init::run(arguments),
        "lab-exec" => init::become_program(arguments),
        "lab-host" => boot::run(arguments),
        "lab-power" => power_switch::run(arguments),
        "lab-probe" => probe::run(arguments),
        "lab-web" => web::run(arguments),
        _ => return None,
    };
    Some(result.unwrap_or_else(|error| {
        eprintln!("{}: {error}", helper.to_string_lossy());
        ExitCode::FAILURE
    }))
}
