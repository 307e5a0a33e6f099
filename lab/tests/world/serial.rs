//! Null-modem cables.

use crate::{LIMIT, Outcome};
use heartline_lab::{Host, Job, NullModem, World, wait_until};
use serialport::{SerialPort, TTYPort};
use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

/// Two hosts that are up, at the two ends of a cable.
fn two_ends(world: &mut World, baud: u32) -> Result<(Host, Host, NullModem), heartline_lab::Error> {
    let (mut ha1, mut ha2) = (world.host("ha1")?, world.host("ha2")?);
    let cable = world.null_modem(&mut ha1, &mut ha2, baud)?;
    ha1.boot()?;
    ha2.boot()?;
    Ok((ha1, ha2, cable))
}

/// Reads a host's serial port from now on.
fn listen(host: &mut Host) -> Result<Job, Box<dyn Error>> {
    let job = host.spawn(&["cat", "/dev/ttyS0"])?;
    let descriptors = format!("/proc/{}/fd", job.pid()?);
    wait_until("the port is open", LIMIT, || {
        let Ok(entries) = fs::read_dir(&descriptors) else { return false };
        entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.ends_with("ttyS0")))
    })?;
    Ok(job)
}

fn send(host: &Host, text: &str) -> Result<(), Box<dyn Error>> {
    crate::say(host, &format!("printf %s '{text}' > /dev/ttyS0")).map(drop)
}

fn numbers(from: u32) -> String {
    (from..from + 400).map(|number| format!("{number:05},")).collect()
}

pub(crate) fn a_serial_line_keeps_order_and_content(mut world: World) -> Outcome {
    let (mut ha1, mut ha2, cable) = two_ends(&mut world, 19_200)?;
    assert_eq!(cable.device(&ha1).and_then(|device| device.to_str()), Some("/dev/ttyS0"));
    let (heard1, heard2) = (listen(&mut ha1)?, listen(&mut ha2)?);
    let (there, back) = (numbers(0), numbers(50_000));
    #[expect(clippy::disallowed_methods, reason = "the figure is printed, nothing depends on it")]
    let start = Instant::now();
    send(&ha1, &there)?;
    send(&ha2, &back)?;
    wait_until("both have heard all", LIMIT, || {
        heard1.said().len() >= back.len() && heard2.said().len() >= there.len()
    })?;
    let rate = there.len() as f64 / start.elapsed().as_secs_f64();
    println!("19200 baud: {} bytes each way, {rate:.0} bytes a second (1920 at most)", there.len());
    assert_eq!(heard2.said(), there);
    assert_eq!(heard1.said(), back);
    Ok(())
}

pub(crate) fn what_nobody_reads_is_lost(mut world: World) -> Outcome {
    let (ha1, mut ha2, _cable) = two_ends(&mut world, 115_200)?;
    // More than any buffer on the way holds: a writer that was blocked for ever would never come back.
    crate::say(&ha1, "head -c 30000 /dev/zero > /dev/ttyS0")?;
    let heard = listen(&mut ha2)?;
    send(&ha1, "fresh")?;
    wait_until("the new text is heard", LIMIT, || heard.said().ends_with("fresh"))?;
    assert!(heard.said().len() < 30_000, "{}", heard.said().len());
    // Closed and opened again, without what was not read.
    drop(heard);
    let stopped = listen(&mut ha2)?;
    ha2.freeze(&[stopped.pid()?])?;
    send(&ha1, "stale")?;
    wait_until("it waits in the port", LIMIT, || waiting(&ha2) == Some(5))?;
    drop(stopped);
    // The port is cleared a moment after its last reader is gone.
    wait_until("what was not read is gone", LIMIT, || waiting(&ha2) == Some(0))?;
    let heard = listen(&mut ha2)?;
    send(&ha1, "again")?;
    wait_until("the new text is heard", LIMIT, || heard.said().ends_with("again"))?;
    assert_eq!(heard.said(), "again");
    Ok(())
}

/// How many bytes wait to be read at a host's serial port.
fn waiting(host: &Host) -> Option<u32> {
    let line = format!("{} serial waiting", host.helper().display());
    crate::say(host, &line).ok()?.parse().ok()
}

/// On a host: prints how many bytes wait.
pub(crate) fn print_waiting() -> Result<ExitCode, Box<dyn Error>> {
    let port = TTYPort::open(&serialport::new("/dev/ttyS0", 9600).exclusive(false))?;
    println!("{}", port.bytes_to_read()?);
    Ok(ExitCode::SUCCESS)
}

