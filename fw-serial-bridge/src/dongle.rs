//! The bridge on a board: serial ports of `embedded-io`, pins of `embedded-hal`, and the time as the board tells it.

use embedded_hal::digital::{InputPin, OutputPin};
use embedded_io::{Read, ReadReady, Write, WriteReady};
use heartline_core::time::Instant;
use heartline_core::witness::{HOSTS, Side};

use crate::bridge::{Bridge, LineErrors};
use crate::store::Pages;

/// Bytes that are taken from a port at once.
const CHUNK: usize = 32;

/// A serial port to one host. It never waits: what is ready is read, and what there is room for is written.
pub trait Port: Read + ReadReady + Write + WriteReady {
    /// What went wrong since the last call.
    fn take_errors(&mut self) -> LineErrors;
}

/// The hardware at one end of the cable.
#[derive(Debug)]
pub struct End<S, L, I> {
    /// The serial port.
    pub port: S,
    /// The reset line: high pulls it.
    pub line: L,
    /// The power sense: high while the power is on.
    pub sense: I,
}

/// The witness on its board.
#[derive(Debug)]
pub struct Dongle<'b, 'm, P, S, L, I> {
    bridge: &'b mut Bridge<'m, P>,
    ends: [End<S, L, I>; HOSTS],
}

impl<'b, 'm, P: Pages, S: Port, L: OutputPin, I: InputPin> Dongle<'b, 'm, P, S, L, I> {
    /// Puts both together. The lines are let go at once.
    pub fn new(bridge: &'b mut Bridge<'m, P>, mut ends: [End<S, L, I>; HOSTS]) -> Self {
        for end in &mut ends {
            // A pin that cannot be set cannot be set now either; it is tried again in each turn.
            let _ = end.line.set_low();
        }
        Self { bridge, ends }
    }

    /// One turn: takes what came, judges, sends what there is room for, and sets the lines. To be called as often as a
    /// port needs to be read, and when [`Bridge::next_deadline`] comes.
    pub fn turn(&mut self, now: Instant) {
        for (side, end) in Side::ALL.into_iter().zip(&mut self.ends) {
            let mut chunk = [0; CHUNK];
            // A host that sends without end does not keep the other waiting.
            if matches!(end.port.read_ready(), Ok(true))
                && let Ok(length) = end.port.read(&mut chunk)
            {
                self.bridge.receive(now, side, chunk.get(..length).unwrap_or_default());
            }
            self.bridge.note_errors(side, end.port.take_errors());
            if let Ok(is_on) = end.sense.is_high() {
                self.bridge.sense(now, side, is_on);
            }
        }
        self.bridge.pass_time(now);
        for (side, end) in Side::ALL.into_iter().zip(&mut self.ends) {
            let waiting = self.bridge.outgoing(side);
            if !waiting.is_empty()
                && matches!(end.port.write_ready(), Ok(true))
                && let Ok(length) = end.port.write(waiting)
            {
                self.bridge.sent(side, length);
            }
            let _ = if self.bridge.is_pulled(side) { end.line.set_high() } else { end.line.set_low() };
        }
    }

    /// The bridge.
    #[must_use]
    pub const fn bridge(&self) -> &Bridge<'m, P> {
        self.bridge
    }
}
