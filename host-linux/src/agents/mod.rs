//! The built-in resource agents, each run as a child of the daemon: `heartline agent NAME ARGUMENTS VERB`.
//! Here: names, verbs, exit codes and what is printed. How a resource is started and stopped is in the files below.

mod announce;
mod filesystem;
mod filesystem_argument;
mod holders;
mod interfaces;
mod ip_argument;
mod ipaddr;
mod mounts;
mod netlink;

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;

pub use announce::announcing_socket;
use filesystem::{FilesystemAgent, FilesystemError};
use filesystem_argument::{FilesystemArgument, FilesystemArgumentError};
use ip_argument::{Family, IpArgument, IpArgumentError};
use ipaddr::{AddressAgent, AddressError};

/// The names of the built-in agents, as `haresources` writes them.
pub const BUILTIN: &[&str] = &["IPaddr", "IPaddr2", "IPv6addr", "Filesystem"];

/// True where `agent` is one of [`BUILTIN`]; names are case-sensitive, as file names are.
#[must_use]
pub fn is_builtin(agent: &str) -> bool {
    BUILTIN.contains(&agent)
}

/// True where `agent` is one of [`BUILTIN`] that hold an address and can announce it.
#[must_use]
pub fn is_address(agent: &str) -> bool {
    is_builtin(agent) && agent != "Filesystem"
}

/// What is wrong with the arguments of `Filesystem`, without a look at this host.
#[must_use]
pub fn filesystem_complaint(arguments: &[String]) -> Option<String> {
    FilesystemArgument::parse(arguments).err().map(|error| error.to_string())
}

/// Runs one verb of a built-in agent.
///
/// The status word (`running` or `stopped`) is all that goes to standard output; what was done, and errors, go to
/// standard error, a sentence each. Exit codes: 0 success or running, 1 failed, 2 bad arguments, 5 not possible on
/// this host, and for a resource that does not run 3 (`status`) or 7 (`monitor`).
///
/// Every wait of the agent's own is bounded; `mount`, `umount` and `fsck` are children in the same process group, so
/// that whoever limits the time of this process can end them with it. Where standard input is an
/// [`announcing_socket`], the address agents announce through it.
#[must_use]
pub fn run(agent: &str, arguments: &[String], verb: &str) -> ExitCode {
    ExitCode::from(exit_status(agent, arguments, verb))
}

/// As [`run`], with the exit code as a number.
#[must_use]
pub fn exit_status(agent: &str, arguments: &[String], verb: &str) -> u8 {
    match perform(agent, arguments, verb) {
        Ok(code) => code,
        Err(error) => {
            say(&error);
            error.exit_status()
        }
    }
}

fn perform(agent: &str, arguments: &[String], verb: &str) -> Result<u8, AgentError> {
    let agent = agent_of(agent, arguments)?;
    match verb.parse()? {
        Verb::Start => agent.start().map(|()| SUCCESS),
        Verb::Stop => agent.stop().map(|()| SUCCESS),
        Verb::Announce => agent.announce().map(|()| SUCCESS),
        Verb::Status => Ok(state_of(agent.as_ref())?.unwrap_or(NOT_RUNNING_LSB)),
        Verb::Monitor => Ok(state_of(agent.as_ref())?.unwrap_or(NOT_RUNNING_OCF)),
    }
}

/// The code of a running resource, none for a stopped one; its word is printed either way.
fn state_of(agent: &dyn Agent) -> Result<Option<u8>, AgentError> {
    let running = agent.is_running()?;
    // A closed standard output is no reason to fail: the exit code tells the same.
    let _ = writeln!(std::io::stdout(), "{}", if running { "running" } else { "stopped" });
    Ok(running.then_some(SUCCESS))
}

const SUCCESS: u8 = 0;
const FAILED: u8 = 1;
const BAD_ARGUMENTS: u8 = 2;
const NOT_RUNNING_LSB: u8 = 3;
const NOT_POSSIBLE_HERE: u8 = 5;
const NOT_RUNNING_OCF: u8 = 7;

