//! Real files on the real machine.

use std::os::unix::fs::PermissionsExt;

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
