//! The readers of the three files, each with the other two in order: what `check` accepts the daemon takes, `check`
//! says all that the daemon says, and everything that is said points into the file and can be shown.

use std::path::Path;

use heartline::config::{self, Configuration, Diagnostic, Severity, diagnostics};
use heartline::daemon::core_config;
use heartline::log::render::Names;
use heartline_core::config::Config;

use crate::machine::{DIRECTORY, Machine};

/// Any bytes as `ha.cf`.
pub fn ha_cf(data: &[u8]) {
    read("ha.cf", data);
}

/// Any bytes as `haresources`.
pub fn haresources(data: &[u8]) {
    read("haresources", data);
}

/// Any bytes as `authkeys`.
pub fn authkeys(data: &[u8]) {
    read("authkeys", data);
}

fn read(name: &str, contents: &[u8]) {
    let machine = Machine { name, contents };
    let found = config::check(Path::new(DIRECTORY), &machine);
    let loaded = config::load(Path::new(DIRECTORY), &machine);
    let refused = |diagnostics: &[Diagnostic]| diagnostics.iter().any(|it| it.severity == Severity::Error);
    assert_eq!(loaded.configuration.is_none(), refused(&loaded.diagnostics));
    // What is said of the machine comes after, and can be an error where the daemon starts all the same.
    assert!(found.starts_with(&loaded.diagnostics), "check says less than the daemon");
    if !refused(&found) {
        let configuration = loaded.configuration.expect("no error was found");
        // As `daemon::startup` does it.
        match core_config(&configuration) {
            Ok((config, _)) => have_the_same_names(&configuration, &config),
            Err(unfit) => panic!("check accepts what the daemon does not take: {unfit}"),
        }
    }
    for diagnostic in &found {
        points_into_the_file(diagnostic, name, contents);
        assert!(!diagnostic.one_line().contains('\n'), "{diagnostic:?}");
    }
    let shown = diagnostics::render(&found, true);
    assert!(!shown.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\u{1b}')), "{shown:?}");
}

/// What the core numbers, the log names rightly.
fn have_the_same_names(configuration: &Configuration, config: &Config) {
    let names = Names::new(configuration);
    assert_eq!(names.member(config.this()), configuration.this_node);
    assert_eq!(config.groups().count(), configuration.groups.len());
    for (at, group) in config.groups().zip(&configuration.groups) {
        let preferred = config.preferred(at).expect("every group prefers a node");
        assert_eq!(names.member(preferred), group.preferred);
        assert_eq!(names.group(at), group.name());
    }
}

fn points_into_the_file(diagnostic: &Diagnostic, name: &str, contents: &[u8]) {
    let Diagnostic { line, column, length, .. } = *diagnostic;
    if line == 0 {
        assert_eq!((column, length), (0, 0), "{diagnostic:?}");
        return;
    }
    if diagnostic.file != Path::new(DIRECTORY).join(name) {
        return;
    }
    let index = usize::try_from(line).expect("a line number") - 1;
    let bytes = contents.split(|byte| *byte == b'\n').nth(index).expect("the line exists");
    let characters = String::from_utf8_lossy(bytes).chars().count();
    let end = usize::try_from(column - 1 + length).expect("a column");
    assert!(
        column >= 1 && end <= characters.max(1),
        "column {column} to {end} of {characters}: {diagnostic:?}"
    );
}
