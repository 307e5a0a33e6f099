//! The watcher: looks all the time whether two hosts run the same service at once. It goes by the processes of the
//! world alone, so nothing that a daemon or a scenario does can mislead it.

use crate::clock;
use crate::service::PROCESS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often it looks.
const INTERVAL: Duration = Duration::from_millis(10);

/// A time in which more than one host ran a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubleRun {
    /// The service.
    pub service: String,
    /// From the first look that saw it to the last.
    pub lasted: Duration,
    /// Whether it goes on.
    pub goes_on: bool,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Vec<DoubleRun>>>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn begin() -> std::io::Result<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let shared = Arc::clone(&seen);
        let thread = thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let mut since = BTreeMap::new();
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let doubles = doubles(&processes());
                note(&doubles, clock::now(), &mut since, &shared);
            }
        })?;
        Ok(Self { seen, end: Some(end), thread: Some(thread) })
    }

    /// What was seen until now.
    pub(crate) fn seen(&self) -> Vec<DoubleRun> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Enters into the list what begins, goes on and ends.
fn note(
    doubles: &BTreeSet<String>,
    now: Instant,
    since: &mut BTreeMap<String, Instant>,
    seen: &Mutex<Vec<DoubleRun>>,
) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    for run in seen.iter_mut().filter(|run| run.goes_on && !doubles.contains(&run.service)) {
        run.goes_on = false;
        since.remove(&run.service);
    }
    for service in doubles {
        let begun = *since.entry(service.clone()).or_insert(now);
        let lasted = now.saturating_duration_since(begun);
        match seen.iter_mut().find(|run| run.goes_on && run.service == *service) {
            Some(run) => run.lasted = lasted,
            None => seen.push(DoubleRun { service: service.clone(), lasted, goes_on: true }),
        }
    }
}

/// The services that run in more than one place.
fn doubles(processes: &BTreeSet<(String, PathBuf)>) -> BTreeSet<String> {
    let pairs = processes.iter().zip(processes.iter().skip(1));
    pairs.filter(|(one, next)| one.0 == next.0).map(|(one, _)| one.0.clone()).collect()
}

/// Every service that runs in the world, and the name of the place where it does.
fn processes() -> BTreeSet<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| service_at(&entry.path())).collect()
}

fn service_at(process: &Path) -> Option<(String, PathBuf)> {
    if !process.file_name()?.to_str()?.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let arguments = fs::read(process.join("cmdline")).ok()?;
    let first = arguments.split(|&byte| byte == 0).next()?;
    let service = std::str::from_utf8(first).ok()?.strip_prefix(PROCESS)?.to_owned();
    Some((service, fs::read_link(process.join("ns/pid")).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(list: &[(&str, &str)]) -> BTreeSet<(String, PathBuf)> {
        list.iter().map(|(service, place)| ((*service).to_owned(), PathBuf::from(place))).collect()
    }

    #[test]
    fn the_same_service_in_two_places_is_noticed() {
        assert!(doubles(&at(&[("mail", "a"), ("web", "a"), ("web", "a")])).is_empty());
        let found = doubles(&at(&[("mail", "a"), ("web", "a"), ("web", "b")]));
        assert_eq!(found, BTreeSet::from(["web".to_owned()]));
    }

    #[test]
    fn each_double_run_is_noted_once_with_its_length() {
        let (seen, mut since, start) = (Mutex::new(Vec::new()), BTreeMap::new(), clock::now());
        let both = BTreeSet::from(["web".to_owned()]);
        let looks = [(0, &both), (10, &both), (20, &BTreeSet::new()), (30, &both)];
        for (at, doubles) in looks {
            note(doubles, start + Duration::from_millis(at), &mut since, &seen);
        }
        let seen = seen.into_inner().unwrap();
        let all: Vec<_> = seen.iter().map(|run| (run.lasted.as_millis(), run.goes_on)).collect();
        assert_eq!(all, [(10, false), (0, true)]);
    }
}
