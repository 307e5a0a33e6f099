//! Waiting for what happens outside this process and gives no event of its own. The only sleeps are here.

use crate::clock;
use crate::error::Error;
use std::thread;
use std::time::Duration;

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Waits until `condition` holds, looking every few milliseconds and once more at the end of `limit`.
///
/// # Errors
/// [`Error::Timeout`], with `what` (a clause such as "ha2 runs the web server") in its text.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<(), Error> {
    let end = clock::now() + limit;
    loop {
        let last = clock::now() >= end;
        if condition() {
            return Ok(());
        }
        if last {
            return Err(Error::Timeout { what: what.to_owned(), limit });
        }
        pause(INTERVAL);
    }
}

/// Lets time pass; for what goes by the clock itself, such as a measurement at intervals.
#[expect(clippy::disallowed_methods, reason = "the outside world sends no event for what is waited for here")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_is_waited_for() {
        let mut looks = 0;
        let result = wait_until("it was looked at thrice", Duration::from_secs(60), || {
            looks += 1;
            looks == 3
        });
        assert!(result.is_ok());
        assert_eq!(looks, 3);
    }

    #[test]
    fn the_failure_says_what_was_waited_for() {
        let error = wait_until("pigs fly", Duration::ZERO, || false).unwrap_err();
        assert_eq!(error.to_string(), "waited 0ns in vain until pigs fly");
    }
}
