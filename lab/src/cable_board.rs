//! A microcontroller in the cable between two hosts: its ports are at the ends of their cables, and its reset lines take
//! their power.

use crate::board::{self, Board, Lines};
use crate::error::Error;
use crate::null_modem::NullModem;
use crate::power_switch::{PowerSwitch, ResetButton};
use crate::wait::pause;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often its pins are looked at: much oftener than a line is pulled for.
const LOOK: Duration = Duration::from_millis(20);

/// The board with its wiring. Losing this takes its power.
#[derive(Debug)]
pub struct CableBoard {
    firmware: PathBuf,
    directory: PathBuf,
    lines: Lines,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    /// Nothing while it has no power.
    board: Option<Board>,
    /// What the power senses say.
    is_on: [bool; 2],
    pulled: [bool; 2],
    over: bool,
}

impl CableBoard {
    pub(crate) fn new(
        firmware: &Path,
        directory: PathBuf,
        ends: [&NullModem; 2],
        power: &PowerSwitch,
    ) -> Result<Self, Error> {
        let terminal = |end: &NullModem| end.world_end().map(Path::to_owned).ok_or(Error::NoEnd);
        let lines = Lines::Terminals([terminal(ends[0])?, terminal(ends[1])?]);
        let buttons = ends.map(|end| power.reset_button(end.first_host()));
        let state = State { board: None, is_on: [true; 2], pulled: [false; 2], over: false };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("pins".to_owned()).spawn(move || watch(&shared, &buttons));
        let thread = Some(thread.map_err(Error::io("start a thread"))?);
        let board = Self { firmware: firmware.to_owned(), directory, lines, state, thread };
        board.power_on()?;
        Ok(board)
    }

    /// Gives it power, if it has none.
    ///
    /// # Errors
    /// As [`Board::start`].
    pub fn power_on(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.board.is_none() {
            state.board = Some(Board::start(&self.firmware, &self.directory, &self.lines)?);
        }
        Ok(())
    }

    /// Takes its power, and with it what it had in memory.
    pub fn power_off(&self) {
        let mut state = lock(&self.state);
        (state.board, state.pulled) = (None, [false; 2]);
    }

    /// Erases what it has kept, while it has no power.
    ///
    /// # Errors
    /// It cannot be erased.
    pub fn erase(&self) -> Result<(), Error> {
        board::erase(&self.directory)
    }

    /// Presses its reset button.
    ///
    /// # Errors
    /// It has no power, or QEMU does not answer.
    pub fn press_reset(&self) -> Result<(), Error> {
        self.with_board(Board::press_reset)
    }

    /// Has its program hang.
    ///
    /// # Errors
    /// As [`CableBoard::press_reset`].
    pub fn hang(&self) -> Result<(), Error> {
        self.with_board(Board::hang)
    }

    /// Has the power sense of the first or the second host say whether its power is there.
    pub fn sense(&self, host: usize, is_on: bool) {
        lock(&self.state).is_on[host] = is_on;
    }

    /// What its console has said, in all its lives.
    #[must_use]
    pub fn console(&self) -> String {
        board::console(&self.directory)
    }

    fn with_board(&self, act: impl FnOnce(&mut Board) -> Result<(), Error>) -> Result<(), Error> {
        let mut state = lock(&self.state);
        act(state.board.as_mut().ok_or_else(|| Error::Emulator("the board has no power".to_owned()))?)
    }
}

impl Drop for CableBoard {
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

/// Looks at the pins until the board is lost.
fn watch(state: &Mutex<State>, buttons: &[ResetButton; 2]) {
    loop {
        {
            let mut state = lock(state);
            if state.over {
                return;
            }
            if let Err(error) = state.look(buttons) {
                eprintln!("the board: {error}");
                state.board = None;
            }
        }
        pause(LOOK);
    }
}

impl State {
    fn look(&mut self, buttons: &[ResetButton; 2]) -> Result<(), Error> {
        let Some(board) = &mut self.board else { return Ok(()) };
        board.sense(self.is_on)?;
        let pulled = board.pulled()?;
        for (at, button) in buttons.iter().enumerate() {
            if pulled[at] && !self.pulled[at] {
                button.press();
            }
        }
        self.pulled = pulled;
        Ok(())
    }
}
