//! `cargo xtask story`: the acceptance story, with as many rounds as wanted. Its short form is one of the tests of whole
//! clusters.

use crate::packages;
use crate::process::{self, Failure};
use crate::test::BINARY_VARIABLE;
use crate::workspace::{Profile, Workspace};

const SCENARIO: &str = "database::no_acknowledged_row_is_lost";
const ROUNDS_VARIABLE: &str = "HEARTLINE_STORY_ROUNDS";

/// Builds the release binary and plays the story with it.
///
/// # Errors
/// If something is missing, does not build, or does not hold.
pub(crate) fn run(workspace: &Workspace, rounds: u32) -> Result<(), Failure> {
    packages::require(packages::LABORATORY)?;
    packages::require(packages::FENCING)?;
    packages::require_services(packages::SERVICES)?;
    let binary = workspace.build_heartline(Profile::Release)?;
    let mut story = workspace.cargo("test");
    story
        .args(["--locked", "--package", "heartline-cluster-tests", "--test", "cluster", "--target-dir"])
        .arg(&workspace.target)
        .args(["--", "--exact", "--nocapture", SCENARIO])
        .env(BINARY_VARIABLE, binary)
        .env(ROUNDS_VARIABLE, rounds.to_string());
    process::run(&mut story)
}
