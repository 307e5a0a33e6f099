//! The fencing devices of this node, and the last fences that it knows of.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::{Cell, Mood, Palette, Row, blank, duration, paint, table};
use crate::control::snapshot::{Fencing, FencingDevice};
use crate::fence::history::{Entry, Result};
use crate::log::{printable, time_stamp};

/// So many fences are shown; `--json` has all that are kept.
const SHOWN: usize = 3;

pub(super) fn render(text: &mut String, fencing: &Fencing, palette: Palette) {
    if !fencing.devices.is_empty() {
        text.push('\n');
        let rows = fencing.devices.iter().flat_map(device_rows);
        table(text, ["FENCING DEVICE", "STATE", "CHECKED"], rows, palette);
    }
    let last = fencing.history.len().saturating_sub(SHOWN);
    if !fencing.history.is_empty() {
        text.push_str("\nLAST FENCES\n");
    }
    for entry in &fencing.history[last..] {
        let (words, mood) = sentence(entry);
        let _ = writeln!(text, "{}", paint(&printable(&words), mood, palette));
    }
}

fn device_rows(device: &FencingDevice) -> Vec<Row<3>> {
    let checked = device.checked_s_ago.map_or_else(
        || "not yet".to_owned(),
        |seconds| format!("{} ago", duration(seconds.saturating_mul(1_000))),
    );
    let state = match (&device.problem, device.checked_s_ago) {
        (Some(_), _) => Cell::new("failed", Mood::Bad),
        (None, Some(_)) => Cell::new("works", Mood::Good),
        (None, None) => blank(),
    };
    let mut rows = vec![Row::Cells([Cell::plain(&device.kind), state, Cell::plain(checked)])];
    let problem = device.problem.as_ref();
    rows.extend(problem.map(|problem| Row::Remark(Cell::new(format!("! {problem}"), Mood::Bad))));
    rows
}

fn sentence(entry: &Entry) -> (String, Mood) {
    let Entry { time, victim, by, device, reason, took_ms, .. } = entry;
    let when = time_stamp(UNIX_EPOCH + Duration::from_secs(*time));
    let with = if device.is_empty() { String::new() } else { format!(" with {device}") };
    match &entry.result {
        Result::Fenced => (
            // A witness pulls a line, and that is all.
            match took_ms {
                0 => format!("{when}  {by} fenced {victim}{with}, since {reason}"),
                took => format!("{when}  {by} fenced {victim}{with} in {}, since {reason}", duration(*took)),
            },
            Mood::Neutral,
        ),
        Result::Belied => (
            format!(
                "{when}  {by} fenced {victim}{with} in vain: the device said it was done, and {victim} went on"
            ),
            Mood::Bad,
        ),
        Result::Failed { attempts, why } => {
            let times = if *attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
            (
                format!("{when}  {by} could not fence {victim}, tried {times}, since {reason}: {why}"),
                Mood::Bad,
            )
        }
    }
}
