//! `heartline-model`: explores all settings or one, and prints what that came to.

mod clock;

use std::process::ExitCode;

use clap::Parser;
use heartline_core::time::Duration;
use heartline_model::explore::{End, Limits, Report, explore};
use heartline_model::roots::RootError;
use heartline_model::setting::Setting;
use heartline_model::timeline;

use clock::Stopwatch;

/// Explores every interleaving of two nodes, one group and a few faults, breadth first.
#[derive(Debug, Parser)]
#[command(name = "heartline-model", max_term_width = 100)]
struct Arguments {
    /// The longest time for all settings together.
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    minutes: f64,
    /// The longest paths, in actions.
    #[arg(long, value_name = "ACTIONS", default_value_t = usize::MAX, hide_default_value = true)]
    depth: usize,
    /// Faults and orders on one path.
    #[arg(long, value_name = "N", default_value_t = 3)]
    faults: u8,
    /// Only this setting, e.g. fencing-stay-one-link.
    #[arg(long, value_name = "NAME")]
    setting: Option<String>,
    /// Workers [default: one for each processor].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// The most distinct states of one setting: up to 30 bytes each.
    #[arg(long, value_name = "N", default_value_t = 100_000_000)]
    states: usize,
    /// By how much a node may miss a deadline without a fault.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    late: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let known: Vec<Setting> = Setting::all().collect();
    let wanted =
        |setting: &&Setting| arguments.setting.as_ref().is_none_or(|name| *name == setting.to_string());
    let settings: Vec<Setting> = known.iter().filter(wanted).copied().collect();
    if settings.is_empty() {
        let names: Vec<String> = known.iter().map(Setting::to_string).collect();
        eprintln!("heartline-model: no such setting; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    match run(&arguments, &settings) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("heartline-model: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Explores the settings one after the other; whether all promises were kept. What one does not need of its share of
/// the time, the next ones have.
fn run(arguments: &Arguments, settings: &[Setting]) -> Result<bool, RootError> {
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let late = Duration::from_millis(arguments.late);
    let whole = Stopwatch::start();
    let mut kept = true;
    println!(
        "{:<28} {:>6} {:>12} {:>13} {:>6} {:>8}  end",
        "setting", "faults", "states", "transitions", "depth", "seconds"
    );
    for (setting, remaining) in settings.iter().zip((1..=settings.len()).rev()) {
        #[expect(clippy::cast_precision_loss, reason = "a handful of settings")]
        let share = (arguments.minutes * 60.0 - whole.seconds()) / remaining as f64;
        let watch = Stopwatch::start();
        let is_over = || watch.seconds() > share;
        let limits = Limits {
            depth: arguments.depth,
            faults: arguments.faults,
            states: arguments.states,
            jobs,
            late,
            is_over: &is_over,
        };
        let report = explore(*setting, &limits)?;
        print(&report, watch.seconds());
        if let End::Violation(found) = &report.end {
            kept = false;
            println!("\n{}", timeline::tell(*setting, arguments.faults, late, found)?);
        }
    }
    println!("{} settings, {jobs} workers, {:.0} s", settings.len(), whole.seconds());
    Ok(kept)
}

fn print(report: &Report, seconds: f64) {
    let end = match &report.end {
        End::Exhausted => "every state".to_owned(),
        End::Depth => "depth".to_owned(),
        End::Resources => "time or room".to_owned(),
        End::Violation(found) => format!("VIOLATION after {} actions", found.actions.len()),
    };
    let Report { setting, faults, states, transitions, depth, sights, .. } = report;
    println!(
        "{:<28} {faults:>6} {states:>12} {transitions:>13} {depth:>6} {seconds:>8.1}  {end}",
        setting.to_string()
    );
    println!(
        "    {} starts, {} of them moves and {} overlaps excused; {} stops, {} departures, {} hosts fenced",
        sights.starts, sights.moves, sights.overlaps, sights.stops, sights.departures, sights.fenced
    );
}
