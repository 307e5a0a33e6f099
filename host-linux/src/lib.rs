//! The Linux shell around `heartline-core`: files, media, child processes, addresses, command line.
//! Everything that touches the world lives here; everything that decides lives in the core.

pub mod addresses;
pub mod agents;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod durable;
mod dying;
pub mod fence;
pub mod flight;
pub mod hooks;
pub mod log;
pub mod media;
pub mod resources;
mod rtnetlink;
pub mod watchdog;
