//! The commands of the README that set things up, test the house and keep it tidy: `cargo xtask COMMAND`.
//! What a command needs is installed by the command; each lives in a file of its own.

mod bench;
mod core_thumb;
mod coverage;
mod demo;
mod firmware;
mod fuzz;
mod lint;
mod man;
mod model;
mod packages;
mod planted;
mod process;
mod service_starts;
mod sim;
mod story;
mod test;
mod tidy;
mod toolchain;
mod watchdog;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use workspace::Workspace;

/// Builds, tests and shows Heartline.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every test: units, properties, and whole clusters of the release binary in namespaces.
    Test {
        /// What `cargo test` is to be told besides, e.g. a part of the names of the tests to run.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Install Debian's apache2, without starting it, and play the demo with it.
    Demo {
        /// What `heartline demo` is to be told, e.g. `--keep`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measure the release binary beside heartbeat and keepalived, and print one table.
    Bench {
        /// Install Debian's heartbeat and keepalived first, without starting them.
        #[arg(long)]
        install_peers: bool,
        /// What the benchmark is to be told, after `--`, e.g. `-- --rounds 50`; `-- --help` names all.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// Count which lines of the core its tests and the simulator reach.
    Coverage(coverage::Options),
    /// Explore every interleaving of two nodes, one group and a few faults, and check the promises of the design.
    Model {
        /// What the explorer is to be told, e.g. `--minutes 10`, `--depth 12`, `--setting fencing-stay-one-link`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run every fuzz target for a while, from the committed corpus on, and print one table.
    Fuzz(fuzz::Options),
    /// Run whole clusters of real core nodes in virtual time and check the promises of the design.
    Sim {
        /// What the simulator is to be told, e.g. `--seeds 10000 --jobs 2` or `--seed 42`; `--help` names all.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Plant bugs in the core, one at a time, and see that the simulator catches them.
    Planted {
        /// What the hunt is to be told, e.g. `--bug EpochKept --seeds 2000`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Play the acceptance story: PostgreSQL on a shared disk under power cuts, partitions, kills and stalls.
    Story {
        /// How many rounds, of the four kinds in turn.
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
    /// Run the release binary in a virtual machine with a hardware watchdog, which must fire when it must, and only then.
    Watchdog,
    /// Build the core for a Cortex-M3, without an allocator.
    CoreThumb,
    /// Build the firmware of the witness for its boards, and look at what came of it.
    #[command(subcommand)]
    Firmware(firmware::Task),
    /// Write those manual pages anew that are made of the program's own tables.
    Man,
    /// Check formatting, lints, documentation, licences and the sources of dependencies.
    Lint,
    /// Check what no linter sees: long files, unfinished work, paths of one machine, promises of the README.
    Tidy,
}

fn main() -> ExitCode {
    let command = Xtask::parse().command;
    let workspace = Workspace::here();
    let done = match command {
        Command::Test { arguments } => test::run(&workspace, &arguments),
        Command::Demo { arguments } => demo::run(&workspace, &arguments),
        Command::Bench { install_peers, arguments } => bench::run(&workspace, install_peers, &arguments),
        Command::Coverage(options) => coverage::run(&workspace, &options),
        Command::Model { arguments } => model::run(&workspace, &arguments),
        Command::Fuzz(options) => fuzz::run(&workspace, &options),
        Command::Sim { arguments } => sim::run(&workspace, &arguments),
        Command::Planted { arguments } => planted::run(&workspace, &arguments),
        Command::Story { rounds } => story::run(&workspace, rounds),
        Command::Watchdog => watchdog::run(&workspace),
        Command::CoreThumb => core_thumb::run(&workspace),
        Command::Firmware(task) => firmware::run(&workspace, task),
        Command::Man => man::run(&workspace),
        Command::Lint => lint::run(&workspace),
        Command::Tidy => tidy::run(&workspace),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cargo xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The names of all commands, for the check that the documents name no other.
fn command_names() -> Vec<String> {
    use clap::CommandFactory;
    Xtask::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Xtask::command().debug_assert();
    }

    #[test]
    fn arguments_reach_the_demo_unchanged() {
        let words = ["xtask", "demo", "--keep", "--article-times"];
        let Command::Demo { arguments } = Xtask::try_parse_from(words).unwrap().command else {
            panic!("no demo");
        };
        assert_eq!(arguments, ["--keep", "--article-times"]);
    }
}
