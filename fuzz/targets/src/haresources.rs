//! The body is `heartline_fuzz::config_files::haresources`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| heartline_fuzz::config_files::haresources(data));
