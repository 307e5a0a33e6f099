//! One binary, many names: `heartline`, `heartbeat`, `cl_status`, `hb_standby`, `hb_takeover`.

fn main() -> std::process::ExitCode {
    heartline::cli::run(std::env::args_os().collect())
}
