//! A host with its daemon: started, signalled and asked. What really runs on it is looked up in `reality`.

use crate::error::Error;
use crate::plan::Group;
use crate::reality;
use crate::service::{self, Call, Fault, PROCESS, RECORD};
use crate::{LIMIT, Result};
use heartline::cli::{Palette, render_status};
use heartline::control::snapshot::{self, Snapshot};
use heartline::control::{Client, Request, socket_path};
use heartline_lab::{Host, Job, Output, wait_until};
use nix::sys::signal::Signal;
use nix::time::clock_getcpuclockid;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// How long an answer of the daemon may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The log with everything in it.
const LOG: &str = "/var/log/ha-debug";
/// How many lines of a log a report shows.
const REPORTED_LINES: usize = 60;

/// One of the two hosts.
#[derive(Debug)]
pub struct Node {
    // First to go: a host goes down only when nobody who is stopped waits for a process of it.
    daemon: Daemon,
    /// The host.
    pub host: Host,
}

/// The daemon of a host, as far as the test has to do with it.
#[derive(Debug)]
enum Daemon {
    /// It was not started, or has ended.
    None,
    /// In the foreground.
    Foreground(Job),
    /// In the foreground, and gets no time.
    Frozen(Job),
    /// In the background, by `heartbeat`.
    Background,
}

impl Node {
    pub(crate) fn new(host: Host) -> Self {
        Self { daemon: Daemon::None, host }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.host.name()
    }

    /// Switches the power on.
    ///
    /// # Errors
    /// As [`Host::boot`].
    pub fn boot(&mut self) -> Result<()> {
        Ok(self.host.boot()?)
    }

    /// Cuts the power.
    ///
    /// # Errors
    /// As [`Host::power_cut`].
    pub fn power_cut(&mut self) -> Result<()> {
        if matches!(self.daemon, Daemon::Frozen(_)) {
            self.forget_daemon();
        }
        self.host.power_cut()?;
        self.forget_daemon();
        Ok(())
    }

    /// Waits until somebody has cut the power.
    ///
    /// # Errors
    /// It stays up.
    pub fn wait_down(&mut self) -> Result<()> {
        self.host.wait_down(LIMIT)?;
        self.forget_daemon();
        Ok(())
    }

