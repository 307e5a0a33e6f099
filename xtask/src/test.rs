//! `cargo xtask test`: every test of the workspace, and one line with the sums.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::firmware;
use crate::packages;
use crate::process::{self, Failure};
use crate::workspace::{Profile, Workspace};

/// How the tests of whole clusters learn which binary they are to test.
pub(crate) const BINARY_VARIABLE: &str = "HEARTLINE_BIN";

/// Longer than any test and any build takes on a slow machine. A test that hangs would otherwise hold up everything
/// behind it for as long as nobody looks.
const SILENCE_MAX: Duration = Duration::from_secs(20 * 60);

/// Builds the release binary, runs all tests, and prints `N passed, N failed`.
///
/// # Errors
/// If something is missing, does not build, fails, or hangs.
pub(crate) fn run(workspace: &Workspace, arguments: &[OsString]) -> Result<(), Failure> {
    packages::require(packages::LABORATORY)?;
    packages::require(packages::AGENTS)?;
    packages::require(packages::FENCING)?;
    packages::require(packages::EMULATOR)?;
    packages::require_services(packages::SERVICES)?;
    let binary = workspace.build_heartline(Profile::Release)?;
    let firmware = firmware::emulated(workspace)?;

    let mut tests = workspace.cargo("test");
    tests
        .args(["--workspace", "--locked", "--no-fail-fast"])
        .arg("--target-dir")
        .arg(&workspace.target)
        .args(arguments)
        .env(BINARY_VARIABLE, binary)
        .env(firmware::FIRMWARE_VARIABLE, firmware)
        .stdout(Stdio::piped());
    eprintln!("+ {}", process::as_typed(&tests));
    let mut child = tests.spawn().map_err(|source| process::unrunnable(&tests, source))?;
    let mut progress = Progress::default();
    let output = child.stdout.take().map(lines);
    let followed =
        output.map_or(Ok(()), |output| progress.follow(&output, SILENCE_MAX, &mut std::io::stdout()));
    if followed.is_err() {
        process::kill_with_descendants(child.id());
    }
    let status = child.wait().map_err(|source| process::unrunnable(&tests, source))?;
    println!("{} passed, {} failed", progress.passed, progress.failed);
    followed?;
    process::expect_success(&tests, status)
}

/// The output of a program as it comes, line by line, each with its line break.
fn lines(output: impl std::io::Read + Send + 'static) -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        loop {
            let mut line = Vec::new();
            let read = match reader.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => Ok(line),
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.send(read).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// What the test programs have told so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Progress {
    passed: u32,
    failed: u32,
    /// The tests that were said to take long and have not ended since.
    slow: BTreeSet<String>,
}

impl Progress {
    /// Copies the output as it comes, and counts.
    fn follow(
        &mut self,
        output: &Receiver<std::io::Result<Vec<u8>>>,
        silence_max: Duration,
        sink: &mut impl Write,
    ) -> Result<(), Failure> {
        loop {
            match output.recv_timeout(silence_max) {
                Ok(line) => {
                    let passed_on = line.and_then(|line| {
                        self.learn(&String::from_utf8_lossy(&line));
                        sink.write_all(&line)?;
                        sink.flush()
                    });
                    passed_on
                        .map_err(|error| Failure::Other(format!("the tests' output is lost: {error}")))?;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => return Err(self.hangs(silence_max)),
            }
        }
    }

    /// Learns from a line like `test result: ok. 12 passed; 0 failed; 1 ignored; ...`, `test NAME has been running for
    /// over 60 seconds` or `test NAME ... ok`; other lines say nothing.
    fn learn(&mut self, line: &str) {
        let Some(line) = line.trim().strip_prefix("test ") else { return };
        if let Some(result) = line.strip_prefix("result: ") {
            self.passed += count_before(result, " passed");
            self.failed += count_before(result, " failed");
        } else if let Some((name, _)) = line.split_once(" has been running for over") {
            self.slow.insert(name.to_owned());
        } else if let Some((name, _)) = line.split_once(" ... ") {
            self.slow.remove(name);
        }
    }

    fn hangs(&self, silence: Duration) -> Failure {
        let names = self.slow.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let suspects = if names.is_empty() { "what runs last above" } else { &names };
        let minutes = silence.as_secs() / 60;
        Failure::Other(format!(
            "no test has said anything for {minutes} minutes, so they were ended; it hangs: {suspects}"
        ))
    }
}

/// The number right before `word`, 0 if there is none.
fn count_before(result: &str, word: &str) -> u32 {
    let number = result.split(word).next().and_then(|before| before.rsplit(' ').next());
    number.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(output: &'static [u8]) -> (Progress, Vec<u8>) {
        let (mut progress, mut seen) = (Progress::default(), Vec::new());
        progress.follow(&lines(output), SILENCE_MAX, &mut seen).unwrap();
        (progress, seen)
    }

    #[test]
    fn the_sums_are_those_of_all_programs_and_the_output_stays_as_it_is() {
        let output = b"\
running 3 tests
test a ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 8.20s
";
        let (progress, seen) = followed(output);
        assert_eq!((progress.passed, progress.failed), (12, 3));
        assert_eq!(seen, output);
    }

    #[test]
    fn output_that_is_not_text_is_passed_on() {
        let output = b"\xff\xfe\ntest result: ok. 1 passed; 0 failed; 0 ignored\nno line break";
        let (progress, seen) = followed(output);
        assert_eq!((progress.passed, progress.failed), (1, 0));
        assert_eq!(seen, output);
    }

    #[test]
    fn talk_about_results_is_no_result() {
        let mut progress = Progress::default();
        progress.learn("the daemon says: test result: ok. 5 passed");
        progress.learn("test result: pending");
        assert_eq!(progress, Progress::default());
    }

    #[test]
    fn a_test_that_hangs_is_named() {
        let (sender, output) = mpsc::channel();
        for line in [
            "test log::late has been running for over 60 seconds\n",
            "test log::stuck has been running for over 60 seconds\n",
            "test log::late ... ok\n",
        ] {
            sender.send(Ok(line.as_bytes().to_vec())).unwrap();
        }
        let silence = Duration::from_millis(10);
        let failure = Progress::default().follow(&output, silence, &mut Vec::new()).unwrap_err();
        assert!(failure.to_string().ends_with("it hangs: log::stuck"), "{failure}");
    }
}
