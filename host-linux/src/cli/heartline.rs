//! `heartline SUBCOMMAND`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::hb_transfer::{standby_scope, takeover_scope};
use super::places::Places;
use super::status::{Palette, render_status};
use super::transfer::{Patience, carry_out, show_step, unanswered};
use super::{Output, administration, background, check, dongle, replay, serial_test};
use crate::control::{Client, Request, Scope};
use crate::{agents, clients, daemon, demo};

/// How long `status` waits for a daemon that is there and does not answer.
const STATUS_LIMIT: Duration = Duration::from_secs(5);

/// Keeps a service alive on a pair of Linux machines.
///
/// Reads ha.cf, authkeys and haresources from /etc/ha.d as Linux-HA heartbeat does, and answers to the names
/// heartbeat, cl_status, hb_standby and hb_takeover as well.
#[derive(Debug, Parser)]
#[command(
    name = "heartline",
    version,
    max_term_width = 100,
    after_help = "In a hurry?\n  heartline status         what runs where, and what is wrong\n  \
                  heartline standby        move everything to the other machine\n  \
                  heartline takeover       fetch everything to this machine\n  \
                  heartline cleanup        forget failures, so that groups may run here again\n  \
                  heartline maintenance    leave all services as they are while you work on them\n  \
                  heartline confirm-down   vouch that a dead node is down, when no fencing device can\n  \
                  heartline check          find mistakes in the configuration before they count"
)]
struct Heartline {
    #[command(subcommand)]
    command: Command,
    /// Where the daemon keeps its pid file and its control socket [default: /run].
    #[arg(long, global = true, value_name = "DIR")]
    run_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the nodes, the links between them, and which node runs what.
    ///
    /// What needs attention comes first. Exits with 0 if the daemon answers, else with 1.
    Status {
        /// Print all that is known as one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Give resource groups up to the other node, and wait until it runs them.
    ///
    /// Exits with 0 when they run there, and with another code and the reason when they do not.
    Standby(Transfer),
    /// Take resource groups over from the other node, and wait until they run here.
    ///
    /// The other node stops them first; if it is dead, they run here already. Exits as `standby` does.
    Takeover(Transfer),
    /// Forget failures: groups that failed too often, or could not be started or stopped here, may run here again.
    ///
    /// Mend the cause first; `heartline status` names it.
    Cleanup {
        /// One group, by one of its resources as in haresources; all groups if absent.
        #[arg(value_name = "RESOURCE")]
        group: Option<String>,
    },
    /// Turn maintenance on or off for the whole cluster: services stay as they are, and nothing is managed.
    ///
    /// Nothing is started, stopped, moved, fenced or rebooted meanwhile, whoever dies; daemons may be stopped, upgraded and
    /// started. When it ends, every group is looked at before anything is moved. Waits until all nodes that are there know.
    Maintenance {
        /// What it is to be from now on.
        #[arg(value_enum)]
        state: Switch,
    },
    /// Restart the daemon, for example after an upgrade of the program; what runs here goes on.
    ///
    /// The other nodes are told and wait for at most 30 seconds more than the dead time. Exits with 0 when the daemon is back
    /// and everything that ran here still does.
    Restart {
        /// Do not stop the services. (To stop them: heartbeat -k, then heartbeat.)
        #[arg(long, required = true)]
        keep_services: bool,
    },
    /// Vouch that a dead node is down, where it cannot be fenced: its groups are taken over.
    ///
    /// If the node still runs, the data on shared disks is destroyed. Who says so is recorded. Waits until the groups are
    /// taken over, and tells where they run.
    ConfirmDown {
        /// The node, as in ha.cf.
        node: String,
        /// Do not ask: for scripts that know that it is down.
        #[arg(long)]
        yes: bool,
    },
    /// Look for mistakes in a configuration, without touching anything.
    ///
    /// Exits with 0 if the daemon would start with it, else with 6.
    Check {
        /// The directory with ha.cf, authkeys and haresources [default: /etc/ha.d].
        directory: Option<PathBuf>,
    },
    /// Send a line over a null-modem cable, or wait for one, while no daemon uses it.
    ///
    /// Start --receive on one host, then --send on the other. Exits with 0 if the line passed.
    SerialTest(serial_test::SerialTest),
    /// The witness in the null-modem cable: give it its keys, ask it who it is, see what it did.
    ///
    /// `show` and `journal` ask the daemon; `ask` and `provision` speak to the witness over its serial line, while no daemon
    /// of this host uses that.
    #[command(subcommand)]
    Dongle(dongle::Dongle),
    /// Show a whole cluster at work: two hosts and their cables, played on this machine alone.
    ///
    /// Exits with 0 if every step went as it should.
    Demo(demo::Options),
    /// Replay the flight record that a daemon keeps in its state directory: what it decided, and why.
    ///
    /// The inputs of the record are run through the same code as in the daemon. Exits with 0 if it decides as it did
    /// then, with 3 if not (another version wrote the record), and with 1 if there is nothing to replay.
    Replay(replay::Options),
    /// Run the daemon in the foreground.
    Daemon(Daemon),
    /// Become a user, then a command: how the daemon starts what `respawn` and `failfast` lines ask for.
    #[command(hide = true)]
    Client {
        /// The user, name or number.
        user: String,
        /// The command with its arguments, for a shell.
        #[arg(allow_hyphen_values = true)]
        command: String,
    },
    /// Run a built-in resource agent as the daemon does: arguments, then a verb.
    #[command(hide = true)]
    Agent {
        /// The agent.
        name: String,
        /// Its arguments, then the verb.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    /// Services stay as they are.
    On,
    /// Services are managed.
    Off,
}

#[derive(Debug, Args)]
struct Transfer {
    /// Which groups, as this node sees them.
    #[arg(value_enum, default_value_t = Which::All)]
    which: Which,
    /// Return at once, before anything has happened.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Every group.
    All,
    /// The groups that prefer this node.
    Local,
    /// The groups that prefer the other node.
    Foreign,
    /// The groups that are not where they belong.
    Failback,
}

impl Which {
    fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Local => "local",
            Self::Foreign => "foreign",
            Self::Failback => "failback",
        }
    }
}

