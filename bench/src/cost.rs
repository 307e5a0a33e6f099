//! What a quiet cluster costs: memory, processes, processor, bytes on the wire.

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::figures::{Figure, Report};
use crate::pair::{LIMIT, Node, Pair, SWITCH};
use crate::products::{ADDRESS, ProductName, Tempo};
use crate::tap::What;
use nix::unistd::Pid;
use std::fs;
use std::process::{Child, Command};
use std::thread::available_parallelism;
use std::time::Duration;

/// How long a cluster runs quietly before its memory is looked at.
const QUIET: Duration = Duration::from_secs(10);
/// Longer than an agent needs to look at a resource.
const A_MOMENT: Duration = Duration::from_secs(1);
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
    let [first, second] = &pair.nodes;
    let daemons = [lasting(first, name)?, lasting(second, name)?];
    daemons.iter().try_for_each(|processes| memory(processes, report))?;
    let napping = processor(&daemons, span, Figure::Processor, report, |span| {
        clock::nap(span, pair.product.interval(Tempo::Steady))
    })?;
    report.add(Figure::WakeUps, percent(napping, span));
    let awake = Awake::keep()?;
    processor(&daemons, span, Figure::ProcessorAwake, report, clock::pass)?;
    drop(awake);
    frames(report)
}

/// Notes what each host's daemon needs of a core while `pass` lets `span` go by.
fn processor<T>(
    daemons: &[Vec<Pid>],
    span: Duration,
    figure: Figure,
    report: &mut Report,
    pass: impl FnOnce(Duration) -> Result<T, Error>,
) -> Result<T, Error> {
    let used = || daemons.iter().map(|processes| processor_time(processes)).collect::<Result<Vec<_>, _>>();
    let (began, before) = (clock::now()?, used()?);
    let passed = pass(span)?;
    let (ended, after) = (clock::now()?, used()?);
    for (before, after) in before.iter().zip(after) {
        report.add(figure, percent(after.saturating_sub(*before), ended.saturating_sub(began)));
    }
    Ok(passed)
}

fn percent(used: Duration, span: Duration) -> f64 {
    used.as_secs_f64() / span.as_secs_f64() * 100.0
}

/// Processes that keep every core busy and yield to whatever else wants to run. A core that sleeps, in a virtual machine
/// above all, charges its waking to whom it wakes for, who can do nothing about it.
struct Awake(Vec<Child>);

impl Awake {
    fn keep() -> Result<Self, Error> {
        let cores = available_parallelism().map_err(Error::io("count the cores"))?;
        let mut awake = Self(Vec::new());
        for _ in 0..cores.get() {
            let mut spin = Command::new("chrt");
            spin.args(["--idle", "0", "sh", "-c", "while :; do :; done"]);
            awake.0.push(spin.spawn().map_err(Error::io("run chrt"))?);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for spinning in &mut self.0 {
            // One that has ended already is as good.
            let _ = spinning.kill();
            let _ = spinning.wait();
        }
    }
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

fn memory(processes: &[Pid], report: &mut Report) -> Result<(), Error> {
    let (mut resident, mut proportional) = (0, 0);
    for pid in processes {
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

fn processor_time(processes: &[Pid]) -> Result<Duration, Error> {
    processes.iter().copied().map(clock::processor_time).sum()
}

/// The daemon's processes without those that look at a resource now and then and are gone a moment later.
fn lasting(node: &Node, name: ProductName) -> Result<Vec<Pid>, Error> {
    let mut lasting = processes(node, name)?;
    clock::pass(A_MOMENT)?;
    let still_there = processes(node, name)?;
    lasting.retain(|pid| still_there.contains(pid));
    Ok(lasting)
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
