//! One binary, many names: `heartline`, `heartbeat`, `cl_status`, `hb_standby`, `hb_takeover`.
//! The demo's hosts find the lab's helpers in it too.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    heartline_lab::dispatch(words.get(1..).unwrap_or_default()).unwrap_or_else(|| heartline::cli::run(words))
}
