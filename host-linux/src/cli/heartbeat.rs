//! `heartbeat` with the original's options, texts and exit codes: starts, stops, reloads and finds the daemon.

use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::getopt::{self, OptionError, Parsed};
use super::places::Places;
use super::status::Palette;
use super::{Output, background, check, host_name};
use crate::control::{Client, ClientError, Request, Snapshot};
use crate::daemon;
use crate::durable::RunningDaemon;
use crate::log::{Level, Log};

/// How long `-r` waits for the daemon's word; host names in ha.cf may have to be looked up.
const RELOAD_LIMIT: Duration = Duration::from_secs(60);

/// Runs `heartbeat` with these words.
pub(super) fn run(invoked: &str, words: &[String], places: &Places) -> ExitCode {
    let parsed = match getopt::parse(words, "dDkMrRsvWlVfhC:") {
        Ok(parsed) => parsed,
        Err(error) => return usage(invoked, Some(error)).print(),
    };
    match action(&parsed) {
        Action::Usage => usage(invoked, None).print(),
        Action::Refuse(option) => {
            let reason =
                format!("{invoked}: -{option} has no meaning here: heartline manages resources itself.\n");
            Output::bad(2, reason).print()
        }
        Action::Version => Output::good(concat!("heartline ", env!("CARGO_PKG_VERSION"), "\n")).print(),
        Action::Directives => Output::good(crate::config::directives::table()).print(),
        Action::Status => with_daemon(places, status).print(),
        Action::Kill => with_daemon(places, stop).print(),
        Action::Reload => reload(&parsed, places),
        Action::Start => start(&parsed, places),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Usage,
    Refuse(char),
    Version,
    Directives,
    Status,
    Kill,
    Reload,
    Start,
}

fn action(parsed: &Parsed) -> Action {
    let asked = |option| parsed.has(option);
    match parsed {
        _ if asked('h') || !parsed.parameters.is_empty() => Action::Usage,
        _ if asked('C') && !asked('R') || asked('r') && asked('R') => Action::Usage,
        _ if asked('R') => Action::Refuse('R'),
        _ if asked('M') => Action::Refuse('M'),
        _ if asked('V') => Action::Version,
        _ if asked('D') || asked('W') => Action::Directives,
        _ if asked('s') => Action::Status,
        _ if asked('k') => Action::Kill,
        _ if asked('r') => Action::Reload,
        _ => Action::Start,
    }
}

fn usage(invoked: &str, error: Option<OptionError>) -> Output {
    let complaint = error.map_or_else(String::new, |error| format!("{invoked}: {error}\n"));
    Output::bad(
        2,
        format!(
            "{complaint}\nUsage: heartbeat [-dDkMrRsvWlVf] [-C Current-resource-state]\n\
             \t-C only valid with -R\n\t-r is mutually exclusive with -R\n"
        ),
    )
}

fn with_daemon(places: &Places, act: fn(Option<RunningDaemon>, &Places) -> Output) -> Output {
    match RunningDaemon::find(&places.run_dir) {
        Ok(daemon) => act(daemon, places),
        Err(error) => Output::bad(1, format!("heartbeat: cannot look for the daemon: {error}\n")),
    }
}

fn status(daemon: Option<RunningDaemon>, places: &Places) -> Output {
    let Some(daemon) = daemon else {
        let stdout = "heartbeat is stopped. No process\n".to_owned();
        return Output { stdout, code: 1, ..Output::default() };
    };
    let host = host_name();
    let node = node_name(places).unwrap_or_else(|| host.clone());
    Output::good(format!("heartbeat OK [pid {} et al] is running on {host} [{node}]...\n", daemon.pid))
}

/// The daemon's word; none while it is not far enough to answer, or to whom it does not answer.
fn node_name(places: &Places) -> Option<String> {
    asked(places).map(|snapshot| snapshot.this_node)
}

fn asked(places: &Places) -> Option<Box<Snapshot>> {
    let limit = Duration::from_secs(1);
    let mut client = Client::connect(&places.control_socket(), Some(limit)).ok()?;
    client.ask(&Request::Status, |_| {}).ok()?.snapshot
}

fn stop(daemon: Option<RunningDaemon>, places: &Places) -> Output {
    let Some(daemon) = daemon else {
        let stderr = "INFO: Heartbeat already stopped.\n".to_owned();
        return Output { stderr, ..Output::default() };
    };
    let pid = daemon.pid;
    let stdout = if asked(places).is_some_and(|snapshot| snapshot.maintenance) {
        "Maintenance is on: resources go on running here, and nobody takes them over.\n".to_owned()
    } else {
        String::new()
    };
    let stopped =
        kill(pid, Signal::SIGTERM).map_err(std::io::Error::from).and_then(|()| daemon.wait_until_gone());
    match stopped {
        Ok(()) => Output::good(stdout),
        Err(error) => Output::bad(1, format!("heartbeat: cannot stop pid {pid}: {error}\n")),
    }
}

fn reload(parsed: &Parsed, places: &Places) -> ExitCode {
    let daemon = match RunningDaemon::find(&places.run_dir) {
        Ok(Some(daemon)) => daemon,
        Ok(None) => return start(parsed, places),
        Err(error) => {
            let reason = format!("heartbeat: cannot look for the daemon: {error}\n");
            return Output::bad(1, reason).print();
        }
    };
    let mut log = Log::early(&host_name(), "heartbeat", std::process::id());
    let findings = check::examine(&places.config_dir, Palette::for_stream(&std::io::stderr()));
    let _ = Output { stderr: findings.text, ..Output::default() }.print();
    let pid = daemon.pid;
    if findings.errors {
        log.write(Level::Info, &format!("Config errors: Heartbeat pid {pid} NOT restarted"));
        return ExitCode::FAILURE;
    }
    log.write(Level::Info, &format!("Signalling heartbeat pid {pid} to reread config files"));
    match reread(places) {
        // A daemon that is not far enough to be asked takes the signal when it is.
        Err(ClientError::NotRunning) => match kill(pid, Signal::SIGHUP) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                log.write(Level::Error, &format!("Cannot signal pid {pid}: {error}"));
                ExitCode::FAILURE
            }
        },
        Err(error) => Output::bad(1, format!("{error}\n")).print(),
        Ok(outcome) if outcome.ok => Output::good(format!("{}\n", outcome.message)).print(),
        Ok(outcome) => Output::bad(outcome.exit_code.max(1), format!("{}\n", outcome.message)).print(),
    }
}

