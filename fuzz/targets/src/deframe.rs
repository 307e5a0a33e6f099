//! The body is `heartline_fuzz::deframe::run`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heartline_fuzz::deframe::run(data));
