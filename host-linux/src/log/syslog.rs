//! Syslog by RFC 3164, as datagrams to `/dev/log`. Never waits: what the socket does not take is counted.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Local};

use super::Problem;
use super::format::{Level, printable};

/// What syslog daemons take in one datagram by default.
const MESSAGE_BYTES: usize = 8 * 1024;

/// A way to the local syslog daemon.
#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    facility: u8,
    socket: Option<UnixDatagram>,
    /// Messages dropped since the last that was sent.
    lost: u64,
}

impl Syslog {
    /// A way to `/dev/log`, with the reason if nobody answers there yet.
    pub(super) fn open(facility: &str) -> Result<(Self, Option<io::Error>), Problem> {
        let number = facility_number(facility).ok_or_else(|| Problem::Facility(facility.to_owned()))?;
        Ok(Self::at(Path::new("/dev/log"), number))
    }

    fn at(path: &Path, facility: u8) -> (Self, Option<io::Error>) {
        let mut syslog = Self { path: path.to_owned(), facility, socket: None, lost: 0 };
        let problem = syslog.connect().err();
        (syslog, problem)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn send(&mut self, when: SystemTime, level: Level, program: &str, pid: u32, text: &str) {
        if self.lost > 0 {
            let text = format!("{} message(s) to syslog were lost", self.lost);
            let note = self.message(when, Level::Warn, program, pid, &text);
            if self.send_datagram(&note).is_ok() {
                self.lost = 0;
            }
        }
        let message = self.message(when, level, program, pid, text);
        if self.send_datagram(&message).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    fn message(&self, when: SystemTime, level: Level, program: &str, pid: u32, text: &str) -> String {
        let priority = u16::from(self.facility) * 8 + severity(level);
        let stamp = DateTime::<Local>::from(when).format("%b %e %H:%M:%S");
        let mut message = format!("<{priority}>{stamp} {program}: [{pid}]: {level}: {}", printable(text));
        let mut end = MESSAGE_BYTES.min(message.len());
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message
    }

    fn send_datagram(&mut self, message: &str) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match socket.send(message.as_bytes()) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(_) => {} // the daemon was restarted: one new attempt
            }
        }
        self.connect()?.send(message.as_bytes()).map(|_| ())
    }

    fn connect(&mut self) -> io::Result<&UnixDatagram> {
        self.socket = None;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        Ok(self.socket.insert(socket))
    }
}

fn severity(level: Level) -> u16 {
    match level {
        Level::Emerg => 0,
        Level::Alert => 1,
        Level::Crit => 2,
        Level::Error => 3,
        Level::Warn => 4,
        Level::Notice => 5,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

fn facility_number(name: &str) -> Option<u8> {
    Some(match name {
        "kern" => 0,
        "user" => 1,
        "mail" => 2,
        "daemon" => 3,
        "auth" | "security" => 4,
        "syslog" => 5,
        "lpr" => 6,
        "news" => 7,
        "uucp" => 8,
        "cron" => 9,
        "authpriv" => 10,
        "ftp" => 11,
        "local0" => 16,
        "local1" => 17,
        "local2" => 18,
        "local3" => 19,
        "local4" => 20,
        "local5" => 21,
        "local6" => 22,
        "local7" => 23,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;
    use std::time::Duration;

    use chrono::TimeZone;

    use super::*;

    /// So that what never comes fails the test instead of holding up all that follow.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn when() -> SystemTime {
        Local.with_ymd_and_hms(2026, 11, 3, 3, 42, 25).unwrap().into()
    }

    fn received(daemon: &UnixDatagram) -> String {
        let mut buffer = [0; 2 * MESSAGE_BYTES];
        daemon.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = daemon.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_message_has_priority_time_and_tag() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let (mut syslog, problem) = Syslog::at(&path, facility_number("local0").unwrap());
        assert!(problem.is_none());
        syslog.send(when(), Level::Warn, "heartbeat", 55, "node wnb: is dead");
        assert_eq!(received(&daemon), "<132>Nov  3 03:42:25 heartbeat: [55]: WARN: node wnb: is dead");
    }

    #[test]
    fn a_full_socket_costs_messages_but_no_time_and_the_loss_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let (mut syslog, _) = Syslog::at(&path, 3);
        let mut sent = 0;
        while syslog.lost < 3 {
            syslog.send(when(), Level::Info, "heartbeat", 55, "again");
            sent += 1;
        }
        for _ in 0..sent - 3 {
            assert!(received(&daemon).ends_with("again"));
        }
        syslog.send(when(), Level::Info, "heartbeat", 55, "there");
        assert!(received(&daemon).ends_with("WARN: 3 message(s) to syslog were lost"));
        assert!(received(&daemon).ends_with("info: there"));
    }

    #[test]
    fn a_restarted_daemon_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut syslog, problem) = Syslog::at(&path, 3);
        assert!(problem.is_some());
        for round in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            syslog.send(when(), Level::Info, "heartbeat", 55, &format!("round {round}"));
            assert!(received(&daemon).ends_with(&format!("info: round {round}")));
            // A child that another test forks at this moment keeps the socket open until it has its own program:
            // closing it is not enough to be gone.
            daemon.shutdown(Shutdown::Both).unwrap();
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let (syslog, _) = Syslog::at(Path::new("/nonexistent"), 3);
        let message = syslog.message(when(), Level::Info, "heartbeat", 55, &"é".repeat(MESSAGE_BYTES));
        assert!(message.len() <= MESSAGE_BYTES && message.len() > MESSAGE_BYTES - 2);
    }
}
