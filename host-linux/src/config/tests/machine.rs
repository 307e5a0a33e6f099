//! Real files on the real machine.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::super::agents::{meta_data, ocf_program};
use super::super::metadata::Metadata;
use super::super::questions::ask_all;
use super::super::*;

#[test]
fn a_directory_is_read_from_disk() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("ha.cf", "ucast lo 127.0.0.1\nauto_failback on\nlogfacility daemon\nnode here there\n");
    write("nodeinfo", "here\n");
    write("authkeys", "auth 1\n1 sha256 0123456789abcdef\n");
    write("haresources", "here 127.0.0.9/8/lo\n");
    let set_mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path().join("authkeys"), permissions).unwrap();
    };

    set_mode(0o600);
    let loaded = load(directory.path(), &RealSystem);
    assert_eq!(loaded.diagnostics, []);
    let configuration = loaded.configuration.unwrap();
    assert_eq!(configuration.this_node, "here");
    assert_eq!(configuration.directory, directory.path());

    set_mode(0o620);
    let loaded = load(directory.path(), &RealSystem);
    assert!(loaded.configuration.is_none());
    assert_eq!(loaded.diagnostics.len(), 1);
}

#[test]
fn every_agent_of_this_machine_says_what_it_needs() {
    const PATIENCE: Duration = Duration::from_secs(120);
    let Ok(agents) = std::fs::read_dir("/usr/lib/ocf/resource.d/heartbeat") else {
        // Not through a macro: the test harness would keep it to itself.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: no resource-agents here\n");
        return;
    };
    let names = agents.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    let questions: Vec<Question> =
        names.iter().map(|name| meta_data(ocf_program("heartbeat", name), "heartbeat", name)).collect();
    let mut known = BTreeMap::new();
    for (name, answer) in names.iter().zip(ask_all(&questions, PATIENCE)) {
        let metadata = Metadata::read(&answer.unwrap());
        known.insert(name.as_str(), metadata.unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    let needs = |agent: &str, parameter: &str| known[agent].parameter(parameter).unwrap().required;
    assert!(needs("Filesystem", "device") && needs("IPaddr2", "ip") && !needs("IPaddr2", "nic"));
    assert!(known.values().all(|metadata| metadata.offers("monitor") || metadata.offers("status")));
}