/// What every agent can do.
trait Agent {
    /// Makes the resource run; success where it runs already.
    fn start(&self) -> Result<(), AgentError>;
    /// Makes the resource stop; success where it does not run.
    fn stop(&self) -> Result<(), AgentError>;
    /// Whether the resource runs on this host.
    fn is_running(&self) -> Result<bool, AgentError>;
    /// Tells the neighbours again that the resource is here, where there is anything to tell.
    fn announce(&self) -> Result<(), AgentError> {
        Ok(())
    }
}

fn agent_of(name: &str, arguments: &[String]) -> Result<Box<dyn Agent>, AgentError> {
    let family = match name {
        "IPaddr" => Family::V4,
        "IPaddr2" => Family::Any,
        "IPv6addr" => Family::V6,
        "Filesystem" => return Ok(Box::new(FilesystemAgent::new(FilesystemArgument::parse(arguments)?))),
        _ => return Err(AgentError::UnknownAgent(name.to_owned())),
    };
    Ok(Box::new(AddressAgent::new(IpArgument::parse(arguments, family)?)))
}

#[derive(Clone, Copy)]
enum Verb {
    Start,
    Stop,
    Status,
    Monitor,
    Announce,
}

impl FromStr for Verb {
    type Err = AgentError;

    fn from_str(word: &str) -> Result<Self, AgentError> {
        match word {
            "start" => Ok(Self::Start),
            "stop" => Ok(Self::Stop),
            "status" => Ok(Self::Status),
            "monitor" => Ok(Self::Monitor),
            "announce" => Ok(Self::Announce),
            _ => Err(AgentError::UnknownVerb(word.to_owned())),
        }
    }
}

/// Why a verb was not carried out.
#[derive(Debug, thiserror::Error)]
enum AgentError {
    #[error("there is no built-in agent {0:?}; there are IPaddr, IPaddr2, IPv6addr and Filesystem")]
    UnknownAgent(String),
    #[error("unknown verb {0:?}; there are start, stop, status, monitor and announce")]
    UnknownVerb(String),
    #[error(transparent)]
    IpArgument(#[from] IpArgumentError),
    #[error(transparent)]
    FilesystemArgument(#[from] FilesystemArgumentError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Filesystem(#[from] FilesystemError),
}

impl AgentError {
    fn exit_status(&self) -> u8 {
        match self {
            Self::UnknownAgent(_)
            | Self::UnknownVerb(_)
            | Self::IpArgument(_)
            | Self::FilesystemArgument(_) => BAD_ARGUMENTS,
            Self::Address(error) if error.is_about_this_host() => NOT_POSSIBLE_HERE,
            Self::Filesystem(error) if error.is_about_this_host() => NOT_POSSIBLE_HERE,
            Self::Address(_) | Self::Filesystem(_) => FAILED,
        }
    }
}

/// One sentence for the daemon's log, in one piece; nobody listening is no reason to fail.
fn say(sentence: impl Display) {
    let _ = std::io::stderr().write_all(format!("{sentence}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn builtin_names_are_case_sensitive() {
        assert!(BUILTIN.iter().all(|name| is_builtin(name)));
        assert!(!is_builtin("ipaddr"));
        assert!(!is_builtin("apache"));
    }

    #[test]
    fn bad_arguments_exit_with_2_before_anything_is_touched() {
        for (agent, arguments, verb) in [
            ("apache", "", "start"),
            ("IPaddr", "", "start"),
            ("IPaddr", "10.0.0.1/33", "start"),
            ("IPaddr", "2001:db8::1", "start"),
            ("IPv6addr", "10.0.0.1", "start"),
            ("IPaddr", "10.0.0.1", "reload"),
            ("Filesystem", "/dev/sdb1", "start"),
            ("Filesystem", "/dev/sdb1 /", "stop"),
        ] {
            let code = exit_status(agent, &words(arguments), verb);
            assert_eq!(code, BAD_ARGUMENTS, "{agent} {arguments} {verb}");
        }
    }
}
