//! `cargo xtask coverage`: which lines of the core its own tests and the simulator reach. Test code does not count.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::process::{self, Failure, file_failure};
use crate::workspace::Workspace;

/// The version of cargo-llvm-cov to install where there is none.
const CARGO_LLVM_COV: &str = "0.9.1";
/// What is asked for, in percent of the lines.
const ENOUGH: f64 = 95.0;

/// The tests of the core, and those of what alone uses some of it: the explorer tells states apart, the host keeps a record
/// of what happens and shows a status.
const TESTS: [&[&str]; 3] =
    [&["heartline-core"], &["heartline-model"], &["heartline", "--lib", "--", "flight", "status"]];

/// What is to be run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many seeds the simulator plays.
    #[arg(long, default_value_t = 1_000)]
    seeds: u32,
    /// Name every line that nothing reaches.
    #[arg(long)]
    missing: bool,
}

/// Runs the tests and the simulator with counters in the core, and prints a table.
///
/// # Errors
/// If something cannot be built or fails, or if fewer than 95 % of the lines are reached.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    require_tools(workspace)?;
    let counted = |command: &[&str]| {
        let mut cargo = workspace.cargo("llvm-cov");
        cargo.args(command);
        cargo
    };
    process::run(&mut counted(&["clean", "--workspace"]))?;
    for tests in TESTS {
        process::run(counted(&["--no-report", "--package"]).args(tests))?;
    }
    let seeds = options.seeds.to_string();
    process::run(
        counted(&["run", "--no-report", "--package", "heartline-sim", "--", "--seeds"]).arg(&seeds),
    )?;
    let report = workspace.target.join("coverage.lcov");
    let mut write = counted(&["report", "--lcov", "--output-path"]);
    process::run(write.arg(&report))?;
    let text = fs::read_to_string(&report).map_err(file_failure(&report))?;
    let files = read(&text, &workspace.root.join("core/src"))?;
    print(&files, options.missing);
    let (reached, all) =
        files.values().fold((0, 0), |sum, lines| (sum.0 + lines.reached(), sum.1 + lines.0.len()));
    let percent = percent(reached, all);
    println!("{:<32} {reached:>6} of {all:>6} lines {percent:>6.1} %", "core");
    if percent < ENOUGH {
        return Err(Failure::Other(format!(
            "less than {ENOUGH} % of the core's lines are reached; --missing names them"
        )));
    }
    Ok(())
}

fn require_tools(workspace: &Workspace) -> Result<(), Failure> {
    if !process::succeeds(workspace.cargo("llvm-cov").arg("--version")) {
        process::run(workspace.cargo("install").args([
            "--locked",
            "--version",
            CARGO_LLVM_COV,
            "cargo-llvm-cov",
        ]))?;
    }
    Ok(())
}

/// The lines of one file that are code, and how often each was reached.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines(BTreeMap<usize, u64>);

impl Lines {
    fn reached(&self) -> usize {
        self.0.values().filter(|count| **count > 0).count()
    }
}

/// Reads an lcov report, as far as it is about files below `directory` that are not tests.
fn read(report: &str, directory: &Path) -> Result<BTreeMap<String, Lines>, Failure> {
    let mut files = BTreeMap::new();
    let mut current: Option<(String, Lines, usize)> = None;
    for line in report.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let path = Path::new(path);
            let name =
                path.strip_prefix(directory).ok().filter(|name| !name.iter().any(|part| part == "tests"));
            current = match name {
                Some(name) => {
                    let source = fs::read_to_string(path).map_err(file_failure(path))?;
                    Some((name.display().to_string(), Lines::default(), code_lines(&source)))
                }
                None => None,
            };
        } else if let Some((_, lines, end)) = &mut current
            && let Some((number, count)) = line.strip_prefix("DA:").and_then(line_count)
            && number <= *end
        {
            *lines.0.entry(number).or_default() += count;
        } else if line == "end_of_record"
            && let Some((name, lines, _)) = current.take()
        {
            files.insert(name, lines);
        }
    }
    Ok(files)
}

fn line_count(text: &str) -> Option<(usize, u64)> {
    let (number, count) = text.split_once(',')?;
    Some((number.parse().ok()?, count.parse().ok()?))
}

/// How many lines stand before the unit tests of a file.
fn code_lines(source: &str) -> usize {
    source.lines().position(|line| line == "mod tests {").unwrap_or(usize::MAX)
}

fn print(files: &BTreeMap<String, Lines>, missing: bool) {
    for (name, lines) in files {
        let (reached, all) = (lines.reached(), lines.0.len());
        println!("{name:<32} {reached:>6} of {all:>6} lines {:>6.1} %", percent(reached, all));
        if missing {
            let unreached: Vec<String> = lines
                .0
                .iter()
                .filter(|(_, count)| **count == 0)
                .map(|(number, _)| number.to_string())
                .collect();
            if !unreached.is_empty() {
                println!("    not reached: {}", unreached.join(" "));
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no file has so many lines")]
fn percent(reached: usize, all: usize) -> f64 {
    if all == 0 { 100.0 } else { 100.0 * reached as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_below_the_directory_counts() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("some.rs");
        fs::write(&source, "fn a() {\n}\n#[cfg(test)]\nmod tests {\n}\n").unwrap();
        let report = format!(
            "SF:{}\nDA:1,3\nDA:2,0\nDA:5,9\nend_of_record\nSF:/elsewhere/other.rs\nDA:1,0\nend_of_record\n\
             SF:{}\nDA:1,0\nend_of_record\n",
            source.display(),
            directory.path().join("node/tests/world.rs").display(),
        );
        let files = read(&report, directory.path()).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(files["some.rs"].0, BTreeMap::from([(1, 3), (2, 0)]));
        assert_eq!(files["some.rs"].reached(), 1);
    }
}
