//! The story: what is done to the cluster, step by step, and what is expected after each.

mod witness;

use heartline_lab::wait_until;

use super::client::Client;
use super::cluster::Cluster;
use super::error::DemoError;
use super::expected::{Expected, HOSTS, epochs};
use super::files::{self, DIRECTORY, LOG_FILE, MOUNT_POINT, SERVICE};
use super::report::{self, Failure, Outcome, Report};
use super::{Method, evidence, log_lines, serial};
use crate::clock;

/// The lines of each log that a failed step shows.
const TAIL: usize = 12;
/// What the log of a host says when one path to its peer is left.
const ONE_PATH: &str = "One path is left";

/// The cluster and what is told about it.
pub(super) struct Story {
    cluster: Cluster,
    client: Client,
    report: Report,
}

/// A step whose outcome is judged by looking at the cluster.
struct Step<'a> {
    title: &'a str,
    moves: Moves,
    expected: Expected,
    /// Follows the time without service where that is shown.
    remark: String,
    /// What the log of a host must say, besides.
    says: Option<(usize, &'static str)>,
}

/// Where address, disk and web server come from when they come to their expected owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moves {
    /// They ran nowhere.
    Begins,
    /// From this host.
    From(usize),
    /// They have been there all the time.
    Nothing,
}

impl Story {
    pub(super) fn new(mut cluster: Cluster) -> Result<Self, DemoError> {
        let host = cluster.client.take().ok_or_else(|| DemoError::Step("there is no client".to_owned()))?;
        let client = Client::start(host)?;
        Ok(Self { cluster, client, report: Report::default() })
    }

    /// Tells it, and whether every step held; `twice`: once more, in short, with sha1.
    pub(super) fn tell(&mut self, twice: bool) -> Result<bool, DemoError> {
        report::describe(&self.cluster);
        let method = self.cluster.method;
        report::show_file("ha.cf", ", the same on both hosts", &self.cluster.ha_cf());
        report::show_file("authkeys", ", mode 600", files::authkeys(method));
        report::show_file("haresources", "", &self.cluster.haresources());
        let mut outcome = self.play_whole();
        if twice && outcome.is_ok() {
            outcome = self.play_sha1();
        }
        if let Err(error) = outcome {
            self.show_failure(&error);
        }
        Ok(self.report.summary())
    }

    fn play_whole(&mut self) -> Result<(), DemoError> {
        if self.cluster.dongle.is_none() {
            self.test_serial_line()?;
            self.start("both daemons start")?;
            return self.play_middle();
        }
        self.give_keys()?;
        self.start("both daemons start")?;
        self.show_witness()?;
        self.play_middle()?;
        self.part_and_join()
    }

    /// What befalls a cluster with and without a witness.
    fn play_middle(&mut self) -> Result<(), DemoError> {
        self.play(
            &Step::moving("ha1 is stopped in good order (heartbeat -k)", 0, Expected::alone(1)),
            |cluster| cluster.stop_daemon(0),
        )?;
        self.play(&Step::moving("ha1 is started again and fails back", 1, Expected::whole(0)), |cluster| {
            cluster.start_daemon(0)
        })?;
        self.cut_power()?;
        self.play(&Step::moving("ha1 has power again and fails back", 1, Expected::whole(0)), |cluster| {
            cluster.switch_on(0)?;
            cluster.start_daemon(0)
        })?;
        self.cut_cables()?;
        self.cut_off_from_router()
    }

    /// One of the two paths is cut, then the other: the owner is heard all the time.
    fn cut_cables(&mut self) -> Result<(), DemoError> {
        let without_ethernet = Expected { ethernet: false, ..Expected::whole(0) };
        let title = "ha2's Ethernet is cut: heartbeats pass over the serial line";
        self.play(&Step::still(title, without_ethernet), |cluster| {
            Ok(cluster.hosts[1].cut_ethernet("eth0")?)
        })?;
        self.play(&Step::still("ha2's Ethernet is mended", Expected::whole(0)), |cluster| {
            Ok(cluster.hosts[1].restore_ethernet("eth0")?)
        })?;
        let without_serial = Expected { serial: false, ..Expected::whole(0) };
        let title = "the serial cable is cut: heartbeats pass over Ethernet";
        self.play(&Step::still(title, without_serial), |cluster| Ok(cluster.cable.cut()?))?;
        self.play(&Step::still("the serial cable is mended", Expected::whole(0)), |cluster| {
            Ok(cluster.cable.restore()?)
        })
    }

