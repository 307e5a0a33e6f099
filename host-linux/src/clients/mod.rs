//! Clients: the programs that `respawn` and `failfast` lines of `ha.cf` ask to keep running. `supervisor` starts them,
//! starts them again and ends them, `launch` turns a child into the user of its line. Nothing here knows of resources.

mod launch;
mod remark;
mod supervisor;
#[cfg(test)]
mod tests;

pub use launch::{LaunchError, launch};
pub use remark::Remark;
pub use supervisor::Clients;
