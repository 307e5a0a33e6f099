//! The witness in the null-modem cable on an LM3S6965, as QEMU emulates it (`-M lm3s6965evb`). UART0 and UART1 go to the
//! hosts, UART2 is a console, port B has the reset lines and power senses, and the chip's watchdog guards it all. What it
//! does is in `heartline-bridge`; here is only where things are.

#![no_std]
#![no_main]

mod console;
mod memory;
mod pages;
mod pins;
mod registers;
mod system;
mod uart;

use core::panic::PanicInfo;

use cortex_m_rt::{entry, exception};
use heartline_bridge::store::Store;
use heartline_bridge::{Bridge, Dongle, End};

use console::Console;
use pins::Pin;
use uart::{Uart, Which};

#[entry]
fn main() -> ! {
    system::start_clock();
    pins::start();
    let cause = system::start_cause();
    system::start_watchdog();
    let mut time = system::Time::start();
    let mut console = Console::new(Uart::start(Which::Console, 115_200));
    // Without a number of its own this life must not speak; the watchdog starts another one.
    let (Ok(store), Some(memory)) = (Store::begin_life(pages::Files), memory::journal()) else { stop() };
    let mut bridge = Bridge::new(store, memory, time.now());
    bridge.begin(time.now(), cause);
    let baud = bridge.baud();
    let [line_a, line_b] = Pin::LINES;
    let [sense_a, sense_b] = Pin::SENSES;
    let ends = [
        End { port: Uart::start(Which::A, baud), line: line_a, sense: sense_a },
        End { port: Uart::start(Which::B, baud), line: line_b, sense: sense_b },
    ];
    let mut dongle = Dongle::new(&mut bridge, ends);
    loop {
        let now = time.now();
        dongle.turn(now);
        console.turn(now, dongle.bridge());
        system::feed_watchdog();
        if dongle.bridge().wants_restart() {
            console.finish();
            system::restart();
        }
        if baud <= system::RESTFUL_BAUD && uart::nothing_waits() {
            system::rest();
        }
    }
}

/// Both lines let go, and nothing more until the watchdog resets the chip.
fn stop() -> ! {
    pins::let_go();
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    stop()
}

#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    stop()
}

#[exception]
unsafe fn DefaultHandler(_: i16) {
    stop()
}
