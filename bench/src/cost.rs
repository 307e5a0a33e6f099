//! What a quiet cluster costs: memory, processes, processor, bytes on the wire.

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::figures::{Figure, Report};
use crate::pair::{LIMIT, Node, Pair, SWITCH};
use crate::products::{ADDRESS, ProductName};
use crate::tap::What;
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// How long a cluster runs quietly before its memory is looked at.
const QUIET: Duration = Duration::from_secs(10);
/// How many heartbeats are measured.
const HEARTBEATS: usize = 10;

/// Measures a pair that is down, watching the processor for `span`. Of the two hosts, the dearer counts for
/// memory and processor.
pub(crate) fn measure(
    pair: &mut Pair,
    name: ProductName,
    span: Duration,
    report: &mut Report,
) -> Result<(), Error> {
    pair.boot()?;
    pair.start()?;
    pair.settle()?;
    clock::pass(QUIET)?;
    for node in &pair.nodes {
        memory(node, name, report)?;
    }
    let used =
        |pair: &Pair| pair.nodes.iter().map(|node| processor_time(node, name)).collect::<Result<Vec<_>, _>>();
    let (began, before) = (clock::now()?, used(pair)?);
    clock::pass(span)?;
    let (ended, after) = (clock::now()?, used(pair)?);
    for (before, after) in before.iter().zip(after) {
        let share = after.saturating_sub(*before).as_secs_f64() / ended.saturating_sub(began).as_secs_f64();
        report.add(Figure::Processor, share * 100.0);
    }
    frames(report)
}

fn frames(report: &mut Report) -> Result<(), Error> {
    let mut client = Client::start(SWITCH, ADDRESS)?;
    for _ in 0..HEARTBEATS {
        client.until("a heartbeat comes", LIMIT, |seen| matches!(seen.what, What::Heartbeat { .. }))?;
    }
    for seen in client.seen() {
        if let What::Heartbeat { message, frame } = seen.what {
            report.add(Figure::Message, bytes(message));
            report.add(Figure::Frame, bytes(frame));
        }
    }
    Ok(())
}

fn memory(node: &Node, name: ProductName, report: &mut Report) -> Result<(), Error> {
    let processes = processes(node, name)?;
    let (mut resident, mut proportional) = (0, 0);
    for pid in &processes {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))?;
        resident += kibibytes(&text, "Rss:");
        proportional += kibibytes(&text, "Pss:");
    }
    report.add(Figure::Processes, bytes(processes.len()));
    report.add(Figure::Resident, f64::from(resident) / 1024.0);
    report.add(Figure::Proportional, f64::from(proportional) / 1024.0);
    Ok(())
}

fn processor_time(node: &Node, name: ProductName) -> Result<Duration, Error> {
    processes(node, name)?.into_iter().map(clock::processor_time).sum()
}

/// The daemon's processes, however they are called: they all run the same program.
fn processes(node: &Node, name: ProductName) -> Result<Vec<Pid>, Error> {
    let processes = node.host.pids_of(name.word())?;
    if processes.is_empty() {
        return Err(Error::Host {
            host: node.host.name().to_owned(),
            what: format!("look for {}", name.word()),
            said: "it does not run".to_owned(),
        });
    }
    Ok(processes)
}

fn kibibytes(text: &str, field: &str) -> u32 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// For the table: counts that a float holds exactly.
fn bytes(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_smaps_are_found() {
        let text = "00400000-7ffd0000 ---p 00000000 00:00 0   [rollup]\nRss:    2640 kB\nPss:  1200 kB\n";
        assert_eq!(
            (kibibytes(text, "Rss:"), kibibytes(text, "Pss:"), kibibytes(text, "Swap:")),
            (2640, 1200, 0)
        );
    }
}
