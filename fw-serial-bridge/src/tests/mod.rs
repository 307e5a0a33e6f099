//! What the witness does, and what it never does.

mod bridge;
mod fence;
mod hostile;
mod member;
mod vote;
mod watchdog;
