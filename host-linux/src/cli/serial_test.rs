//! `heartline serial-test`: whether a null-modem cable carries a line, before the daemon uses it.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Output;
use crate::media::serial_test;

#[derive(Debug, Args)]
pub(super) struct SerialTest {
    /// The serial port, such as /dev/ttyS0.
    device: PathBuf,
    #[command(flatten)]
    direction: Direction,
    /// Bits per second, the same on both sides.
    #[arg(long, default_value_t = 19_200, value_parser = clap::value_parser!(u32).range(50..))]
    baud: u32,
    /// How many seconds --receive waits.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u32,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Direction {
    /// Send this line.
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// Wait for a line and print it.
    #[arg(long)]
    receive: bool,
}

/// Sends or receives one line. Exits with 0 if it passed, else with 1 and the reason.
pub(super) fn run(test: &SerialTest) -> Output {
    let device = test.device.display();
    if let Some(text) = &test.direction.send {
        return match serial_test::send_line(&test.device, test.baud, text) {
            Ok(()) => Output::default(),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                Output::bad(1, format!("{device} takes no bytes; is flow control on?\n"))
            }
            Err(error) => Output::bad(1, format!("Cannot send over {device}: {error}.\n")),
        };
    }
    let limit = Duration::from_secs(test.timeout.into());
    match serial_test::receive_line(&test.device, test.baud, limit) {
        Ok(line) => Output::good(format!("{line}\n")),
        Err(error) if error.kind() == ErrorKind::TimedOut => Output::bad(
            1,
            format!(
                "No line came over {device} within {} s; see that the cable crosses the wires (null modem) and \
                 that both sides use {} baud.\n",
                test.timeout, test.baud
            ),
        ),
        Err(error) => Output::bad(1, format!("Cannot receive over {device}: {error}.\n")),
    }
}