#[derive(Debug, Args)]
struct Daemon {
    /// Where ha.cf, authkeys and haresources are [default: /etc/ha.d].
    #[arg(long, value_name = "DIR")]
    config_dir: Option<PathBuf>,
    /// Where the generation is kept [default: /var/lib/heartbeat].
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Say more; once more for still more.
    #[arg(short, long, action = clap::ArgAction::Count)]
    debug: u8,
    /// Use neither real-time scheduling nor locked memory.
    #[arg(short = 'l', long)]
    no_realtime: bool,
    /// Leave the terminal; standard output is the pipe on which somebody waits.
    #[arg(long, hide = true)]
    detached: bool,
    /// Be quiet on standard error, without leaving anything.
    #[arg(long, hide = true)]
    background: bool,
    /// This is the next life of a daemon that kept its services running.
    #[arg(long, hide = true)]
    resumed: bool,
}

/// The command line of `heartline`, for the manual.
#[must_use]
pub fn command() -> clap::Command {
    use clap::CommandFactory;
    Heartline::command()
}

/// Runs `heartline` with these words, the first being its own name.
pub(super) fn run(words: Vec<OsString>, places: &Places) -> ExitCode {
    let heartline = match Heartline::try_parse_from(words) {
        Ok(heartline) => heartline,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut places = places.clone();
    places.run_dir = heartline.run_dir.unwrap_or(places.run_dir);
    match heartline.command {
        Command::Status { json } => status(json, &places).print(),
        Command::Standby(transfer) => {
            transfer_groups(&transfer, &places, standby_scope, |scope| Request::Standby { scope })
        }
        Command::Takeover(transfer) => {
            transfer_groups(&transfer, &places, takeover_scope, |scope| Request::Takeover { scope })
        }
        Command::Cleanup { group } => {
            let request = Request::Cleanup { group };
            carry_out(&places.control_socket(), &request, Patience::Wait, show_step).print()
        }
        Command::Maintenance { state } => {
            administration::maintenance(state == Switch::On, &places.control_socket()).print()
        }
        Command::Restart { keep_services: _ } => administration::restart(&places).print(),
        Command::ConfirmDown { node, yes } => {
            administration::confirm_down(&node, yes, &places.control_socket()).print()
        }
        Command::Check { directory } => {
            let palette = Palette::for_stream(&std::io::stdout());
            let findings = check::examine(&directory.unwrap_or(places.config_dir), palette);
            let code = if findings.errors { 6 } else { 0 };
            Output { stdout: findings.text, code, ..Output::default() }.print()
        }
        Command::SerialTest(test) => serial_test::run(&test).print(),
        Command::Dongle(what) => dongle::run(&what, &places).print(),
        Command::Demo(options) => demo::run(&options),
        Command::Replay(options) => replay::run(&options, &places.state_dir).print(),
        Command::Daemon(options) => run_daemon(options, places),
        Command::Client { user, command } => {
            let error = clients::launch(&user, &command);
            Output::bad(126, format!("{error}\n")).print()
        }
        Command::Agent { name, words } => match words.split_last() {
            Some((verb, arguments)) => agents::run(&name, arguments, verb),
            None => ExitCode::from(2),
        },
    }
}

fn status(json: bool, places: &Places) -> Output {
    let attempt =
        || Client::connect(&places.control_socket(), Some(STATUS_LIMIT))?.ask(&Request::Status, |_| {});
    let answer = match attempt() {
        Ok(answer) => answer,
        Err(error) => return unanswered(&error),
    };
    let Some(snapshot) = answer.snapshot else {
        return Output::bad(1, format!("{}\n", answer.outcome.message));
    };
    if !json {
        let palette = Palette::for_stream(&std::io::stdout());
        return Output::good(render_status(&snapshot, palette));
    }
    match serde_json::to_string_pretty(&snapshot) {
        Ok(text) => Output::good(text + "\n"),
        Err(error) => Output::bad(1, format!("The status cannot be written as JSON: {error}\n")),
    }
}

fn transfer_groups(
    transfer: &Transfer,
    places: &Places,
    scope_of: fn(&str) -> Option<Scope>,
    request_for: fn(Scope) -> Request,
) -> ExitCode {
    let patience = if transfer.no_wait { Patience::NoWait } else { Patience::Wait };
    let scope = scope_of(transfer.which.word()).unwrap_or(Scope::All);
    carry_out(&places.control_socket(), &request_for(scope), patience, show_step).print()
}

fn run_daemon(options: Daemon, places: Places) -> ExitCode {
    let ready = match options.detached.then(background::detach).transpose() {
        Ok(ready) => ready,
        Err(error) => {
            return Output::bad(1, format!("heartline: cannot leave the terminal: {error}\n")).print();
        }
    };
    daemon::run(daemon::Options {
        config_dir: options.config_dir.unwrap_or(places.config_dir),
        state_dir: options.state_dir.unwrap_or(places.state_dir),
        run_dir: places.run_dir,
        foreground: !options.detached && !options.background,
        debug: options.debug,
        realtime: !options.no_realtime,
        ready,
        resumed: options.resumed,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Heartline::command().debug_assert();
    }

    #[test]
    fn an_agent_gets_its_words_unchanged() {
        let words = ["heartline", "agent", "IPaddr", "10.0.0.1/24/eth0", "--odd", "start"];
        let Command::Agent { name, words } = Heartline::try_parse_from(words).unwrap().command else {
            panic!("no agent");
        };
        assert_eq!(name, "IPaddr");
        assert_eq!(words, ["10.0.0.1/24/eth0", "--odd", "start"]);
    }

    #[test]
    fn a_line_is_either_sent_or_received() {
        let parse = |words: &[&str]| {
            let line = ["heartline", "serial-test", "/dev/ttyS0"].iter().chain(words);
            Heartline::try_parse_from(line).is_ok()
        };
        assert!(parse(&["--send", "hello"]));
        assert!(parse(&["--receive", "--baud", "9600", "--timeout", "5"]));
        assert!(!parse(&[]));
        assert!(!parse(&["--send", "hello", "--receive"]));
    }

    #[test]
    fn every_word_for_groups_has_a_meaning() {
        for which in Which::value_variants() {
            assert!(standby_scope(which.word()).is_some());
            assert!(takeover_scope(which.word()).is_some());
        }
    }
}
