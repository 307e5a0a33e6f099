//! Debian packages: which are missing, and how they get here.

use std::path::Path;
use std::process::Command;

use nix::unistd::Uid;

use crate::process::{self, Failure, file_failure};
use crate::service_starts::{POLICY, StartsForbidden};

/// What the laboratory of namespaces, cables and disks calls.
pub(crate) const LABORATORY: &[&str] =
    &["e2fsprogs", "iproute2", "mount", "nftables", "procps", "util-linux"];

/// What the tests call besides: the real agents, and a neighbour that asks whether an address answers.
pub(crate) const AGENTS: &[&str] = &["iputils-ping", "kmod", "resource-agents", "wget"];

/// The board on which the witness's firmware is tested.
pub(crate) const EMULATOR: &[&str] = &["qemu-system-arm"];

/// The programs of real fencing devices.
pub(crate) const FENCING: &[&str] = &["cluster-glue", "fence-agents"];

/// The services that the real agents keep, by their packages, which have their names.
pub(crate) const SERVICES: &[&str] = &["apache2", "postgresql"];

/// As [`require`], for packages with a service of the same name: a cluster starts it, nothing else may, this machine's
/// next boot included. What was installed before is left as it is.
///
/// # Errors
/// As [`require`].
pub(crate) fn require_services(services: &[&str]) -> Result<(), Failure> {
    let missing: Vec<_> = services.iter().copied().filter(|package| !is_installed(package)).collect();
    require(&missing)?;
    missing
        .iter()
        .try_for_each(|service| process::run(Command::new("update-rc.d").args([service, "disable"])))
}

/// Sees to it that these packages are installed: installs what is missing when run by root.
///
/// # Errors
/// If packages are missing and cannot be installed; says what to type.
pub(crate) fn require(packages: &[&str]) -> Result<(), Failure> {
    let missing: Vec<_> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        return Err(Failure::Other(missing_sentence(&missing)));
    }
    install(&missing)
}

/// Whether dpkg has it, configured.
pub(crate) fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]);
    process::read(&mut query).is_ok_and(|status| status == "installed")
}

fn missing_sentence(missing: &[&str]) -> String {
    format!(
        "Debian packages are missing. As root: apt-get install --no-install-recommends {}",
        missing.join(" ")
    )
}

/// Without starting what is installed: nothing of this machine's network should answer before somebody wants it.
fn install(packages: &[&str]) -> Result<(), Failure> {
    let forbidden = StartsForbidden::by(Path::new(POLICY)).map_err(file_failure(POLICY))?;
    let installed = download_and_unpack(packages);
    let lifted = forbidden.lift().map_err(file_failure(POLICY));
    installed.and(lifted)
}

fn download_and_unpack(packages: &[&str]) -> Result<(), Failure> {
    let attempt = || process::run(apt_get("install").arg("--no-install-recommends").args(packages));
    // The lists of a new machine are empty or old; where they are good, half a minute is saved.
    attempt().or_else(|_| {
        process::run(&mut apt_get("update"))?;
        attempt()
    })
}

fn apt_get(subcommand: &str) -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-y", "-q", subcommand]).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_required_in_vain() {
        assert!(is_installed("dpkg"));
        require(&["dpkg"]).unwrap();
    }

    #[test]
    fn an_unknown_package_is_not_installed() {
        assert!(!is_installed("no-such-package"));
    }

    #[test]
    fn what_is_missing_can_be_copied_to_a_terminal() {
        let sentence = missing_sentence(&["iproute2", "nftables"]);
        assert!(
            sentence.ends_with("apt-get install --no-install-recommends iproute2 nftables"),
            "{sentence}"
        );
    }
}
