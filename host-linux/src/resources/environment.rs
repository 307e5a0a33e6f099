//! The environment in which resource scripts and fencing agents run: as in the original, over a clean base.

use std::path::{Path, PathBuf};

use crate::config::Configuration;
use crate::config::system::SYSTEM_PATH;

/// Where the original and the agents keep their helpers (`send_arp`), in new and old packages; also in front of `PATH`.
const PROGRAMS: [&str; 2] = ["/usr/libexec/heartbeat", "/usr/lib/heartbeat"];
const SHARED: &str = "/usr/share/heartbeat";
const OCF_ROOT: &str = "/usr/lib/ocf";

/// Names and values, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// Everything that the scripts of the original expect. Values of `ha.cf` come after the fixed ones, `env`
    /// lines last, so that an administrator may replace any of them.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        let directory = configuration.directory.display().to_string();
        let directory = directory.trim_end_matches('/');
        let logging = &configuration.logging;
        let [usual, old] = PROGRAMS;
        let programs = if Path::new(usual).is_dir() { usual } else { old };
        let mut environment = Self::default();
        for (name, value) in [
            ("PATH", format!("{usual}:{old}:{SHARED}:{SYSTEM_PATH}")),
            ("HOME", "/".to_owned()),
            ("HA_CURHOST", configuration.this_node.clone()),
            // Set also for `legacy`, which is read as `on`.
            ("HA_NICEFAILBACK", "yes".to_owned()),
            ("HA_DIR", format!("{directory}/")),
            ("HA_FUNCS", format!("{directory}/shellfuncs")),
            ("HA_RCDIR", format!("{directory}/rc.d")),
            ("HA_RESOURCEDIR", format!("{directory}/resource.d")),
            ("HA_BIN", programs.to_owned()),
            ("HA_FIFO", "/var/lib/heartbeat/fifo".to_owned()),
            ("HA_DATEFMT", "%Y/%m/%d_%T ".to_owned()),
            ("HA_DOCDIR", "/usr/share/doc/heartbeat".to_owned()),
            ("HA_LOGD", "no".to_owned()),
            ("HA_debug", logging.debug.to_string()),
            ("OCF_ROOT", OCF_ROOT.to_owned()),
            ("OCF_AGENTS", format!("{OCF_ROOT}/resource.d/heartbeat")),
        ] {
            environment.set(name, value);
        }
        for (directive, value) in &configuration.parameters {
            environment.set(&format!("HA_{directive}"), value.clone());
        }
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        for (name, value) in [
            ("HA_LOGFILE", path(&logging.logfile)),
            ("HA_DEBUGLOG", path(&logging.debugfile)),
            ("HA_LOGFACILITY", logging.facility.clone()),
        ] {
            if let Some(value) = value {
                environment.set(name, value);
            }
        }
        for (name, value) in &configuration.environment {
            environment.set(name, value.clone());
        }
        environment
    }

    /// Sets a variable, in place of its old value if it had one.
    pub fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(existing, _)| existing == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(existing, _)| existing == name).map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The full path of a program in `PATH`.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let directories = self.value("PATH").unwrap_or(SYSTEM_PATH).split(':');
        directories
            .map(|directory| PathBuf::from(directory).join(name))
            .find(|path| super::locate::is_executable(path))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{KeyFile, Logging, OperationLimits, StopFailure, Times};

    fn configuration() -> Configuration {
        let second = Duration::from_secs(1);
        let [keepalive, deadtime, warntime, initdead, deadping] = [second; 5];
        Configuration {
            directory: "/etc/ha.d/".into(),
            cluster: "linux-ha".into(),
            this_node: "wna".into(),
            nodes: vec!["wna".into(), "wnb".into()],
            witness: None,
            witness_watchdog: None,
            times: Times { keepalive, deadtime, warntime, initdead, deadping },
            media: Vec::new(),
            pings: Vec::new(),
            auto_failback: true,
            auto_failback_word: "on".into(),
            stop_failure: StopFailure::Reboot,
            quorum: crate::config::Quorum::Off,
            limits: OperationLimits { start: second, stop: second, status: second },
            monitoring: crate::config::Monitoring::default(),
            logging: Logging { logfile: Some("/var/log/ha-log".into()), debug: 1, ..Logging::default() },
            fencing: Vec::new(),
            fence_delay: Duration::ZERO,
            respawn: Vec::new(),
            notify: Vec::new(),
            event_scripts: Vec::new(),
            watchdog: None,
            ipfail: false,
            realtime: None,
            environment: vec![("HA_SITE".into(), "a b".into()), ("HA_BIN".into(), "/opt/ha".into())],
            parameters: vec![("deadtime".into(), "1000ms".into()), ("debug".into(), "2".into())],
            keys: KeyFile { signing: 1, keys: Vec::new() },
            groups: Vec::new(),
        }
    }

    #[test]
    fn scripts_find_what_the_original_gave_them() {
        let environment = Environment::of(&configuration());
        for (name, value) in [
            ("HA_CURHOST", "wna"),
            ("HA_DIR", "/etc/ha.d/"),
            ("HA_FUNCS", "/etc/ha.d/shellfuncs"),
            ("HA_RESOURCEDIR", "/etc/ha.d/resource.d"),
            ("HA_LOGFILE", "/var/log/ha-log"),
            ("HA_deadtime", "1000ms"),
            ("HA_SITE", "a b"),
            ("OCF_ROOT", "/usr/lib/ocf"),
        ] {
            assert_eq!(environment.value(name), Some(value), "{name}");
        }
        assert_eq!(environment.value("HA_LOGFACILITY"), None);
        assert!(environment.value("PATH").unwrap().starts_with("/usr/libexec/heartbeat:/usr/lib/heartbeat:"));
    }

    #[test]
    fn the_administrator_has_the_last_word() {
        let environment = Environment::of(&configuration());
        assert_eq!(environment.value("HA_BIN"), Some("/opt/ha"));
        assert_eq!(environment.value("HA_debug"), Some("2"));
    }

    #[test]
    fn a_variable_has_one_value_the_last_one() {
        let mut environment = Environment::default();
        environment.set("HA_BIN", "/a".into());
        environment.set("HA_DIR", "/b/".into());
        environment.set("HA_BIN", "/c".into());
        let all: Vec<_> = environment.variables().collect();
        assert_eq!(all, [("HA_BIN", "/c"), ("HA_DIR", "/b/")]);
    }
}
