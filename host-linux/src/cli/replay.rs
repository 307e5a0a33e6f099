//! `heartline replay`: shows what a flight record says, and what would have been with other settings.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::Output;
use crate::flight::{self, Change, Decision, Difference, Finding, Occasion, Playback, Record, WhatIf};
use crate::log::{precise_time_stamp, printable, render};

/// This program decides otherwise than the record says.
const DIFFERS: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Segments of a record (flight.0, flight.1), or directories with both [default: the daemon's own].
    files: Vec<PathBuf>,
    /// Show what would have happened with other times, as in deadtime=5s,keepalive=500ms; also warntime, initdead,
    /// deadping.
    ///
    /// Lines that only the record has begin with `-`, those that only the other run has with `+`. The world stays as
    /// recorded: the frames of the others (but the dead time that they announce changes with ours), the answers of ping
    /// nodes, the orders. Of jobs, those of the record end as they did there and after the same time; one that the
    /// record does not have is assumed to succeed (a probe: to find nothing running), in the time of the first recorded
    /// one of its kind, or at once. After the record's end nothing is said.
    #[arg(long, value_name = "NAME=TIME,...", value_delimiter = ',')]
    what_if: Vec<Change>,
    /// Print one JSON object a line, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options, state_dir: &Path) -> Output {
    let own = [state_dir.to_owned()];
    let files = if options.files.is_empty() { &own[..] } else { &options.files };
    let record = match Record::read(files) {
        Ok(record) => record,
        Err(error) => return Output::bad(1, format!("heartline replay: {error}\n")),
    };
    let playback = flight::replay(&record);
    let code = if playback.is_exact() { 0 } else { DIFFERS };
    let stderr = remarks(&playback);
    if options.what_if.is_empty() {
        let lines = playback.decisions.iter().map(|decision| line("", decision, options.json));
        return Output { stdout: lines.collect(), stderr: stderr + &verdict(&playback), code };
    }
    let other = match WhatIf::run(&record, &options.what_if) {
        Ok(other) => other,
        Err(error) => return Output::bad(1, format!("heartline replay: {error}\n")),
    };
    let (differences, summary) = flight::compare(&playback.decisions, &other);
    let mut stdout: String = differences
        .iter()
        .map(|difference| line(mark(difference), difference.decision(), options.json))
        .collect();
    let changes: Vec<String> = options.what_if.iter().map(ToString::to_string).collect();
    if options.json {
        let _ = writeln!(stdout, "{}", json!({ "what_if": changes, "summary": summary }));
    } else {
        let _ = write!(stdout, "\nWith {}:\n", changes.join(", "));
        if summary.is_empty() {
            stdout.push_str(
                "  nobody would have been declared dead or fenced, and no group moved, otherwise\n",
            );
        }
        summary.iter().for_each(|sentence| {
            let _ = writeln!(stdout, "  {}", printable(sentence));
        });
    }
    Output { stdout, stderr: stderr + &verdict(&playback), code }
}

const fn mark(difference: &Difference<'_>) -> &'static str {
    match difference {
        Difference::Both(_) => "  ",
        Difference::Recorded(_) => "- ",
        Difference::WhatIf(_) => "+ ",
    }
}

/// One decision as the log has it, with a more precise time.
fn line(mark: &str, decision: &Decision, as_json: bool) -> String {
    let Decision { when, notice, names } = decision;
    let stamp = precise_time_stamp(*when);
    if as_json {
        let run = match mark.trim() {
            "-" => Some("record"),
            "+" => Some("what_if"),
            _ if mark.is_empty() => None,
            _ => Some("both"),
        };
        let mut object = render::json(notice, names);
        object["time"] = json!(stamp);
        object["node"] = json!(names.this_node());
        if let Some(run) = run {
            object["run"] = Value::from(run);
        }
        return format!("{object}\n");
    }
    let (level, text) = render::render(notice, names);
    // The names are from a file that anybody may have written.
    format!("{mark}{stamp} {} {level}: {}\n", printable(names.this_node()), printable(&text))
}

fn remarks(playback: &Playback) -> String {
    let mut text = String::new();
    for finding in &playback.findings {
        let _ = match finding {
            Finding::Begins { when, occasion, program } => {
                let what = match occasion {
                    Occasion::Start => "the daemon starts",
                    Occasion::Reload => "the files are read anew",
                    Occasion::Segment => "the record begins in the middle of a life",
                    Occasion::Gap => "recording goes on after a gap",
                };
                let (stamp, program) = (precise_time_stamp(*when), printable(program));
                writeln!(text, "{stamp}: {what} (version {program})")
            }
            Finding::Differs { when } => writeln!(
                text,
                "{}: this program (version {}) decides otherwise from here on than the one that wrote the record",
                precise_time_stamp(*when),
                env!("CARGO_PKG_VERSION")
            ),
            Finding::Cut { path, error } => writeln!(
                text,
                "{}: {error}, as after a crash of the daemon or its host; what follows in it is left out",
                path.display()
            ),
        };
    }
    text
}

fn verdict(playback: &Playback) -> String {
    let end = playback.end.map_or_else(|| "-".to_owned(), precise_time_stamp);
    let same = if playback.is_exact() { "the same decisions" } else { "not the same decisions" };
    format!("{} steps replayed, until {end}: {same}.\n", playback.steps)
}
