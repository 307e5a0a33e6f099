//! The client: asks for `hostname.html` all the time, and tells who answered and for how long nobody did.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use heartline_lab::{Host, Job, Outage, Try, outages, wait_until};

use super::error::DemoError;
use super::files::SERVICE;

/// How often it asks, in milliseconds: the resolution of what is measured. A try may take twice that.
const INTERVAL_MS: &str = "20";
/// For single pages, where only the answer counts.
const UNHURRIED_MS: &str = "500";

/// More than two tries take in the record.
const END_BYTES: u64 = 2048;

/// The client host with its probe running.
pub(super) struct Client {
    host: Host,
    address: Ipv4Addr,
    probe: Job,
}

/// A place in what the probe has said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(u64);

impl Client {
    /// Starts to ask. The host is up.
    pub(super) fn start(mut host: Host) -> Result<Self, DemoError> {
        let probe = probe(&mut host, "/hostname.html", INTERVAL_MS)?;
        let address = host.address("eth0")?;
        Ok(Self { host, address, probe })
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The file with all that the probe has said.
    pub(super) fn record(&self) -> &Path {
        self.probe.log()
    }

    /// The place before the newest try, so that what is measured from here on begins with a known state.
    pub(super) fn mark(&self) -> Mark {
        let (start, end) = self.newest();
        Mark(start + before_last_line(&end) as u64)
    }

    /// What `hostname.html` says, by the newest try; or what went wrong with it.
    pub(super) fn answer(&self) -> Result<String, String> {
        match tries(&self.newest().1).last() {
            Some(Try { ok: true, text, .. }) => Ok(text),
            Some(Try { text, .. }) => Err(text),
            None => Err("nothing was asked yet".to_owned()),
        }
    }

    /// How long the client was without service since a mark, all in all.
    pub(super) fn outage_since(&self, mark: Mark) -> Duration {
        total_outage(&read_from(self.probe.log(), mark.0))
    }

    /// The end of the record, and where it begins.
    fn newest(&self) -> (u64, String) {
        let length = self.probe.log().metadata().map_or(0, |data| data.len());
        let start = length.saturating_sub(END_BYTES);
        (start, read_from(self.probe.log(), start))
    }

    /// The first line of a page, fetched once.
    pub(super) fn fetch(&mut self, path: &str, patience: Duration) -> Result<String, DemoError> {
        let probe = probe(&mut self.host, path, UNHURRIED_MS)?;
        let mut page = None;
        wait_until(&format!("http://{SERVICE}{path} answers"), patience, || {
            page = tries(&probe.said()).find(|attempt| attempt.ok).map(|attempt| attempt.text);
            page.is_some()
        })?;
        Ok(page.unwrap_or_default())
    }
}

fn probe(host: &mut Host, path: &str, interval_ms: &str) -> Result<Job, DemoError> {
    let helper = host.helper().to_string_lossy().into_owned();
    let address = SERVICE.to_string();
    Ok(host.spawn(&[helper.as_str(), "lab-probe", &address, "80", path, interval_ms])?)
}

/// What the probe has said from a place on; nothing while there is nothing.
fn read_from(record: &Path, start: u64) -> String {
    let mut said = Vec::new();
    let read = File::open(record).and_then(|mut file| {
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut said)
    });
    read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&said).into_owned())
}

/// The tries in some lines; what is cut off is passed over.
fn tries(lines: &str) -> impl Iterator<Item = Try> {
    lines.lines().filter_map(|line| serde_json::from_str(line).ok())
}

/// Where the last whole line begins.
fn before_last_line(said: &str) -> usize {
    let whole = said.rfind('\n').unwrap_or_default();
    said.get(..whole).and_then(|lines| lines.rfind('\n')).map_or(0, |end| end + 1)
}

fn total_outage(lines: &str) -> Duration {
    let now_us = tries(lines).last().map_or(0, |newest| newest.end_us);
    let lasted = |outage: Outage| outage.to_us.unwrap_or(now_us).saturating_sub(outage.from_us);
    Duration::from_micros(outages(lines).into_iter().map(lasted).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(start_us: u64, end_us: u64, ok: bool) -> String {
        let text = String::new();
        serde_json::to_string(&Try { start_us, end_us, ok, text }).unwrap() + "\n"
    }

    #[test]
    fn a_mark_keeps_the_newest_whole_try() {
        let first = line(0, 10, true);
        let said = first.clone() + &line(20, 30, true) + "{\"start";
        assert_eq!(before_last_line(&said), first.len());
        assert_eq!(before_last_line(&first), 0);
        assert_eq!(before_last_line(""), 0);
    }

    #[test]
    fn outages_are_added_up_and_one_that_lasts_counts_until_now() {
        let said: String = [
            line(0, 10, true),
            line(20, 40, false),
            line(60, 70, true),
            line(80, 90, false),
            line(100, 200, false),
        ]
        .concat();
        assert_eq!(total_outage(&said), Duration::from_micros(60 + 130));
        assert_eq!(total_outage(&line(0, 10, true)), Duration::ZERO);
    }
}
