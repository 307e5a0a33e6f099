//! `cargo xtask fuzz`: every fuzz target for a while, from the committed corpus on, and one table. What a run finds
//! stays below the target directory; what is worth keeping is copied into `fuzz/corpus` by hand.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::packages;
use crate::process::{self, Failure, file_failure};
use crate::workspace::Workspace;

/// The version of cargo-fuzz to install where there is none.
const CARGO_FUZZ: &str = "0.13.2";
/// libFuzzer comes as C++ source.
const COMPILER: &[&str] = &["g++"];
/// One input may take so long, in seconds: for ever, even on a machine that has much else to do.
const SLOWEST_INPUT: u32 = 20;
/// A target may take so much memory, in MiB.
const MEMORY: u32 = 1024;

/// A target and the longest input that is worth trying, in bytes.
#[derive(Debug, Clone, Copy)]
struct Target {
    name: &'static str,
    longest: u32,
}

const TARGETS: &[Target] = &[
    Target { name: "authkeys", longest: 1024 },
    Target { name: "control", longest: 1024 },
    Target { name: "deframe", longest: 2048 },
    Target { name: "ha_cf", longest: 4096 },
    Target { name: "haresources", longest: 2048 },
    Target { name: "open_frame", longest: 600 },
    Target { name: "replay", longest: 8192 },
    Target { name: "step", longest: 1024 },
    Target { name: "witness", longest: 1024 },
];

/// What is to be run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// What the mutations are drawn from; 0 for another seed each time.
    #[arg(long, default_value_t = 0)]
    seed: u32,
    /// How many targets run at once.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
}

/// Builds and runs the targets.
///
/// # Errors
/// If one cannot be built or run, or broke a promise; says how to see that again.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    let targets = chosen(options.target.as_deref())?;
    packages::require(COMPILER)?;
    let yard = Yard::build(workspace, &targets)?;
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || targets.get(next.fetch_add(1, Ordering::Relaxed)).copied();
        std::iter::from_fn(take).map(|target| (target, yard.run(target, options))).collect::<Vec<_>>()
    };
    let mut runs: Vec<(Target, Result<Run, Failure>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    runs.sort_by_key(|(target, _)| target.name);
    let mut failures = String::new();
    println!(
        "{:<12} {:>12} {:>8} {:>7} {:>9} {:>7}  findings",
        "target", "runs", "runs/s", "edges", "features", "kept"
    );
    for (target, run) in runs {
        let run = run?;
        println!("{}", run.row(target.name));
        failures.extend(run.complaints(&yard.program(target)));
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::Other(format!("fuzzing found:{failures}"))) }
}

fn chosen(name: Option<&str>) -> Result<Vec<Target>, Failure> {
    let chosen: Vec<Target> =
        TARGETS.iter().copied().filter(|target| name.is_none_or(|name| name == target.name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        return Err(Failure::Other(format!("there is no such target; there are {}", names.join(", "))));
    }
    Ok(chosen)
}

/// Where the programs are and where they work.
#[derive(Debug)]
struct Yard {
    sources: PathBuf,
    programs: PathBuf,
    work: PathBuf,
}

impl Yard {
    fn build(workspace: &Workspace, targets: &[Target]) -> Result<Self, Failure> {
        if !process::succeeds(workspace.cargo("fuzz").arg("--version")) {
            process::run(workspace.cargo("install").args([
                "--locked",
                "--version",
                CARGO_FUZZ,
                "cargo-fuzz",
            ]))?;
        }
        let products = workspace.target.join("fuzz");
        let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let mut build = workspace.cargo("fuzz");
        build.args(["build", "--fuzz-dir", "fuzz/targets", "--target", &platform, "--target-dir"]);
        build.arg(&products);
        // There is no unsafe code for a sanitizer to watch, and what is tested is what is shipped. Tracing comparisons
        // would make the targets five times slower; the dictionaries give more.
        build.args(["--sanitizer", "none", "--no-cfg-fuzzing", "--no-trace-compares"]);
        if let [target] = targets {
            build.arg(target.name);
        }
        process::run(&mut build)?;
        Ok(Self {
            sources: workspace.root.join("fuzz"),
            programs: products.join(platform).join("release"),
            work: products.join("work"),
        })
    }

    fn program(&self, target: Target) -> PathBuf {
        self.programs.join(target.name)
    }

    /// Runs one target to its end, also where that is a finding.
    fn run(&self, target: Target, options: &Options) -> Result<Run, Failure> {
        let work = self.work.join(target.name);
        let (corpus, findings, log) = (work.join("corpus"), work.join("findings"), work.join("log"));
        for directory in [&corpus, &findings] {
            fs::create_dir_all(directory).map_err(file_failure(directory))?;
        }
        let (kept_before, found_before) = (files(&corpus)?, files(&findings)?);
        let output = File::create(&log).map_err(file_failure(&log))?;
        let errors = output.try_clone().map_err(file_failure(&log))?;
        let mut program = Command::new(self.program(target));
        program.arg(&corpus).arg(self.sources.join("corpus").join(target.name));
        program.args([
            format!("-max_total_time={}", options.seconds),
            format!("-seed={}", options.seed),
            format!("-max_len={}", target.longest),
            format!("-timeout={SLOWEST_INPUT}"),
            format!("-rss_limit_mb={MEMORY}"),
            format!("-artifact_prefix={}/", findings.display()),
            "-print_final_stats=1".to_owned(),
        ]);
        let dictionary = self.sources.join("dictionaries").join(format!("{}.dict", target.name));
        if dictionary.is_file() {
            program.arg(format!("-dict={}", dictionary.display()));
        }
        eprintln!("+ {}", process::as_typed(&program));
        program.stdin(Stdio::null()).stdout(output).stderr(errors);
        let status = program.status().map_err(|source| process::unrunnable(&program, source))?;
        let text = fs::read(&log).map_err(file_failure(&log))?;
        let text = String::from_utf8_lossy(&text);
        let found = files(&findings)?;
        let read = |path: &PathBuf| Ok((path.clone(), fs::read(path).map_err(file_failure(path))?));
        Ok(Run {
            figures: Figures::of(&text),
            reason: reason(&text),
            kept: files(&corpus)?.difference(&kept_before).count(),
            findings: found.difference(&found_before).map(read).collect::<Result<_, Failure>>()?,
            succeeded: status.success(),
            log,
        })
    }
}

/// What came of a run.
#[derive(Debug)]
struct Run {
    figures: Figures,
    /// Why it ended early, in the words of the log.
    reason: String,
    kept: usize,
    /// The inputs that broke a promise, by their files.
    findings: Vec<(PathBuf, Vec<u8>)>,
    succeeded: bool,
    log: PathBuf,
}

impl Run {
    fn row(&self, name: &str) -> String {
        let Figures { executions, per_second, edges, features } = self.figures;
        let findings = self.findings.len();
        format!(
            "{name:<12} {executions:>12} {per_second:>8} {edges:>7} {features:>9} {:>7}  {findings}",
            self.kept
        )
    }

    /// What is to be looked at, and how. The inputs stand here too: who reads this may not have the machine any more.
    fn complaints(&self, program: &Path) -> Vec<String> {
        let program = program.display();
        let complaint = |(path, input): &(PathBuf, Vec<u8>)| {
            let digits: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            let path = path.display();
            format!("\n  {program} {path}{}\n    its input, for `xxd -r -p`: {digits}", self.reason)
        };
        let mut complaints: Vec<String> = self.findings.iter().map(complaint).collect();
        if complaints.is_empty() && !self.succeeded {
            complaints.push(format!("\n  {program} failed, see {}{}", self.log.display(), self.reason));
        }
        complaints
    }
}

/// What a log says about an early end: where a panic was and its words, or the complaint of libFuzzer.
fn reason(log: &str) -> String {
    let is_reason = |line: &str| line.contains(" panicked at ") || line.contains("ERROR: libFuzzer");
    log.lines().skip_while(|line| !is_reason(line)).take(2).map(|line| format!("\n    {line}")).collect()
}

/// The figures that libFuzzer prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Figures {
    executions: u64,
    per_second: u64,
    edges: u64,
    features: u64,
}

