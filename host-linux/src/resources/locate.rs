//! From a word of `haresources` and an action to the call of an agent: which program, which arguments, how its
//! answer to `status` is read. Looks at files; starts nothing.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::child::{Destination, Input, Invocation};
use super::environment::Environment;
use super::sequence::Action;
use super::status::StatusRule;
use crate::agents;
pub(super) use crate::config::Agent;
use crate::config::Resource;

/// Where things are looked for and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// The directory of the configuration; scripts are in its `resource.d`.
    pub config_dir: PathBuf,
    /// The directory of the init scripts, looked at next (`/etc/init.d`).
    pub init_d: PathBuf,
    /// Where running agents are written down (`/run`).
    pub run_dir: PathBuf,
}

/// Why there is no agent for a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LocateError {
    #[error("Cannot locate resource script {name}: no executable file {first} and no {second}")]
    NoScript { name: String, first: String, second: String },
    #[error("Cannot locate {what}: no executable file {path}")]
    NoFile { what: String, path: String },
    #[error("Cannot locate systemctl, which is needed for {0}")]
    NoSystemctl(String),
    #[error("{0} is not of the form ocf:PROVIDER:AGENT")]
    NotOcf(String),
    #[error("{agent}: argument {argument} is not of the form NAME=VALUE")]
    NotAParameter { agent: String, argument: String },
    #[error("{0} takes no arguments")]
    NoArguments(String),
}

impl Agent<'_> {
    /// Whether its start may be called for what already runs, so that nobody need ask before.
    pub(super) fn starts_idempotently(self) -> bool {
        matches!(self, Self::BuiltIn(_))
    }

    /// Whether it knows the verb `announce`.
    pub(super) fn announces(self) -> bool {
        matches!(self, Self::BuiltIn(name) if agents::is_address(name))
    }

    /// Whether this exit status of a start or a stop says that there is no such resource: 5 of `systemctl`, for a unit
    /// that systemd does not know.
    pub(super) fn says_missing(self, exit: Option<i32>) -> bool {
        matches!(self, Self::Systemd(_)) && exit == Some(5)
    }

    /// How its answer to `status` is read.
    pub(super) fn status_rule(self) -> StatusRule {
        match self {
            Self::BuiltIn(_) => StatusRule::BuiltIn,
            Self::Script(_) => StatusRule::Words,
            Self::Lsb(_) => StatusRule::Lsb,
            Self::Ocf(_) => StatusRule::Ocf,
            Self::Systemd(_) => StatusRule::Systemd,
        }
    }
}

/// Finds agents.
#[derive(Debug)]
pub(super) struct Locator {
    pub(super) directories: Directories,
    pub(super) own_executable: PathBuf,
    /// Lent to the address agents, so that none of them waits for the kernel to close one of its own.
    pub(super) announcing_socket: Option<Rc<OwnedFd>>,
}

impl Locator {
    /// What to run for this action; `limit` is how long it may take. Looks at the files as they are now, since
    /// scripts may come and go.
    pub(super) fn invocation(
        &self,
        resource: &Resource,
        action: Action,
        limit: Duration,
        environment: &Environment,
    ) -> Result<Invocation, LocateError> {
        let mut arguments = resource.arguments.clone();
        let mut variables = Vec::new();
        let mut input = Input::Nothing;
        let mut called = None;
        let program = match Agent::of(resource) {
            Agent::BuiltIn(name) => {
                arguments.splice(0..0, ["agent".to_owned(), name.to_owned()]);
                arguments.push(action.to_string());
                if let Some(socket) = self.announcing_socket.as_ref().filter(|_| agents::is_address(name)) {
                    input = Input::Lent(Rc::clone(socket));
                }
                // The daemon may run under the name `heartbeat`, which knows no agents.
                called = Some("heartline");
                own_program(&self.own_executable)
            }
            Agent::Script(name) => {
                arguments.push(action.to_string());
                self.script(name)?
            }
            Agent::Lsb(name) => {
                arguments.push(action.to_string());
                file(&resource.agent, self.directories.init_d.join(name))?
            }
            Agent::Ocf(name) => {
                variables = ocf_variables(resource, name, limit)?;
                let verb = if action == Action::Status { "monitor".to_owned() } else { action.to_string() };
                arguments = vec![verb];
                let root = PathBuf::from(environment.value("OCF_ROOT").unwrap_or("/usr/lib/ocf"));
                file(&resource.agent, root.join("resource.d").join(name.replacen(':', "/", 1)))?
            }
            Agent::Systemd(unit) => {
                if !arguments.is_empty() {
                    return Err(LocateError::NoArguments(resource.agent.clone()));
                }
                let verb = if action == Action::Status { "is-active".to_owned() } else { action.to_string() };
                arguments = vec![verb, unit.to_owned()];
                environment
                    .program("systemctl")
                    .ok_or_else(|| LocateError::NoSystemctl(resource.agent.clone()))?
            }
        };
        let stdout = if action == Action::Status { Destination::Captured } else { Destination::Lines };
        Ok(Invocation { program, name: called, arguments, variables, input, stdout, limit })
    }

