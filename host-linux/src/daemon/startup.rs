//! From the command line to a daemon that is up: files read, log open, generation counted, sockets bound. Every way
//! to fail has its exit code here.

use std::path::Path;
use std::process::ExitCode;

use heartline_core::Node;
use heartline_core::ids::Generation;
use heartline_core::maintenance::Maintenance;

use super::core_config::core_config;
use super::{Daemon, Options, memory, real_time};
use crate::clock;
use crate::config::{self, Configuration, Diagnostic, Loaded, RealSystem, Severity};
use crate::control::{self, server::Server};
use crate::durable::{self, GenerationOrigin, PidFile, PidFileError};
use crate::log::{Level, Log};
use crate::resources;

/// The original's exit status for a configuration that is refused.
const CONFIGURATION_ERROR: u8 = 6;
/// Scratch of the original's scripts, and that of OCF agents, which remember there what runs.
const SCRATCH: [&str; 2] = ["heartbeat/rsctmp", "resource-agents"];

// Inlined, its 130 KiB of stack would stay in use, and locked, for as long as the daemon runs.
#[inline(never)]
pub(super) fn start(options: &Options) -> Result<Box<Daemon>, ExitCode> {
    let host = config::System::host_name(&RealSystem).unwrap_or_else(|_| "localhost".into());
    let mut log = Log::early(&host, "heartbeat", std::process::id());
    let Some(configuration) = report(config::load(&options.config_dir, &RealSystem), &mut log) else {
        log.write(Level::Error, "Configuration error, heartbeat not started.");
        return Err(ExitCode::from(CONFIGURATION_ERROR));
    };
    let fail = |log: &mut Log, text: String| {
        log.write(Level::Error, &text);
        ExitCode::FAILURE
    };
    // Before the log files are opened: they are those of the daemon that may be running.
    let pid_file = PidFile::acquire(&options.run_dir).map_err(|error| match error {
        PidFileError::Running { .. } => {
            log.write(Level::Info, &error.to_string());
            ExitCode::SUCCESS
        }
        _ => fail(&mut log, error.to_string()),
    })?;
    for problem in log.configure(&configuration.logging, options.foreground || options.ready.is_some()) {
        log.write(Level::Warn, &problem.to_string());
    }
    log.set_debug(configuration.logging.debug.saturating_add(options.debug));
    let (core, keys) = core_config(&configuration).map_err(|unfit| {
        log.write(Level::Error, &format!("Configuration error, heartbeat not started: {unfit}."));
        ExitCode::from(CONFIGURATION_ERROR)
    })?;
    log.write(Level::Info, "**************************");
    let version = env!("CARGO_PKG_VERSION");
    log.write(Level::Info, &format!("Configuration validated. Starting heartline {version}"));
    if options.resumed {
        log.write(Level::Info, "Heartbeat restarted: resources that run here were kept.");
    }
    // Before anything is touched that a daemon without its pid file might still be using.
    let server = Server::bind(&control::socket_path(&options.run_dir))
        .map_err(|error| fail(&mut log, error.to_string()))?;
    for pid in resources::end_leftovers(&options.run_dir) {
        let text = format!(
            "The program with process id {pid} was left running by a daemon that was killed; it was ended"
        );
        log.write(Level::Warn, &text);
    }
    let generation =
        durable::next_generation(&options.state_dir).map_err(|error| fail(&mut log, error.to_string()))?;
    match generation.origin {
        GenerationOrigin::Counted => {}
        GenerationOrigin::Missing => {
            log.write(Level::Warn, &format!("No Previous generation - starting at {}", generation.number));
        }
        GenerationOrigin::Broken => {
            log.write(
                Level::Warn,
                &format!("BROKEN previous generation - starting at {}", generation.number),
            );
        }
    }
    log.write(Level::Info, &format!("Heartbeat generation: {}", generation.number));
    let maintenance = memory::maintenance(&options.state_dir).unwrap_or_else(|error| {
        let text = format!(
            "Cannot tell from {} whether maintenance is on ({error}): it counts as off until another node says otherwise",
            options.state_dir.display()
        );
        log.write(Level::Error, &text);
        Maintenance::default()
    });
    if maintenance.is_on() {
        log.write(
            Level::Info,
            "Maintenance is on: resources stay as they are, and nothing is managed until it ends",
        );
    }
    // Agents of what runs keep what they must know in it.
    let is_in_use = options.resumed || maintenance.is_on();
    for scratch in SCRATCH.map(|name| options.run_dir.join(name)).iter().filter(|_| !is_in_use) {
        if let Err(error) = make_scratch(scratch) {
            log.write(Level::Warn, &format!("Cannot make {}: {error}", scratch.display()));
        }
    }
    let node =
        Node::new(core, keys, Generation(generation.number), clock::core_now()).remembering(maintenance);
    Daemon::new(options, configuration, node, log, server, pid_file).map_err(|failure| {
        let (mut log, error) = *failure;
        fail(&mut log, format!("Cannot set up the main loop: {error}"))
    })
}

impl Daemon {
    /// Becomes what it is to be for as long as it runs, when all that the start needed is done with.
    pub(super) fn settle_in(&mut self, options: &mut Options) {
        if let (true, Some(priority)) = (options.realtime, self.configuration.realtime) {
            for problem in real_time::engage(priority) {
                self.log.write(Level::Warn, &problem);
            }
        }
        if let Err(error) = options.report_up() {
            self.log.write(Level::Warn, &format!("Cannot let go of the terminal: {error}"));
        }
        if !options.foreground {
            self.log.leave_terminal();
        }
    }
}

/// Says all that is to be said about the three files; none if there is an error among it.
pub(super) fn report(loaded: Loaded, log: &mut Log) -> Option<Configuration> {
    for diagnostic in loaded.diagnostics.iter().chain(&loaded.advice) {
        log.write(level(diagnostic), &diagnostic.one_line());
    }
    loaded.configuration
}

fn level(diagnostic: &Diagnostic) -> Level {
    match diagnostic.severity {
        Severity::Info => Level::Info,
        Severity::Warning => Level::Warn,
        Severity::Error => Level::Error,
    }
}

/// Makes the directory if it is not there. The original empties it at every start; here what runs outlives a daemon,
/// and the next boot empties `/run`.
fn make_scratch(scratch: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(scratch)?;
    std::fs::set_permissions(scratch, std::fs::Permissions::from_mode(0o1755))
}
