//! The firmware as it is, on two terminals of the world in place of UARTs. Its reset lines work the power switch of the
//! laboratory.

use crate::error::Error;
use crate::{Result, clock};
use embedded_hal::digital::{ErrorType as PinError, InputPin, OutputPin};
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use heartline_bridge::store::{PAGE_BYTES, PageError, Pages, Store};
use heartline_bridge::{Bridge, Dongle as Board, End, LineErrors, Port, journal};
use heartline_core::time::Instant;
use heartline_core::witness::{Side, StartCause};
use heartline_lab::ResetButton;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// The board looks up so often whatever happens, as one with a watchdog of its own does.
const TURN_MILLIS: u8 = 2;
/// What is in memory after the power came.
const NOISE: u8 = 0xaa;

/// The board. Losing this ends it.
#[derive(Debug)]
pub(super) struct Library {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// The test wants the board to end for good.
    over: bool,
    /// It has power.
    powered: bool,
    /// Its reset pin is pulled for a moment.
    reset: bool,
    /// What the power senses of both hosts say is missing.
    dark: [bool; 2],
    /// How often it began anew.
    lives: usize,
}

impl Library {
    /// Gives it power, between these terminals and before these buttons.
    pub(super) fn begin(terminals: [PathBuf; 2], buttons: [ResetButton; 2]) -> Result<Self> {
        let state = Arc::new(Mutex::new(State { powered: true, ..State::default() }));
        let shared = Arc::clone(&state);
        let work = move || {
            let mut memory = [NOISE; journal::BYTES];
            let mut flash = Flash::default();
            let mut cause = StartCause::PowerOn;
            while !lock(&shared).over {
                match live(&mut flash, &mut memory, cause, &terminals, &buttons, &shared) {
                    Ok(next) => cause = next,
                    Err(error) => {
                        eprintln!("the dongle: {error}");
                        return;
                    }
                }
            }
        };
        let thread = thread::Builder::new().name("dongle".to_owned()).spawn(work);
        Ok(Self { state, thread: Some(thread.map_err(Error::io("start a thread"))?) })
    }

    pub(super) fn power(&self, is_on: bool) {
        lock(&self.state).powered = is_on;
    }

    pub(super) fn reset(&self) {
        lock(&self.state).reset = true;
    }

    pub(super) fn sense(&self, side: Side, is_on: bool) {
        lock(&self.state).dark[side.index()] = !is_on;
    }

    pub(super) fn lives(&self) -> usize {
        lock(&self.state).lives
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        lock(&self.state).over = true;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One life of the board; gives why the next one begins.
fn live(
    flash: &mut Flash,
    memory: &mut [u8; journal::BYTES],
    cause: StartCause,
    terminals: &[PathBuf; 2],
    buttons: &[ResetButton; 2],
    state: &Arc<Mutex<State>>,
) -> io::Result<StartCause> {
    let files = [open(&terminals[0])?, open(&terminals[1])?];
    let end = |at: usize| -> io::Result<End<Uart, Line, Power>> {
        let line = Line { button: buttons[at].clone(), is_pulled: false };
        Ok(End { port: Uart(files[at].try_clone()?), line, sense: Power(Arc::clone(state), at) })
    };
    let store = Store::begin_life(flash).map_err(|_| io::Error::other("its flash does not work"))?;
    let mut bridge = Bridge::new(store, memory, now());
    bridge.begin(now(), cause);
    let mut board = Board::new(&mut bridge, [end(0)?, end(1)?]);
    {
        let mut state = lock(state);
        (state.reset, state.lives) = (false, state.lives + 1);
    }
    loop {
        board.turn(now());
        {
            let state = lock(state);
            if state.over || state.reset {
                return Ok(StartCause::Pin);
            }
            if !state.powered {
                break;
            }
        }
        if board.bridge().wants_restart() {
            return Ok(StartCause::Software);
        }
        let mut readable = files.each_ref().map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN));
        let _ = poll(&mut readable, PollTimeout::from(TURN_MILLIS));
    }
    memory.fill(NOISE);
    while !lock(state).over && !lock(state).powered {
        let _ = poll(&mut [], PollTimeout::from(TURN_MILLIS));
        // Nobody takes what comes in.
        for mut file in &files {
            let _ = file.read(&mut [0; 256]);
        }
    }
    Ok(StartCause::PowerOn)
}

fn open(terminal: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(terminal)
}

fn now() -> Instant {
    Instant::from_micros(clock::monotonic_us())
}

/// Two pages that keep what was written, over everything.
#[derive(Debug, Default)]
struct Flash([Vec<u8>; 2]);

impl Pages for &mut Flash {
    fn read(&mut self, page: usize, out: &mut [u8; PAGE_BYTES]) -> std::result::Result<(), PageError> {
        out.fill(0xff);
        out.iter_mut().zip(&self.0[page]).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    fn rewrite(&mut self, page: usize, bytes: &[u8]) -> std::result::Result<(), PageError> {
        self.0[page] = bytes.to_vec();
        Ok(())
    }
}

/// A serial port.
struct Uart(File);

impl Uart {
    fn is_ready(file: BorrowedFd<'_>, what: PollFlags) -> bool {
        let mut descriptor = [PollFd::new(file, what)];
        poll(&mut descriptor, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }
}

impl ErrorType for Uart {
    type Error = ErrorKind;
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> std::result::Result<usize, ErrorKind> {
        self.0.read(bytes).map_err(|_| ErrorKind::Other)
    }
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> std::result::Result<bool, ErrorKind> {
        Ok(Self::is_ready(self.0.as_fd(), PollFlags::POLLIN))
    }
}

impl Write for Uart {
    fn write(&mut self, bytes: &[u8]) -> std::result::Result<usize, ErrorKind> {
        self.0.write(bytes).map_err(|_| ErrorKind::Other)
    }

    fn flush(&mut self) -> std::result::Result<(), ErrorKind> {
        Ok(())
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> std::result::Result<bool, ErrorKind> {
        Ok(Self::is_ready(self.0.as_fd(), PollFlags::POLLOUT))
    }
}

impl Port for Uart {
    fn take_errors(&mut self) -> LineErrors {
        LineErrors::default()
    }
}

/// A reset line: pulling it takes a host down.
struct Line {
    button: ResetButton,
    is_pulled: bool,
}

impl PinError for Line {
    type Error = Infallible;
}

impl OutputPin for Line {
    fn set_low(&mut self) -> std::result::Result<(), Infallible> {
        self.is_pulled = false;
        Ok(())
    }

    fn set_high(&mut self) -> std::result::Result<(), Infallible> {
        if !std::mem::replace(&mut self.is_pulled, true) {
            self.button.press();
        }
        Ok(())
    }
}

/// A power sense.
struct Power(Arc<Mutex<State>>, usize);

impl PinError for Power {
    type Error = Infallible;
}

impl InputPin for Power {
    fn is_high(&mut self) -> std::result::Result<bool, Infallible> {
        self.is_low().map(|is_low| !is_low)
    }

    fn is_low(&mut self) -> std::result::Result<bool, Infallible> {
        Ok(lock(&self.0).dark[self.1])
    }
}
