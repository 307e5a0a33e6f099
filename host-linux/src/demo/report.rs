//! What the demo prints: the cluster, each step as it happens, the summary. Measures and decides nothing.

use std::path::Path;
use std::time::Duration;

use heartline_lab::DiskKind;

use super::cluster::Cluster;
use super::expected::HOSTS;
use super::files::{BAUD, DIRECTORY, MOUNT_POINT, NETWORK, SERVICE};

/// What became of one step.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// What moved, in a few words.
    pub(super) moved: String,
    /// How long the client was without service; absent where there was none before.
    pub(super) outage: Option<Duration>,
    /// What is to be known about that time, or nothing.
    pub(super) remark: String,
    /// The decisive lines of each host's log.
    pub(super) said: [Vec<String>; 2],
}

/// Why a step did not hold.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) expected: String,
    pub(super) seen: Vec<String>,
    /// The end of each host's log.
    pub(super) logs: [String; 2],
}

/// The steps so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    title: String,
    moved: String,
    outage: Option<Duration>,
    held: bool,
}

impl Report {
    /// Announces a step.
    pub(super) fn begin(&mut self, title: &str) {
        println!("\n{:>2}. {title}", self.rows.len() + 1);
        let row = Row { title: title.to_owned(), moved: String::new(), outage: None, held: false };
        self.rows.push(row);
    }

    /// One more fact about the step that runs.
    pub(super) fn note(&self, what: &str, text: &str) {
        println!("    {what:<9} {text}");
    }

    /// The step that runs has held.
    pub(super) fn hold(&mut self, outcome: Outcome) {
        if !outcome.moved.is_empty() {
            self.note("moved", &outcome.moved);
        }
        if let Some(outage) = outcome.outage {
            self.note("outage", &format!("{}{}", show_outage(outage), outcome.remark));
        }
        for (host, lines) in HOSTS.iter().zip(&outcome.said) {
            for (index, line) in lines.iter().enumerate() {
                let what = if index == 0 { format!("{host} said") } else { String::new() };
                self.note(&what, line);
            }
        }
        if let Some(row) = self.rows.last_mut() {
            row.moved = outcome.moved;
            row.outage = outcome.outage;
            row.held = true;
        }
    }

    /// The step that runs has not held.
    pub(super) fn fail(&self, failure: &Failure) {
        println!("    FAILED");
        self.note("expected", &failure.expected);
        for (index, seen) in failure.seen.iter().flat_map(|seen| seen.lines()).enumerate() {
            self.note(if index == 0 { "seen" } else { "" }, seen);
        }
        for (host, log) in HOSTS.iter().zip(&failure.logs) {
            println!("    The last lines of the log of {host}:");
            for line in log.lines() {
                println!("      {line}");
            }
        }
    }

    /// Where the files of a failed run are.
    pub(super) fn saved(&self, directory: &Path) {
        println!("\n    Logs, files and states of both hosts were copied to {}", directory.display());
    }

    /// The table at the end, and whether every step held.
    pub(super) fn summary(&self) -> bool {
        println!("\n{}", summary_table(&self.rows));
        let held = !self.rows.is_empty() && self.rows.iter().all(|row| row.held);
        println!("{}", if held { "Every step held." } else { "A step did not hold: see above." });
        held
    }
}

fn summary_table(rows: &[Row]) -> String {
    let width = |cell: fn(&Row) -> &str, head: &str| {
        let widths = rows.iter().map(|row| cell(row).chars().count());
        widths.max().unwrap_or(0).max(head.len())
    };
    let (titles, moves) = (width(|row| &row.title, "STEP"), width(|row| &row.moved, "MOVED"));
    let line = |number: &str, title: &str, moved: &str, outage: &str, held: &str| {
        format!("{number:>3}  {title:<titles$}  {moved:<moves$}  {outage:>9}  {held}\n")
    };
    let mut table = line("", "STEP", "MOVED", "OUTAGE", "HELD");
    for (index, row) in rows.iter().enumerate() {
        let outage = row.outage.map_or_else(String::new, |outage| match outage {
            Duration::ZERO => "none".to_owned(),
            outage => format!("{} ms", outage.as_millis()),
        });
        let held = if row.held { "yes" } else { "NO" };
        table += &line(&(index + 1).to_string(), &row.title, &row.moved, &outage, held);
    }
    table
}

fn show_outage(outage: Duration) -> String {
    if outage.is_zero() {
        return "none: every request of the client was answered".to_owned();
    }
    format!("{} ms without service, as the client saw it", outage.as_millis())
}

/// Shows what was built.
pub(super) fn describe(cluster: &Cluster) {
    let disk = match cluster.disk.kind() {
        DiskKind::Block => "ext4 on a loop device, mounted by one host at a time".to_owned(),
        DiskKind::Folder { reason } => format!("a shared folder instead of a block device: {reason}"),
    };
    println!("Heartline demo: two hosts, a client and their cables, all inside this machine.\n");
    let rows = [
        (
            "hosts",
            format!("{} and {}, each with its own network, mounts, name and processes", HOSTS[0], HOSTS[1]),
        ),
        ("switch", format!("network {NETWORK}; the router {} is the ping node", cluster.ping())),
        (
            "serial",
            format!("a null-modem cable between their {} ports, {BAUD} baud in effect", cluster.serial()),
        ),
        ("service", format!("address {SERVICE}, file system {MOUNT_POINT}, web server httpd")),
        ("disk", disk),
        ("httpd", cluster.web.describe()),
    ];
    let witness = cluster.dongle.as_ref().map(|_| {
        ("witness", "its firmware in the middle of that cable, on a board that QEMU emulates".to_owned())
    });
    for (what, text) in rows.into_iter().chain(witness) {
        println!("  {what:<9} {text}");
    }
}

/// Shows one of the three files.
pub(super) fn show_file(name: &str, remark: &str, text: &str) {
    println!("\n  {DIRECTORY}/{name}{remark}");
    for line in text.lines() {
        println!("      {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(moved: &str, outage: Option<Duration>) -> Outcome {
        Outcome { moved: moved.to_owned(), outage, remark: String::new(), said: [Vec::new(), Vec::new()] }
    }

    #[test]
    fn all_steps_must_hold() {
        let mut report = Report::default();
        assert!(!report.summary(), "nothing was shown");
        report.begin("first");
        report.hold(outcome("", None));
        assert!(report.summary());
        report.begin("second");
        assert!(!report.summary());
    }

    #[test]
    fn the_summary_has_a_line_for_each_step() {
        let mut report = Report::default();
        report.begin("the power of ha1 is cut");
        report.hold(outcome("ha1 -> ha2", Some(Duration::from_millis(2_140))));
        report.begin("a cable is cut");
        report.hold(outcome("nothing", Some(Duration::ZERO)));
        report.begin("the end");
        let table = summary_table(&report.rows);
        let words =
            |line: usize| table.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(0), "STEP MOVED OUTAGE HELD");
        assert_eq!(words(1), "1 the power of ha1 is cut ha1 -> ha2 2140 ms yes");
        assert_eq!(words(2), "2 a cable is cut nothing none yes");
        assert_eq!(words(3), "3 the end NO");
    }
}
