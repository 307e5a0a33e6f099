//! The event scripts in `rc.d`: which of them are run. Those of the original that move resources are not: the daemon
//! moves them itself, and a second hand would start them on both nodes.

use std::path::{Path, PathBuf};

use super::diagnostics::{Diagnostics, Severity};
use super::system::System;

/// The directory, below that of the configuration.
const DIRECTORY: &str = "rc.d";

/// The events that scripts are run for, each with its occasion; a script has the name of its event.
pub(crate) const EVENTS: [(&str, &str); 2] = [
    ("ifstat", "when a link to a node comes up or dies"),
    ("status", "when a node or a ping node comes up, becomes active or dies"),
];

/// The original's events by which its nodes move resources between them.
const MOVING: [&str; 4] = ["ask_resources", "hb_takeover", "ip-request", "ip-request-resp"];

/// What the original's scripts move resources with.
const MOVERS: [&str; 2] = ["mach_down", "ResourceManager"];

/// What becomes of a file in `rc.d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is run at its event.
    Run { event: &'static str, occasion: &'static str },
    /// It would move resources: by its name, or by this word in it.
    Moves(Option<&'static str>),
    /// It is named for an event and cannot be run.
    NotExecutable,
    /// Nothing that happens here has its name.
    NoEvent,
}

/// The events whose scripts are run; says of the others that have the name of an event why they are not.
pub(super) fn read(
    directory: &Path,
    system: &dyn System,
    diagnostics: &mut Diagnostics,
) -> Vec<&'static str> {
    let mut run = Vec::new();
    for (path, fate) in fates(directory, system) {
        let (message, remedy) = match fate {
            Fate::Run { event, .. } => {
                run.push(event);
                continue;
            }
            Fate::NoEvent => continue,
            Fate::NotExecutable => {
                let remedy = format!("chmod +x {}, or remove it", path.display());
                let message = "this event script is not executable and is not run";
                diagnostics.about_file(Severity::Warning, &path, message, remedy);
                continue;
            }
            Fate::Moves(None) => (
                "this event script is not run: moving resources is the daemon's own work".to_owned(),
                "nothing is to be done; it belongs to heartbeat's package",
            ),
            Fate::Moves(Some(word)) => (
                format!(
                    "this event script is not run: its `{word}` would move resources, the daemon's own work"
                ),
                "heartbeat's own script may stay; lines of your own belong into a file without that word",
            ),
        };
        diagnostics.about_file(Severity::Info, &path, message, remedy);
    }
    run
}

/// All files in `rc.d` in the order of their names, hidden ones left out.
pub(super) fn fates(directory: &Path, system: &dyn System) -> Vec<(PathBuf, Fate)> {
    let directory = directory.join(DIRECTORY);
    let mut names = system.names_in(&directory).unwrap_or_default();
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    names
        .into_iter()
        .map(|name| (directory.join(&name), fate(&directory.join(&name), &name, system)))
        .collect()
}

fn fate(path: &Path, name: &str, system: &dyn System) -> Fate {
    if MOVING.contains(&name) {
        return Fate::Moves(None);
    }
    let Some((event, occasion)) = EVENTS.into_iter().find(|(event, _)| *event == name) else {
        return Fate::NoEvent;
    };
    if !system.file_info(path).is_ok_and(|info| info.is_program()) {
        return Fate::NotExecutable;
    }
    let text = system.read_file(path).map(|(bytes, _)| bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let code = || text.lines().filter(|line| !line.trim_start().starts_with('#'));
    match MOVERS.into_iter().find(|word| code().any(|line| line.contains(word))) {
        Some(word) => Fate::Moves(Some(word)),
        None => Fate::Run { event, occasion },
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_system::FakeSystem;
    use super::super::system::FileKind;
    use super::*;

    /// As Debian's package heartbeat installs it.
    const STATUS: &str = "#!/bin/sh\n# License:  GNU General Public License (GPL)\n#\n\n. $HA_FUNCS\n\ncase $HA_st in\n  \
                          dead)\t$HA_NOARCHBIN/mach_down $HA_src;;\nesac\n";

    fn with(scripts: &[(&str, &str, u32)]) -> FakeSystem {
        let mut system = FakeSystem::good();
        for (name, text, mode) in scripts {
            system.put(&format!("/etc/ha.d/rc.d/{name}"), text, FileKind::Regular, *mode);
        }
        system
    }

    fn run_by(system: &FakeSystem) -> Vec<&'static str> {
        system.load().configuration.unwrap().event_scripts
    }

    #[test]
    fn the_scripts_of_the_original_are_not_run_and_it_is_said() {
        let mover = "#!/bin/sh\n$HA_NOARCHBIN/ResourceManager takegroup $HA_ipaddr\n";
        let system = with(&[
            ("status", STATUS, 0o755),
            ("ip-request", mover, 0o755),
            ("ip-request-resp", mover, 0o755),
            ("hb_takeover", "#!/bin/sh\n/usr/share/heartbeat/hb_standby all\n", 0o755),
            ("ask_resources", mover, 0o755),
        ]);
        assert_eq!(run_by(&system), [""; 0]);
        let said = system.found(Severity::Info);
        for name in ["status", "ip-request", "ip-request-resp", "hb_takeover", "ask_resources"] {
            let about = format!("rc.d/{name}: info: this event script is not run");
            assert_eq!(said.iter().filter(|line| line.starts_with(&about)).count(), 1, "{name}: {said:?}");
        }
        assert!(said.iter().any(|line| line.contains("`mach_down`")), "{said:?}");
        assert_eq!(system.found(Severity::Warning), [""; 0]);
    }

    #[test]
    fn scripts_of_the_administrator_are_run() {
        let system = with(&[
            ("status", "#!/bin/sh\n# in place of mach_down\nlogger \"$HA_src $HA_st\"\n", 0o700),
            ("ifstat", "#!/bin/sh\n[ $HA_st = dead ] && hb_standby\n", 0o755),
            (".ifstat.swp", "", 0o755),
        ]);
        assert_eq!(run_by(&system), ["ifstat", "status"]);
        assert!(!system.found(Severity::Info).iter().any(|line| line.contains("rc.d")));
    }

    #[test]
    fn a_script_that_cannot_be_run_is_named() {
        let system = with(&[("ifstat", "#!/bin/sh\n", 0o644), ("README", "text", 0o644)]);
        assert_eq!(run_by(&system), [""; 0]);
        let warnings = system.found(Severity::Warning);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("rc.d/ifstat") && warnings[0].contains("chmod +x"), "{warnings:?}");
    }

    #[test]
    fn a_check_says_of_every_script_whether_and_when_it_is_run() {
        let system = with(&[("ifstat", "#!/bin/sh\n", 0o757), ("mytest", "#!/bin/sh\n", 0o755)]);
        let advice = system.advised(Severity::Info);
        assert!(
            advice
                .iter()
                .any(|line| line.contains("rc.d/ifstat: info: this event script is run when a link"))
        );
        assert!(advice.iter().any(|line| line.contains("rc.d/mytest: info: nothing runs this script")));
        let warnings = system.advised(Severity::Warning);
        let writable = "rc.d/ifstat: warning: group or others may write this file";
        assert!(warnings.iter().any(|line| line.contains(writable)), "{warnings:?}");
    }
}
