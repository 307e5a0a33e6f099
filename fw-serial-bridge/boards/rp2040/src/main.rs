//! The witness in the null-modem cable on an RP2040, such as the Raspberry Pi Pico. UART0 and UART1 go to the hosts;
//! GPIO2 and GPIO3 pull the reset lines of sides A and B, GPIO6 and GPIO7 sense their power. What it does is in
//! `heartline-bridge`; here is only where things are.

#![no_std]
#![no_main]

mod memory;
mod pages;
mod serial;

use core::panic::PanicInfo;

use fugit::{ExtU32, RateExtU32};
use heartline_bridge::store::Store;
use heartline_bridge::{Bridge, Dongle, End};
use heartline_core::time::Instant;
use heartline_core::witness::StartCause;
use rp2040_hal::clocks::init_clocks_and_plls;
use rp2040_hal::gpio::Pins;
use rp2040_hal::uart::{DataBits, StopBits, UartConfig, UartPeripheral};
use rp2040_hal::{Clock, Sio, Timer, Watchdog, entry, pac};

use serial::Serial;

/// What the ROM of the chip starts first.
#[unsafe(link_section = ".boot2")]
#[used]
static BOOT_LOADER: [u8; 256] = rp2040_boot2::BOOT_LOADER_GENERIC_03H;

/// Of the Pico's crystal.
const CRYSTAL_HZ: u32 = 12_000_000;
/// GPIO2 and GPIO3.
const LINES: u32 = 0b11 << 2;

#[entry]
fn main() -> ! {
    let Some(mut chip) = pac::Peripherals::take() else { stop() };
    let cause = start_cause(&chip);
    let mut watchdog = Watchdog::new(chip.WATCHDOG);
    let clocks = init_clocks_and_plls(
        CRYSTAL_HZ,
        chip.XOSC,
        chip.CLOCKS,
        chip.PLL_SYS,
        chip.PLL_USB,
        &mut chip.RESETS,
        &mut watchdog,
    );
    let Ok(clocks) = clocks else { stop() };
    // Longer than a sector takes to be erased.
    watchdog.start(2_000_000.micros());
    let timer = Timer::new(chip.TIMER, &mut chip.RESETS, &clocks);
    let now = || Instant::from_micros(timer.get_counter().ticks());
    let sio = Sio::new(chip.SIO);
    let pins = Pins::new(chip.IO_BANK0, chip.PADS_BANK0, sio.gpio_bank0, &mut chip.RESETS);
    let lines = [
        pins.gpio2.into_push_pull_output_in_state(rp2040_hal::gpio::PinState::Low).into_dyn_pin(),
        pins.gpio3.into_push_pull_output_in_state(rp2040_hal::gpio::PinState::Low).into_dyn_pin(),
    ];
    let senses =
        [pins.gpio6.into_pull_down_input().into_dyn_pin(), pins.gpio7.into_pull_down_input().into_dyn_pin()];
    // Without a number of its own this life must not speak; the watchdog starts another one.
    let (Ok(store), Some(memory)) = (Store::begin_life(pages::Sectors), memory::journal()) else { stop() };
    let mut bridge = Bridge::new(store, memory, now());
    bridge.begin(now(), cause);
    let baud = bridge.baud();
    let speed = || UartConfig::new(baud.Hz(), DataBits::Eight, None, StopBits::One);
    let a = (pins.gpio0.reconfigure(), pins.gpio1.reconfigure());
    let b = (pins.gpio4.reconfigure(), pins.gpio5.reconfigure());
    let clock = clocks.peripheral_clock.freq();
    let a = UartPeripheral::new(chip.UART0, a, &mut chip.RESETS).enable(speed(), clock);
    let b = UartPeripheral::new(chip.UART1, b, &mut chip.RESETS).enable(speed(), clock);
    let (Ok(a), Ok(b)) = (a, b) else { stop() };
    let [line_a, line_b] = lines;
    let [sense_a, sense_b] = senses;
    let ends = [
        End { port: Serial::a(a), line: line_a, sense: sense_a },
        End { port: Serial::b(b), line: line_b, sense: sense_b },
    ];
    let mut dongle = Dongle::new(&mut bridge, ends);
    loop {
        dongle.turn(now());
        // Its watchdog starts it anew.
        if !dongle.bridge().wants_restart() {
            watchdog.feed();
        }
    }
}

/// Why it started.
fn start_cause(chip: &pac::Peripherals) -> StartCause {
    let reason = chip.WATCHDOG.reason().read();
    let reset = chip.VREG_AND_CHIP_RESET.chip_reset().read();
    if reason.timer().bit() || reason.force().bit() {
        StartCause::OwnWatchdog
    } else if reset.had_run().bit() {
        StartCause::Pin
    } else {
        // The chip does not tell a drop of its supply from its coming.
        StartCause::PowerOn
    }
}

/// Both lines let go, and nothing more until the watchdog resets the chip.
fn stop() -> ! {
    // SAFETY: whoever had the pins does not run any more.
    let chip = unsafe { pac::Peripherals::steal() };
    // SAFETY: the register clears the outputs whose bits are set; every value of it is one.
    chip.SIO.gpio_out_clr().write(|word| unsafe { word.bits(LINES) });
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    stop()
}
