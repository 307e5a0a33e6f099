//! How a fencing device is called: `stonith` of cluster-glue, or one of the `fence_` agents. Runs nothing.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{FenceDevice, FenceParameters};
use crate::resources::{Destination, Environment, Input, Invocation};

/// Why a device cannot be called.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeviceError {
    #[error("there is no program {0} in PATH")]
    NoProgram(String),
    #[error("its parameters cannot be read from {path}: {source}")]
    Parameters { path: PathBuf, source: io::Error },
    #[error("its parameter {0} is not of the form NAME=VALUE")]
    NotAParameter(String),
    #[error("its parameter action={0} fences nobody: write `off` or `reboot`, or leave it out")]
    Action(String),
}

/// How a device is brought to fence a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// By one call, whose word must be taken: `stonith` has no way to ask for a host's power, and the agents' own `reboot`
    /// looks for itself.
    Reset,
    /// The power is taken, and read back.
    Off {
        /// It is given again when it was seen to be off.
        back_on: bool,
    },
}

/// What a device is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call<'a> {
    /// Fence this host.
    Fence(&'a str),
    /// Is this host off?
    Read(&'a str),
    /// Give this host its power back.
    PowerOn(&'a str),
    /// Does the device itself work?
    Check,
}

/// What an agent answers to [`Call::Read`] for a host that is off.
pub(super) const READS_OFF: i32 = 2;

/// How this device fences.
pub(super) fn method(device: &FenceDevice) -> Result<Method, DeviceError> {
    if !is_agent(device) {
        return Ok(Method::Reset);
    }
    let mut actions = agent_parameters(device)?.into_iter().filter(|(name, _)| is_action(name));
    match actions.next_back().map(|(_, action)| action).as_deref() {
        None => Ok(Method::Off { back_on: true }),
        Some("off") => Ok(Method::Off { back_on: false }),
        Some("reboot" | "cycle") => Ok(Method::Reset),
        Some(other) => Err(DeviceError::Action(other.to_owned())),
    }
}

/// What to run. No parameter is among the arguments, where everybody on the host could read it, unless there is no other
/// way to hand it over.
pub(super) fn invocation(
    device: &FenceDevice,
    call: Call<'_>,
    limit: Duration,
    environment: &Environment,
) -> Result<Invocation, DeviceError> {
    let agent = is_agent(device);
    let name = if agent { device.kind.as_str() } else { "stonith" };
    let program = environment.program(name).ok_or_else(|| DeviceError::NoProgram(name.to_owned()))?;
    let mut invocation = Invocation {
        program,
        name: None,
        arguments: Vec::new(),
        variables: Vec::new(),
        input: Input::Nothing,
        stdout: if call == Call::Check { Destination::Captured } else { Destination::Lines },
        limit,
    };
    if agent {
        invocation.input = Input::Text(agent_input(device, call)?);
    } else {
        stonith(device, call, &mut invocation);
    }
    Ok(invocation)
}

/// `stonith -t TYPE [-E | -p VALUES | -F FILE] {-T reset HOST | -l -S}`: named parameters go through the environment, and
/// positional ones through standard input; a first value that `-F` would take for a comment goes by `-p`.
fn stonith(device: &FenceDevice, call: Call<'_>, invocation: &mut Invocation) {
    let mut arguments = vec!["-t".to_owned(), device.kind.clone()];
    match &device.parameters {
        FenceParameters::File(path) => arguments.extend(["-F".to_owned(), path.display().to_string()]),
        // No program asks a witness.
        FenceParameters::Witness(_) => {}
        FenceParameters::Inline(line) if line.trim().is_empty() => {}
        FenceParameters::Inline(line) if line.split_whitespace().all(is_named) => {
            let named = line.split_whitespace().filter_map(|parameter| parameter.split_once('='));
            invocation.variables = named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            arguments.push("-E".to_owned());
        }
        FenceParameters::Inline(line) if line.trim_start().starts_with('#') => {
            arguments.extend(["-p".to_owned(), line.trim().to_owned()]);
        }
        FenceParameters::Inline(line) => {
            invocation.input = Input::Text(format!("{}\n", line.trim()));
            arguments.extend(["-F", "/dev/stdin"].map(str::to_owned));
        }
    }
    match call {
        Call::Fence(host) | Call::Read(host) | Call::PowerOn(host) => {
            arguments.extend(["-T", "reset", host].map(str::to_owned));
        }
        Call::Check => arguments.extend(["-l", "-S"].map(str::to_owned)),
    }
    invocation.arguments = arguments;
}

fn is_agent(device: &FenceDevice) -> bool {
    device.kind.starts_with("fence_")
}

fn is_named(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
    })
}

/// `option` is its older name.
fn is_action(name: &str) -> bool {
    matches!(name, "action" | "option")
}

/// The parameters of a `fence_` agent. In a file, a line is a parameter and may contain blanks, as the agents have it.
fn agent_parameters(device: &FenceDevice) -> Result<Vec<(String, String)>, DeviceError> {
    let text = match &device.parameters {
        FenceParameters::Inline(line) => line.split_whitespace().collect::<Vec<_>>().join("\n"),
        FenceParameters::Witness(_) => String::new(),
        FenceParameters::File(path) => fs::read_to_string(path)
            .map_err(|source| DeviceError::Parameters { path: path.clone(), source })?,
    };
    let parameters = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parse = |parameter: &str| match parameter.split_once('=').filter(|_| is_named(parameter)) {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => {
            // Only its name, if any: the rest may be a password.
            let name = parameter.split('=').next().unwrap_or_default();
            let shown = if parameter.contains('=') { name } else { "without a name" };
            Err(DeviceError::NotAParameter(shown.to_owned()))
        }
    };
    parameters.map(parse).collect()
}