/// The daemon's word on the new configuration: a signal would leave a refusal in the log alone.
fn reread(places: &Places) -> Result<crate::control::Outcome, ClientError> {
    let mut client = Client::connect(&places.control_socket(), Some(RELOAD_LIMIT))?;
    client.ask(&Request::Reload, |_| {}).map(|answer| answer.outcome)
}

fn start(parsed: &Parsed, places: &Places) -> ExitCode {
    let debug = u8::try_from(parsed.count('d')).unwrap_or(u8::MAX);
    let realtime = !parsed.has('l');
    if parsed.has('v') {
        let stderr = check::parameters(&places.config_dir);
        let _ = Output { stderr, ..Output::default() }.print();
    }
    if parsed.has('f') {
        return daemon::run(daemon::Options {
            config_dir: places.config_dir.clone(),
            state_dir: places.state_dir.clone(),
            run_dir: places.run_dir.clone(),
            foreground: true,
            debug,
            realtime,
            ready: None,
            resumed: false,
        });
    }
    match background::start(places, debug, realtime) {
        Ok(code) => ExitCode::from(code),
        Err(error) => Output::bad(1, format!("heartbeat: cannot start in the background: {error}\n")).print(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake_daemon::{FakeDaemon, recorded_cluster};
    use crate::control::Outcome;
    use crate::durable::PidFile;

    fn parsed(line: &str) -> Result<Parsed, OptionError> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        getopt::parse(&words, "dDkMrRsvWlVfhC:")
    }

    fn places() -> (tempfile::TempDir, Places) {
        let directory = tempfile::tempdir().unwrap();
        let place = || directory.path().to_owned();
        let places = Places { config_dir: place(), state_dir: place(), run_dir: place() };
        (directory, places)
    }

    #[test]
    fn an_unknown_option_is_refused_in_the_originals_words() {
        let error = parsed("-x").unwrap_err();
        let output = usage("/usr/libexec/heartbeat/heartbeat", Some(error));
        assert_eq!(
            output,
            Output::bad(
                2,
                "/usr/libexec/heartbeat/heartbeat: invalid option -- 'x'\n\nUsage: heartbeat \
                 [-dDkMrRsvWlVf] [-C Current-resource-state]\n\t-C only valid with -R\n\t-r is \
                 mutually exclusive with -R\n"
            )
        );
    }

    #[test]
    fn options_choose_what_is_done() {
        for (line, expected) in [
            ("", Action::Start),
            ("-fdd", Action::Start),
            ("-r", Action::Reload),
            ("-rR", Action::Usage),
            ("-C all", Action::Usage),
            ("-M", Action::Refuse('M')),
            ("-DW", Action::Directives),
            ("-V", Action::Version),
            ("-s", Action::Status),
            ("-k", Action::Kill),
            ("now", Action::Usage),
        ] {
            assert_eq!(action(&parsed(line).unwrap()), expected, "{line}");
        }
    }

    #[test]
    fn a_stopped_daemon_is_reported_as_in_the_original() {
        let (_directory, places) = places();
        let output = with_daemon(&places, status);
        assert_eq!((output.stdout.as_str(), output.code), ("heartbeat is stopped. No process\n", 1));
        let output = with_daemon(&places, stop);
        assert_eq!((output.stderr.as_str(), output.code), ("INFO: Heartbeat already stopped.\n", 0));
    }

    #[test]
    fn a_running_daemon_is_reported_with_its_pid() {
        let (_directory, places) = places();
        let _held = PidFile::acquire(&places.run_dir).unwrap();
        let (pid, host) = (std::process::id(), host_name());
        let output = with_daemon(&places, status);
        let expected = format!("heartbeat OK [pid {pid} et al] is running on {host} [{host}]...\n");
        assert_eq!(output, Output::good(expected));
    }

    #[test]
    fn a_refused_configuration_is_told_by_the_daemon() {
        let refusal = "svcA is in use here. The old configuration stays in force.";
        let daemon = FakeDaemon::start(recorded_cluster(), Outcome::failed(1, refusal));
        let (_directory, places) = places();
        assert!(matches!(reread(&places), Err(ClientError::NotRunning)));
        std::fs::create_dir(places.run_dir.join("heartbeat")).unwrap();
        std::os::unix::fs::symlink(daemon.socket(), places.control_socket()).unwrap();
        let outcome = reread(&places).unwrap();
        assert_eq!((outcome.ok, outcome.message.as_str()), (false, refusal));
        assert_eq!(daemon.commands.recv().unwrap(), Request::Reload);
    }
}
