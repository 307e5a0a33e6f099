//! The story: what is done to the cluster, step by step, and what is expected after each.

use heartline_lab::wait_until;

use super::client::Client;
use super::cluster::Cluster;
use super::error::DemoError;
use super::expected::{Expected, HOSTS, epochs};
use super::files::{self, MOUNT_POINT, SERVICE};
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
    /// What moves: from which host (none at the very start), to which; nothing in a step that shall move nothing.
    moves: Option<(Option<usize>, usize)>,
    expected: Expected,
    /// What the owner's log must say.
    says: Option<&'a str>,
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
        self.test_serial_line()?;
        self.start("both daemons start")?;
        self.play(
            &Step::moving("ha1 is stopped in good order (heartbeat -k)", 0, 1, Expected::alone(1)),
            |cluster| cluster.stop_daemon(0),
        )?;
        self.play(
            &Step::moving("ha1 is started again and takes back what is its own", 1, 0, Expected::whole(0)),
            |cluster| cluster.start_daemon(0),
        )?;
        self.cut_power()?;
        self.play(
            &Step::moving("ha1 has power again and fails back", 1, 0, Expected::whole(0)),
            |cluster| {
                cluster.hosts[0].boot()?;
                cluster.start_daemon(0)
            },
        )?;
        self.play(
            &Step {
                title: "the Ethernet cable of ha2 is cut: the serial line still carries heartbeats",
                moves: None,
                expected: Expected { ethernet: false, ..Expected::whole(0) },
                says: Some(ONE_PATH),
            },
            |cluster| Ok(cluster.hosts[1].cut_ethernet("eth0")?),
        )?;
        self.play(&Step::still("the Ethernet cable is mended", Expected::whole(0)), |cluster| {
            Ok(cluster.hosts[1].restore_ethernet("eth0")?)
        })?;
        self.play(
            &Step {
                title: "the null-modem cable is cut: the Ethernet still carries heartbeats",
                moves: None,
                expected: Expected { serial: false, ..Expected::whole(0) },
                says: Some(ONE_PATH),
            },
            |cluster| Ok(cluster.cable.cut()?),
        )?;
        self.play(&Step::still("the null-modem cable is mended", Expected::whole(0)), |cluster| {
            Ok(cluster.cable.restore()?)
        })
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
        let step = Step { title, moves: Some((None, 0)), expected: Expected::whole(0), says: None };
        self.play(&step, |cluster| {
            cluster.start_daemon(0)?;
            cluster.start_daemon(1)
        })
    }

    fn cut_power(&mut self) -> Result<(), DemoError> {
        let title = "the power of ha1 is cut";
        self.play(&Step::moving(title, 0, 1, Expected::alone(1)), |cluster| {
            Ok(cluster.hosts[0].power_cut()?)
        })?;
        let deadtime = self.cluster.pace.deadtime();
        self.report.note("of which", &format!("{} ms are the dead time in ha.cf", deadtime.as_millis()));
        Ok(())
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
        self.report.hold(Outcome { moved: String::new(), outage: None, said: [Vec::new(), Vec::new()] });
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
        if step.moves.is_none() && epochs(&sights[step.expected.owner]) != before {
            return Err(DemoError::Step("something moved, there and back".to_owned()));
        }
        self.report.note(
            "client",
            &format!("hostname.html: {:?}, index.html: {page:?}", HOSTS[step.expected.owner]),
        );
        let outage = match step.moves {
            Some((None, _)) => {
                self.report.note("service", &format!("{} ms after the order to start", took.as_millis()));
                None
            }
            _ => Some(self.client.outage_since(client)),
        };
        let said = log_lines::since(&self.cluster.hosts, log).map(|log| log_lines::decisive(&log));
        self.report.hold(Outcome { moved: step.moved(), outage, said });
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
        if let Some(phrase) = step.says
            && !log_lines::since(&self.cluster.hosts, log)[owner].contains(phrase)
        {
            found.push(format!("the log of {} does not say {phrase:?}", HOSTS[owner]));
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
            self.cluster.hosts[0].boot()?;
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
             \x20 heartline status           what runs where, and what is wrong\n\
             \x20 tail -f {}  what is decided, and why\n\
             \x20 hb_standby; hb_takeover    move everything to the other host, and back\n\
             \x20 heartbeat -k; heartbeat    stop the daemon in good order, start it\n\
             \x20 killall -9 heartbeat       let the daemon die, not the host\n\
             \x20 /etc/init.d/httpd stop     stop the web server behind the daemon's back\n\
             \x20 ip link set eth0 down      pull the Ethernet cable (and `up`)\n\
             \x20 ls {MOUNT_POINT}; cat {}/ha.cf\n\
             On the client ({}):\n\
             \x20 ping {SERVICE}\n\
             \x20 curl http://{SERVICE}/hostname.html",
            files::LOG_FILE,
            files::DIRECTORY,
            self.client.address(),
        );
        Ok(())
    }
}

impl<'a> Step<'a> {
    fn moving(title: &'a str, from: usize, to: usize, expected: Expected) -> Self {
        Self { title, moves: Some((Some(from), to)), expected, says: None }
    }

    fn still(title: &'a str, expected: Expected) -> Self {
        Self { title, moves: None, expected, says: None }
    }

    fn moved(&self) -> String {
        match self.moves {
            Some((Some(from), to)) => format!("{} -> {}", HOSTS[from], HOSTS[to]),
            Some((None, to)) => format!("to {}", HOSTS[to]),
            None => "nothing".to_owned(),
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
