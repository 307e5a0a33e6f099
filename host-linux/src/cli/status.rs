//! `heartline status` for people: what needs attention, then the nodes and their links, then the groups.

mod fencing;
mod witness;

use std::fmt::Write as _;
use std::io::IsTerminal;

use clap::builder::styling::{AnsiColor, Style};

use crate::control::Snapshot;
use crate::control::snapshot::{Failures, Group, GroupState, Holdings, Link, Node, NodeStatus};
use crate::log::printable;

pub(super) use witness::{render_deeds, render_witness};

/// Whether a text may carry colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// For a terminal.
    Colour,
    /// For anything else.
    Plain,
}

impl Palette {
    /// What suits a stream, and who set `NO_COLOR`.
    pub(super) fn for_stream(stream: &impl IsTerminal) -> Self {
        let wanted = stream.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        if wanted { Self::Colour } else { Self::Plain }
    }
}

/// The state of the cluster as a text of some lines.
#[must_use]
pub fn render_status(snapshot: &Snapshot, palette: Palette) -> String {
    let mut text = String::new();
    for warning in &snapshot.warnings {
        let _ = writeln!(text, "{}", paint(&format!("! {}", printable(warning)), Mood::Bad, palette));
    }
    if !snapshot.warnings.is_empty() {
        text.push('\n');
    }
    let times = &snapshot.times;
    let _ = writeln!(
        text,
        "{}: heartline {} [pid {}], {}, keepalive {}, deadtime {}",
        snapshot.this_node,
        snapshot.version,
        snapshot.pid,
        running_here(snapshot),
        duration(times.keepalive_ms),
        duration(times.deadtime_ms),
    );
    let guards = guards(snapshot);
    if !guards.is_empty() {
        let _ = writeln!(text, "{guards}");
    }
    text.push('\n');
    let nodes = snapshot.nodes.iter().flat_map(|node| node_rows(node, &snapshot.this_node));
    let header = ["NODE", "STATUS", "HEARD", "LINK", "KIND", "STATE", "HEARD"];
    table(&mut text, header, nodes, palette);
    text.push('\n');
    if snapshot.groups.is_empty() {
        text.push_str("No resource groups: haresources is empty.\n");
    } else {
        let header = ["GROUP", "RUNS ON", "PREFERS", "HERE", "ELSEWHERE"];
        let rows = snapshot.groups.iter().flat_map(|group| group_rows(group, &snapshot.nodes));
        table(&mut text, header, rows, palette);
    }
    if let Some(shown) = &snapshot.witness {
        witness::render(&mut text, shown, palette);
    }
    fencing::render(&mut text, &snapshot.fencing, palette);
    text
}

/// How many groups run here: the original's words (`local`, `none`) mean intentions and are for `cl_status`.
fn running_here(snapshot: &Snapshot) -> String {
    let here = snapshot.groups.iter().filter(|group| group.state == GroupState::Running).count();
    let maintained = if snapshot.maintenance { ", in maintenance" } else { "" };
    let moving = if snapshot.rscstatus == Holdings::Transition { ", resources are moving" } else { "" };
    match snapshot.groups.len() {
        0 => format!("no resource groups{maintained}"),
        all => format!("runs {here} of {all} resource groups{moving}{maintained}"),
    }
}

/// What keeps a group from running twice, beside fencing.
fn guards(snapshot: &Snapshot) -> String {
    let quorum = snapshot.quorum.map(|quorum| {
        let (needed, nodes) = (quorum.needed, quorum.nodes);
        let state = if quorum.held { "held" } else { "lost" };
        let members = if snapshot.witness.is_some() { "members" } else { "nodes" };
        format!("quorum {state} ({needed} of {nodes} {members})")
    });
    let watchdog = snapshot.watchdog.as_ref().map(|watchdog| match watchdog.armed_ms {
        Some(timeout) => format!("watchdog {} armed, {}", watchdog.device, duration(timeout)),
        None => format!("watchdog {} not armed", watchdog.device),
    });
    quorum.into_iter().chain(watchdog).collect::<Vec<_>>().join("; ")
}

/// What a word means to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Neutral,
    Good,
    Changing,
    Bad,
}

#[derive(Debug, Clone)]
struct Cell {
    text: String,
    mood: Mood,
}

impl Cell {
    fn new(text: impl AsRef<str>, mood: Mood) -> Self {
        Self { text: printable(text.as_ref()).into_owned(), mood }
    }

    fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Mood::Neutral)
    }
}

/// A line of a table: cells under the header, or a remark across them.
enum Row<const COLUMNS: usize> {
    Cells([Cell; COLUMNS]),
    Remark(Cell),
}

fn node_rows(node: &Node, this_node: &str) -> Vec<Row<7>> {
    let mood = match node.status {
        NodeStatus::Active | NodeStatus::Ping => Mood::Good,
        NodeStatus::Init | NodeStatus::Up | NodeStatus::Left => Mood::Changing,
        NodeStatus::Dead => Mood::Bad,
    };
    let here = node.name == this_node;
    let heard = if here { "this node".to_owned() } else { ago(node.heard_ms_ago) };
    let mut rows = Vec::new();
    let mut first = [Cell::plain(&node.name), Cell::new(node.status.word(), mood), Cell::plain(heard)];
    if node.links.is_empty() {
        let [name, status, heard] = first;
        rows.push(Row::Cells([name, status, heard, blank(), blank(), blank(), blank()]));
    } else {
        for link in &node.links {
            let [name, status, heard] = std::mem::replace(&mut first, [blank(), blank(), blank()]);
            let [link, kind, state, link_heard] = link_cells(link);
            rows.push(Row::Cells([name, status, heard, link, kind, state, link_heard]));
        }
    }
    if !here && !node.hears_us && matches!(node.status, NodeStatus::Up | NodeStatus::Active) {
        rows.push(Row::Remark(Cell::new("! it does not hear this node", Mood::Bad)));
    }
    if !node.configuration_agrees {
        let remark = "! its resource configuration differs from this node's";
        rows.push(Row::Remark(Cell::new(remark, Mood::Bad)));
    }
    rows
}

