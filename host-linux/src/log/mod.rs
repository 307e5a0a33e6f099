//! Where words for people go: log file, debug file, syslog, standard error.
//! How a line looks is in `format`; what is worth saying is decided elsewhere.

mod file;
mod format;
pub mod render;
mod syslog;

use std::io::Write;
use std::time::SystemTime;

use crate::clock;
use crate::config::Logging;
use file::LogFile;
pub(crate) use format::printable;
pub use format::{Level, Style, exact_time_stamp, line, precise_time_stamp, script_line, time_stamp};
use syslog::Syslog;

/// Lines kept for the files until the configuration says which; more come from a broken configuration only.
const EARLY_LINES: usize = 512;

/// Something about the log itself that an administrator should know.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A log file cannot be opened. It is tried again at each line.
    #[error("Cannot open the log file [{}]: {source}", .path.display())]
    Open {
        /// The file.
        path: std::path::PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// `logfacility` names nothing that syslog knows.
    #[error("Unknown syslog facility [{0}]: nothing is sent to syslog")]
    Facility(String),
    /// There is no syslog daemon. It is tried again at each line.
    #[error("Cannot reach syslog at {}: {source}", .path.display())]
    Syslog {
        /// The socket.
        path: std::path::PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

/// The log of one program.
#[derive(Debug)]
pub struct Log {
    host: String,
    program: String,
    pid: u32,
    style: Style,
    debug: u8,
    foreground: bool,
    stderr: bool,
    logfile: Option<LogFile>,
    debugfile: Option<LogFile>,
    syslog: Option<Syslog>,
    /// What was said before [`Log::configure`], for the files.
    early: Option<Vec<(SystemTime, Level, String)>>,
}

impl Log {
    /// A log that knows its sinks. Problems with single sinks do not keep the others from working.
    #[must_use]
    pub fn open(
        logging: &Logging,
        host: &str,
        program: &str,
        pid: u32,
        foreground: bool,
    ) -> (Self, Vec<Problem>) {
        let mut log = Self::early(host, program, pid);
        let problems = log.configure(logging, foreground);
        (log, problems)
    }

    /// A log before the configuration was read: lines go to standard error and are kept for the files.
    #[must_use]
    pub fn early(host: &str, program: &str, pid: u32) -> Self {
        Self {
            host: host.to_owned(),
            program: program.to_owned(),
            pid,
            style: Style::Syslog,
            debug: 0,
            foreground: true,
            stderr: true,
            logfile: None,
            debugfile: None,
            syslog: None,
            early: Some(Vec::new()),
        }
    }

    /// Takes the sinks of a configuration, the first or a new one, and hands them the lines kept so far.
    /// Standard error stays a sink until [`Log::leave_terminal`].
    pub fn configure(&mut self, logging: &Logging, foreground: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.style = if logging.syslog_format { Style::Syslog } else { Style::Classic };
        self.debug = logging.debug;
        self.foreground = foreground;
        let mut open = |path: &std::path::PathBuf| {
            let mut file = LogFile::new(path.clone());
            if let Err(source) = file.reopen() {
                problems.push(Problem::Open { path: path.clone(), source });
            }
            file
        };
        self.logfile = logging.logfile.as_ref().map(&mut open);
        self.debugfile = logging.debugfile.as_ref().map(&mut open);
        self.syslog = logging.facility.as_deref().and_then(|name| match Syslog::open(name) {
            Ok((syslog, None)) => Some(syslog),
            Ok((syslog, Some(source))) => {
                problems.push(Problem::Syslog { path: syslog.path().to_owned(), source });
                Some(syslog)
            }
            Err(unknown) => {
                problems.push(unknown);
                None
            }
        });
        for (when, level, text) in self.early.take().unwrap_or_default() {
            self.write_to_sinks(when, level, &text);
        }
        problems
    }

    /// Writes one line. Debug lines are dropped while the debug level is 0.
    pub fn write(&mut self, level: Level, text: &str) {
        if level == Level::Debug && self.debug == 0 {
            return;
        }
        let now = clock::wall();
        if self.stderr {
            // Somebody who closed our standard error cannot be told about it.
            let _ = std::io::stderr().write_all(self.line(now, level, text).as_bytes());
        }
        match &mut self.early {
            Some(kept) if kept.len() < EARLY_LINES => kept.push((now, level, text.to_owned())),
            Some(_) => {}
            None => self.write_to_sinks(now, level, text),
        }
    }

    /// Hands on one line of a resource script's output. Lines that carry the scripts' own time stamp pass
    /// unchanged. They go to the debug file as in the original, else to the log file, else to syslog.
    pub fn script_line(&mut self, program: &str, pid: u32, text: &str) {
        let rendered = script_line(clock::wall(), program, pid, text);
        if self.stderr {
            let _ = std::io::stderr().write_all(rendered.as_bytes());
        }
        if let Some(file) = self.debugfile.as_mut().or(self.logfile.as_mut()) {
            file.write(rendered.as_bytes());
        } else if let Some(syslog) = &mut self.syslog {
            syslog.send(clock::wall(), Level::Info, &self.program, self.pid, rendered.trim_end());
        }
    }

    /// Opens the files anew, after logrotate moved them. (A vanished file is noticed without this.)
    pub fn reopen(&mut self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for file in [&mut self.logfile, &mut self.debugfile].into_iter().flatten() {
            if let Err(source) = file.reopen() {
                problems.push(Problem::Open { path: file.path().to_owned(), source });
            }
        }
        problems
    }

    /// Stops writing to standard error, unless the daemon stays in the foreground.
    pub fn leave_terminal(&mut self) {
        self.stderr = self.foreground;
    }

    /// The debug level, 0 for none.
    #[must_use]
    pub fn debug(&self) -> u8 {
        self.debug
    }

    /// Sets the debug level (`-d`, USR1, USR2).
    pub fn set_debug(&mut self, level: u8) {
        self.debug = level;
    }

    fn write_to_sinks(&mut self, when: SystemTime, level: Level, text: &str) {
        let rendered = self.line(when, level, text);
        if level != Level::Debug
            && let Some(file) = &mut self.logfile
        {
            file.write(rendered.as_bytes());
        }
        if let Some(file) = &mut self.debugfile {
            file.write(rendered.as_bytes());
        }
        if let Some(syslog) = &mut self.syslog {
            syslog.send(when, level, &self.program, self.pid, text);
        }
    }

    fn line(&self, when: SystemTime, level: Level, text: &str) -> String {
        line(self.style, when, &self.host, &self.program, self.pid, level, text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn logging(directory: &Path) -> Logging {
        Logging {
            logfile: Some(directory.join("ha-log")),
            debugfile: Some(directory.join("ha-debug")),
            syslog_format: true,
            ..Logging::default()
        }
    }

    fn open(logging: &Logging) -> Log {
        let (mut log, problems) = Log::open(logging, "wna", "heartbeat", 55, false);
        assert!(problems.is_empty(), "{problems:?}");
        log.leave_terminal();
        log
    }

    fn texts(path: &Path) -> Vec<String> {
        let contents = fs::read_to_string(path).unwrap_or_default();
        contents.lines().map(|line| line.split_once("]: ").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn debug_goes_to_the_debug_file_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(&logging(directory.path()));
        log.write(Level::Debug, "dropped at level 0");
        log.set_debug(1);
        log.write(Level::Debug, "kept");
        log.write(Level::Warn, "node wnb: is dead");
        assert_eq!(texts(&directory.path().join("ha-log")), ["WARN: node wnb: is dead"]);
        assert_eq!(texts(&directory.path().join("ha-debug")), ["debug: kept", "WARN: node wnb: is dead"]);
        let mode = fs::metadata(directory.path().join("ha-log")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
    }

    #[test]
    fn what_was_said_early_reaches_the_files_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Log::early("wna", "heartbeat", 55);
        log.write(Level::Info, "first");
        assert!(log.configure(&logging(directory.path()), false).is_empty());
        log.leave_terminal();
        log.write(Level::Info, "second");
        assert_eq!(texts(&directory.path().join("ha-log")), ["info: first", "info: second"]);
    }

    #[test]
    fn a_moved_file_is_left_and_a_new_one_begun() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ha-log");
        let mut log = open(&logging(directory.path()));
        log.write(Level::Info, "before");
        fs::rename(&path, directory.path().join("ha-log.1")).unwrap();
        log.write(Level::Info, "after");
        assert_eq!(texts(&directory.path().join("ha-log.1")), ["info: before"]);
        assert_eq!(texts(&path), ["info: after"]);
        fs::remove_file(&path).unwrap();
        assert!(log.reopen().is_empty());
        log.write(Level::Info, "again");
        assert_eq!(texts(&path), ["info: again"]);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_reported_and_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("later");
        let logging = Logging { logfile: Some(missing.join("ha-log")), ..Logging::default() };
        let (mut log, problems) = Log::open(&logging, "wna", "heartbeat", 55, false);
        log.leave_terminal();
        assert!(problems[0].to_string().starts_with("Cannot open the log file ["), "{problems:?}");
        log.write(Level::Info, "lost");
        fs::create_dir(&missing).unwrap();
        log.write(Level::Info, "kept");
        let contents = fs::read_to_string(missing.join("ha-log")).unwrap();
        assert!(contents.contains("info: kept") && !contents.contains("lost\n"), "{contents}");
        assert!(contents.contains("1 line(s) could not be written here"), "{contents}");
    }

    #[test]
    fn script_output_goes_where_an_administrator_looks() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(&logging(directory.path()));
        let stamped = "2026/11/23_03:51:54  harc(default)[92]:    info: Running status";
        log.script_line("apache", 92, stamped);
        assert_eq!(fs::read_to_string(directory.path().join("ha-debug")).unwrap(), format!("{stamped}\n"));
        assert_eq!(fs::read_to_string(directory.path().join("ha-log")).unwrap(), "");

        let only = Logging { logfile: Some(directory.path().join("only")), ..Logging::default() };
        open(&only).script_line("apache", 92, stamped);
        assert_eq!(fs::read_to_string(directory.path().join("only")).unwrap(), format!("{stamped}\n"));
    }

    #[test]
    fn an_unknown_facility_is_reported() {
        let logging = Logging { facility: Some("local9".to_owned()), ..Logging::default() };
        let (_, problems) = Log::open(&logging, "wna", "heartbeat", 55, false);
        assert_eq!(problems[0].to_string(), "Unknown syslog facility [local9]: nothing is sent to syslog");
    }
}
