//! A flight record as anybody may have written it: no node that is found in it panics, whatever happens to it; the same
//! record is the same story every time; and all of it can be shown.

use std::path::PathBuf;

use heartline::flight::{Change, Decision, Difference, MAGIC, Record, Snapshot, WhatIf, compare, replay};
use heartline::log::precise_time_stamp;
use heartline::log::render::{json, render};
use heartline_core::Node;
use heartline_core::effect::Effects;
use heartline_core::record::Step;
use heartline_core::time::Instant;

use crate::bytes::Choices;
use crate::without_allocation;

/// The first byte of an input that is a segment as it is. Any other begins choices, [`HEAD`] bytes of them, and entries.
pub const RAW: u8 = 0xff;

/// Bytes of choices before the entries.
pub const HEAD: usize = 7;

/// What would have been is asked of a record that lasts for no more keepalives, for each is a step.
const MOST_KEEPALIVES: u64 = 20_000;

/// All members, links and groups that there can be need less.
const LARGEST_NODE: usize = 64 << 10;

/// After so many steps a node is put away and taken up again.
const PUT_AWAY: usize = 16;

/// Any bytes as a segment, or as other times and the entries of a segment.
pub fn run(data: &[u8]) {
    if let Some((&RAW, segment)) = data.split_first() {
        return read(segment.to_vec(), &[]);
    }
    let Some((head, bytes)) = data.split_at_checked(HEAD) else { return };
    let mut choices = Choices::new(head);
    let times: Vec<(&str, u64)> = (0..choices.index(3)).map(|_| other_time(&mut choices)).collect();
    let entries = entries(bytes);
    let (lasted, keepalive) = live(&entries);
    let others = times.iter().filter(|(name, _)| *name == "keepalive").map(|(_, millis)| *millis);
    let keepalive = others.fold(keepalive, u64::min);
    let is_short = lasted.checked_div(keepalive).is_none_or(|keepalives| keepalives < MOST_KEEPALIVES);
    let change = |(name, millis)| format!("{name}={millis}ms").parse().ok();
    let changes: Vec<Change> = times.into_iter().filter(|_| is_short).filter_map(change).collect();
    read(segment(&entries), &changes);
}

/// A directive and milliseconds, perhaps more than it may have.
fn other_time(choices: &mut Choices<'_>) -> (&'static str, u64) {
    let name = choices.one_of(&["deadtime", "keepalive", "initdead", "warntime", "deadping"]);
    (name, choices.magnitude())
}

/// One entry of a segment.
#[derive(Debug)]
struct Entry<'a> {
    bytes: &'a [u8],
    /// What it says, if that can be read.
    meaning: Option<Meaning<'a>>,
}

#[derive(Debug)]
enum Meaning<'a> {
    Snapshot(Box<Snapshot>),
    Step(Step<'a>),
}

/// The entries that stand one after the other in `bytes`. What cannot be read is the last.
fn entries(mut bytes: &[u8]) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (meaning, rest) = entry(bytes).map_or((None, &[][..]), |(meaning, rest)| (Some(meaning), rest));
        let (entry, _) = bytes.split_at(bytes.len() - rest.len());
        entries.push(Entry { bytes: entry, meaning });
        bytes = rest;
    }
    entries
}

fn entry(bytes: &[u8]) -> Option<(Meaning<'_>, &[u8])> {
    match bytes.split_first()? {
        (0, snapshot) => {
            let (snapshot, rest) = postcard::take_from_bytes(snapshot).ok()?;
            Some((Meaning::Snapshot(Box::new(snapshot)), rest))
        }
        (1, step) => {
            let (step, rest) = postcard::take_from_bytes(step).ok()?;
            Some((Meaning::Step(step), rest))
        }
        _ => None,
    }
}

