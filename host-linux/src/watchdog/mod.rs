//! The hardware watchdog of `ha.cf`: when its device is opened, fed and let go of, and what the core and people are told of
//! it. Whether it may be fed is decided by the core (`node::quorum`) and, for the main loop, in `health`.
//!
//! The device is opened when the core first wants it fed, not before: opening it feeds it, and a daemon that comes back to
//! services of its former life must not prolong what the other nodes rely on to end. It is closed with `V` only by an
//! orderly end. Any other end of the process, and so an `exec` of another binary, leaves it counting, for as long as it
//! was last set to; who is to go on must open it within that time.

mod device;
mod health;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use self::device::{Device, LinuxDevice};
pub(crate) use self::health::{Health, Neglect};
use crate::config::Configuration;
use crate::log::Level;

/// What `ha.cf` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    path: PathBuf,
    timeout: Duration,
    keepalive: Duration,
}

impl Settings {
    fn of(configuration: &Configuration) -> Option<Self> {
        let path = configuration.watchdog.clone()?;
        let times = &configuration.times;
        Some(Self { path, timeout: times.watchdog_timeout(), keepalive: times.keepalive })
    }

    /// Whether one late heartbeat would not reset the host yet.
    fn is_safe(&self, timeout: Duration) -> bool {
        timeout > self.keepalive * 2
    }
}

/// The watchdog of this host.
#[derive(Debug)]
pub(crate) struct Watchdog<D = LinuxDevice> {
    settings: Option<Settings>,
    device: Option<D>,
    /// The time-out in force, as far as the device tells.
    timeout: Option<Duration>,
    /// The time-out that the others may rely on.
    armed: Option<Duration>,
    /// What the core was told last.
    told: Option<Duration>,
    /// Why it is not armed though `ha.cf` asks for it, as last said.
    problem: Option<String>,
    /// It is neither opened nor fed any more, whatever the core wants.
    given_up: bool,
    remarks: Vec<(Level, String)>,
}

impl<D: Device> Watchdog<D> {
    /// Nothing is opened yet.
    pub(crate) fn new(configuration: &Configuration) -> Self {
        Self {
            settings: Settings::of(configuration),
            device: None,
            timeout: None,
            armed: None,
            told: None,
            problem: None,
            given_up: false,
            remarks: Vec::new(),
        }
    }

    /// Whether `ha.cf` asks for one.
    pub(crate) fn is_wanted(&self) -> bool {
        self.settings.is_some()
    }

    /// The time-out that the others may rely on; nothing while there is none.
    pub(crate) fn armed(&self) -> Option<Duration> {
        self.armed
    }

    /// Why it is not armed though `ha.cf` asks for it.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Feeds the device, and opens it if it is not open. What cannot be opened is tried again the next time.
    pub(crate) fn feed(&mut self) {
        let Some(settings) = self.settings.clone().filter(|_| !self.given_up) else { return };
        let fed = match &mut self.device {
            None => {
                self.open(&settings);
                return;
            }
            Some(device) => device.feed(),
        };
        if let Err(error) = fed {
            // Whether it still counts is not known: nobody should rely on it.
            self.close();
            self.fails(format!("Cannot feed watchdog device {}: {error}", settings.path.display()));
        }
    }

    /// Lets it reset this host, which could not do so by itself; after how long at the latest, if it is armed.
    pub(crate) fn starve(&mut self) -> Option<Duration> {
        self.given_up = true;
        self.timeout
    }

    /// Closes the device such that it stops counting.
    pub(crate) fn disarm(&mut self) {
        let Some(device) = self.device.take().filter(|_| !self.given_up) else { return };
        self.close();
        match device.disarm() {
            Ok(()) => self.remarks.push((Level::Info, "The watchdog is disarmed.".to_owned())),
            Err(error) => {
                self.remarks.push((Level::Error, format!("Cannot disarm the watchdog: {error}")));
            }
        }
    }

    /// Why the daemon cannot live by another configuration while its watchdog counts.
    pub(crate) fn objects(&self, new: &Configuration) -> Option<String> {
        let (timeout, keepalive) = (self.timeout?, new.times.keepalive);
        let in_force = self.settings.as_ref().map(|settings| Settings { keepalive, ..settings.clone() })?;
        (!in_force.is_safe(timeout)).then(|| {
            format!(
                "the watchdog resets this host after {} s without a heartbeat, which is too short for keepalive {} ms; \
                 that needs a restart",
                timeout.as_secs(),
                keepalive.as_millis()
            )
        })
    }

