//! A measuring client: asks a web server over and over, and tells when it did not answer.

use crate::clock;
use crate::error::Error;
use crate::wait::pause;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

/// The least and the most that a try may take: long enough for a busy machine, short enough to measure with.
const LEAST_LIMIT: Duration = Duration::from_millis(20);
const MOST_LIMIT: Duration = Duration::from_secs(1);
/// An answer is not read any further.
const ANSWER_MAX: usize = 64 * 1024;

/// One try to fetch a page. Times are microseconds of the monotonic clock, which all hosts of a world share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// When it began.
    pub start_us: u64,
    /// When the answer was complete, or the failure known.
    pub end_us: u64,
    /// Whether the server answered with a page.
    pub ok: bool,
    /// The first line of the page, or what went wrong.
    pub text: String,
}

/// A time without service, in microseconds of the monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The end of the last good try before it; the start of the first try when there was none.
    pub from_us: u64,
    /// The end of the first good try after it; `None` while it lasts.
    pub to_us: Option<u64>,
    /// How many tries failed in it, at least one.
    pub failed: usize,
}

/// Finds the times without service in what the probe has printed; lines that are no tries are passed over, such
/// as a last one that was cut off.
#[must_use]
pub fn outages(lines: &str) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    let mut good_us = None;
    let mut lasting: Option<Outage> = None;
    for Try { start_us, end_us, ok, .. } in lines.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        if ok {
            outages.extend(lasting.take().map(|outage| Outage { to_us: Some(end_us), ..outage }));
            good_us = Some(end_us);
        } else {
            let from_us = good_us.unwrap_or(start_us);
            lasting.get_or_insert(Outage { from_us, to_us: None, failed: 0 }).failed += 1;
        }
    }
    outages.extend(lasting);
    outages
}

/// Runs `ADDRESS PORT PATH INTERVAL_MS`: prints one [`Try`] in JSON per line until it is killed or nobody reads
/// any more. A try begins every so many milliseconds, later when the one before took longer, and may take twice
/// that, at least 20 ms. Called through [`dispatch`](crate::dispatch).
///
/// # Errors
/// The arguments are not understood, or standard output fails.
pub fn run(arguments: &[OsString]) -> Result<ExitCode, Error> {
    let usage = || Error::Usage("lab-probe ADDRESS PORT PATH INTERVAL_MS");
    let words: Option<Vec<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    let Some([address, port, path, interval]) = words.as_deref() else { return Err(usage()) };
    let address: IpAddr = address.parse().map_err(|_| usage())?;
    let server = SocketAddr::new(address, port.parse().map_err(|_| usage())?);
    let interval = Duration::from_millis(interval.parse().map_err(|_| usage())?);
    let limit = (interval * 2).clamp(LEAST_LIMIT, MOST_LIMIT);
    let mut next = clock::now();
    loop {
        let line = serde_json::to_string(&attempt(server, path, limit)).map_err(Error::io("write a try"))?;
        match writeln!(io::stdout().lock(), "{line}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            result => result.map_err(Error::io("print a try"))?,
        }
        next = (next + interval).max(clock::now());
        pause(next.saturating_duration_since(clock::now()));
    }
}

fn attempt(server: SocketAddr, path: &str, limit: Duration) -> Try {
    let start_us = clock::monotonic_us();
    let result = fetch(server, path, limit);
    let end_us = clock::monotonic_us();
    let (ok, text) = match result {
        Ok(line) => (true, line),
        Err(error) => (false, error.to_string()),
    };
    Try { start_us, end_us, ok, text }
}

/// The first line of the page at `path`.
fn fetch(server: SocketAddr, path: &str, limit: Duration) -> io::Result<String> {
    let end = clock::now() + limit;
    let mut stream = TcpStream::connect_timeout(&server, limit)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(limit))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", server.ip())?;
    let mut answer = Vec::new();
    loop {
        let left = end.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut part = [0; 4096];
        let count = stream.read(&mut part)?;
        answer.extend_from_slice(&part[..count]);
        if count == 0 || answer.len() >= ANSWER_MAX {
            break;
        }
    }
    first_line(&String::from_utf8_lossy(&answer))
}

/// The page's first line out of a whole answer; an error when the status is not one of success.
fn first_line(answer: &str) -> io::Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some(code) if code.len() == 3 && code.starts_with('2') => {
            Ok(body.lines().next().unwrap_or_default().to_owned())
        }
        _ => Err(io::Error::other(status.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(tries: &[(u64, u64, bool)]) -> String {
        let line = |&(start_us, end_us, ok)| {
            serde_json::to_string(&Try { start_us, end_us, ok, text: String::new() }).unwrap() + "\n"
        };
        tries.iter().map(line).collect()
    }

    #[test]
    fn an_outage_lasts_from_the_last_good_answer_to_the_next() {
        let tries = [(0, 1, true), (10, 30, false), (30, 50, false), (50, 52, true), (60, 61, true)];
        assert_eq!(outages(&lines(&tries)), [Outage { from_us: 1, to_us: Some(52), failed: 2 }]);
    }

    #[test]
    fn an_outage_may_have_no_beginning_and_no_end() {
        let tries = [(5, 25, false), (25, 26, true), (30, 50, false)];
        let expected = [
            Outage { from_us: 5, to_us: Some(26), failed: 1 },
            Outage { from_us: 26, to_us: None, failed: 1 },
        ];
        assert_eq!(outages(&(lines(&tries) + "{\"start_us\": 6")), expected);
        assert_eq!(outages(""), []);
    }

    #[test]
    fn only_a_success_is_an_answer() {
        assert_eq!(first_line("HTTP/1.0 200 OK\r\nA: b\r\n\r\nhello\nworld\n").unwrap(), "hello");
        assert_eq!(
            first_line("HTTP/1.0 404 Not Found\r\n\r\n").unwrap_err().to_string(),
            "HTTP/1.0 404 Not Found"
        );
        assert!(first_line("HTTP/1.0 200 OK\r\n").is_err());
    }
}
