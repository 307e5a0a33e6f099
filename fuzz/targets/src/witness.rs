//! The body is `heartline_fuzz::witness::run`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heartline_fuzz::witness::run(data));
