//! Memory that no start of the program touches, for the journal.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, Ordering};

use heartline_bridge::journal::BYTES;

struct Kept(UnsafeCell<MaybeUninit<[u8; BYTES]>>);

// SAFETY: `journal` gives the one reference to it to one caller only.
unsafe impl Sync for Kept {}

#[unsafe(link_section = ".uninit.journal")]
static KEPT: Kept = Kept(UnsafeCell::new(MaybeUninit::uninit()));
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The memory of the journal, once.
pub(crate) fn journal() -> Option<&'static mut [u8; BYTES]> {
    // There is one core, and no exception calls this: load and store need not be one.
    if TAKEN.load(Ordering::Relaxed) {
        return None;
    }
    TAKEN.store(true, Ordering::Relaxed);
    // SAFETY: the only reference, as `TAKEN` says. The section is never initialised, but it is memory of the chip, where
    // every byte is a valid one; the journal believes none of them without its check.
    Some(unsafe { (*KEPT.0.get()).assume_init_mut() })
}
