//! The serial ports: UART0 (GPIO0, GPIO1) to the host at side A, UART1 (GPIO4, GPIO5) to that at side B. 8 bits, no
//! parity. The chip queues 32 bytes each way.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use heartline_bridge::{LineErrors, Port};
use rp2040_hal::gpio::bank0::{Gpio0, Gpio1, Gpio4, Gpio5};
use rp2040_hal::gpio::{FunctionUart, Pin, PullNone, PullUp};
use rp2040_hal::pac::{UART0, UART1};
use rp2040_hal::uart::{Enabled, ReadErrorType, UartPeripheral};

type Transmit<G> = Pin<G, FunctionUart, PullNone>;
type Receive<G> = Pin<G, FunctionUart, PullUp>;
/// The port of side A.
pub(crate) type PortA = UartPeripheral<Enabled, UART0, (Transmit<Gpio0>, Receive<Gpio1>)>;
/// The port of side B.
pub(crate) type PortB = UartPeripheral<Enabled, UART1, (Transmit<Gpio4>, Receive<Gpio5>)>;

/// One port of either kind.
pub(crate) struct Serial {
    port: Which,
    errors: LineErrors,
}

enum Which {
    A(PortA),
    B(PortB),
}

impl Serial {
    pub(crate) fn a(port: PortA) -> Self {
        Self { port: Which::A(port), errors: LineErrors::default() }
    }

    pub(crate) fn b(port: PortB) -> Self {
        Self { port: Which::B(port), errors: LineErrors::default() }
    }
}

impl ErrorType for Serial {
    type Error = Infallible;
}

impl ReadReady for Serial {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(match &self.port {
            Which::A(port) => port.uart_is_readable(),
            Which::B(port) => port.uart_is_readable(),
        })
    }
}

impl Read for Serial {
    /// Never waits: gives what is there, perhaps nothing.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        let read = match &self.port {
            Which::A(port) => port.read_raw(out),
            Which::B(port) => port.read_raw(out),
        };
        Ok(match read {
            Ok(length) => length,
            Err(nb::Error::WouldBlock) => 0,
            Err(nb::Error::Other(error)) => {
                match error.err_type {
                    ReadErrorType::Overrun => self.errors.overruns += 1,
                    ReadErrorType::Break | ReadErrorType::Parity | ReadErrorType::Framing => {
                        self.errors.framing_errors += 1;
                    }
                }
                // What came before the bad byte is in its place.
                error.discarded.len()
            }
        })
    }
}

impl WriteReady for Serial {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(match &self.port {
            Which::A(port) => port.uart_is_writable(),
            Which::B(port) => port.uart_is_writable(),
        })
    }
}

impl Write for Serial {
    /// Never waits: takes what there is room for, perhaps nothing.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let left = match &self.port {
            Which::A(port) => port.write_raw(bytes),
            Which::B(port) => port.write_raw(bytes),
        };
        Ok(bytes.len() - left.map_or(bytes.len(), <[u8]>::len))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Port for Serial {
    fn take_errors(&mut self) -> LineErrors {
        core::mem::take(&mut self.errors)
    }
}
