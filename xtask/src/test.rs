//! `cargo xtask test`: every test of the workspace, and one line with the sums.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::packages;
use crate::process::{self, Failure};
use crate::workspace::{Profile, Workspace};

/// How the tests of whole clusters learn which binary they are to test.
pub(crate) const BINARY_VARIABLE: &str = "HEARTLINE_BIN";

/// Builds the release binary, runs all tests, and prints `N passed, N failed`.
///
/// # Errors
/// If something is missing, does not build, or fails.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    packages::require(packages::LABORATORY)?;
    packages::require(packages::AGENTS)?;
    packages::require(packages::FENCING)?;
    packages::require_services(packages::SERVICES)?;
    let binary = workspace.build_heartline(Profile::Release)?;

    let mut tests = workspace.cargo("test");
    tests
        .args(["--workspace", "--locked", "--no-fail-fast"])
        .arg("--target-dir")
        .arg(&workspace.target)
        .args(arguments)
        .env(BINARY_VARIABLE, binary)
        .stdout(Stdio::piped());
    eprintln!("+ {}", process::as_typed(&tests));
    let mut child = tests.spawn().map_err(|source| process::unrunnable(&tests, source))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        tally =
            pass_on(output, &mut std::io::stdout()).map_err(|source| process::unrunnable(&tests, source))?;
    }
    let status = child.wait().map_err(|source| process::unrunnable(&tests, source))?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    process::expect_success(&tests, status)
}

/// The sums of all test programs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
}

impl Tally {
    /// Adds a line like `test result: ok. 12 passed; 0 failed; 1 ignored; ...`; other lines add nothing.
    fn add(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else { return };
        self.passed += count_before(result, " passed");
        self.failed += count_before(result, " failed");
    }
}

/// The number right before `word`, 0 if there is none.
fn count_before(result: &str, word: &str) -> u32 {
    let number = result.split(word).next().and_then(|before| before.rsplit(' ').next());
    number.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Copies the output as it comes, line by line, and counts.
fn pass_on(output: impl std::io::Read, sink: &mut impl Write) -> std::io::Result<Tally> {
    let mut tally = Tally::default();
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        sink.write_all(&line)?;
        sink.flush()?;
        tally.add(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_all_programs_and_the_output_stays_as_it_is() {
        let output = "\
running 3 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 8.20s
";
        let mut seen = Vec::new();
        let tally = pass_on(output.as_bytes(), &mut seen).unwrap();
        assert_eq!(tally, Tally { passed: 12, failed: 3 });
        assert_eq!(seen, output.as_bytes());
    }

    #[test]
    fn output_that_is_not_text_is_passed_on() {
        let output = b"\xff\xfe\ntest result: ok. 1 passed; 0 failed; 0 ignored\nno line break";
        let mut seen = Vec::new();
        assert_eq!(pass_on(&output[..], &mut seen).unwrap(), Tally { passed: 1, failed: 0 });
        assert_eq!(seen, output);
    }

    #[test]
    fn talk_about_results_is_no_result() {
        let mut tally = Tally::default();
        tally.add("the daemon says: test result: ok. 5 passed");
        tally.add("test result: pending");
        assert_eq!(tally, Tally::default());
    }
}
