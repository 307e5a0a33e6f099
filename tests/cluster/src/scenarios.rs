//! Scenarios: each is one test, in a world of its own. The program that has them is the test, the world's process 1, and the
//! service that the clusters keep alive. The program under test is `HEARTLINE_BIN`, else the workspace's release
//! build, else its debug build.

use heartline_lab::{World, dispatch, world};
use libtest_mimic::{Arguments, Failed, Trial};
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

/// What a scenario gives.
pub type Outcome = Result<(), Box<dyn Error>>;
/// Builds a cluster in a world, does something to it, and judges it.
pub type Scenario = fn(World) -> Outcome;

/// Runs these scenarios, so many at a time, as the command line says.
#[must_use]
pub fn main(scenarios: &'static [(&'static str, Scenario)], at_once: usize) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = dispatch(&arguments) {
        return code;
    }
    if let [word, name, heartline] = arguments.as_slice()
        && word == "inside"
    {
        return play(scenarios, &name.to_string_lossy(), heartline.into()).map_or_else(
            |error| {
                eprintln!("{error}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        );
    }
    run_tests(scenarios, at_once)
}

fn run_tests(scenarios: &'static [(&'static str, Scenario)], at_once: usize) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(at_once);
    let trials = scenarios.iter().map(|&(name, _)| Trial::test(name, move || enter_world(name)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs a scenario in a new world. Without the means for one, the error says what is missing.
fn enter_world(name: &str) -> Result<(), Failed> {
    let heartline = heartline()?;
    let arguments = ["inside".into(), name.into(), heartline.into()];
    let mut command = world::command(&std::env::current_exe()?, &arguments)?;
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        // Figures of those that have some.
        print!("{}", String::from_utf8_lossy(&output.stdout));
        return Ok(());
    }
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Err(format!("{}\n{}", output.status, said.concat()).into())
}

fn play(scenarios: &[(&str, Scenario)], name: &str, heartline: PathBuf) -> Outcome {
    let scenario = scenarios.iter().find(|(known, _)| *known == name);
    let (_, scenario) = scenario.ok_or_else(|| format!("there is no scenario {name}"))?;
    scenario(World::new(heartline)?)
}

/// The program under test.
fn heartline() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("HEARTLINE_BIN") {
        let path = PathBuf::from(path);
        return path.canonicalize().map_err(|error| format!("HEARTLINE_BIN={}: {error}", path.display()));
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = ["release", "debug"].map(|profile| workspace.join("target").join(profile).join("heartline"));
    let found = built.iter().find_map(|path| path.canonicalize().ok());
    found.ok_or_else(|| {
        "there is no program to test: build it with `cargo build --release -p heartline`, or name it in \
         HEARTLINE_BIN"
            .to_owned()
    })
}
