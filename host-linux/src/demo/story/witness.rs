//! The part of the story that a witness in the cable adds: its keys, what it says, and a total partition.

use heartline_lab::wait_until;

use super::{Step, Story};
use crate::control::Snapshot;
use crate::control::snapshot::WitnessWatch;
use crate::demo::error::DemoError;
use crate::demo::expected::{Expected, HOSTS};
use crate::demo::report::Outcome;

/// What the log of a host says that the witness has reset in its former life.
const WAS_RESET: &str = "witness dongle reset this node";
/// What the journal of the witness says of it.
const RESET: &str = "it reset ha1";

impl Story {
    /// Before the daemons use the line: the witness is asked who it is, and given its keys from one host.
    pub(super) fn give_keys(&mut self) -> Result<(), DemoError> {
        self.report.begin("the witness in the cable is asked who it is, and given its keys");
        let provision = ["dongle", "provision", "--yes", "--sense", "power"];
        for (host, words) in [(0, &["dongle", "ask"][..]), (0, &provision), (1, &["dongle", "ask"])] {
            self.report.note(HOSTS[host], &format!("heartline {}", words.join(" ")));
            let said = self.cluster.heartline(host, words)?;
            self.note_lines("", &said);
        }
        self.report.hold(Outcome::default());
        Ok(())
    }

    /// Both hosts have armed it, and it says so.
    pub(super) fn show_witness(&mut self) -> Result<(), DemoError> {
        self.report.begin("the witness hears both and watches over both");
        let patience = self.cluster.patience();
        let mut seen = Err(DemoError::Step("no daemon was asked".to_owned()));
        wait_until("the witness watches over both hosts", patience, || {
            seen = self.cluster.look();
            seen.as_ref()
                .is_ok_and(|sights| sights.iter().all(|sight| sight.snapshot.as_ref().is_some_and(watched)))
        })?;
        seen?;
        self.report.note("ha2", "heartline dongle show");
        let said = self.cluster.heartline(1, &["dongle", "show"])?;
        self.note_lines("", &said);
        self.report.hold(Outcome::default());
        Ok(())
    }

    /// Every way between the hosts is cut, and one of them is cut off from the witness too.
    pub(super) fn part_and_join(&mut self) -> Result<(), DemoError> {
        let before = [self.resets().len(), self.told_resets()?];
        let title = "total partition: ha1's Ethernet and its half of the serial cable are cut";
        self.play(&Step::moving(title, 0, Expected::alone(1)), |cluster| {
            cluster.hosts[0].cut_ethernet("eth0")?;
            Ok(cluster.cable.cut()?)
        })?;
        self.judge_partition(before)?;
        let title = "ha1 starts anew, its cables are mended: it is told why, and fails back";
        let step = Step { says: Some((0, WAS_RESET)), ..Step::moving(title, 1, Expected::whole(0)) };
        self.play(&step, |cluster| {
            cluster.cable.restore()?;
            cluster.hosts[0].restore_ethernet("eth0")?;
            cluster.switch_on(0)?;
            cluster.start_daemon(0)
        })
    }

    /// Exactly one host survived, and the witness says why the other did not.
    fn judge_partition(&mut self, [done, told]: [usize; 2]) -> Result<(), DemoError> {
        self.report.begin("of two hosts one survived, and the witness says why");
        let up = [self.cluster.hosts[0].booted()?, self.cluster.hosts[1].booted()?];
        let resets = self.resets().split_off(done);
        if up != [false, true] || resets != [HOSTS[0]] {
            return Err(DemoError::Step(format!("up: {up:?}; reset by the witness: {resets:?}")));
        }
        self.report.note("up", HOSTS[1]);
        self.report.note("reset", HOSTS[0]);
        let mut seen = Ok(told);
        let waited = wait_until("the witness has told why", self.cluster.patience(), || {
            seen = self.told_resets();
            !seen.as_ref().is_ok_and(|seen| *seen <= told)
        });
        seen?;
        self.report.note("ha2", "heartline dongle journal");
        let journal = self.journal()?;
        self.note_lines("", &journal);
        waited?;
        self.report.hold(Outcome::default());
        Ok(())
    }

    /// How many resets of ha1 the witness tells of.
    fn told_resets(&self) -> Result<usize, DemoError> {
        Ok(self.journal()?.matches(RESET).count())
    }

    fn journal(&self) -> Result<String, DemoError> {
        self.cluster.heartline(1, &["dongle", "journal"])
    }

    fn resets(&self) -> Vec<String> {
        self.cluster.dongle.as_ref().map_or_else(Vec::new, |dongle| dongle.resets())
    }

    fn note_lines(&self, what: &str, text: &str) {
        text.lines().for_each(|line| self.report.note(what, line));
    }
}

/// Whether the witness watches over both hosts, as this one knows.
fn watched(snapshot: &Snapshot) -> bool {
    let hosts = snapshot.witness.iter().flat_map(|witness| &witness.hosts);
    hosts.filter(|host| host.watchdog == WitnessWatch::Armed).count() == HOSTS.len()
}
