//! The board of the witness as its firmware sees it: two ports, two reset lines, two power senses, two pages of flash. The
//! world has the other side of all of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::Rc;

use embedded_hal::digital::{self, InputPin, OutputPin};
use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use heartline_bridge::store::{PAGE_BYTES, PageError, Pages};
use heartline_bridge::{Dongle, End, LineErrors, Port};
use heartline_core::witness::{HOSTS, Side};

/// Bytes that a port keeps of what nobody reads; of more, the newest are lost.
const FIFO: usize = 32;

/// What is at the pins, by side.
#[derive(Debug)]
pub(crate) struct Hardware {
    incoming: [VecDeque<u8>; HOSTS],
    /// One whole frame as it goes over the line.
    outgoing: [Option<Vec<u8>>; HOSTS],
    line_free: [bool; HOSTS],
    overruns: [u32; HOSTS],
    pulled: [bool; HOSTS],
    supplied: [bool; HOSTS],
}

impl Hardware {
    pub(crate) fn new() -> Self {
        Self {
            incoming: [VecDeque::new(), VecDeque::new()],
            outgoing: [None, None],
            line_free: [true; HOSTS],
            overruns: [0; HOSTS],
            pulled: [false; HOSTS],
            supplied: [false; HOSTS],
        }
    }

    /// A reset: what was in the ports is gone, and both lines are let go.
    pub(crate) fn reset(&mut self) {
        *self = Self { supplied: self.supplied, ..Self::new() };
    }

    /// Bytes come in at one side, and are taken at once if the firmware is awake.
    pub(crate) fn receive(&mut self, side: Side, bytes: &[u8], awake: bool) {
        let (buffer, overruns) = (&mut self.incoming[side.index()], &mut self.overruns[side.index()]);
        for byte in bytes {
            if awake || buffer.len() < FIFO {
                buffer.push_back(*byte);
            } else {
                *overruns += 1;
            }
        }
    }

    pub(crate) fn has_incoming(&self) -> bool {
        self.incoming.iter().any(|bytes| !bytes.is_empty())
    }

    /// What the firmware sends at one side.
    pub(crate) fn take_outgoing(&mut self, side: Side) -> Option<Vec<u8>> {
        self.outgoing[side.index()].take()
    }

    pub(crate) const fn free_line(&mut self, side: Side) {
        self.line_free[side.index()] = true;
    }

    pub(crate) const fn is_pulled(&self, side: Side) -> bool {
        self.pulled[side.index()]
    }

    pub(crate) const fn supply(&mut self, side: Side, on: bool) {
        self.supplied[side.index()] = on;
    }

    pub(crate) const fn is_supplied(&self, side: Side) -> bool {
        self.supplied[side.index()]
    }
}

/// The hardware, from both sides.
pub(crate) type Shared = Rc<RefCell<Hardware>>;

/// One life of the firmware, as on every board.
pub(crate) type Firmware<'b, 'm> = Dongle<'b, 'm, Flash, Uart, Line, Sense>;

/// Both ends of the cable.
pub(crate) fn ends(hardware: &Shared) -> [End<Uart, Line, Sense>; HOSTS] {
    Side::ALL.map(|side| End {
        port: Uart(Rc::clone(hardware), side),
        line: Line(Rc::clone(hardware), side),
        sense: Sense(Rc::clone(hardware), side),
    })
}

/// A serial port.
#[derive(Debug)]
pub(crate) struct Uart(Shared, Side);

impl ErrorType for Uart {
    type Error = Infallible;
}

impl Read for Uart {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        let buffer = &mut self.0.borrow_mut().incoming[self.1.index()];
        let number = buffer.len().min(bytes.len());
        bytes.iter_mut().zip(buffer.drain(..number)).for_each(|(to, from)| *to = from);
        Ok(number)
    }
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.borrow().incoming[self.1.index()].is_empty())
    }
}

impl Write for Uart {
    /// One frame at a time: the line is busy with it for as long as it takes.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let hardware = &mut *self.0.borrow_mut();
        let begin = bytes.iter().take_while(|byte| **byte == 0).count();
        let length = bytes.iter().skip(begin).position(|byte| *byte == 0);
        let end = length.map_or(bytes.len(), |length| begin + length + 1);
        hardware.outgoing[self.1.index()] = Some(bytes[..end].to_vec());
        hardware.line_free[self.1.index()] = false;
        Ok(end)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.borrow().line_free[self.1.index()])
    }
}

impl Port for Uart {
    fn take_errors(&mut self) -> LineErrors {
        let overruns = std::mem::take(&mut self.0.borrow_mut().overruns[self.1.index()]);
        LineErrors { overruns, framing_errors: 0 }
    }
}

/// A reset line.
#[derive(Debug)]
pub(crate) struct Line(Shared, Side);

impl digital::ErrorType for Line {
    type Error = Infallible;
}

impl OutputPin for Line {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().pulled[self.1.index()] = false;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.borrow_mut().pulled[self.1.index()] = true;
        Ok(())
    }
}

/// A power sense.
#[derive(Debug)]
pub(crate) struct Sense(Shared, Side);

impl digital::ErrorType for Sense {
    type Error = Infallible;
}

impl InputPin for Sense {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.borrow().is_supplied(self.1))
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|is_high| !is_high)
    }
}

/// Two pages that keep what was written, over everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flash(Rc<RefCell<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    pages: [Vec<u8>; 2],
    /// The power goes after so many bytes of the next write.
    torn_after: Option<usize>,
}

impl Flash {
    /// The next write is not finished.
    pub(crate) fn tear(&self, after: usize) {
        self.0.borrow_mut().torn_after = Some(after);
    }
}

impl Pages for Flash {
    fn read(&mut self, page: usize, out: &mut [u8; PAGE_BYTES]) -> Result<(), PageError> {
        out.fill(0xff);
        out.iter_mut().zip(&self.0.borrow().pages[page]).for_each(|(to, from)| *to = *from);
        Ok(())
    }

    fn rewrite(&mut self, page: usize, bytes: &[u8]) -> Result<(), PageError> {
        let memory = &mut *self.0.borrow_mut();
        let there = memory.torn_after.take().map_or(bytes.len(), |torn| torn.min(bytes.len()));
        memory.pages[page] = bytes[..there].to_vec();
        if there < bytes.len() { Err(PageError) } else { Ok(()) }
    }
}
