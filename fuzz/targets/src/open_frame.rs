//! The body is `heartline_fuzz::open_frame::run`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heartline_fuzz::open_frame::run(data));