    /// The owner lives and cannot be reached by its clients: this is what ipfail is for.
    fn cut_off_from_router(&mut self) -> Result<(), DemoError> {
        let without_ethernet = Expected { ethernet: false, ..Expected::whole(1) };
        let title = "ha1's Ethernet is cut: ipfail moves the service";
        self.play(&Step::moving(title, 0, without_ethernet), |cluster| {
            Ok(cluster.hosts[0].cut_ethernet("eth0")?)
        })?;
        self.play(
            &Step::moving("ha1's Ethernet is mended, the service fails back", 1, Expected::whole(0)),
            |cluster| Ok(cluster.hosts[0].restore_ethernet("eth0")?),
        )
    }

    fn play_sha1(&mut self) -> Result<(), DemoError> {
        for host in [1, 0] {
            self.cluster.stop_daemon(host)?;
        }
        self.cluster.write_files(Method::Sha1)?;
        println!("\nOnce more, with keys that nobody else has.");
        report::show_file("authkeys", ", mode 600", files::authkeys(Method::Sha1));
        self.start("both daemons start with sha1")?;
        self.cut_power()
    }

    fn start(&mut self, title: &str) -> Result<(), DemoError> {
        let step = Step { moves: Moves::Begins, ..Step::still(title, Expected::whole(0)) };
        self.play(&step, |cluster| {
            cluster.start_daemon(0)?;
            cluster.start_daemon(1)
        })
    }

    fn cut_power(&mut self) -> Result<(), DemoError> {
        let deadtime = self.cluster.pace.deadtime().as_millis();
        let remark = if self.cluster.dongle.is_some() {
            format!("; the witness senses it, and the dead time, {deadtime} ms, is not waited out")
        } else {
            format!("; the dead time, {deadtime} ms, counts from the last heartbeat")
        };
        let step = Step { remark, ..Step::moving("the power of ha1 is cut", 0, Expected::alone(1)) };
        self.play(&step, |cluster| cluster.cut_power(0))
    }

    fn test_serial_line(&mut self) -> Result<(), DemoError> {
        self.report.begin("the serial connection test, before the daemons use the line");
        let (device, patience) = (self.cluster.serial().to_owned(), self.cluster.patience());
        let [ha1, ha2] = &mut self.cluster.hosts;
        let took = [
            serial::pass_line(ha1, ha2, &device, "ha1 calls ha2", patience)?,
            serial::pass_line(ha2, ha1, &device, "ha2 calls ha1", patience)?,
        ];
        for (from, took) in took.iter().enumerate() {
            let (from, to) = (HOSTS[from], HOSTS[1 - from]);
            let text = format!("{from} calls {to} over {device}: heard after {} ms", took.as_millis());
            self.report.note("passed", &text);
        }
        self.report.hold(Outcome::default());
        Ok(())
    }

    /// Does something, waits until the cluster is as expected, and tells what happened.
    fn play(
        &mut self,
        step: &Step<'_>,
        act: impl FnOnce(&mut Cluster) -> Result<(), DemoError>,
    ) -> Result<(), DemoError> {
        self.report.begin(step.title);
        let before = epochs(&self.cluster.look()?[step.expected.owner]);
        let (log, client, begin) =
            (log_lines::mark(&self.cluster.hosts), self.client.mark(), clock::monotonic());
        act(&mut self.cluster)?;
        self.wait_for(step, log)?;
        let took = clock::monotonic().saturating_duration_since(begin);
        let page = self.client.fetch("/index.html", self.cluster.patience())?;
        let sights = self.cluster.look()?;
        if step.moves == Moves::Nothing && epochs(&sights[step.expected.owner]) != before {
            return Err(DemoError::Step("something moved, there and back".to_owned()));
        }
        let owner = HOSTS[step.expected.owner];
        self.report.note("client", &format!("hostname.html says {owner}; index.html says: {page}"));
        let outage = (step.moves != Moves::Begins).then(|| self.client.outage_since(client));
        if outage.is_none() {
            self.report.note("service", &format!("{} ms after the order to start", took.as_millis()));
        }
        let said = log_lines::since(&self.cluster.hosts, log).map(|log| log_lines::decisive(&log));
        self.report.hold(Outcome { moved: step.moved(), outage, remark: step.remark.clone(), said });
        Ok(())
    }

    fn wait_for(&mut self, step: &Step<'_>, log: log_lines::LogMark) -> Result<(), DemoError> {
        let patience = self.cluster.patience();
        let mut seen = Vec::new();
        let mut failure = None;
        let outcome = wait_until("the cluster is as expected", patience, || {
            seen = self.differences(step, log).unwrap_or_else(|error| {
                failure = Some(error);
                Vec::new()
            });
            seen.is_empty()
        });
        match (failure, outcome) {
            (Some(failure), _) => Err(failure),
            (None, Ok(())) => Ok(()),
            (None, Err(_)) => Err(DemoError::Unexpected { expected: step.expectation(), seen, patience }),
        }
    }

