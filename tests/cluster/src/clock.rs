//! The only reader of time here.

use std::time::Instant;

/// The instant now.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