impl Figures {
    /// Those of the last line that has them.
    fn of(log: &str) -> Self {
        let after = |name: &str| {
            let words = log.lines().rev().find_map(|line| line.split_once(name));
            words.and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self {
            executions: after("stat::number_of_executed_units:"),
            per_second: after("stat::average_exec_per_sec:"),
            edges: after(" cov: "),
            features: after(" ft: "),
        }
    }
}

fn files(directory: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
    let entries = fs::read_dir(directory).map_err(file_failure(directory))?;
    entries.map(|entry| Ok(entry.map_err(file_failure(directory))?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
#22\tINITED cov: 196 ft: 418 corp: 13/2435b exec/s: 0 rss: 27Mb
#35616\tREDUCE cov: 220 ft: 1000 corp: 170/47Kb lim: 860 exec/s: 5088 rss: 28Mb L: 3/9 MS: 1 EraseBytes-
#35617\tDONE   cov: 228 ft: 1084 corp: 175/47Kb lim: 860 exec/s: 5088 rss: 28Mb
Done 35617 runs in 7 second(s)
stat::number_of_executed_units: 35617
stat::average_exec_per_sec:     5088
";

    #[test]
    fn the_figures_are_the_last_ones() {
        let expected = Figures { executions: 35_617, per_second: 5_088, edges: 228, features: 1_084 };
        assert_eq!(Figures::of(LOG), expected);
        assert_eq!(Figures::of("no figures"), Figures::default());
    }

    #[test]
    fn every_target_of_the_house_is_run() {
        let sources = Workspace::here().root.join("fuzz/targets/src");
        let programs: Vec<_> =
            files(&sources).unwrap().iter().map(|path| path.file_stem().unwrap().to_owned()).collect();
        let targets: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(programs, targets);
    }

    #[test]
    fn an_unknown_target_is_refused_with_the_names_of_all() {
        let refusal = chosen(Some("nothing")).unwrap_err().to_string();
        assert!(refusal.ends_with("replay, step, witness"), "{refusal}");
        assert_eq!(chosen(Some("step")).unwrap().len(), 1);
    }

    #[test]
    fn a_finding_comes_with_the_command_that_shows_it_again() {
        let log = "#7 NEW\nthread 'x' panicked at step.rs:7:1:\nit broke\nstack backtrace:\n";
        let run = Run {
            figures: Figures::default(),
            reason: reason(log),
            kept: 0,
            findings: vec![("findings/crash-1".into(), vec![0, 0xa5])],
            succeeded: false,
            log: "log".into(),
        };
        let why = "\n    thread 'x' panicked at step.rs:7:1:\n    it broke";
        let input = "\n    its input, for `xxd -r -p`: 00a5";
        let program = Path::new("bin/step");
        assert_eq!(run.complaints(program), [format!("\n  bin/step findings/crash-1{why}{input}")]);
        let run = Run { findings: Vec::new(), reason: reason("#7 NEW"), ..run };
        assert_eq!(run.complaints(program), ["\n  bin/step failed, see log"]);
    }
}
