//! Port B: PB0 and PB1 pull the reset lines of sides A and B, PB4 and PB5 sense their power. High is active.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, InputPin, OutputPin};

use crate::registers::Register;

const PORT: u32 = 0x4000_5000;
const DIR: Register = Register::at(PORT, 0x400);
const AFSEL: Register = Register::at(PORT, 0x420);
const PDR: Register = Register::at(PORT, 0x514);
const DEN: Register = Register::at(PORT, 0x51c);

const LINES: u8 = 0b11;
const SENSES: u8 = 0b11 << 4;

/// One pin of the port: bits of an address choose it, so that no other is touched.
pub(crate) struct Pin(u8);

impl Pin {
    /// The reset lines of both sides.
    pub(crate) const LINES: [Self; 2] = [Self(1 << 0), Self(1 << 1)];
    /// The power senses of both sides.
    pub(crate) const SENSES: [Self; 2] = [Self(1 << 4), Self(1 << 5)];

    fn data(&self) -> Register {
        data(self.0)
    }
}

fn data(pins: u8) -> Register {
    Register::at(PORT, u32::from(pins) << 2)
}

/// Lines let go before they become outputs; senses pulled down, so that an open one says that nothing is there.
pub(crate) fn start() {
    let pins = u32::from(LINES | SENSES);
    AFSEL.clear(pins);
    let_go();
    DIR.set(u32::from(LINES));
    DIR.clear(u32::from(SENSES));
    PDR.set(u32::from(SENSES));
    DEN.set(pins);
}

/// Lets both lines go. For panics too: it needs nothing but the port.
pub(crate) fn let_go() {
    data(LINES).write(0);
}

impl ErrorType for Pin {
    type Error = Infallible;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.data().write(0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.data().write(u32::from(self.0));
        Ok(())
    }
}

impl InputPin for Pin {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.data().read() != 0)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|is_high| !is_high)
    }
}