    /// Starts the daemon in the foreground.
    ///
    /// # Errors
    /// As [`Host::spawn`].
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&["/usr/sbin/heartline", "daemon"])
    }

    /// Starts the daemon by another command line.
    ///
    /// # Errors
    /// As [`Host::spawn`].
    pub fn start_with(&mut self, line: &[&str]) -> Result<()> {
        self.daemon = Daemon::Foreground(self.host.spawn(line)?);
        Ok(())
    }

    /// Starts the daemon in the background as the original is started, and waits until it is up.
    ///
    /// # Errors
    /// The command does not end, or not with status 0.
    pub fn start_in_background(&mut self) -> Result<()> {
        self.run_well(&["heartbeat"])?;
        self.daemon = Daemon::Background;
        Ok(())
    }

    /// Ends the daemon in good order, and waits until it is gone.
    ///
    /// # Errors
    /// It does not end, or not with status 0.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        self.wait_stopped()
    }

    /// Waits until the daemon has ended in good order.
    ///
    /// # Errors
    /// It does not end, or not with status 0.
    pub fn wait_stopped(&mut self) -> Result<()> {
        let output = self.ended()?;
        self.judge("the daemon", &output)
    }

    /// Waits for the end of the daemon, whatever it is.
    ///
    /// # Errors
    /// It does not end, or was not started.
    pub fn ended(&mut self) -> Result<Output> {
        match std::mem::replace(&mut self.daemon, Daemon::None) {
            Daemon::Foreground(job) | Daemon::Frozen(job) => Ok(job.wait(LIMIT)?),
            Daemon::None | Daemon::Background => Err(self.no_daemon()),
        }
    }

    /// Kills the daemon: it can do nothing more. Its services run on.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.ended().map(drop)
    }

    /// Sends the daemon a signal.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(self.job().ok_or_else(|| self.no_daemon())?.signal(signal)?)
    }

    /// Stops the daemon so that it gets no time at all.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)?;
        if let Daemon::Foreground(job) = std::mem::replace(&mut self.daemon, Daemon::None) {
            self.daemon = Daemon::Frozen(job);
        }
        Ok(())
    }

    /// Lets a frozen daemon go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&mut self) -> Result<()> {
        let pid = self.job().ok_or_else(|| self.no_daemon())?.pid()?;
        // Who waits for it stopped itself too, and has to go on first.
        let mut both = vec![pid];
        both.extend(reality::parent(pid));
        self.host.thaw(&both)?;
        if let Daemon::Frozen(job) = std::mem::replace(&mut self.daemon, Daemon::None) {
            self.daemon = Daemon::Foreground(job);
        }
        Ok(())
    }

    /// Sends SIGHUP, and waits until the daemon has logged that it has taken or refused the files.
    ///
    /// # Errors
    /// [`Error::NotYet`], with the log's last lines in the report.
    pub fn reload(&self, verdict: &str) -> Result<()> {
        let count = || self.log().matches(verdict).count();
        let before = count();
        self.signal(Signal::SIGHUP)?;
        wait_until("it is logged", LIMIT, || count() > before).map_err(|_| Error::NotYet {
            expected: format!("{} logs `{verdict}` after SIGHUP", self.name()),
            seen: "it did not".to_owned(),
        })
    }

    /// Lets go of a daemon that ended by itself or went with its host.
    pub fn forget_daemon(&mut self) {
        self.daemon = Daemon::None;
    }

    /// Whether the daemon was started in the foreground and not ended since.
    pub(crate) fn has_daemon(&self) -> bool {
        self.job().is_some()
    }

    /// Whether the daemon can be expected to answer.
    pub(crate) fn listens(&self) -> bool {
        matches!(self.daemon, Daemon::Foreground(_) | Daemon::Background)
    }

    fn job(&self) -> Option<&Job> {
        match &self.daemon {
            Daemon::Foreground(job) | Daemon::Frozen(job) => Some(job),
            Daemon::None | Daemon::Background => None,
        }
    }

    /// As [`Node::run`], for a command that must succeed; what it says, without the last line's end.
    ///
    /// # Errors
    /// It does not end, or not with status 0.
    pub fn run_well(&mut self, line: &[&str]) -> Result<String> {
        let output = self.run(line)?;
        self.judge(&line.join(" "), &output)?;
        Ok(output.stdout.trim_end().to_owned())
    }

    fn judge(&self, what: &str, output: &Output) -> Result<()> {
        if output.status.success() {
            return Ok(());
        }
        let (name, status, said) = (self.name(), output.status, &output.stdout);
        Err(Error::Wrong(format!("{name}: {what} ended with {status}: {said}")))
    }

    /// Runs a command on the host to its end; its two streams come as one.
    ///
    /// # Errors
    /// It does not end.
    pub fn run(&mut self, line: &[&str]) -> Result<Output> {
        Ok(self.host.spawn(line)?.wait(LIMIT)?)
    }

    /// The state of the cluster as this node sees it.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn status(&self) -> Result<Snapshot> {
        let wrap = |source| Error::Control { node: self.name().to_owned(), source };
        let socket = self.host.path(socket_path(Path::new("/run")))?;
        let mut client = Client::connect(&socket, Some(PATIENCE)).map_err(wrap)?;
        let snapshot = client.ask(&Request::Status, |_| {}).map_err(wrap)?.snapshot;
        let missing = || Error::Wrong(format!("{} answered without a status", self.name()));
        Ok(*snapshot.ok_or_else(missing)?)
    }

    /// Waits until the status of this node shows something.
    ///
    /// # Errors
    /// [`Error::NotYet`], with the status at last.
    pub fn wait_status(&self, what: &str, mut condition: impl FnMut(&Snapshot) -> bool) -> Result<()> {
        let shows = || self.status().is_ok_and(|status| condition(&status));
        wait_until(what, LIMIT, shows).map_err(|_| Error::NotYet {
            expected: format!("{} shows that {what}", self.name()),
            seen: format!("it shows:\n{}", self.rendered_status()),
        })
    }

    /// Waits until this node shows a link to the other as up or as dead.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn wait_link(&self, peer: &str, link: &str, up: bool) -> Result<()> {
        let what = format!("link {link} to {peer} is {}", if up { "up" } else { "dead" });
        self.wait_status(&what, |status| {
            let mut links = status.nodes.iter().filter(|node| node.name == peer).flat_map(|node| &node.links);
            links.any(|known| known.name == link && known.up == up)
        })
    }

    /// Waits until this node shows the other in this state.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn wait_peer(&self, peer: &str, state: snapshot::NodeStatus) -> Result<()> {
        self.wait_status(&format!("{peer} is {}", state.word()), |status| {
            status.nodes.iter().any(|node| node.name == peer && node.status == state)
        })
    }

    /// All that the daemon logged, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        self.host.read(LOG).unwrap_or_default()
    }

    /// Waits until the daemon has logged a line with all these parts.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn wait_log(&self, parts: &[&str]) -> Result<()> {
        let logged = || self.log().lines().any(|line| parts.iter().all(|part| line.contains(part)));
        wait_until("it is logged", LIMIT, logged).map_err(|_| Error::NotYet {
            expected: format!("{} logs a line with {parts:?}", self.name()),
            seen: "there is none".to_owned(),
        })
    }

    /// Whether a service really runs here.
    #[must_use]
    pub fn runs(&self, service: &str) -> bool {
        self.host.pids_of(&format!("{PROCESS}{service}")).is_ok_and(|pids| !pids.is_empty())
    }

    /// The processor time that the daemon has used up to now.
    ///
    /// # Errors
    /// It does not run.
    pub fn processor_time(&self) -> Result<Duration> {
        let used = |pid| clock_getcpuclockid(pid)?.now().map(Duration::from);
        let used: nix::Result<Duration> = self.host.pids_of("heartline")?.into_iter().map(used).sum();
        used.map_err(|errno| Error::io("read a processor clock")(errno.into()))
    }

    /// Whether an address is really here.
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        reality::has_address(&self.host, address)
    }

    /// The processes on the host besides its process 1, as command lines.
    ///
    /// # Errors
    /// It is down.
    pub fn processes(&self) -> Result<Vec<String>> {
        Ok(reality::processes(&self.host)?.into_iter().map(|(_, line)| line).collect())
    }

    /// The calls of a service's script on this host, in all its lives.
    ///
    /// # Errors
    /// The record cannot be understood.
    pub fn calls(&self, service: &str) -> Result<Vec<Call>> {
        let mut calls = service::read_record(&self.host.read(RECORD).unwrap_or_default())?;
        calls.retain(|call| call.service == service);
        Ok(calls)
    }

    /// The verbs by which this host's service of a group was started and stopped, in order.
    ///
    /// # Errors
    /// As [`Node::calls`].
    pub fn moves(&self, group: &Group) -> Result<Vec<String>> {
        let verbs = self.calls(&group.service)?.into_iter().map(|call| call.verb);
        Ok(verbs.filter(|verb| verb != "status").collect())
    }

    /// Has a service's script do something wrong from now on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn order_fault(&self, service: &str, verb: &str, fault: Fault) -> Result<()> {
        Ok(self.host.write(Fault::path(service, verb), fault.word(), 0o644)?)
    }

    /// All that helps to understand what went wrong.
    pub(crate) fn report(&self) -> String {
        let mut text = format!("---- {}: status\n{}", self.name(), self.rendered_status());
        if let Some(daemon) = self.job() {
            let _ =
                write!(text, "---- {}: the daemon on its terminal\n{}", self.name(), tail(&daemon.said()));
        }
        for file in [LOG, RECORD] {
            let contents = self.host.read(file).unwrap_or_default();
            let _ = write!(text, "---- {}: {file}\n{}", self.name(), tail(&contents));
        }
        let processes = self.processes().map_or_else(|error| error.to_string(), |lines| lines.join("\n"));
        let _ = writeln!(text, "---- {}: processes\n{processes}", self.name());
        text
    }

    fn rendered_status(&self) -> String {
        if matches!(self.daemon, Daemon::Frozen(_)) {
            return "frozen\n".to_owned();
        }
        match self.status() {
            Ok(snapshot) => render_status(&snapshot, Palette::Plain),
            Err(error) => format!("{error}\n"),
        }
    }

    fn no_daemon(&self) -> Error {
        Error::Wrong(format!("no daemon was started on {}", self.name()))
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(REPORTED_LINES)..].iter().map(|line| format!("{line}\n")).collect()
}
