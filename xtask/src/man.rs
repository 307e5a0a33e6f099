//! `cargo xtask man`: writes those manual pages anew that are made of the program's own tables.

use crate::process::{self, Failure};
use crate::workspace::Workspace;

/// The tests of the pages compare them with the tables; told to record, they write them first.
///
/// # Errors
/// If they do not build, or a page does not say what it must.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let mut test = workspace.cargo("test");
    test.args(["--locked", "--package", "heartline", "--test", "man"]).env("HEARTLINE_RECORD", "1");
    process::run(&mut test)
}
