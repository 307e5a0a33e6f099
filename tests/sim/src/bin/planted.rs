//! Plants every bug of the core's list, plays seeds until a promise is broken, and prints one table.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use heartline_core::planted::Bug;
use heartline_sim::planted::{expectation, hunt, seeds_needed};

/// Sees whether the promises of the design are checked: plants bugs in the core, one at a time, and plays seeds until one
/// breaks a promise.
#[derive(Debug, Parser)]
#[command(name = "heartline-planted", max_term_width = 100)]
struct Arguments {
    /// This bug alone, by its name in the core's list.
    #[arg(long)]
    bug: Option<String>,
    /// So many seeds for each bug instead of its own number.
    #[arg(long)]
    seeds: Option<u64>,
    /// How many seeds play at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A panic of a run is a broken promise and is reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let wanted = |bug: &&Bug| arguments.bug.as_ref().is_none_or(|name| format!("{bug:?}") == *name);
    let bugs: Vec<Bug> = Bug::ALL.iter().filter(wanted).copied().collect();
    let (holes, bugs): (Vec<Bug>, Vec<Bug>) =
        bugs.into_iter().partition(|bug| arguments.seeds.is_none() && expectation(*bug).promises.is_empty());
    if !holes.is_empty() {
        println!("Holes, not hunted without --seeds: {holes:?}");
    }
    if bugs.is_empty() && holes.is_empty() {
        eprintln!("There is no such bug. The names are: {:?}", Bug::ALL);
        return ExitCode::FAILURE;
    }
    let mut missed = 0;
    println!("{:<24}{:>6}{:>7}{:>9}  promise", "bug", "seed", "limit", "seconds");
    for bug in &bugs {
        missed += usize::from(!is_caught(*bug, &arguments));
    }
    println!("{} of {} bugs are caught as expected.", bugs.len() - missed, bugs.len());
    let seeds = arguments.seeds.unwrap_or_else(seeds_needed);
    if let Some(found) = hunt(Bug::None, seeds, usize::from(arguments.jobs)) {
        let (seed, violation) = (found.seed, found.violation);
        println!("Without any bug seed {seed} breaks {}: {}", violation.promise, violation.what);
        return ExitCode::FAILURE;
    }
    println!("Without any bug the {seeds} seeds keep all promises.");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_caught(bug: Bug, arguments: &Arguments) -> bool {
    let expected = expectation(bug);
    let limit = arguments.seeds.unwrap_or(expected.seeds);
    let begin = now();
    let found = hunt(bug, limit, usize::from(arguments.jobs));
    let seconds = begin.elapsed().as_secs_f64();
    let name = format!("{bug:?}");
    let Some(found) = found else {
        println!("{name:<24}{:>6}{limit:>7}{seconds:>9.1}  NOT CAUGHT", "-");
        return false;
    };
    let promise = found.violation.promise;
    let as_expected = expected.promises.contains(&promise);
    let remark = if as_expected { "" } else { ", NOT AS EXPECTED" };
    println!(
        "{name:<24}{:>6}{limit:>7}{seconds:>9.1}  {}{remark}: {}",
        found.seed,
        promise.number(),
        found.violation.what
    );
    as_expected
}

/// For the table alone.
#[expect(clippy::disallowed_methods, reason = "how long a hunt takes is measured here")]
fn now() -> Instant {
    Instant::now()
}
