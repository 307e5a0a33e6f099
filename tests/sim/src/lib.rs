//! Whole clusters of real core nodes in virtual time: the evidence for "who may mount the disk".
//!
//! ```text
//! seed -> plan (settings, faults) -> world (queue, hosts, links) -> truth (11 promises)   -> report
//!                                                                       |
//!                          timeline <- shrink <------- broken promise --+
//! ```
//!
//! From one seed a [`plan::Plan`] is drawn: 2 to 5 nodes, their groups, links and times, and a random mix of faults. The
//! `world` runs the nodes, which are the core's own, unchanged, through that plan in one loop over virtual time. The rooms:
//!
//! * `plan`: what a run is made of. Data only.
//! * `wire`: networks that lose, double, delay, reorder and corrupt; serial lines at a baud rate, through the core's framing,
//!   that lose, flip and invent bytes; both cut in one direction or two, or flapping.
//! * `board`: the witness in the cable of two hosts: ports, reset lines, power senses and flash around the firmware's own library.
//! * `host`: machines with power, a disk for the generation, a clock of their own, a daemon, agents and services.
//! * `world`: what happens, in its order: jobs that fail, hang, are slow or lie; fencing devices; stalls, pauses, crashes;
//!   operators.
//! * `truth`: what really runs where, against the eight promises of the design and one each about fencing, maintenance and
//!   the witness.
//!   Each file has the exact statement and every excuse.
//!
//! What is simulated as the Linux host does it: silence is judged after all waiting frames were handed in; a stalled daemon's
//! frames wait in bounded buffers while its agents go on; of several frames for a busy line the newest is sent; a daemon kills
//! the agents that its predecessor left; the generation is on disk before the first frame. What is not: file systems, addresses,
//! the parsing of files, the media's own failures, the time that a step takes, and the death of a service being noticed,
//! for nothing watches services yet.
//!
//! Everything is repeatable to the bit: the same seed gives the same [`Report::digest`].

mod board;
mod coverage;
mod dice;
mod host;
pub mod plan;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod report;
mod shrink;
mod timeline;
mod truth;
mod wire;
mod world;

use std::panic::{self, AssertUnwindSafe};

pub use coverage::{Coverage, RULES};
pub use dice::Dice;
pub use report::{Report, Statistics, Summary};
pub use shrink::shrink;
pub use timeline::Timeline;
pub use truth::{Promise, Violation};
pub use world::PlanError;

use plan::Plan;
use world::World;

/// Runs the plan of a seed.
#[must_use]
pub fn run_seed(seed: u64) -> Report {
    run(&Plan::of_seed(seed))
}

/// Runs a plan.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    run_through(plan, Timeline::unwanted()).0
}

/// Runs a plan and writes down what happens.
#[must_use]
pub fn trace(plan: &Plan) -> (Report, Timeline) {
    run_through(plan, Timeline::wanted(plan.settings.hosts.len()))
}

fn run_through(plan: &Plan, timeline: Timeline) -> (Report, Timeline) {
    let mut world = match World::new(plan.clone(), timeline) {
        Ok(world) => world,
        Err(error) => return (failed(Promise::Robust, error.to_string()), Timeline::unwanted()),
    };
    world.statistics.witnessed = u64::from(plan.settings.witness.is_some());
    let violation = panic::catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        Some(Violation { promise: Promise::Robust, at: world.now(), what: format!("panicked: {text}") })
    });
    let report =
        Report { violation, statistics: world.statistics, coverage: world.coverage, digest: world.digest };
    (report, world.timeline)
}

fn failed(promise: Promise, what: String) -> Report {
    Report {
        violation: Some(Violation { promise, at: 0, what }),
        statistics: Statistics::default(),
        coverage: Coverage::default(),
        digest: 0,
    }
}
