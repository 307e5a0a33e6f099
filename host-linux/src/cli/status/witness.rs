//! The witness in the null-modem cable: how it is, what it says of both hosts, and what it did.

use std::fmt::Write as _;

use super::{Cell, Mood, Palette, Row, ago, duration, paint, table};
use crate::control::snapshot::{NodeStatus, Witness, WitnessCounters, WitnessHost, WitnessWatch};
use crate::log::printable;

pub(super) fn render(text: &mut String, witness: &Witness, palette: Palette) {
    text.push('\n');
    let header = ["WITNESS", "STATUS", "HEARD", "DEVICE", "FIRMWARE", "UP", "VOTE"];
    table(text, header, [own_row(witness)].into_iter(), palette);
    if !witness.hosts.is_empty() {
        let header = ["  HOST", "SIDE", "IS HEARD", "POWER", "WATCHDOG"];
        table(text, header, witness.hosts.iter().flat_map(host_rows), palette);
    }
    if !witness.counters.is_empty() {
        let header = ["  SIDE", "FRAMES", "BAD", "OVERRUNS", "FRAMING", "DROPPED", "LONGEST SILENCE"];
        table(text, header, witness.counters.iter().map(counters_row), palette);
    }
    if let Some(deed) = witness.deeds.iter().rfind(|deed| deed.acted) {
        let words = printable(&deed.text).into_owned();
        let _ = writeln!(
            text,
            "  last act, {} ago: {}",
            duration(deed.ms_ago),
            paint(&words, Mood::Changing, palette)
        );
    }
}

/// What the witness has done as far as it has told it, newest first.
pub(in crate::cli) fn render_deeds(witness: &Witness) -> String {
    if witness.deeds.is_empty() {
        return format!("{} has told nothing yet of what it did.\n", witness.name);
    }
    let mut text = String::new();
    for deed in witness.deeds.iter().rev() {
        let when = format!("{} ago", duration(deed.ms_ago));
        let _ = writeln!(text, "{when:>12}  {}", printable(&deed.text));
    }
    text
}

/// The witness without the rest of the cluster.
pub(in crate::cli) fn render_witness(witness: &Witness, palette: Palette) -> String {
    let mut text = String::new();
    render(&mut text, witness, palette);
    text.trim_start().to_owned()
}

fn own_row(witness: &Witness) -> Row<7> {
    let mood = match witness.status {
        NodeStatus::Active | NodeStatus::Ping => Mood::Good,
        NodeStatus::Init | NodeStatus::Up | NodeStatus::Left => Mood::Changing,
        NodeStatus::Dead => Mood::Bad,
    };
    let vote = witness
        .vote
        .as_ref()
        .map_or_else(|| "none given".to_owned(), |vote| format!("{} (epoch {})", vote.to, vote.epoch));
    Row::Cells([
        Cell::plain(&witness.name),
        Cell::new(witness.status.word(), mood),
        Cell::plain(ago(witness.heard_ms_ago)),
        Cell::plain(&witness.device),
        Cell::plain(witness.firmware.as_deref().unwrap_or("not told yet")),
        Cell::plain(witness.uptime_ms.map_or_else(String::new, duration)),
        Cell::plain(vote),
    ])
}

fn host_rows(host: &WitnessHost) -> Vec<Row<5>> {
    let heard = if host.heard { Cell::new("yes", Mood::Good) } else { Cell::new("no", Mood::Bad) };
    let power = match host.power.as_str() {
        "on" => Cell::new("on", Mood::Good),
        "off" => Cell::new("off", Mood::Bad),
        _ => Cell::plain("not sensed"),
    };
    let time = host.watchdog_ms.map_or_else(String::new, |time| format!(", {}", duration(time)));
    let watchdog = match host.watchdog {
        WitnessWatch::Off => Cell::plain("off"),
        WitnessWatch::Armed => Cell::new(format!("armed{time}"), Mood::Good),
        WitnessWatch::Withheld => Cell::new(format!("withheld{time}"), Mood::Bad),
    };
    let side = host.side.as_deref().unwrap_or("?");
    let cells = [Cell::plain(format!("  {}", host.name)), Cell::plain(side), heard, power, watchdog];
    let mut rows = vec![Row::Cells(cells)];
    rows.extend(host.reset.as_ref().map(|reset| {
        let words = format!("  ! reset {} ago, since {}", duration(reset.ms_ago), reset.reason);
        Row::Remark(Cell::new(words, Mood::Bad))
    }));
    rows
}

fn counters_row(counters: &WitnessCounters) -> Row<7> {
    let WitnessCounters { side, frames, bad_frames, overruns, framing_errors, dropped, longest_silence_ms } =
        counters;
    let [frames, bad, overruns, framing, dropped] =
        [frames, bad_frames, overruns, framing_errors, dropped].map(|count| Cell::plain(count.to_string()));
    let (side, silence) = (Cell::plain(format!("  {side}")), Cell::plain(duration(*longest_silence_ms)));
    Row::Cells([side, frames, bad, overruns, framing, dropped, silence])
}
