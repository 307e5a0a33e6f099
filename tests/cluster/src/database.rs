//! PostgreSQL of Debian on the shared disk, a client that writes numbered rows and remembers which were acknowledged,
//! and a guard that sees every mount of the disk.

use crate::clock;
use crate::error::Error;
use crate::node::Node;
use crate::plan::{Group, MOUNT_POINT};
use crate::{LIMIT, Result};
use heartline_lab::{SharedDisk, wait_until};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const SCRIPT: &str = "/etc/ha.d/resource.d/database";
/// How long one attempt of the client may take.
const PATIENCE: &str = "3";
/// The pause of the client after each row, and of the guard after each look.
const INTERVAL: Duration = Duration::from_millis(10);
/// What the disk must hold, in megabytes.
pub const DISK_MEGABYTES: u32 = 256;

/// `database VERB`. A lock file that a crash left behind names a process of another boot; nobody else has the disk.
const SCRIPT_TEXT: &str = r#"#!/bin/bash
data=/var/lib/ha/data
bin=$(echo /usr/lib/postgresql/*/bin)
control() { setpriv --reuid=postgres --regid=postgres --init-groups "$bin/pg_ctl" --pgdata=$data --silent "$@"; }
runs() {
    local pid rest
    read -r pid rest 2> /dev/null < $data/postmaster.pid && [[ $(readlink /proc/$pid/exe) == "$bin/postgres" ]]
}
case ${!#} in
    start)
        runs && exit 0
        rm -f $data/postmaster.pid
        control start --wait --timeout=60 --log=$data/log
        ;;
    stop)
        ! runs || control stop --wait --timeout=30 --mode=fast || control stop --wait --mode=immediate
        ;;
    status) if runs; then echo running; else echo stopped; exit 3; fi ;;
    *) exit 1 ;;
esac
"#;

/// Makes the database; everybody on the laboratory's Ethernets may use it.
const MAKE: &str = r#"
set -e
mount -t ext4 /dev/ha-disk /var/lib/ha
install -d -o postgres -g postgres -m 700 /var/lib/ha/data
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
bin=$(echo /usr/lib/postgresql/*/bin)
cd /
as_postgres $bin/initdb --pgdata=/var/lib/ha/data --auth=trust --locale=C --encoding=UTF8 > /dev/null
cat >> /var/lib/ha/data/postgresql.conf <<END
listen_addresses = '*'
unix_socket_directories = ''
shared_buffers = 8MB
min_wal_size = 32MB
max_wal_size = 64MB
max_connections = 10
END
echo 'host all all 10.77.0.0/16 trust' >> /var/lib/ha/data/pg_hba.conf
/etc/ha.d/resource.d/database start
psql --host=127.0.0.1 --username=postgres --quiet --command='create table rows (number bigint primary key)'
/etc/ha.d/resource.d/database stop
umount /var/lib/ha
"#;

/// The group: its address, the disk and the database.
#[must_use]
pub fn group(preferred: &str) -> Group {
    let address = IpAddr::from([10, 77, 1, 100]);
    let words =
        format!("{address}/24/eth0 Filesystem::{}::{MOUNT_POINT}::ext4::rw database", SharedDisk::DEVICE);
    Group::new(preferred, "database", address, 5432).with_disk().of(&words)
}

/// Installs the resource script on a host that is down.
pub(crate) fn install(node: &Node) -> Result<()> {
    Ok(node.host.write(SCRIPT, SCRIPT_TEXT, 0o755)?)
}

/// Makes the database, on a host that is up, and leaves it stopped.
///
/// # Errors
/// PostgreSQL is not installed, or refuses.
pub fn make(node: &mut Node) -> Result<()> {
    node.run_well(&["bash", "-c", MAKE]).map(drop)
}

/// Writes one row after the other until it is dropped.
#[derive(Debug)]
pub struct Writer {
    log: Arc<Mutex<WriterLog>>,
    _thread: Stoppable,
}

#[derive(Debug, Default)]
struct WriterLog {
    acknowledged: Vec<u64>,
    /// When the last row was acknowledged.
    last: Option<Instant>,
    longest_pause: Duration,
}