    /// Another configuration. An open device stays open, and its time-out only becomes shorter: another node may rely on
    /// what it was last told, and may not hear that it is so no longer.
    pub(crate) fn configure(&mut self, new: &Configuration) {
        let new = Settings::of(new);
        let Some(in_force) = self.settings.clone().filter(|_| self.device.is_some()) else {
            self.settings = new;
            self.problem = None;
            self.given_up = false;
            return;
        };
        match new {
            Some(new) if new.path == in_force.path => {
                let timeout = self.timeout.unwrap_or(in_force.timeout);
                if new.timeout < timeout {
                    self.set_timeout(&new);
                } else if new.timeout > timeout {
                    let seconds = timeout.as_secs();
                    let text = format!(
                        "The watchdog keeps its time-out of {seconds} s until this daemon is started anew"
                    );
                    self.remarks.push((Level::Warn, text));
                }
                self.settings = Some(new);
            }
            _ => {
                let text = format!(
                    "The watchdog device {} stays armed until this daemon is started anew",
                    in_force.path.display()
                );
                self.remarks.push((Level::Warn, text));
            }
        }
    }

    /// What the core has not been told yet.
    pub(crate) fn news(&mut self) -> Option<Option<Duration>> {
        let is_news = self.told != self.armed;
        self.told = self.armed;
        is_news.then_some(self.armed)
    }

    /// What is to be said, oldest first.
    pub(crate) fn remarks(&mut self) -> std::vec::IntoIter<(Level, String)> {
        std::mem::take(&mut self.remarks).into_iter()
    }

    fn open(&mut self, settings: &Settings) {
        let path = settings.path.display();
        match D::open(&settings.path) {
            Ok(device) => {
                self.remarks.push((Level::Notice, format!("Using watchdog device: {path}")));
                self.problem = None;
                self.device = Some(device);
                self.set_timeout(settings);
            }
            Err(error) => self.fails(format!("Cannot open watchdog device: {path}: {}", why(&error))),
        }
    }

    /// Asks an open device for the time-out, and lives by the one that it has.
    fn set_timeout(&mut self, settings: &Settings) {
        let Some(device) = &self.device else { return };
        let wanted = settings.timeout.as_secs();
        if let Err(error) = device.set_timeout(settings.timeout) {
            let text = format!("WDIOC_SETTIMEOUT: Failed to set watchdog timer to {wanted} seconds: {error}");
            self.remarks.push((Level::Error, text));
        }
        self.timeout = device.timeout().ok().filter(|timeout| !timeout.is_zero());
        let relied_on = device.outlives_us();
        match self.timeout {
            Some(timeout) if !settings.is_safe(timeout) => {
                let (timeout, keepalive) = (timeout.as_secs(), settings.keepalive.as_millis());
                self.disarm();
                self.fails(format!(
                    "The watchdog is not used: it resets after {timeout} s, which is too short for keepalive {keepalive} ms"
                ));
                // It would be the same the next time.
                self.given_up = true;
            }
            Some(timeout) if relied_on => {
                self.armed = Some(timeout);
                let text =
                    format!("The watchdog resets this host when it is not fed for {} s", timeout.as_secs());
                self.remarks.push((Level::Info, text));
            }
            Some(_) => self.unreliable("it stops counting when this process dies"),
            None => self.unreliable("it does not tell its time-out"),
        }
    }

    /// It is fed, and helps against a daemon that hangs, but the others are not told of it.
    fn unreliable(&mut self, why: &str) {
        self.fails(format!("The other nodes cannot rely on the watchdog: {why}"));
    }

    fn close(&mut self) {
        self.device = None;
        self.timeout = None;
        self.armed = None;
    }

    fn fails(&mut self, text: String) {
        if self.problem.as_ref() != Some(&text) {
            self.remarks.push((Level::Error, text.clone()));
            self.problem = Some(text);
        }
    }
}

fn why(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EBUSY) => {
            "it is in use by another program; systemd feeds it where `RuntimeWatchdogSec=` is set".to_owned()
        }
        Some(Errno::ENOENT) => "there is no such device; is its kernel module loaded?".to_owned(),
        Some(Errno::ENOTTY) => "it is no watchdog".to_owned(),
        _ => error.to_string(),
    }
}
