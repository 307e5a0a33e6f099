//! The serial ports: UART0 to the host at side A, UART1 to that at side B, UART2 as console. 8 bits, no parity.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use heartline_bridge::{LineErrors, Port};

use crate::registers::Register;
use crate::system::CLOCK_HZ;

/// A port of the chip.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    A,
    B,
    Console,
}

/// One serial port, with the queues of the chip: 16 bytes each way.
pub(crate) struct Uart {
    base: u32,
    errors: LineErrors,
}

const FLAGS: u32 = 0x18;
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;

/// The ports to the hosts.
const HOSTS: [u32; 2] = [0x4000_c000, 0x4000_d000];

/// Whether no byte waits at the ports to the hosts.
pub(crate) fn nothing_waits() -> bool {
    HOSTS.into_iter().all(|base| Register::at(base, FLAGS).read() & RECEIVE_EMPTY != 0)
}

impl Uart {
    pub(crate) fn start(which: Which, baud: u32) -> Self {
        // The pins of the three ports: PA0 and PA1, PD2 and PD3, PG0 and PG1.
        let (base, port, pins) = match which {
            Which::A => (HOSTS[0], 0x4000_4000, 0b11),
            Which::B => (HOSTS[1], 0x4000_7000, 0b11 << 2),
            Which::Console => (0x4000_e000, 0x4002_6000, 0b11),
        };
        Register::at(port, 0x420).set(pins);
        Register::at(port, 0x51c).set(pins);
        let uart = Self { base, errors: LineErrors::default() };
        // In 64ths, rounded: the clock over sixteen times the speed.
        let divisor = (u64::from(CLOCK_HZ) * 8 / u64::from(baud.max(1))).div_ceil(2);
        let divisor = u32::try_from(divisor).unwrap_or(u32::MAX);
        uart.register(0x30).write(0);
        uart.register(0x24).write(divisor >> 6);
        uart.register(0x28).write(divisor & 0x3f);
        uart.register(0x2c).write(0b111 << 4);
        uart.register(0x30).write(1 << 9 | 1 << 8 | 1);
        uart
    }

    const fn register(&self, offset: u32) -> Register {
        Register::at(self.base, offset)
    }

    fn has(&self, flag: u32) -> bool {
        self.register(FLAGS).read() & flag != 0
    }

    /// The next byte, if one is there that arrived whole.
    fn take(&mut self) -> Option<u8> {
        while !self.has(RECEIVE_EMPTY) {
            let word = self.register(0x00).read();
            self.errors.overruns += word >> 11 & 1;
            // A byte without stop bit, or a break, is none.
            if word & 1 << 8 == 0 {
                return word.to_le_bytes().first().copied();
            }
            self.errors.framing_errors += 1;
        }
        None
    }
}

impl ErrorType for Uart {
    type Error = Infallible;
}

impl ReadReady for Uart {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.has(RECEIVE_EMPTY))
    }
}

impl Read for Uart {
    /// Never waits: gives what is there, perhaps nothing.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        for slot in out {
            let Some(byte) = self.take() else { break };
            *slot = byte;
            count += 1;
        }
        Ok(count)
    }
}

impl WriteReady for Uart {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.has(TRANSMIT_FULL))
    }
}

impl Write for Uart {
    /// Never waits: takes what there is room for, perhaps nothing.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let mut count = 0;
        for byte in bytes {
            if self.has(TRANSMIT_FULL) {
                break;
            }
            self.register(0x00).write(u32::from(*byte));
            count += 1;
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Port for Uart {
    fn take_errors(&mut self) -> LineErrors {
        core::mem::take(&mut self.errors)
    }
}