/// The lines that a `fence_` agent reads. What the administrator says himself (`port=3` for the third outlet) is not said
/// again.
fn agent_input(device: &FenceDevice, call: Call<'_>) -> Result<String, DeviceError> {
    let parameters = agent_parameters(device)?;
    let given = |names: &[&str]| parameters.iter().any(|(name, _)| names.contains(&name.as_str()));
    let mut lines: Vec<String> = parameters
        .iter()
        .filter(|(name, _)| !is_action(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let action = match (call, method(device)?) {
        (Call::Fence(_), Method::Off { .. }) => "off".to_owned(),
        // In the administrator's own words.
        (Call::Fence(_), Method::Reset) => {
            parameters.iter().rfind(|(name, _)| is_action(name)).map_or_else(String::new, |it| it.1.clone())
        }
        (Call::Read(_), _) => "status".to_owned(),
        (Call::PowerOn(_), _) => "on".to_owned(),
        (Call::Check, _) => "monitor".to_owned(),
    };
    lines.push(format!("action={action}"));
    if let Call::Fence(host) | Call::Read(host) | Call::PowerOn(host) = call {
        if !given(&["plug", "port"]) {
            // The newer and the older name of the same thing.
            lines.extend([format!("plug={host}"), format!("port={host}")]);
        }
        lines.push(format!("nodename={host}"));
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(kind: &str, parameters: &str) -> FenceDevice {
        FenceDevice { kind: kind.to_owned(), parameters: FenceParameters::Inline(parameters.to_owned()) }
    }

    fn called(device: &FenceDevice, call: Call<'_>) -> (String, String, String) {
        let mut invocation = Invocation {
            program: PathBuf::from("/bin/sh"),
            name: None,
            arguments: Vec::new(),
            variables: Vec::new(),
            input: Input::Nothing,
            stdout: Destination::Lines,
            limit: Duration::from_secs(1),
        };
        stonith(device, call, &mut invocation);
        let input = match invocation.input {
            Input::Text(text) => text,
            Input::Nothing | Input::Lent(_) => String::new(),
        };
        let variables: Vec<_> =
            invocation.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (invocation.arguments.join("|"), variables.join("|"), input)
    }

    #[test]
    fn stonith_gets_its_parameters_where_nobody_sees_them() {
        let call = |parameters: &str| called(&device("external/ssh", parameters), Call::Fence("ha2"));
        let expect = |arguments: &str, variables: &str, input: &str| {
            (format!("-t|external/ssh{arguments}|-T|reset|ha2"), variables.to_owned(), input.to_owned())
        };
        assert_eq!(call("hostlist=ha1 x-y=a=b"), expect("|-E", "hostlist=ha1|x-y=a=b", ""));
        assert_eq!(call(" 10.0.0.9 secret=1 "), expect("|-F|/dev/stdin", "", "10.0.0.9 secret=1\n"));
        assert_eq!(call("#1 secret"), expect("|-p|#1 secret", "", ""));
        assert_eq!(call(""), expect("", "", ""));
        let file = FenceDevice { kind: "null".into(), parameters: FenceParameters::File("/etc/n".into()) };
        assert_eq!(called(&file, Call::Fence("ha2")).0, "-t|null|-F|/etc/n|-T|reset|ha2");
        assert_eq!(called(&file, Call::Check).0, "-t|null|-F|/etc/n|-l|-S");
    }

    #[test]
    fn a_fence_agent_reads_what_is_to_be_done_with_whom() {
        let input = |call| agent_input(&device("fence_x", "ip=10.0.0.9 password=a=b"), call).unwrap();
        let common = "ip=10.0.0.9\npassword=a=b\n";
        let host = "plug=ha2\nport=ha2\nnodename=ha2\n";
        assert_eq!(input(Call::Fence("ha2")), format!("{common}action=off\n{host}"));
        assert_eq!(input(Call::Read("ha2")), format!("{common}action=status\n{host}"));
        assert_eq!(input(Call::PowerOn("ha2")), format!("{common}action=on\n{host}"));
        assert_eq!(input(Call::Check), format!("{common}action=monitor\n"));
    }

    #[test]
    fn what_the_administrator_said_is_not_said_again() {
        let input = agent_input(&device("fence_x", "port=3 action=reboot"), Call::Fence("ha2")).unwrap();
        assert_eq!(input, "port=3\naction=reboot\nnodename=ha2\n");
    }

    #[test]
    fn the_action_says_how_a_device_fences() {
        let method = |kind, parameters| method(&device(kind, parameters)).map_err(|error| error.to_string());
        assert_eq!(method("fence_x", ""), Ok(Method::Off { back_on: true }));
        assert_eq!(method("fence_x", "action=off"), Ok(Method::Off { back_on: false }));
        assert_eq!(method("fence_x", "option=reboot"), Ok(Method::Reset));
        assert_eq!(method("external/x", "action=off"), Ok(Method::Reset));
        assert!(method("fence_x", "action=status").unwrap_err().contains("action=status fences nobody"));
    }

    #[test]
    fn a_parameter_without_a_name_is_refused_without_showing_it() {
        let error = method(&device("fence_x", "10.0.0.9 hunter2")).unwrap_err().to_string();
        assert!(
            error.contains("NAME=VALUE") && !error.contains("hunter2") && !error.contains("10.0"),
            "{error}"
        );
    }
}
