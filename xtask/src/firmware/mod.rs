//! `cargo xtask firmware`: the witness's firmware for its boards, and whether it keeps its budget.

mod elf;
mod stack;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::packages;
use crate::process::{self, Failure, file_failure};
use crate::test::BINARY_VARIABLE;
use crate::toolchain::Toolchain;
use crate::workspace::{Profile, Workspace};

/// What may be asked of the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum Task {
    /// Build it for every board.
    Build,
    /// Print how much flash and memory it takes on each board, its stack included; more than the budget is an error.
    Size,
    /// Run it on the emulated board, between two real nodes and between two real daemons.
    Test {
        /// Only this: garbage at one side for so long, at the full rate of the line.
        #[arg(long, value_name = "MINUTES", conflicts_with = "scenarios")]
        garbage_minutes: Option<u32>,
        /// Only what `cargo xtask test` leaves out: the scenarios of whole clusters with a witness, on the board.
        #[arg(long)]
        scenarios: bool,
    },
}

/// A board that the firmware is built for.
#[derive(Debug)]
struct Board {
    name: &'static str,
    target: &'static str,
    /// The handler of the clock's exception, which comes on top of everything.
    exceptions: &'static [&'static str],
    /// Bytes of stack that the functions in its ROM need at most, if it calls any.
    rom: Option<u32>,
}

/// QEMU has it.
const EMULATED: Board =
    Board { name: "lm3s6965", target: "thumbv7m-none-eabi", exceptions: &["SysTick"], rom: None };
const BOARDS: &[Board] = &[
    EMULATED,
    // Its ROM erases and writes flash, divides, and copies.
    Board { name: "rp2040", target: "thumbv6m-none-eabi", exceptions: &[], rom: Some(128) },
];

/// How the tests of the emulated board learn which firmware they are to test.
pub(crate) const FIRMWARE_VARIABLE: &str = "HEARTLINE_FIRMWARE";

/// Has the scenarios with a witness take the emulated board for it.
const EMULATED_VARIABLE: &str = "HEARTLINE_EMULATED_WITNESS";
/// How long the garbage lasts, in minutes.
const GARBAGE_VARIABLE: &str = "HEARTLINE_GARBAGE_MINUTES";

const FLASH_BUDGET: u32 = 48 << 10;
const MEMORY_BUDGET: u32 = 8 << 10;
const MEMORY: u32 = 0x2000_0000;

/// Does it.
///
/// # Errors
/// If a board cannot be built, or is over the budget.
pub(crate) fn run(workspace: &Workspace, task: Task) -> Result<(), Failure> {
    if let Task::Test { garbage_minutes, scenarios } = task {
        return test(workspace, garbage_minutes, scenarios);
    }
    let built = BOARDS.iter().map(|board| board.build(workspace)).collect::<Result<Vec<_>, _>>()?;
    match task {
        Task::Build => {
            built.iter().for_each(|path| println!("{}", path.display()));
            Ok(())
        }
        Task::Test { .. } => Ok(()),
        Task::Size => BOARDS.iter().zip(&built).try_for_each(|(board, path)| board.weigh(path)),
    }
}

/// The firmware for the board that QEMU has.
///
/// # Errors
/// If it cannot be built.
pub(crate) fn emulated(workspace: &Workspace) -> Result<PathBuf, Failure> {
    EMULATED.build(workspace)
}

fn test(workspace: &Workspace, garbage_minutes: Option<u32>, scenarios: bool) -> Result<(), Failure> {
    packages::require(packages::LABORATORY)?;
    packages::require(packages::EMULATOR)?;
    let firmware = emulated(workspace)?;
    let binary = workspace.build_heartline(Profile::Release)?;
    let tests = |words: &[&str]| {
        let mut tests = workspace.cargo("test");
        tests.arg("--locked").arg("--target-dir").arg(&workspace.target).arg("--package").args(words);
        tests.env(FIRMWARE_VARIABLE, &firmware).env(BINARY_VARIABLE, &binary);
        tests
    };
    if let Some(minutes) = garbage_minutes {
        let mut garbage = tests(&["heartline-dongle-tests", "--test", "board", "garbage"]);
        return process::run(garbage.env(GARBAGE_VARIABLE, minutes.to_string()));
    }
    if !scenarios {
        process::run(&mut tests(&["heartline-dongle-tests"]))?;
    }
    let mut scenarios = tests(&["heartline-cluster-tests", "--test", "cluster", "witness"]);
    process::run(scenarios.env(EMULATED_VARIABLE, "1"))
}

impl Board {
    /// Builds its firmware, and says where that is.
    fn build(&self, workspace: &Workspace) -> Result<PathBuf, Failure> {
        let target = workspace.target.join("firmware");
        let mut build = Toolchain::build_for(self.target)?;
        build
            .args(["--release", "--locked", "--target-dir"])
            .arg(&target)
            .current_dir(workspace.root.join("fw-serial-bridge/boards").join(self.name));
        process::run(&mut build)?;
        Ok(target.join(self.target).join("release").join(format!("heartline-{}", self.name)))
    }

    fn weigh(&self, path: &Path) -> Result<(), Failure> {
        let bytes = fs::read(path).map_err(file_failure(path))?;
        let program = elf::Program::read(&bytes).ok_or_else(|| {
            Failure::Other(format!("{} is no program for a microcontroller", path.display()))
        })?;
        let sections = program.sections.iter();
        let flash: u32 =
            sections.clone().filter(|section| section.is_stored).map(|section| section.size).sum();
        let in_memory = sections.filter(|section| section.is_loaded && section.address >= MEMORY);
        let variables: u32 = in_memory.map(|section| section.size).sum();
        let deepest = stack::deepest(&program, "Reset", self.exceptions, self.rom)
            .map_err(|what| Failure::Other(format!("{}: {what}", self.name)))?;
        let memory = variables + deepest.bytes;
        println!("{}: {flash} of {FLASH_BUDGET} bytes of flash", self.name);
        println!(
            "{}: {memory} of {MEMORY_BUDGET} bytes of memory: {variables} of variables, {} of stack at most:",
            self.name, deepest.bytes
        );
        for (name, bytes) in deepest.chain.iter().filter(|(_, bytes)| *bytes > 0) {
            println!("    {bytes:5} {}", readable(name));
        }
        if flash > FLASH_BUDGET || memory > MEMORY_BUDGET {
            return Err(Failure::Other(format!("{} is over its budget", self.name)));
        }
        Ok(())
    }
}

/// The last words of a mangled name, which say enough.
fn readable(mangled: &str) -> String {
    let mut words = Vec::new();
    let mut rest = mangled;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - at);
        let length = rest[at..at + digits].parse().unwrap_or(0);
        rest = &rest[at + digits..];
        let word = rest.strip_prefix('_').unwrap_or(rest).get(..length);
        if let Some(word) = word.filter(|word| word.len() > 2) {
            words.push(word);
            rest = &rest[rest.find(word).unwrap_or(0) + length..];
        }
    }
    if words.is_empty() { mangled.to_owned() } else { words[words.len().saturating_sub(3)..].join("::") }
}
