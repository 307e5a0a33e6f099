//! Measures Heartline beside Linux-HA heartbeat and keepalived, and prints one table. Every product gets worlds of
//! its own, one quick and one steady; what runs inside tells its figures as JSON on standard output.

mod client;
mod clock;
mod cost;
mod error;
mod figures;
mod pair;
mod products;
mod scenarios;
mod tap;

use clap::Parser;
use error::Error;
use figures::{Figure, Report};
use heartline_lab::{World, dispatch, world};
use pair::Pair;
use products::{ProductName, Tempo};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

/// Measures Heartline beside Linux-HA heartbeat and keepalived on test hosts, and prints one table.
///
/// Takeovers and handovers are timed at the switch: from the last heartbeat of the dead node (for a handover, from
/// the last answer of the old one) to the first answer of the new one, to a client that asks every half millisecond.
/// What else runs on this machine is measured as well, so let nothing else run.
#[derive(Debug, Parser)]
#[command(name = "heartline-bench", max_term_width = 100)]
struct Arguments {
    /// How often each thing that happens is measured for Heartline.
    #[arg(long, default_value_t = 20, value_name = "N")]
    rounds: u32,
    /// The same for the others, which take longer.
    #[arg(long, default_value_t = 5, value_name = "N")]
    peer_rounds: u32,
    /// How long the processor is watched, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    seconds: u64,
    /// Which products; those that are not installed are left out.
    #[arg(long, value_delimiter = ',', default_values_t = ProductName::ALL)]
    products: Vec<ProductName>,
    /// The program under test [default: the one beside this program].
    #[arg(long, value_name = "PROGRAM")]
    heartline: Option<PathBuf>,
    /// Inside a world: what to measure.
    #[arg(long, hide = true)]
    inside: Option<Tempo>,
}

impl std::fmt::Display for ProductName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())
    }
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = dispatch(&words) {
        return code;
    }
    let arguments = Arguments::parse();
    let result = match arguments.inside {
        Some(tempo) => inside(&arguments, tempo),
        None => outside(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heartline-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every product in its worlds, and prints the table.
fn outside(arguments: &Arguments) -> Result<(), Error> {
    let heartline = program_under_test(arguments)?;
    let (mut reports, mut failure) = (Vec::new(), None);
    for &name in &arguments.products {
        let mut report = Report::default();
        for program in name.product().programs(&heartline) {
            match std::fs::metadata(&program) {
                Ok(data) => report.add(Figure::Programs, mebibytes(data.len())),
                Err(_) => eprintln!("{name} is left out: there is no {}", program.display()),
            }
        }
        if report.is_empty() {
            continue;
        }
        for tempo in ["quick", "steady"] {
            eprintln!("{name}, {tempo} ...");
            let inner = inner_words(arguments, name, tempo, &heartline);
            match measure_in_world(name, &inner) {
                Ok(part) => report.merge(part),
                // The others are worth knowing all the same.
                Err(error) => failure = Some(error),
            }
        }
        reports.push((name, report));
    }
    print!("{}", figures::table(&reports));
    failure.map_or(Ok(()), Err)
}

fn inner_words(arguments: &Arguments, name: ProductName, tempo: &str, heartline: &Path) -> Vec<OsString> {
    let Arguments { rounds, peer_rounds, seconds, .. } = arguments;
    let words = format!(
        "--inside {tempo} --products {name} --rounds {rounds} --peer-rounds {peer_rounds} --seconds {seconds} \
         --heartline"
    );
    words.split_whitespace().map(OsString::from).chain([heartline.into()]).collect()
}

fn measure_in_world(name: ProductName, words: &[OsString]) -> Result<Report, Error> {
    let this = std::env::current_exe().map_err(Error::io("find the path of this program"))?;
    let mut command = world::command(&this, words)?;
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(Error::io("run a world"))?;
    let report = output.status.success().then(|| serde_json::from_slice(&output.stdout).ok()).flatten();
    report.ok_or(Error::NoReport(name.word()))
}

/// Measures one product at one tempo, in the world that this process is in.
fn inside(arguments: &Arguments, tempo: Tempo) -> Result<(), Error> {
    let mut world = World::new(program_under_test(arguments)?)?;
    let mut report = Report::default();
    for &name in &arguments.products {
        let rounds = if name == ProductName::Heartline { arguments.rounds } else { arguments.peer_rounds };
        let mut pair = Pair::build(&mut world, name.product(), tempo)?;
        let measured = match tempo {
            Tempo::Quick => scenarios::measure(&mut pair, rounds, &mut report),
            Tempo::Steady => {
                cost::measure(&mut pair, name, Duration::from_secs(arguments.seconds), &mut report)
            }
        };
        measured.inspect_err(|_| pair.tell_logs())?;
    }
    serde_json::to_writer(std::io::stdout(), &report).map_err(Error::io("tell the figures"))
}

fn program_under_test(arguments: &Arguments) -> Result<PathBuf, Error> {
    let this = std::env::current_exe().map_err(Error::io("find the path of this program"))?;
    let program = arguments.heartline.clone().unwrap_or_else(|| this.with_file_name("heartline"));
    let program = Path::new(&program).canonicalize().map_err(|_| Error::NoProgram(program))?;
    if program.is_file() { Ok(program) } else { Err(Error::NoProgram(program)) }
}

fn mebibytes(bytes: u64) -> f64 {
    u32::try_from(bytes >> 10).map_or(f64::NAN, f64::from) / 1024.0
}
