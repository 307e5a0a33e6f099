//! Worlds as seen from outside: ends, signals, leftovers.

use crate::{LIMIT, Outcome, executable, two_hosts};
use heartline_lab::{Error as LabError, World, wait_until, world};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

/// Enters a world with a program and gives its exit code.
pub(crate) fn enter(program: &str, arguments: &[&str]) -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
    let status = world::enter(Path::new(program), &arguments)?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1))?))
}

/// A whole world with everything in it, which stays until it is ended. Tells how to get into it.
pub(crate) fn linger() -> Result<ExitCode, Box<dyn Error>> {
    let mut world = World::new(executable())?;
    let (_lan, mut ha1, mut ha2) = two_hosts(&mut world)?;
    let _cable = world.null_modem(&mut ha1, &mut ha2, 19_200)?;
    let disk = world.shared_disk(16)?;
    disk.attach(&mut ha1)?;
    ha1.write("/var/data/.keep", "", 0o644)?;
    ha1.boot()?;
    ha2.boot()?;
    crate::say(&ha1, &disk.mount_line("/var/data").join(" "))?;
    crate::say(&ha1, "setsid sleep 1000 > /dev/null 2>&1 &")?;
    let _job = ha2.spawn(&["sleep", "1000"])?;
    println!("{}", ha1.enter_hint()?);
    std::io::stdout().flush()?;
    std::thread::park();
    Ok(ExitCode::SUCCESS)
}

/// Starts a lingering world; gives the process outside, and the line that it says when all is up.
fn start_lingering() -> Result<(Child, String), Box<dyn Error>> {
    let program = executable();
    let mut outer = Command::new(&program)
        .arg("enter")
        .arg(&program)
        .arg("linger")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = outer.stdout.take().ok_or("no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    if line.is_empty() { Err("the world did not come up".into()) } else { Ok((outer, line)) }
}

pub(crate) fn nothing_is_left_after_a_kill() -> Outcome {
    let before = (mounts()?, interfaces()?, loops()?);
    for victim in ["the process outside", "unshare", "process 1"] {
        let (mut outer, _) = start_lingering()?;
        let pid = Pid::from_raw(i32::try_from(outer.id())?);
        let family = descendants(pid);
        assert!(family.len() > 8, "{family:?}");
        let target = match victim {
            "the process outside" => pid,
            "unshare" => *family.first().ok_or("no unshare")?,
            _ => *family.get(1).ok_or("no process 1")?,
        };
        kill(target, Signal::SIGKILL)?;
        outer.wait()?;
        wait_until("every process is gone", LIMIT, || {
            family.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
        })
        .map_err(|error| format!("{victim}: {error}"))?;
        wait_until("the loop device is free", LIMIT, || loops().is_ok_and(|now| now == before.2))?;
        assert_eq!((mounts()?, interfaces()?), (before.0.clone(), before.1.clone()));
    }
    Ok(())
}

/// A process's children and theirs, parents before children.
fn descendants(pid: Pid) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = list.split_whitespace().filter_map(|word| word.parse().ok()).map(Pid::from_raw);
    children.flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}

fn mounts() -> std::io::Result<String> {
    fs::read_to_string("/proc/self/mountinfo")
}

fn interfaces() -> std::io::Result<Vec<OsString>> {
    fs::read_dir("/sys/class/net")?.map(|entry| Ok(entry?.file_name())).collect()
}

/// The loop devices that are in use.
fn loops() -> std::io::Result<Vec<String>> {
    let mut loops = Vec::new();
    for entry in fs::read_dir("/sys/block")? {
        let path = entry?.path();
        if path.join("loop/backing_file").exists() {
            loops.push(path.display().to_string());
        }
    }
    loops.sort();
    Ok(loops)
}

pub(crate) fn an_administrator_gets_in() -> Outcome {
    let (mut outer, hint) = start_lingering()?;
    let line = format!("{} -c 'hostname; pwd; ls -d /etc/ha.d'", hint.trim());
    let output = Command::new("sh").args(["-c", &line]).output()?;
    outer.kill()?;
    outer.wait()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "ha1\n/\n/etc/ha.d\n", "{line}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

pub(crate) fn signals_and_statuses_pass_through() -> Outcome {
    let program = executable();
    let enter = |script: &str| {
        let mut command = Command::new(&program);
        command.args(["enter", "/bin/sh", "-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    };
    assert_eq!(enter("exit 42").status()?.code(), Some(42));
    assert_eq!(enter("kill -KILL $$").status()?.code(), Some(128 + 9));
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut outer = enter("trap 'exit 7' TERM INT HUP; echo up; while :; do sleep 0.05; done").spawn()?;
        let mut line = String::new();
        BufReader::new(outer.stdout.as_mut().ok_or("no standard output")?).read_line(&mut line)?;
        assert_eq!(line, "up\n");
        kill(Pid::from_raw(i32::try_from(outer.id())?), signal)?;
        let status = outer.wait()?;
        assert_eq!((status.code(), status.signal()), (Some(7), None), "{signal}");
    }
    Ok(())
}

pub(crate) fn a_world_cannot_be_had_outside() -> Outcome {
    assert!(matches!(World::new(executable()), Err(LabError::NotInWorld)));
    Ok(())
}
