//! A power distribution unit with a network port, as fencing devices have it: hosts ask it to switch others off and on.

use crate::error::Error;
use crate::host::Host;
use crate::processes;
use crate::wait::wait_until;
use crate::world::SCRATCH;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where a host finds the unit.
const DEVICE: &str = "/dev/ha-power";
/// How long a host may take to be gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// What ends the thread.
const END: &str = "end";

/// How the unit behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PowerFault {
    /// It does what it says.
    #[default]
    None,
    /// It does nothing and says so.
    Fails,
    /// It does nothing and says that it did.
    Lies,
}

/// The unit. A host that is switched off goes down at once, as with [`Host::power_cut`]; whether its outlet is on or off
/// can be asked, and one that is off keeps nobody from [`Host::boot`]: that is the test's button.
#[derive(Debug)]
pub struct PowerSwitch {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    fault: PowerFault,
    off: BTreeSet<String>,
    requests: Vec<String>,
}

impl PowerSwitch {
    pub(crate) fn new() -> Result<Self, Error> {
        let socket = Path::new(SCRATCH).join("power");
        let listener = UnixListener::bind(&socket).map_err(Error::io("listen for requests of power"))?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("power".to_owned()).spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if serve(stream, &shared).is_none() {
                    return;
                }
            }
        });
        let thread = thread.map_err(Error::io("start a thread"))?;
        Ok(Self { socket, state, thread: Some(thread) })
    }

    /// Gives a host that is down the unit's port, from its next boot on: `heartline-lab lab-power VERB HOST` asks there.
    ///
    /// # Errors
    /// [`Error::Up`].
    pub fn connect(&self, host: &mut Host) -> Result<(), Error> {
        host.bind(&self.socket, Path::new(DEVICE))
    }

    /// What is wired to the reset header of a host.
    #[must_use]
    pub fn reset_button(&self, host: &str) -> ResetButton {
        ResetButton { socket: self.socket.clone(), host: host.to_owned() }
    }

    /// Has the unit behave like this from now on.
    pub fn set_fault(&self, fault: PowerFault) {
        self.lock().fault = fault;
    }

    /// What was asked, in order: `off ha1`, `status ha1` ...
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PowerSwitch {
    fn drop(&mut self) {
        let ended = UnixStream::connect(&self.socket).and_then(|mut stream| writeln!(stream, "{END}"));
        if let (Ok(()), Some(thread)) = (ended, self.thread.take()) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.socket);
    }
}

/// Takes a host down when it is pressed, by the unit.
#[derive(Debug, Clone)]
pub struct ResetButton {
    socket: PathBuf,
    host: String,
}

impl ResetButton {
    /// Presses it, and waits for nothing.
    pub fn press(&self) {
        let Self { socket, host } = self.clone();
        thread::spawn(move || {
            let asked = UnixStream::connect(socket).and_then(|mut stream| {
                writeln!(stream, "reset {host}")?;
                stream.read_to_end(&mut Vec::new())
            });
            if let Err(error) = asked {
                eprintln!("the reset button of {host}: {error}");
            }
        });
    }
}

/// Answers one request; nothing when it was the last.
fn serve(mut stream: UnixStream, state: &Mutex<State>) -> Option<()> {
    let mut line = String::new();
    // Who hangs up early wants nothing.
    let _ = BufReader::new(&stream).read_line(&mut line);
    let line = line.trim();
    if line == END {
        return None;
    }
    let answer = answer(line, &mut state.lock().unwrap_or_else(PoisonError::into_inner));
    let _ = writeln!(stream, "{answer}");
    Some(())
}

fn answer(line: &str, state: &mut State) -> &'static str {
    state.requests.push(line.to_owned());
    let (verb, host) = line.split_once(' ').unwrap_or((line, ""));
    let is_off = state.off.contains(host);
    match (verb, state.fault) {
        (_, PowerFault::Fails) => "failed",
        ("monitor", _) => "ok",
        ("status", _) if is_off => "off",
        ("status", _) => "on",
        ("off" | "on" | "reset", PowerFault::Lies) => "ok",
        ("off", _) if cut(host) => {
            state.off.insert(host.to_owned());
            "ok"
        }
        ("reset", _) if cut(host) => "ok",
        ("on", _) => {
            state.off.remove(host);
            "ok"
        }
        _ => "failed",
    }
}

/// Whether a host is down afterwards.
fn cut(host: &str) -> bool {
    let Ok(text) = fs::read_to_string(init_file(host)) else { return false };
    let Ok(init) = text.trim().parse().map(Pid::from_raw) else { return false };
    let proc = Path::new("/proc");
    let Some(namespace) = processes::namespace(proc, init, "pid") else { return true };
    if processes::innermost_number(proc, init) != Some(1) {
        // Long gone, and another process has its number.
        return true;
    }
    let here = |pid: &Pid| processes::namespace(proc, *pid, "pid").as_ref() == Some(&namespace);
    let inside: Vec<Pid> = processes::all(proc).unwrap_or_default().into_iter().filter(here).collect();
    let _ = kill(init, Signal::SIGKILL);
    // A process of a host is waited for by somebody outside, who may be stopped with it.
    for parent in inside.into_iter().filter_map(processes::parent).filter(|parent| !here(parent)) {
        let _ = kill(parent, Signal::SIGCONT);
    }
    wait_until("the host is gone", PATIENCE, || processes::namespace(proc, init, "pid").is_none()).is_ok()
}

/// Where a host notes its process 1, as the world numbers it.
pub(crate) fn init_file(host: &str) -> PathBuf {
    Path::new(SCRATCH).join("hosts").join(host).join("init")
}

/// `lab-power VERB HOST`, on a host: ends with 0, with 2 for an outlet that is off, or with 1.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode, Error> {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let mut stream = UnixStream::connect(DEVICE).map_err(Error::io("reach the power switch"))?;
    let asked = writeln!(stream, "{}", words.join(" ")).and_then(|()| stream.shutdown(Shutdown::Write));
    asked.map_err(Error::io("ask the power switch"))?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(Error::io("hear the power switch"))?;
    println!("{}", answer.trim());
    Ok(match answer.trim() {
        "ok" | "on" => ExitCode::SUCCESS,
        "off" => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    })
}
