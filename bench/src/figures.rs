//! The figures, their budgets, and the one table.

use crate::products::ProductName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Figure {
    /// Last heartbeat to first answer, in milliseconds.
    Takeover,
    /// The same, less the dead time.
    TakeoverBeyond,
    /// Outage of a planned handover, in milliseconds.
    Handover,
    /// Start of the daemons to first answer, in milliseconds.
    Start,
    /// Resident memory, in MiB.
    Resident,
    /// Proportional memory, in MiB.
    Proportional,
    /// Processes.
    Processes,
    /// Percent of a core.
    Processor,
    /// The same while the cores are kept awake: without what it costs to wake one up.
    ProcessorAwake,
    /// Percent of a core that a process needs to wake up as often as a heartbeat is sent.
    WakeUps,
    /// Bytes of a message.
    Message,
    /// Bytes of an Ethernet frame.
    Frame,
    /// MiB of the programs.
    Programs,
}

/// How the values of a row become a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Summary {
    /// Least, median, worst.
    Spread,
    /// The largest.
    Worst,
}

/// What a row says about itself.
struct Row {
    label: &'static str,
    budget: &'static str,
    decimals: usize,
    summary: Summary,
}

impl Figure {
    const ALL: [Self; 13] = [
        Self::Takeover,
        Self::TakeoverBeyond,
        Self::Handover,
        Self::Start,
        Self::Resident,
        Self::Proportional,
        Self::Processes,
        Self::Processor,
        Self::ProcessorAwake,
        Self::WakeUps,
        Self::Message,
        Self::Frame,
        Self::Programs,
    ];

    fn row(self) -> Row {
        let row = |label, budget, decimals, summary| Row { label, budget, decimals, summary };
        match self {
            Self::Takeover => row("death to the address answering, ms", "", 1, Summary::Spread),
            Self::TakeoverBeyond => {
                row("  beyond the dead time, ms", "median 2, worst 10", 1, Summary::Spread)
            }
            Self::Handover => row("planned handover, outage, ms", "10", 1, Summary::Spread),
            Self::Start => row("both daemons started to service up, ms", "500", 0, Summary::Spread),
            Self::Resident => row("resident memory (RSS), MiB", "3", 2, Summary::Worst),
            Self::Proportional => row("proportional memory (PSS), MiB", "", 2, Summary::Worst),
            Self::Processes => row("processes", "1", 0, Summary::Worst),
            Self::Processor => row("processor, % of a core", "0.05", 3, Summary::Worst),
            Self::ProcessorAwake => {
                row("  while the cores are kept awake, % of a core", "", 3, Summary::Worst)
            }
            Self::WakeUps => row("  a wake-up for each heartbeat, % of a core", "", 3, Summary::Worst),
            Self::Message => row("heartbeat message, bytes", "48", 0, Summary::Worst),
            Self::Frame => row("heartbeat on Ethernet with headers, bytes", "", 0, Summary::Worst),
            Self::Programs => row("daemon's program, stripped, MiB", "2", 2, Summary::Worst),
        }
    }
}

/// What was measured of one product.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Report(BTreeMap<Figure, Vec<f64>>);

impl Report {
    /// One more value of a figure.
    pub(crate) fn add(&mut self, figure: Figure, value: f64) {
        self.0.entry(figure).or_default().push(value);
    }

    /// Whether nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over what another report has.
    pub(crate) fn merge(&mut self, other: Self) {
        for (figure, values) in other.0 {
            self.0.entry(figure).or_default().extend(values);
        }
    }

    fn cell(&self, figure: Figure) -> String {
        let Row { decimals, summary, .. } = figure.row();
        let mut values = self.0.get(&figure).cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        let (Some(least), Some(worst)) = (values.first(), values.last()) else { return "-".to_owned() };
        let median = median(&values);
        match summary {
            Summary::Spread => format!("{least:.decimals$} / {median:.decimals$} / {worst:.decimals$}"),
            Summary::Worst => format!("{worst:.decimals$}"),
        }
    }
}

/// Of sorted values; the mean of the middle two where there is no middle one.
fn median(values: &[f64]) -> f64 {
    let upper = values.len() / 2;
    match (values.get(upper), upper.checked_sub(1).and_then(|lower| values.get(lower))) {
        (Some(upper), Some(lower)) if values.len().is_multiple_of(2) => f64::midpoint(*lower, *upper),
        (Some(middle), _) => *middle,
        (None, _) => f64::NAN,
    }
}

/// The table: a row for each figure, a column for each product, the budgets last.
pub(crate) fn table(reports: &[(ProductName, Report)]) -> String {
    let mut lines = vec![vec!["least / median / worst".to_owned()]];
    lines[0].extend(reports.iter().map(|(name, _)| name.word().to_owned()));
    lines[0].push("budget".to_owned());
    for figure in Figure::ALL {
        let mut line = vec![figure.row().label.to_owned()];
        line.extend(reports.iter().map(|(_, report)| report.cell(figure)));
        line.push(figure.row().budget.to_owned());
        lines.push(line);
    }
    let columns = reports.len() + 2;
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            let _ = writeln!(text, "|{}|", rule.join("|"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(figure: Figure, values: &[f64]) -> Report {
        let mut report = Report::default();
        values.iter().for_each(|&value| report.add(figure, value));
        report
    }

    #[test]
    fn spreads_are_sorted() {
        assert_eq!(report(Figure::Handover, &[3.0, 1.0, 2.0]).cell(Figure::Handover), "1.0 / 2.0 / 3.0");
        assert_eq!(report(Figure::Handover, &[4.0, 1.0]).cell(Figure::Handover), "1.0 / 2.5 / 4.0");
        assert_eq!(report(Figure::Handover, &[4.0]).cell(Figure::Handover), "4.0 / 4.0 / 4.0");
        assert_eq!(Report::default().cell(Figure::Handover), "-");
    }

    #[test]
    fn the_dearer_host_counts() {
        assert_eq!(report(Figure::Processor, &[0.02, 0.0314]).cell(Figure::Processor), "0.031");
    }

    #[test]
    fn every_line_of_the_table_is_as_wide() {
        let reports = [(ProductName::Heartline, report(Figure::Message, &[48.0]))];
        let text = table(&reports);
        let mut widths = text.lines().map(|line| line.chars().count());
        let first = widths.next();
        assert!(widths.all(|width| Some(width) == first), "{text}");
        assert_eq!(text.lines().count(), Figure::ALL.len() + 2);
    }
}
