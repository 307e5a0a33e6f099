//! No bytes make a reader panic, and what it says can always be shown.

use proptest::prelude::*;

use super::super::diagnostics::render;
use super::super::directives::DIRECTIVES;
use super::super::fake_system::{DIRECTORY, FakeSystem};
use super::super::*;

/// Bytes that look enough like a configuration to get far into the readers.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let names: Vec<&'static str> = DIRECTIVES.iter().map(|directive| directive.name).collect();
    let word = prop_oneof![
        4 => prop::sample::select(names).prop_map(|name| name.as_bytes().to_vec()),
        4 => prop::sample::select(vec![
            "eth0", "10.0.0.1", "10.0.0.9/24/eth0", "cfa", "cfb", "auth", "1", "sha1", "crc", "*", "on", "5ms", "::",
            "IPv6addr::", "ocf:a:b::c=d", "systemd:x", "/dev/ttyS0", "root", "uid=root", "#", "\\", "ä",
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    let separator = prop::sample::select(vec![" ", "\t", "\n", "\n", "\r\n", ",", "\\\n", " #", "\0", ""]);
    prop::collection::vec((word, separator), 0..40).prop_map(|words| {
        words
            .into_iter()
            .flat_map(|(word, separator)| [word, separator.as_bytes().to_vec()].concat())
            .collect()
    })
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(
        ha_cf in contents(), authkeys in contents(), haresources in contents(), nodeinfo in contents(), base: bool
    ) {
        let mut system = FakeSystem::good();
        if !base {
            system.file_mut("ha.cf").0.clear();
        }
        system.file_mut("ha.cf").0.extend(ha_cf);
        system.file_mut("authkeys").0.extend(authkeys);
        system.file_mut("haresources").0 = haresources;
        if !base {
            system.write("nodeinfo", "");
            system.file_mut("nodeinfo").0 = nodeinfo;
        }
        let loaded = system.load();
        let has_error = loaded.diagnostics.iter().any(|it| it.severity == Severity::Error);
        prop_assert_eq!(loaded.configuration.is_none(), has_error);
        let advice = check(Path::new(DIRECTORY), &system);
        for diagnostic in &advice {
            prop_assert!(!diagnostic.one_line().contains('\n'));
        }
        prop_assert!(render(&advice, true).len() >= advice.len());
    }
}

#[test]
fn bytes_that_are_no_text_are_errors_with_a_place() {
    let mut system = FakeSystem::good();
    let long = format!("#{}", "x".repeat(5120));
    for (line, expected) in [
        (&b"cluster na\xffme"[..], "ha.cf:9:11: error: this is not UTF-8 text"),
        (b"cluster na\0me", "ha.cf:9:11: error: control character"),
        (b"cluster na\rme", "ha.cf:9:11: error: control character"),
        (long.as_bytes(), "ha.cf:9:1: error: line of 5121 bytes; at most 5120 are read"),
    ] {
        system.write("ha.cf", super::super::fake_system::HA_CF);
        system.file_mut("ha.cf").0.extend(line);
        let errors = system.found(Severity::Error);
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}");
    }
    system.write("ha.cf", super::super::fake_system::HA_CF);
    system.file_mut("ha.cf").0.extend(b"# Latin-1 in a comment: \xe4\xf6\xfc\n");
    assert!(system.load().configuration.is_some());
}
