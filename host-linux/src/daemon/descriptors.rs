//! What a careless parent left open goes no further than this process. A module with `unsafe`: nix has no call for it.

use nix::libc;

/// Standard input, output and error are for those who start a child.
const FIRST: libc::c_uint = 3;

/// Marks every descriptor that this process has inherited, the standard streams left out, so that no child gets it.
/// A kernel before 5.11 does not know the call: then children get what this process got.
#[expect(unsafe_code, reason = "nix has no close_range")]
pub(super) fn keep_from_children() {
    // SAFETY: no descriptor is closed, and what a descriptor is good for in this process does not change.
    let _ = unsafe { libc::close_range(FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) };
}
