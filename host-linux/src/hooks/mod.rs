//! Hooks: programs of the administrator that are told what happens. `event` and `notification` make of a notice what
//! the original's event scripts in `rc.d` and the commands of `notify` lines expect, `lane` keeps them in order, and
//! `runner` runs them beside everything else. Nothing here decides, and nothing waits for a hook.

mod event;
mod lane;
mod notification;
mod remark;
mod runner;
#[cfg(test)]
mod tests;

pub use remark::Remark;
pub use runner::Hooks;
