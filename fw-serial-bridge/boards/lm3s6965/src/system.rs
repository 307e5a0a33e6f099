//! Clock, time, the chip's own watchdog, and why it started.

use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m_rt::exception;
use heartline_core::time::Instant;
use heartline_core::witness::StartCause;

use crate::registers::Register;

/// Of the chip after [`start_clock`].
pub(crate) const CLOCK_HZ: u32 = 50_000_000;

const SYSTEM: u32 = 0x400f_e000;
const RIS: Register = Register::at(SYSTEM, 0x050);
const RESC: Register = Register::at(SYSTEM, 0x05c);
const RCC: Register = Register::at(SYSTEM, 0x060);
const RCGC0: Register = Register::at(SYSTEM, 0x100);
const RCGC1: Register = Register::at(SYSTEM, 0x104);
const RCGC2: Register = Register::at(SYSTEM, 0x108);

const SYST_CSR: Register = Register::at(0xe000_e000, 0x010);
const SYST_RVR: Register = Register::at(0xe000_e000, 0x014);
const SYST_CVR: Register = Register::at(0xe000_e000, 0x018);
const AIRCR: Register = Register::at(0xe000_e000, 0xd0c);

const WATCHDOG: u32 = 0x4000_0000;
const WDT_LOAD: Register = Register::at(WATCHDOG, 0x000);
const WDT_CTL: Register = Register::at(WATCHDOG, 0x008);
const WDT_ICR: Register = Register::at(WATCHDOG, 0x00c);
const WDT_LOCK: Register = Register::at(WATCHDOG, 0xc00);

/// Half a second; the watchdog warns once, and resets when it ends for a second time.
const WATCHDOG_TICKS: u32 = CLOCK_HZ / 2;

/// 50 MHz from the crystal of 8 MHz; the clocks of both ports' peripherals and of the watchdog.
pub(crate) fn start_clock() {
    const BYPASS: u32 = 1 << 11;
    const USESYSDIV: u32 = 1 << 22;
    const PLL_LOCKED: u32 = 1 << 6;
    RCC.set(BYPASS);
    RCC.clear(USESYSDIV);
    // Main oscillator on and chosen, crystal 8 MHz, PLL powered.
    RCC.write(RCC.read() & !(0b1111 << 6 | 0b11 << 4 | 1 << 13 | 1) | 0xe << 6);
    RCC.write(RCC.read() & !(0b1111 << 23) | 3 << 23 | USESYSDIV);
    // Bounded: without a crystal it runs on, too slowly to be understood, and its watchdog is not started.
    for _ in 0..100_000 {
        if RIS.read() & PLL_LOCKED != 0 {
            break;
        }
    }
    RCC.clear(BYPASS);
    RCGC0.set(1 << 3);
    RCGC1.set(0b111);
    RCGC2.set(0b111_1111);
    // The data sheet wants three cycles before a peripheral is touched; a read takes them.
    let _ = RCGC2.read();
}

/// Milliseconds since the start, counted by an exception.
static TICKS: AtomicU32 = AtomicU32::new(0);

#[exception]
fn SysTick() {
    TICKS.store(TICKS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// The time since the start, also beyond the 49 days that the counter has.
pub(crate) struct Time {
    last: u32,
    turns: u64,
}

impl Time {
    pub(crate) fn start() -> Self {
        SYST_RVR.write(CLOCK_HZ / 1_000 - 1);
        SYST_CVR.write(0);
        SYST_CSR.write(0b111);
        Self { last: 0, turns: 0 }
    }

    /// To be asked more often than the counter turns.
    pub(crate) fn now(&mut self) -> Instant {
        let ticks = TICKS.load(Ordering::Relaxed);
        if ticks < self.last {
            self.turns += 1;
        }
        self.last = ticks;
        Instant::from_micros((self.turns << 32 | u64::from(ticks)).saturating_mul(1_000))
    }
}

/// Up to this speed an empty queue of a port holds what comes during a [`rest`].
pub(crate) const RESTFUL_BAUD: u32 = 115_200;

/// Waits for the next exception, which the clock makes each millisecond.
pub(crate) fn rest() {
    // SAFETY: the instruction waits, and changes nothing.
    unsafe { asm!("wfi", options(nomem, nostack, preserves_flags)) };
}

/// The chip's own watchdog, which cannot be stopped any more.
pub(crate) fn start_watchdog() {
    WDT_LOAD.write(WATCHDOG_TICKS);
    WDT_CTL.set(0b11);
    // Any other value than the key locks all registers but those that feed.
    WDT_LOCK.write(0);
}

pub(crate) fn feed_watchdog() {
    const KEY: u32 = 0x1acc_e551;
    WDT_LOCK.write(KEY);
    WDT_ICR.write(1);
    WDT_LOAD.write(WATCHDOG_TICKS);
    WDT_LOCK.write(0);
}

/// Why it started; the register is cleared for the next time.
pub(crate) fn start_cause() -> StartCause {
    let cause = RESC.read();
    RESC.write(0);
    match cause {
        cause if cause & 1 << 1 != 0 => StartCause::PowerOn,
        cause if cause & 1 << 2 != 0 => StartCause::BrownOut,
        cause if cause & 1 << 3 != 0 => StartCause::OwnWatchdog,
        cause if cause & 1 << 4 != 0 => StartCause::Software,
        cause if cause & 1 != 0 => StartCause::Pin,
        _ => StartCause::PowerOn,
    }
}

/// Starts anew.
pub(crate) fn restart() -> ! {
    AIRCR.write(0x05fa_0004);
    loop {
        core::hint::spin_loop();
    }
}

/// Vectors of the peripherals' interrupts: none is used, so the table has no place for them.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the linker script wants this name")]
static __INTERRUPTS: [u32; 1] = [0];
