//! The lab at work: each test runs in a world of its own, the one program being test, process 1 and helper.

mod network;
mod outside;
mod power;
mod serial;
mod service;
mod storage;

use heartline_lab::{Host, Switch, World, dispatch, world};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::reboot::{RebootMode, reboot};
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// Long enough for anything that is going to happen on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

type Inside = fn(World) -> Outcome;
type Outside = fn() -> Outcome;
type Outcome = Result<(), Box<dyn Error>>;

/// What runs inside a world.
const INSIDE: &[(&str, Inside)] = &[
    ("hosts_reach_each_other", network::hosts_reach_each_other),
    ("cables_are_cut_and_mended", network::cables_are_cut_and_mended),
    ("frames_are_lost_one_way_and_by_chance", network::frames_are_lost_one_way_and_by_chance),
    ("a_power_cut_ends_everything_at_once", power::a_power_cut_ends_everything_at_once),
    ("the_disk_survives_and_the_rest_is_fresh", power::the_disk_survives_and_the_rest_is_fresh),
    ("a_host_reboots_itself", power::a_host_reboots_itself),
    ("orphans_are_reaped_and_processes_freeze", power::orphans_are_reaped_and_processes_freeze),
    ("a_host_that_cannot_boot_says_why", power::a_host_that_cannot_boot_says_why),
    ("a_serial_line_keeps_order_and_content", serial::a_serial_line_keeps_order_and_content),
    ("what_nobody_reads_is_lost", serial::what_nobody_reads_is_lost),
    ("a_serial_line_survives_power_cuts", serial::a_serial_line_survives_power_cuts),
    ("a_port_is_free_when_its_holder_was_killed", serial::a_port_is_free_when_its_holder_was_killed),
    ("a_serial_line_is_cut_one_way", serial::a_serial_line_is_cut_one_way),
    ("a_serial_line_is_noisy", serial::a_serial_line_is_noisy),
    ("a_disk_moves_from_host_to_host", storage::a_disk_moves_from_host_to_host),
    ("an_outage_is_measured", service::an_outage_is_measured),
    ("the_web_server_serves_its_root_alone", service::the_web_server_serves_its_root_alone),
];

/// What looks at worlds from outside.
const OUTSIDE: &[(&str, Outside)] = &[
    ("nothing_is_left_after_a_kill", outside::nothing_is_left_after_a_kill),
    ("an_administrator_gets_in", outside::an_administrator_gets_in),
    ("signals_and_statuses_pass_through", outside::signals_and_statuses_pass_through),
    ("a_world_cannot_be_had_outside", outside::a_world_cannot_be_had_outside),
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = dispatch(&arguments) {
        return code;
    }
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let result = match words.as_slice() {
        ["inside", name] => run_inside(name),
        ["enter", program, rest @ ..] => outside::enter(program, rest),
        ["linger"] => outside::linger(),
        ["serial", "hold"] => serial::hold(),
        ["serial", "waiting"] => serial::print_waiting(),
        ["restart"] => Err(reboot(RebootMode::RB_AUTOBOOT).unwrap_err().into()),
        ["halt"] => Err(reboot(RebootMode::RB_POWER_OFF).unwrap_err().into()),
        _ => return run_tests(),
    };
    result.unwrap_or_else(|error: Box<dyn Error>| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn run_tests() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Worlds do not collide, but two cores have enough to do with one.
    arguments.test_threads.get_or_insert(1);
    let inside = INSIDE.iter().map(|&(name, _)| Trial::test(name, move || enter_world(name)));
    let outside = OUTSIDE
        .iter()
        .map(|&(name, test)| Trial::test(name, move || test().map_err(|error| error.to_string().into())));
    let ordinary = Trial::test("an_ordinary_user_has_worlds_too", test_as_nobody)
        .with_ignored_flag(!nobody_can_run_this());
    libtest_mimic::run(&arguments, inside.chain(outside).chain([ordinary]).collect()).exit_code()
}

fn enter_world(name: &str) -> Result<(), Failed> {
    let mut command = world::command(&executable(), &["inside".into(), name.into()])?;
    let output = command.stdin(Stdio::null()).output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    print!("{stdout}");
    if output.status.success() { Ok(()) } else { Err(format!("{}: {stderr}", output.status).into()) }
}

fn run_inside(name: &str) -> Result<ExitCode, Box<dyn Error>> {
    let (_, test) = INSIDE.iter().find(|(known, _)| *known == name).ok_or("no such test")?;
    test(World::new(executable())?)?;
    Ok(ExitCode::SUCCESS)
}

/// All tests inside worlds once more, without any privilege.
fn test_as_nobody() -> Result<(), Failed> {
    let names = INSIDE.iter().map(|(name, _)| *name);
    for name in names.chain(["nothing_is_left_after_a_kill", "an_administrator_gets_in"]) {
        let output = as_nobody().arg(executable()).args(["--exact", name]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stdout).into_owned().into());
        }
    }
    Ok(())
}

fn nobody_can_run_this() -> bool {
    let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    run(as_nobody().args(["unshare", "--user", "--map-root-user", "--net", "true"]))
        && run(as_nobody().arg(executable()).arg("--list"))
}

fn as_nobody() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]);
    command
}

fn executable() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| Path::new("/proc/self/exe").to_owned())
}

/// Two hosts on one switch, not yet up.
fn two_hosts(world: &mut World) -> Result<(Switch, Host, Host), heartline_lab::Error> {
    let mut lan = world.switch("lan", "10.77.1.0/24")?;
    let (mut ha1, mut ha2) = (world.host("ha1")?, world.host("ha2")?);
    lan.connect(&mut ha1)?;
    lan.connect(&mut ha2)?;
    Ok((lan, ha1, ha2))
}

/// What a command on a host says, without the last line's end; it must succeed.
fn say(host: &Host, line: &str) -> Result<String, Box<dyn Error>> {
    let output = host.run(&["sh", "-c", line])?;
    if !output.status.success() {
        return Err(format!("{}: `{line}`: {}: {}", host.name(), output.status, output.stderr).into());
    }
    Ok(output.stdout.trim_end().to_owned())
}

/// Whether one host gets an answer from another within a second.
fn pings(host: &Host, target: &str) -> Result<bool, heartline_lab::Error> {
    Ok(host.run(&["ping", "-c1", "-W1", target])?.status.success())
}
