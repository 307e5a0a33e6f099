//! What must hold whatever the bytes are. Each target is a function that takes any bytes and panics where a promise
//! is broken; `targets/` hands it to libFuzzer, `tests/corpus.rs` replays `corpus/` through it on every test run.

#![allow(clippy::expect_used, reason = "a panic is how a target reports a finding")]

pub mod bytes;
pub mod config_files;
pub mod control;
pub mod deframe;
pub mod machine;
pub mod open_frame;
pub mod replay;
pub mod setting;
pub mod step;
pub mod witness;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its program and of its directory in `corpus/`.
    pub name: &'static str,
    /// What it does with any bytes.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "authkeys", run: config_files::authkeys },
    Target { name: "control", run: control::run },
    Target { name: "deframe", run: deframe::run },
    Target { name: "ha_cf", run: config_files::ha_cf },
    Target { name: "haresources", run: config_files::haresources },
    Target { name: "open_frame", run: open_frame::run },
    Target { name: "replay", run: replay::run },
    Target { name: "step", run: step::run },
    Target { name: "witness", run: witness::run },
];

/// Runs a call of the core, which must not allocate.
pub(crate) fn without_allocation<T>(call: impl FnOnce() -> T) -> T {
    let mut result = None;
    let allocated = allocation_counter::measure(|| result = Some(call()));
    assert_eq!(allocated.count_total, 0, "the core allocated");
    result.expect("the call was made")
}