/// A segment with these entries, all whole.
fn segment(entries: &[Entry<'_>]) -> Vec<u8> {
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut segment = MAGIC.to_vec();
    for entry in entries {
        let length = u32::try_from(entry.bytes.len()).expect("an input is short");
        let block = [&length.to_le_bytes(), entry.bytes].concat();
        segment.extend_from_slice(&block);
        segment.extend_from_slice(&crc.checksum(&block).to_le_bytes());
    }
    segment
}

/// Lives through the entries in the core alone, beside a twin that is put away and taken up again. Gives how long that
/// took and the shortest keepalive on the way, in milliseconds.
fn live(entries: &[Entry<'_>]) -> (u64, u64) {
    let mut life: Option<(Node, Node, Instant)> = None;
    let (mut lasted, mut keepalive) = (0u64, u64::MAX);
    for (number, entry) in entries.iter().enumerate() {
        match &entry.meaning {
            Some(Meaning::Snapshot(snapshot)) if snapshot.node.is_consistent() => {
                keepalive = keepalive.min(snapshot.node.config().intervals().keepalive.millis());
                life = Some((snapshot.node.clone(), taken_up(&snapshot.node), snapshot.now));
            }
            Some(Meaning::Step(step)) => {
                let Some((node, twin, now)) = &mut life else { break };
                *now = *now + step.after;
                lasted = lasted.saturating_add(step.after.millis());
                do_the_same(node, twin, *now, step);
                if number % PUT_AWAY == 0 {
                    *twin = taken_up(twin);
                }
            }
            _ => break,
        }
    }
    (lasted, keepalive)
}

fn do_the_same(node: &mut Node, twin: &mut Node, now: Instant, step: &Step<'_>) {
    let (mut effects, mut same) = (Effects::new(), Effects::new());
    without_allocation(|| {
        let restored = node.restored(step.event.clone());
        node.step(now, restored.input(), &mut effects);
        node.next_deadline()
    });
    let restored = twin.restored(step.event.clone());
    twin.step(now, restored.input(), &mut same);
    assert!(effects.iter().eq(same.iter()), "the same input had other effects");
    assert_eq!(effects.frame(), same.frame());
    assert_eq!(node.next_deadline(), twin.next_deadline());
}

/// A node out of the bytes that keep it.
fn taken_up(node: &Node) -> Node {
    let mut kept = vec![0; LARGEST_NODE];
    let kept = postcard::to_slice(node, &mut kept).expect("a node has its size");
    let again: Node = postcard::from_bytes(kept).expect("it was written just now");
    assert!(again.is_consistent(), "a node that lived is not fit to live");
    again
}

/// Reads a segment as `heartline replay` does.
fn read(segment: Vec<u8>, changes: &[Change]) {
    let Ok(record) = Record::of(vec![(PathBuf::from("flight.0"), segment)]) else { return };
    let playback = replay(&record);
    assert_eq!(playback, replay(&record), "another story");
    let decisions = &playback.decisions;
    decisions.iter().for_each(can_be_told);
    let (lines, summary) = compare(decisions, decisions);
    assert!(lines.iter().all(|line| matches!(line, Difference::Both(_))), "a story differs from itself");
    assert!(summary.is_empty(), "{summary:?}");
    if changes.is_empty() {
        return;
    }
    if let Ok(other) = WhatIf::run(&record, changes) {
        other.iter().for_each(can_be_told);
        let (lines, _) = compare(decisions, &other);
        let ours = lines.iter().filter(|line| !matches!(line, Difference::WhatIf(_))).count();
        assert_eq!(ours, decisions.len(), "a decision was lost");
    }
}

/// In a log and in JSON.
fn can_be_told(decision: &Decision) {
    let Decision { when, notice, names } = decision;
    assert_eq!(precise_time_stamp(*when).len(), "Jan 01 00:00:00.000000".len());
    assert!(!render(notice, names).1.is_empty(), "{notice:?}");
    assert!(json(notice, names)["notice"].is_string(), "{notice:?}");
}
