//! The simulator's command line: many seeds, or one with its timeline.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use heartline_sim::plan::{Plan, Planned, SECOND};
use heartline_sim::{Report, Summary, run, run_seed, shrink, trace};

/// After so many broken seeds the rest would tell nothing new.
const VIOLATIONS_MAX: usize = 20;
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Runs whole clusters of real nodes in virtual time, one for each seed, and checks the promises of the design.
#[derive(Debug, Parser)]
#[command(name = "heartline-sim", max_term_width = 100)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Run this seed alone; if it breaks a promise, shrink its faults and show the timeline.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: show the timeline in any case, with all faults.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Go on for so many minutes, however many seeds that takes.
    #[arg(long, value_name = "M", conflicts_with = "seeds")]
    minutes: Option<u64>,
    /// Only seeds with a witness in the cable, and so many of them.
    #[arg(long)]
    witness: bool,
    /// How many run at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    jobs: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic of a run is a broken promise and is reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    match arguments.seed {
        Some(seed) => one(seed, arguments.trace),
        None => many(&arguments),
    }
}

fn one(seed: u64, whole: bool) -> ExitCode {
    let plan = Plan::of_seed(seed);
    if whole {
        let (report, timeline) = trace(&plan);
        println!("{}\n{timeline}", plan.settings);
        return verdict(seed, &report);
    }
    let report = run(&plan);
    if report.violation.is_some() {
        explain(seed, &plan, &report);
    }
    verdict(seed, &report)
}

fn verdict(seed: u64, report: &Report) -> ExitCode {
    match &report.violation {
        Some(violation) => {
            println!("Seed {seed} breaks {}: {}", violation.promise, violation.what);
            ExitCode::FAILURE
        }
        None => {
            println!("Seed {seed} keeps all promises (digest {:016x}).", report.digest);
            ExitCode::SUCCESS
        }
    }
}

/// Shrinks a broken plan and shows what happens in it.
fn explain(seed: u64, plan: &Plan, report: &Report) {
    let Some(violation) = report.violation.clone() else { return };
    let (short, _) = shrink(plan.clone(), violation, |plan| run(plan).violation);
    let (_, timeline) = trace(&short);
    println!("Seed {seed}: {} of {} faults are enough.\n", short.faults.len(), plan.faults.len());
    println!("{}", short.settings);
    for Planned { at, fault } in &short.faults {
        println!("{:>5}.{:06} {fault}", at / SECOND, at % SECOND);
    }
    println!("\n{timeline}");
}

fn many(arguments: &Arguments) -> ExitCode {
    let begin = now();
    let end = arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let most = if end.is_some() { u64::MAX } else { arguments.seeds };
    let wanted = |seed: u64| !arguments.witness || Plan::of_seed(seed).settings.witness.is_some();
    let (next, taken) = (AtomicU64::new(arguments.first_seed), AtomicU64::new(0));
    let enough = AtomicBool::new(false);
    let summary = thread::scope(|scope| {
        let (sender, reports) = mpsc::sync_channel::<(u64, Report)>(64);
        for _ in 0..arguments.jobs {
            let (sender, next, taken, enough) = (sender.clone(), &next, &taken, &enough);
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !wanted(seed) {
                        continue;
                    }
                    let is_last = taken.fetch_add(1, Ordering::Relaxed) >= most;
                    if is_last || sender.send((seed, run_seed(seed))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut summary = Summary::default();
        let mut said = begin;
        for (seed, report) in reports {
            if let Some(violation) = &report.violation {
                println!("Seed {seed} breaks {}: {}", violation.promise, violation.what);
            }
            summary.add(seed, &report);
            let over = end.is_some_and(|end| begin.elapsed() >= end);
            if over || summary.violations.len() >= VIOLATIONS_MAX {
                enough.store(true, Ordering::Relaxed);
            }
            if said.elapsed() >= PROGRESS_EVERY {
                said = now();
                println!("{}", summary.progress(begin.elapsed()));
            }
        }
        summary
    });
    finish(&summary, begin.elapsed())
}

fn finish(summary: &Summary, took: Duration) -> ExitCode {
    println!("\n{summary}\n{}", summary.progress(took));
    let Some((seed, _)) = summary.violations.iter().min_by_key(|(seed, _)| *seed) else {
        return ExitCode::SUCCESS;
    };
    let plan = Plan::of_seed(*seed);
    let report = run(&plan);
    explain(*seed, &plan, &report);
    println!("The same again: cargo xtask sim --seed {seed}");
    verdict(*seed, &report)
}

/// For the figures of speed alone; no run knows what time it is.
#[expect(clippy::disallowed_methods, reason = "the speed of the simulator is measured here")]
fn now() -> Instant {
    Instant::now()
}
