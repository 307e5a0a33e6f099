//! What came of runs: figures of one, sums of many, and their table.

use std::fmt;
use std::time::Duration;

use crate::coverage::Coverage;
use crate::plan::{KINDS, Kind, Micros, SECOND};
use crate::truth::Violation;

/// Figures of one run or sums of several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Virtual time.
    pub simulated: Micros,
    /// Inputs that nodes took.
    pub steps: u64,
    /// Heartbeats sent.
    pub frames: u64,
    /// Faults that happened, by kind.
    pub faults: Faults,
    /// Lives of daemons.
    pub lives: u64,
    /// Starts of groups.
    pub starts: u64,
    /// Groups taken from dead members without a fence.
    pub takeovers: u64,
    /// Groups that failed while they ran.
    pub failures: u64,
    /// Restarts in place.
    pub restarts: u64,
    /// Fences ordered.
    pub fences: u64,
    /// Fences done.
    pub fenced: u64,
    /// Fences by a host that was off itself when its victim went down.
    pub blackouts: u64,
    /// Fencing devices that said they did what they did not.
    pub lies: u64,
    /// Reboots that nodes ordered of themselves.
    pub reboots: u64,
    /// Resets by watchdogs.
    pub resets: u64,
    /// Crashes, reboot loops included.
    pub crashes: u64,
    /// Crashes that were alone enough for promise 4.
    pub crashes_judged: u64,
    /// Forged frames that a node was compared with its twin for.
    pub forged: u64,
    /// Runs with a witness.
    pub witnessed: u64,
    /// Lives of its firmware.
    pub witness_lives: u64,
    /// Votes that it gave.
    pub votes: u64,
    /// Reset lines that it pulled.
    pub pulls: u64,
    /// Hosts that went down by that.
    pub line_resets: u64,
    /// Forged frames that were sent to it.
    pub forged_to_witness: u64,
}

/// How often each kind of fault happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults([u64; KINDS.len()]);

impl Default for Faults {
    fn default() -> Self {
        Self([0; KINDS.len()])
    }
}

impl Faults {
    /// One more of this kind.
    pub const fn count(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }
}

impl Statistics {
    /// Adds the figures of another run.
    pub fn add(&mut self, other: &Self) {
        self.simulated += other.simulated;
        self.steps += other.steps;
        self.frames += other.frames;
        self.faults.0.iter_mut().zip(other.faults.0).for_each(|(to, from)| *to += from);
        self.lives += other.lives;
        self.starts += other.starts;
        self.takeovers += other.takeovers;
        self.failures += other.failures;
        self.restarts += other.restarts;
        self.fences += other.fences;
        self.fenced += other.fenced;
        self.blackouts += other.blackouts;
        self.lies += other.lies;
        self.reboots += other.reboots;
        self.resets += other.resets;
        self.crashes += other.crashes;
        self.crashes_judged += other.crashes_judged;
        self.forged += other.forged;
        self.witnessed += other.witnessed;
        self.witness_lives += other.witness_lives;
        self.votes += other.votes;
        self.pulls += other.pulls;
        self.line_resets += other.line_resets;
        self.forged_to_witness += other.forged_to_witness;
    }
}

/// What came of one run.
#[derive(Debug, Clone)]
pub struct Report {
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// Its figures.
    pub statistics: Statistics,
    /// What it reached.
    pub coverage: Coverage,
    /// A digest of all that happened, in its order.
    pub digest: u64,
}

/// The sum of many runs.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many.
    pub seeds: u64,
    /// Their figures.
    pub statistics: Statistics,
    /// What they reached.
    pub coverage: Coverage,
    /// The seeds that broke a promise.
    pub violations: Vec<(u64, Violation)>,
}

impl Summary {
    /// Adds the run of a seed.
    pub fn add(&mut self, seed: u64, report: &Report) {
        self.seeds += 1;
        self.statistics.add(&report.statistics);
        self.coverage.add(&report.coverage);
        self.violations.extend(report.violation.clone().map(|violation| (seed, violation)));
    }

    /// Adds the runs of another worker.
    pub fn join(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.statistics.add(&other.statistics);
        self.coverage.add(&other.coverage);
        self.violations.extend(other.violations);
    }

    /// One line about the way so far.
    #[must_use]
    pub fn progress(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64().max(0.001);
        let hours = self.hours();
        format!(
            "{} seeds, {:.0} a second; {hours:.0} cluster-hours, {:.0} a minute; {} violations",
            self.seeds,
            self.seeds as f64 / seconds,
            hours / seconds * 60.0,
            self.violations.len(),
        )
    }

    fn hours(&self) -> f64 {
        self.statistics.simulated as f64 / (3600 * SECOND) as f64
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.statistics;
        writeln!(f, "steps of nodes          {:>12}", figures.steps)?;
        writeln!(f, "heartbeats              {:>12}", figures.frames)?;
        writeln!(f, "lives of daemons        {:>12}", figures.lives)?;
        writeln!(f, "starts of groups        {:>12}", figures.starts)?;
        writeln!(f, "unfenced takeovers      {:>12}", figures.takeovers)?;
        writeln!(f, "groups that failed      {:>12}", figures.failures)?;
        writeln!(f, "restarts in place       {:>12}", figures.restarts)?;
        writeln!(f, "fences ordered          {:>12}", figures.fences)?;
        writeln!(f, "fences done             {:>12}", figures.fenced)?;
        writeln!(f, "fences of each other    {:>12}", figures.blackouts)?;
        writeln!(f, "fences that were lies   {:>12}", figures.lies)?;
        writeln!(f, "reboots of themselves   {:>12}", figures.reboots)?;
        writeln!(f, "resets by watchdogs     {:>12}", figures.resets)?;
        writeln!(f, "crashes                 {:>12}", figures.crashes)?;
        writeln!(f, "of these timed          {:>12}", figures.crashes_judged)?;
        writeln!(f, "forgeries compared      {:>12}", figures.forged)?;
        writeln!(f, "runs with a witness     {:>12}", figures.witnessed)?;
        writeln!(f, "lives of witnesses      {:>12}", figures.witness_lives)?;
        writeln!(f, "votes of theirs         {:>12}", figures.votes)?;
        writeln!(f, "reset lines pulled      {:>12}", figures.pulls)?;
        writeln!(f, "hosts reset by that     {:>12}", figures.line_resets)?;
        writeln!(f, "forgeries sent to them  {:>12}", figures.forged_to_witness)?;
        writeln!(f, "\nfaults")?;
        for (kind, times) in KINDS.iter().zip(figures.faults.0) {
            writeln!(f, "  {:<22}{times:>12}", format!("{kind:?}"))?;
        }
        writeln!(f, "\nrules that fired")?;
        for (rule, times) in self.coverage.rules().filter(|(_, times)| *times > 0) {
            writeln!(f, "  {rule:<32}{times:>12}")?;
        }
        writeln!(f, "\nsteps between states")?;
        for (step, times) in self.coverage.transitions() {
            writeln!(f, "  {step:<32}{times:>12}")?;
        }
        let never: Vec<&str> = self.coverage.never().collect();
        match never.is_empty() {
            true => writeln!(f, "\nEvery rule fired."),
            false => writeln!(f, "\nRules that never fired: {}", never.join(", ")),
        }
    }
}
