//! The serial connection test, as the original's manual asks for it: one line each way, before the daemons start.

use std::time::{Duration, Instant};

use heartline_lab::{Host, wait_until};

use super::error::DemoError;
use super::files::BAUD;
use crate::clock;

/// After this the line is sent again: the first may have gone before the other side listened.
const PAUSE: Duration = Duration::from_millis(300);
/// How often the test is made anew: who comes in the middle of a line hears only the rest of it.
const ATTEMPTS: usize = 5;

/// Sends `text` from one host to the other with `heartline serial-test`, and gives how long the last sending took
/// until the other side had the line.
pub(super) fn pass_line(
    from: &Host,
    to: &mut Host,
    device: &str,
    text: &str,
    patience: Duration,
) -> Result<Duration, DemoError> {
    let baud = BAUD.to_string();
    let command = ["/usr/sbin/heartline", "serial-test", device, "--baud", &baud];
    let mut heard = String::new();
    for _ in 0..ATTEMPTS {
        let mut listener = to.spawn(&[&command[..], &["--receive", "--timeout", "10"]].concat())?;
        let mut sent = clock::monotonic();
        let mut failure = None;
        wait_until("the other side has heard a line", patience, || {
            sent = clock::monotonic();
            failure = send(from, &[&command[..], &["--send", text]].concat()).err();
            failure.is_some()
                || wait_until("it ends", PAUSE, || matches!(listener.ended(), Ok(Some(_)))).is_ok()
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let took = since(sent);
        let output = listener.wait(patience)?;
        output.stdout.trim_end().clone_into(&mut heard);
        if output.status.success() && heard == text {
            return Ok(took);
        }
    }
    let (from, to) = (from.name(), to.name());
    Err(DemoError::Step(format!("{from} sent {text:?} over {device}, {to} heard {heard:?}")))
}

fn send(host: &Host, line: &[&str]) -> Result<(), DemoError> {
    let output = host.run(line)?;
    if output.status.success() {
        return Ok(());
    }
    Err(DemoError::Command {
        host: host.name().to_owned(),
        line: line.join(" "),
        status: output.status,
        said: output.stderr.trim().to_owned(),
    })
}

fn since(start: Instant) -> Duration {
    clock::monotonic().saturating_duration_since(start)
}
