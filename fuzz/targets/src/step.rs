//! The body is `heartline_fuzz::step::run`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heartline_fuzz::step::run(data));