    /// What is not yet as expected. What the client sees is asked first: the hosts should not be disturbed while they
    /// are busy.
    fn differences(&mut self, step: &Step<'_>, log: log_lines::LogMark) -> Result<Vec<String>, DemoError> {
        let owner = step.expected.owner;
        match self.client.answer() {
            Ok(answer) if answer == HOSTS[owner] => {}
            Ok(answer) => return Ok(vec![format!("the client is answered by {answer}")]),
            Err(failure) => return Ok(vec![format!("the client gets no answer: {failure}")]),
        }
        let mut found = step.expected.differences(&self.cluster.look()?);
        let one_path = step.expected.one_path_left().then_some((owner, ONE_PATH));
        for (host, phrase) in one_path.into_iter().chain(step.says) {
            if !log_lines::since(&self.cluster.hosts, log)[host].contains(phrase) {
                found.push(format!("the log of {} does not say {phrase:?}", HOSTS[host]));
            }
        }
        Ok(found)
    }

    fn show_failure(&self, error: &DemoError) {
        let (expected, seen) = match error {
            DemoError::Unexpected { expected, seen, patience } => {
                (format!("{expected}, within {} s", patience.as_secs()), seen.clone())
            }
            other => ("that it can be done".to_owned(), vec![other.to_string()]),
        };
        let logs = [0, 1].map(|host| log_lines::tail(&self.cluster.hosts[host], TAIL));
        self.report.fail(&Failure { expected, seen, logs });
        match evidence::save(&self.cluster, &self.client) {
            Ok(directory) => self.report.saved(&directory),
            Err(error) => println!("\n    The files of the hosts could not be saved: {error}"),
        }
    }

    /// Tells how to get into the cluster and what to try there.
    pub(super) fn explain(&mut self) -> Result<(), DemoError> {
        if !self.cluster.hosts[0].booted()? {
            self.cluster.switch_on(0)?;
            self.cluster.start_daemon(0)?;
        }
        println!(
            "\nThe cluster stays up until you press Ctrl-C. A shell on each host, from another terminal:\n"
        );
        for host in self.cluster.hosts.iter().chain([self.client.host()]) {
            println!("  {:<7} {}", host.name(), host.enter_hint()?);
        }
        println!(
            "\nTo try on ha1 or ha2:\n\
             \x20 heartline status                      what runs where, and what is wrong\n\
             \x20 tail -f {LOG_FILE}               what is decided, and why\n\
             \x20 hb_standby; hb_takeover               move everything to the other host, and back\n\
             \x20 heartbeat -k; heartbeat               stop the daemon in good order, start it\n\
             \x20 kill -9 $(cat /run/heartbeat.pid)     let the daemon die alone\n\
             \x20 ip link set eth0 down                 pull the Ethernet cable (`up` mends it)\n\
             \x20 ls {MOUNT_POINT}; cat {DIRECTORY}/ha.cf\n\
             On the client ({}):\n\
             \x20 ping {SERVICE}\n\
             \x20 curl http://{SERVICE}/hostname.html\n\
             From outside, `kill -9` of a process number above cuts the power of that host.",
            self.client.address(),
        );
        if self.cluster.dongle.is_some() {
            println!(
                "Of the witness, on ha1 or ha2:\n\
                 \x20 heartline dongle show                 what it says of both hosts, and its counters\n\
                 \x20 heartline dongle journal              what it did last, and why\n\
                 \x20 kill -STOP $(cat /run/heartbeat.pid)  a daemon that hangs: its host is reset"
            );
        }
        Ok(())
    }
}

impl<'a> Step<'a> {
    fn moving(title: &'a str, from: usize, expected: Expected) -> Self {
        Self { moves: Moves::From(from), ..Self::still(title, expected) }
    }

    fn still(title: &'a str, expected: Expected) -> Self {
        Self { title, moves: Moves::Nothing, expected, remark: String::new(), says: None }
    }

    fn moved(&self) -> String {
        let owner = HOSTS[self.expected.owner];
        match self.moves {
            Moves::Begins => format!("to {owner}"),
            Moves::From(host) => format!("{} -> {owner}", HOSTS[host]),
            Moves::Nothing => "nothing".to_owned(),
        }
    }

    fn expectation(&self) -> String {
        let mut text = format!("address, disk and web server on {} alone", HOSTS[self.expected.owner]);
        for (carries, what) in
            [(self.expected.ethernet, "Ethernet"), (self.expected.serial, "the serial line")]
        {
            if !carries {
                text += &format!(", no heartbeats over {what}");
            }
        }
        text
    }
}