impl Writer {
    /// Begins to write to the floating address.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn begin(address: IpAddr) -> Result<Self> {
        let log = Arc::new(Mutex::new(WriterLog::default()));
        let shared = Arc::clone(&log);
        let mut number = 0;
        let thread = Stoppable::every(INTERVAL, "writer", move || {
            number += 1;
            // What was not acknowledged may be there or not; its number is never used again.
            if ask(address, &format!("insert into rows values ({number})")).is_some() {
                lock(&shared).acknowledge(number);
            }
        })?;
        Ok(Self { log, _thread: thread })
    }

    /// How many rows were acknowledged.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.log).acknowledged.len()
    }

    /// Waits until further rows have been acknowledged.
    ///
    /// # Errors
    /// [`Error::NotYet`].
    pub fn wait_progress(&self) -> Result<()> {
        let before = self.count();
        wait_until("rows are acknowledged", LIMIT, || self.count() >= before + 3).map_err(|_| Error::NotYet {
            expected: "the database takes further rows".to_owned(),
            seen: format!("{before} rows"),
        })
    }

    /// The longest time between two acknowledgements since the last question.
    #[must_use]
    pub fn take_longest_pause(&self) -> Duration {
        std::mem::take(&mut lock(&self.log).longest_pause)
    }

    /// The acknowledged rows that the database does not have.
    ///
    /// # Errors
    /// It does not answer.
    pub fn lost(&self, address: IpAddr) -> Result<Vec<u64>> {
        let acknowledged = lock(&self.log).acknowledged.clone();
        let mut answer = None;
        wait_until("the database answers", LIMIT, || {
            answer = ask(address, "select number from rows");
            answer.is_some()
        })?;
        let there: BTreeSet<u64> =
            answer.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect();
        Ok(acknowledged.into_iter().filter(|number| !there.contains(number)).collect())
    }
}

impl WriterLog {
    fn acknowledge(&mut self, number: u64) {
        let now = clock::now();
        let pause = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.longest_pause = self.longest_pause.max(pause);
        self.last = Some(now);
        self.acknowledged.push(number);
    }
}

/// What the database answers within a moment.
fn ask(address: IpAddr, statement: &str) -> Option<String> {
    let address = address.to_string();
    let output = Command::new("timeout")
        .args(["--signal=KILL", PATIENCE, "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--host", &address, "--username=postgres", "--command", statement])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Looks all the time who has the disk mounted.
#[derive(Debug)]
pub struct Guard {
    log: Arc<Mutex<GuardLog>>,
    _thread: Stoppable,
}

#[derive(Debug, Default)]
struct GuardLog {
    now: Vec<String>,
    mounts: usize,
    doubles: Vec<Vec<String>>,
}

impl Guard {
    pub(crate) fn begin(disk: Arc<SharedDisk>, hosts: Vec<String>) -> Result<Self> {
        let log = Arc::new(Mutex::new(GuardLog::default()));
        let shared = Arc::clone(&log);
        let thread = Stoppable::every(INTERVAL, "guard", move || {
            let mut mounted = hosts.clone();
            mounted.retain(|host| disk.is_mounted_by(host));
            lock(&shared).see(mounted);
        })?;
        Ok(Self { log, _thread: thread })
    }

    /// How often the disk was mounted.
    #[must_use]
    pub fn mounts(&self) -> usize {
        lock(&self.log).mounts
    }

    /// Who had it at the same time.
    #[must_use]
    pub fn doubles(&self) -> Vec<Vec<String>> {
        lock(&self.log).doubles.clone()
    }
}

impl GuardLog {
    fn see(&mut self, mounted: Vec<String>) {
        self.mounts += mounted.iter().filter(|host| !self.now.contains(host)).count();
        if mounted.len() > 1 && mounted != self.now {
            self.doubles.push(mounted.clone());
        }
        self.now = mounted;
    }
}

/// What the file system of an unmounted disk is like: nothing if it is clean.
///
/// # Errors
/// `fsck` cannot be run.
pub fn check_file_system(disk: &SharedDisk) -> Result<Option<String>> {
    let output = Command::new("fsck.ext4").args(["-n", "-f"]).arg(disk.source()).output();
    let output = output.map_err(Error::io("run fsck.ext4"))?;
    let said = || String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((!output.status.success()).then(said))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that does something again and again until it is dropped.
#[derive(Debug)]
struct Stoppable {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stoppable {
    fn every(interval: Duration, name: &str, mut work: impl FnMut() + Send + 'static) -> Result<Self> {
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                work();
            }
        });
        let thread = thread.map_err(Error::io("start a thread"))?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_counts_mounts_and_remembers_doubles() {
        let mut log = GuardLog::default();
        let (one, two) = (|| vec!["ha1".to_owned()], || vec!["ha1".to_owned(), "ha2".to_owned()]);
        for mounted in [vec![], one(), one(), vec![], one(), two(), two(), one(), vec![]] {
            log.see(mounted);
        }
        assert_eq!((log.mounts, log.doubles), (3, vec![two()]));
    }
}
