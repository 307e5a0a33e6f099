//! The body is `heartline_fuzz::replay::run`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heartline_fuzz::replay::run(data));
