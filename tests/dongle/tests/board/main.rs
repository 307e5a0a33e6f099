//! The firmware on the emulated board, in the cable between two real daemons: attacked, lost, and hung. The scenarios of
//! `tests/cluster` play the rest with it, if `cargo xtask firmware test` asks them to.

mod attacks;
mod guardian;
mod loss;

use std::error::Error;
use std::process::ExitCode;

use heartline_cluster_tests::scenarios::{self, Outcome, Scenario};
use heartline_cluster_tests::{Cluster, Plan};
use heartline_lab::World;

const SCENARIOS: &[(&str, Scenario)] = &[
    ("attacks::recordings_ask_for_nothing", attacks::recordings_ask_for_nothing),
    ("attacks::forgeries_ask_for_nothing", attacks::forgeries_ask_for_nothing),
    ("attacks::noise_on_both_halves_moves_nothing", attacks::noise_on_both_halves_moves_nothing),
    ("attacks::garbage_at_full_rate_stays_at_its_side", attacks::garbage_at_full_rate_stays_at_its_side),
    ("guardian::a_hang_is_ended_and_resets_nobody", guardian::a_hang_is_ended_and_resets_nobody),
    ("loss::unplugged_it_resets_nobody", loss::unplugged_it_resets_nobody),
    ("loss::flashed_anew_it_resets_nobody", loss::flashed_anew_it_resets_nobody),
];

fn main() -> ExitCode {
    scenarios::main(SCENARIOS, 2)
}

const SECRET: &str = "a_secret_of_good_length";

/// The witness votes, and nobody else fences.
fn plan() -> Plan {
    let plan = Plan::default().board().keys(&format!("auth 1\n1 sha1 {SECRET}\n"));
    plan.directive("initdead", "5").line("quorum witness")
}

/// Both are served, and both are watched over.
fn started(world: World, plan: Plan) -> Result<Cluster, Box<dyn Error>> {
    let mut cluster = Cluster::provisioned(world, plan)?;
    cluster.start_settled()?;
    cluster.wait_watched()?;
    Ok(cluster)
}

/// What must be as before when nothing was done to anybody.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    resets: Vec<String>,
    moves: Vec<Vec<String>>,
}

fn done(cluster: &Cluster) -> Result<Done, Box<dyn Error>> {
    Ok(Done { resets: cluster.resets()?, moves: cluster.moves()? })
}
