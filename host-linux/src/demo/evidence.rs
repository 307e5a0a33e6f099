//! The files of a failed run, copied out of the world before it vanishes.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use heartline_lab::Host;

use super::client::Client;
use super::cluster::Cluster;
use super::error::DemoError;
use super::files::{DEBUG_FILE, DIRECTORY, LOG_FILE};

/// So many failed runs are kept.
const KEPT_MAX: u32 = 1000;
/// What an administrator would ask a host.
const QUESTIONS: [(&str, &[&str]); 5] = [
    ("status", &["/usr/sbin/heartline", "status"]),
    ("witness", &["/usr/sbin/heartline", "dongle", "journal"]),
    ("addresses", &["ip", "address", "show"]),
    ("mounts", &["cat", "/proc/self/mountinfo"]),
    ("processes", &["ps", "axf"]),
];

/// Copies logs and configuration of both hosts, what they say of themselves, and the record of the client's tries to a
/// new directory, which is given.
pub(super) fn save(cluster: &Cluster, client: &Client) -> Result<PathBuf, DemoError> {
    let directory = new_directory(&std::env::temp_dir())?;
    for host in &cluster.hosts {
        save_host(host, &directory.join(host.name()))?;
    }
    let record = directory.join("client-tries.json");
    fs::copy(client.record(), &record).map_err(DemoError::io(format!("write {}", record.display())))?;
    Ok(directory)
}

fn new_directory(parent: &Path) -> Result<PathBuf, DemoError> {
    for number in 1..=KEPT_MAX {
        let directory = parent.join(format!("heartline-demo-{number}"));
        match fs::create_dir(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(DemoError::io(format!("make {}", directory.display()))(error)),
        }
    }
    Err(DemoError::NoRoom(parent.to_owned()))
}

/// What a host does not have, or cannot say because it is down, is left out.
fn save_host(host: &Host, directory: &Path) -> Result<(), DemoError> {
    fs::create_dir(directory).map_err(DemoError::io(format!("make {}", directory.display())))?;
    let configuration = ["ha.cf", "authkeys", "haresources"].map(|name| format!("{DIRECTORY}/{name}"));
    let logs = [LOG_FILE, DEBUG_FILE, "/var/log/httpd.log"].map(str::to_owned);
    let files = configuration.into_iter().chain(logs).filter_map(|path| {
        let name = Path::new(&path).file_name()?.to_owned();
        Some((name, host.read(&path).ok()?))
    });
    let answers = QUESTIONS.iter().filter_map(|(name, line)| {
        let output = host.run(line).ok()?;
        Some((name.into(), output.stdout + &output.stderr))
    });
    for (name, text) in files.chain(answers) {
        let file = directory.join(name);
        fs::write(&file, text).map_err(DemoError::io(format!("write {}", file.display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failed_run_has_a_directory_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let first = new_directory(parent.path()).unwrap();
        let second = new_directory(parent.path()).unwrap();
        assert_ne!(first, second);
        assert!(first.is_dir() && second.is_dir());
        assert!(new_directory(&parent.path().join("none")).is_err());
    }
}