fn link_cells(link: &Link) -> [Cell; 4] {
    let state = if link.up { Cell::new("up", Mood::Good) } else { Cell::new("dead", Mood::Bad) };
    [Cell::plain(&link.name), Cell::plain(&link.kind), state, Cell::plain(ago(link.heard_ms_ago))]
}

fn group_rows(group: &Group, nodes: &[Node]) -> Vec<Row<5>> {
    let owner = match &group.owner {
        Some(owner) => Cell::plain(owner),
        None => Cell::new("nobody", Mood::Bad),
    };
    let mut rows = vec![Row::Cells([
        Cell::plain(&group.name),
        owner,
        Cell::plain(&group.preferred),
        Cell::new(group.state.word(), group_mood(group.state)),
        Cell::plain(elsewhere(group, nodes)),
    ])];
    let others = group.resources.iter().skip(1);
    rows.extend(others.map(|resource| Row::Remark(Cell::plain(resource))));
    if let Some(reason) = &group.reason {
        rows.push(Row::Remark(Cell::new(format!("! {reason}"), Mood::Bad)));
    }
    rows.extend(
        group.failures.as_ref().map(|failures| Row::Remark(Cell::new(failed(failures), Mood::Changing))),
    );
    rows
}

/// How often a group failed while it ran here, how it did last, and how far it is from being moved for that.
fn failed(failures: &Failures) -> String {
    let times = if failures.count == 1 { "once".to_owned() } else { format!("{} times", failures.count) };
    let what = match (&failures.resource, &failures.error) {
        (Some(resource), Some(error)) => format!("{resource}: {error}"),
        _ => failures.ailment.words().to_owned(),
    };
    format!(
        "failed {times}, last {} ago: {what}; restarted in place {} of {} times within {}",
        duration(failures.ms_ago),
        failures.restarts,
        failures.restarts_allowed,
        duration(failures.window_ms)
    )
}

/// What the others do with a group. Of a dead node only that it is dead: what it said last is no longer so. Where there
/// are several others, those that have nothing to do with the group are left out.
fn elsewhere(group: &Group, nodes: &[Node]) -> String {
    let is_dead = |name: &str| nodes.iter().any(|node| node.name == name && node.status == NodeStatus::Dead);
    let brief = group.elsewhere.len() > 1;
    let told: Vec<String> = group
        .elsewhere
        .iter()
        .filter(|other| !brief || other.state != GroupState::Idle)
        .filter(|other| !brief || !is_dead(&other.node))
        .map(|other| {
            let word = if is_dead(&other.node) { NodeStatus::Dead.word() } else { other.state.word() };
            format!("{} {word}", other.node)
        })
        .collect();
    if told.is_empty() && brief { GroupState::Idle.word().to_owned() } else { told.join(", ") }
}

fn group_mood(state: GroupState) -> Mood {
    match state {
        GroupState::Running => Mood::Good,
        GroupState::Idle => Mood::Neutral,
        GroupState::Claiming | GroupState::Starting | GroupState::Stopping => Mood::Changing,
        GroupState::Failed | GroupState::Unknown => Mood::Bad,
    }
}

fn blank() -> Cell {
    Cell::plain("")
}

fn table<const COLUMNS: usize>(
    text: &mut String,
    header: [&str; COLUMNS],
    rows: impl Iterator<Item = Row<COLUMNS>>,
    palette: Palette,
) {
    let header = Row::Cells(header.map(Cell::plain));
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        let Row::Cells(cells) = row else { continue };
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.text.chars().count());
        }
    }
    for row in &rows {
        let mut line = String::new();
        match row {
            Row::Remark(cell) => {
                let _ = write!(line, "  {}", paint(&cell.text, cell.mood, palette));
            }
            Row::Cells(cells) => {
                let mut gap = 0;
                for (cell, width) in cells.iter().zip(widths) {
                    if !cell.text.is_empty() {
                        let painted = paint(&cell.text, cell.mood, palette);
                        let _ = write!(line, "{:gap$}{painted}", "");
                        gap = 0;
                    }
                    gap += width + 2 - cell.text.chars().count();
                }
            }
        }
        let _ = writeln!(text, "{line}");
    }
}

fn paint(text: &str, mood: Mood, palette: Palette) -> String {
    let colour = match (palette, mood) {
        (Palette::Plain, _) | (_, Mood::Neutral) => return text.to_owned(),
        (Palette::Colour, Mood::Good) => AnsiColor::Green,
        (Palette::Colour, Mood::Changing) => AnsiColor::Yellow,
        (Palette::Colour, Mood::Bad) => AnsiColor::Red,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    format!("{style}{text}{style:#}")
}

fn ago(milliseconds: Option<u64>) -> String {
    milliseconds.map_or_else(|| "never".to_owned(), |ms| format!("{} ago", duration(ms)))
}

/// One figure with its unit, as exact as a person wants it.
fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..120_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds / 100 % 10),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{} h", milliseconds / 3_600_000),
    }
}

#[cfg(test)]
mod tests;