/// On a host: holds the port for itself until it is killed.
pub(crate) fn hold() -> Result<ExitCode, Box<dyn Error>> {
    let _port = TTYPort::open(&serialport::new("/dev/ttyS0", 115_200))?;
    println!("held");
    std::thread::park();
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn a_port_is_free_when_its_holder_was_killed(mut world: World) -> Outcome {
    let (_ha1, mut ha2, _cable) = two_ends(&mut world, 115_200)?;
    let line = format!("{} serial hold", ha2.helper().display());
    for _ in 0..3 {
        let mut job = None;
        wait_until("the port can be had", LIMIT, || {
            let tried = ha2.spawn(&["sh", "-c", &format!("exec {line}")]).ok();
            let said = |job: &Job| !job.said().is_empty();
            job = tried.filter(|job| wait_until("it speaks", LIMIT, || said(job)).is_ok());
            job.as_ref().is_some_and(|job| job.said() == "held\n")
        })?;
        // Dropped, it is killed.
        drop(job);
    }
    Ok(())
}

pub(crate) fn a_serial_line_survives_power_cuts(mut world: World) -> Outcome {
    let (mut ha1, mut ha2, _cable) = two_ends(&mut world, 115_200)?;
    for round in 0..3 {
        let heard = listen(&mut ha2)?;
        let text = format!("round {round}");
        send(&ha1, &text)?;
        wait_until("the text is heard", LIMIT, || heard.said() == text)?;
        ha2.power_cut()?;
        send(&ha1, "nobody is there")?;
        ha1.power_cut()?;
        ha1.boot()?;
        ha2.boot()?;
    }
    Ok(())
}

pub(crate) fn a_serial_line_is_cut_one_way(mut world: World) -> Outcome {
    let (mut ha1, mut ha2, mut cable) = two_ends(&mut world, 115_200)?;
    let (heard1, heard2) = (listen(&mut ha1)?, listen(&mut ha2)?);
    cable.cut_direction(&ha1)?;
    send(&ha1, "lost")?;
    send(&ha2, "back.")?;
    wait_until("the way back works", LIMIT, || heard1.said() == "back.")?;
    cable.cut_direction(&ha2)?;
    send(&ha2, "lost")?;
    send(&ha1, "there.")?;
    wait_until("the way there works", LIMIT, || heard2.said().ends_with("there."))?;
    cable.cut()?;
    send(&ha1, "lost")?;
    // When what was sent later on the other wire has arrived, "lost" has passed too.
    cable.cut_direction(&ha1)?;
    send(&ha2, "later.")?;
    wait_until("the way back works", LIMIT, || heard1.said() == "back.later.")?;
    cable.restore()?;
    send(&ha1, "mended")?;
    send(&ha2, "mended")?;
    wait_until("both hear", LIMIT, || {
        heard1.said().ends_with("mended") && heard2.said().ends_with("mended")
    })?;
    assert_eq!((heard1.said().as_str(), heard2.said().as_str()), ("back.later.mended", "there.mended"));
    Ok(())
}

pub(crate) fn a_serial_line_is_noisy(mut world: World) -> Outcome {
    let (mut ha1, mut ha2, mut cable) = two_ends(&mut world, 115_200)?;
    let raw = |job: &Job| fs::read(job.log()).unwrap_or_default();
    let (heard1, heard2) = (listen(&mut ha1)?, listen(&mut ha2)?);
    cable.noise(2000, 42)?;
    wait_until("both hear garbage", LIMIT, || raw(&heard1).len() > 100 && raw(&heard2).len() > 100)?;
    cable.noise(0, 42)?;
    send(&ha1, "text")?;
    wait_until("the noise is over", LIMIT, || raw(&heard2).ends_with(b"text"))?;
    drop(heard2);
    let heard = listen(&mut ha2)?;
    cable.flip_bits(10, 7)?;
    let text = "a".repeat(2000);
    send(&ha1, &text)?;
    wait_until("all has come", LIMIT, || raw(&heard).len() == text.len())?;
    let flipped = raw(&heard).iter().filter(|&&byte| byte != b'a').count();
    assert!((50..500).contains(&flipped), "{flipped} of 2000 bytes are wrong");
    assert!(raw(&heard).iter().all(|byte| (byte ^ b'a').count_ones() <= 1));
    Ok(())
}
