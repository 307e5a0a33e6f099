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
}

/// What to run to have this device reset a host.
pub(super) fn invocation(
    device: &FenceDevice,
    host: &str,
    limit: Duration,
    environment: &Environment,
) -> Result<Invocation, DeviceError> {
    let agent = device.kind.starts_with("fence_");
    let name = if agent { device.kind.as_str() } else { "stonith" };
    let program = environment.program(name).ok_or_else(|| DeviceError::NoProgram(name.to_owned()))?;
    let (arguments, input) = if agent {
        (Vec::new(), Input::Text(agent_input(device, host)?))
    } else {
        (stonith_arguments(device, host), Input::Nothing)
    };
    Ok(Invocation {
        program,
        name: None,
        arguments,
        variables: Vec::new(),
        input,
        stdout: Destination::Lines,
        limit,
    })
}

/// `stonith -t TYPE [NAME=VALUE ... | -p VALUES | -F FILE] -T reset HOST`
fn stonith_arguments(device: &FenceDevice, host: &str) -> Vec<String> {
    let mut arguments = vec!["-t".to_owned(), device.kind.clone()];
    match &device.parameters {
        FenceParameters::File(path) => arguments.extend(["-F".to_owned(), path.display().to_string()]),
        FenceParameters::Inline(line) if line.trim().is_empty() => {}
        FenceParameters::Inline(line) if line.split_whitespace().all(is_named) => {
            arguments.extend(line.split_whitespace().map(str::to_owned));
        }
        FenceParameters::Inline(line) => arguments.extend(["-p".to_owned(), line.trim().to_owned()]),
    }
    arguments.extend(["-T", "reset", host].map(str::to_owned));
    arguments
}

fn is_named(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-')
    })
}

/// The lines that a `fence_` agent reads. What the administrator says himself (`port=3` for the third outlet,
/// `action=off`) is not said again. In a file, a line is a parameter and may contain blanks, as the agents have it.
fn agent_input(device: &FenceDevice, host: &str) -> Result<String, DeviceError> {
    let text = match &device.parameters {
        FenceParameters::Inline(line) => line.split_whitespace().collect::<Vec<_>>().join("\n"),
        FenceParameters::File(path) => fs::read_to_string(path)
            .map_err(|source| DeviceError::Parameters { path: path.clone(), source })?,
    };
    let parameters = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut lines = Vec::new();
    let mut given = Vec::new();
    for parameter in parameters {
        if !is_named(parameter) {
            // Only its name, if any: the rest may be a password.
            let name = parameter.split('=').next().unwrap_or_default();
            let shown = if parameter.contains('=') { name } else { "without a name" };
            return Err(DeviceError::NotAParameter(shown.to_owned()));
        }
        given.extend(parameter.split_once('=').map(|(name, _)| name.to_owned()));
        lines.push(parameter.to_owned());
    }
    let given = |names: &[&str]| given.iter().any(|name| names.contains(&name.as_str()));
    if !given(&["action", "option"]) {
        lines.push("action=reboot".to_owned());
    }
    if !given(&["plug", "port"]) {
        // The newer and the older name of the same thing.
        lines.extend([format!("plug={host}"), format!("port={host}")]);
    }
    lines.push(format!("nodename={host}\n"));
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(kind: &str, parameters: &str) -> FenceDevice {
        FenceDevice { kind: kind.to_owned(), parameters: FenceParameters::Inline(parameters.to_owned()) }
    }

    #[test]
    fn stonith_gets_its_parameters_in_the_way_that_it_expects() {
        let arguments =
            |parameters: &str| stonith_arguments(&device("external/ssh", parameters), "ha2").join("|");
        assert_eq!(arguments("hostlist=ha1 x-y=a=b"), "-t|external/ssh|hostlist=ha1|x-y=a=b|-T|reset|ha2");
        assert_eq!(arguments(" 10.0.0.9 secret=1 "), "-t|external/ssh|-p|10.0.0.9 secret=1|-T|reset|ha2");
        assert_eq!(arguments(""), "-t|external/ssh|-T|reset|ha2");
        let file = FenceDevice { kind: "null".into(), parameters: FenceParameters::File("/etc/n".into()) };
        assert_eq!(stonith_arguments(&file, "ha2").join("|"), "-t|null|-F|/etc/n|-T|reset|ha2");
    }

    #[test]
    fn a_fence_agent_reads_who_is_to_be_rebooted() {
        let input = agent_input(&device("fence_x", "ip=10.0.0.9 password=a=b"), "ha2").unwrap();
        assert_eq!(input, "ip=10.0.0.9\npassword=a=b\naction=reboot\nplug=ha2\nport=ha2\nnodename=ha2\n");
    }

    #[test]
    fn what_the_administrator_said_is_not_said_again() {
        let input = agent_input(&device("fence_x", "port=3 action=off"), "ha2").unwrap();
        assert_eq!(input, "port=3\naction=off\nnodename=ha2\n");
    }

    #[test]
    fn a_parameter_without_a_name_is_refused_without_showing_it() {
        let error = agent_input(&device("fence_x", "10.0.0.9 hunter2"), "ha2").unwrap_err().to_string();
        assert!(
            error.contains("NAME=VALUE") && !error.contains("hunter2") && !error.contains("10.0"),
            "{error}"
        );
    }
}
