//! Resource groups on this host: finding agents, running them, limiting their time.
//!
//! A job of the core becomes a `sequence` of calls; `locate` turns each into a program with arguments in its
//! `environment`; `child` runs it, `output` cuts what it writes into lines, `status` reads its answer; `runner` holds
//! them together. When a job is due, and what follows from its outcome, is decided in the core.

mod child;
mod children;
mod drain;
mod environment;
mod ledger;
mod locate;
mod output;
mod remark;
mod rounds;
mod runner;
mod sequence;
mod status;

pub use environment::Environment;
pub use ledger::end_leftovers;
pub use locate::Directories;
pub use remark::{Output, Remark, Severity};
pub use runner::{Instructions, Runner};
pub use sequence::{Action, Operation, Outcome};

// The same machinery runs fencing agents, clients and hooks.
pub(crate) use child::{Destination, End, Input, Invocation, Stream};
pub(crate) use children::{Children, Ended, Line, LineText};
pub(crate) use ledger::Ledger;
pub(crate) use locate::own_program;
pub(crate) use runner::failure;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