    fn script(&self, name: &str) -> Result<PathBuf, LocateError> {
        let first = self.directories.config_dir.join("resource.d").join(name);
        let second = self.directories.init_d.join(name);
        if is_executable(&first) {
            Ok(first)
        } else if is_executable(&second) {
            Ok(second)
        } else {
            Err(LocateError::NoScript {
                name: name.to_owned(),
                first: first.display().to_string(),
                second: second.display().to_string(),
            })
        }
    }
}

/// This program by its path, or by what the kernel keeps of it after somebody removed the file: an address must
/// come down all the same.
pub(crate) fn own_program(own_executable: &Path) -> PathBuf {
    if own_executable.exists() { own_executable.to_owned() } else { PathBuf::from("/proc/self/exe") }
}

/// Whether it is a regular file, or a link to one, that somebody may execute.
pub(super) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

fn file(what: &str, path: PathBuf) -> Result<PathBuf, LocateError> {
    if is_executable(&path) {
        return Ok(path);
    }
    Err(LocateError::NoFile { what: what.to_owned(), path: path.display().to_string() })
}

/// What an OCF agent finds in its environment. The instance is unique on this host, since agents name their state
/// files after it.
fn ocf_variables(
    resource: &Resource,
    name: &str,
    limit: Duration,
) -> Result<Vec<(String, String)>, LocateError> {
    let Some((provider, agent)) = name.split_once(':') else {
        return Err(LocateError::NotOcf(resource.agent.clone()));
    };
    let instance = resource.text.trim_start_matches("ocf:").replacen(':', "_", 1);
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let instance = instance.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect();
    let mut variables = vec![
        ("OCF_RA_VERSION_MAJOR".to_owned(), "1".to_owned()),
        ("OCF_RA_VERSION_MINOR".to_owned(), "0".to_owned()),
        ("OCF_RESOURCE_PROVIDER".to_owned(), provider.to_owned()),
        ("OCF_RESOURCE_TYPE".to_owned(), agent.to_owned()),
        ("OCF_RESOURCE_INSTANCE".to_owned(), instance),
        ("OCF_RESKEY_CRM_meta_timeout".to_owned(), limit.as_millis().to_string()),
    ];
    for argument in &resource.arguments {
        let Some((key, value)) = argument.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(LocateError::NotAParameter {
                agent: resource.agent.clone(),
                argument: argument.clone(),
            });
        };
        variables.push((format!("OCF_RESKEY_{key}"), value.to_owned()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_built_in_agent_can_be_called_after_this_program_was_removed() {
        let directory = tempfile::tempdir().unwrap();
        let own_executable = directory.path().join("heartline");
        std::fs::write(&own_executable, "").unwrap();
        let locator = Locator {
            directories: Directories {
                config_dir: directory.path().to_owned(),
                init_d: directory.path().to_owned(),
                run_dir: directory.path().to_owned(),
            },
            own_executable: own_executable.clone(),
            announcing_socket: None,
        };
        let text = "IPaddr::10.0.0.1".to_owned();
        let resource =
            Resource { text, agent: "IPaddr".into(), arguments: vec!["10.0.0.1".into()], limits: None };
        let program = || {
            let call = locator.invocation(&resource, Action::Stop, Duration::ZERO, &Environment::default());
            call.unwrap().program
        };
        assert_eq!(program(), own_executable);
        std::fs::remove_file(&own_executable).unwrap();
        assert_eq!(program(), Path::new("/proc/self/exe"));
    }
}
