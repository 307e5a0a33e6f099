//! The machine: an emulated one, with its console as the way to talk to it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::process::{self, Failure};

/// Far more than a boot and a reset need; reached only when something is wrong.
const PATIENCE: Duration = Duration::from_secs(180);
/// What the guest's words begin with; the rest of the console is the kernel's.
const WORDS: &str = "guest: ";

/// A machine that is switched on. Losing it switches it off.
#[derive(Debug)]
pub(super) struct Guest {
    emulator: Child,
    console: Receiver<String>,
}

impl Guest {
    /// Switches it on.
    pub(super) fn boot(kernel: &Path, files: &Path) -> Result<Self, Failure> {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-accel", "tcg", "-m", "256", "-nodefaults", "-nographic", "-serial", "stdio"]);
        command.args(["-device", "i6300esb", "-action", "watchdog=reset"]);
        command.arg("-kernel").arg(kernel).arg("-initrd").arg(files);
        command.args(["-append", "console=ttyS0 quiet loglevel=1 panic=-1"]);
        eprintln!("+ {}", process::as_typed(&command));
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut emulator = spawned.map_err(|source| process::unrunnable(&command, source))?;
        let (sender, console) = mpsc::channel();
        if let Some(output) = emulator.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    // Nobody listens any more when the machine is about to be switched off.
                    let _ = sender.send(String::from_utf8_lossy(&line).trim().to_owned());
                }
            });
        }
        Ok(Self { emulator, console })
    }

    /// Gives an order, and waits for the next word of the guest, which must be this.
    pub(super) fn play(&mut self, order: Option<&str>, expected: &str) -> Result<(), Failure> {
        if let Some(order) = order {
            self.tell(order)?;
        }
        let mut seen = Vec::new();
        loop {
            let Ok(line) = self.console.recv_timeout(PATIENCE) else {
                return Err(Failure::Other(format!(
                    "the machine did not say `{expected}`:\n{}",
                    seen.join("\n")
                )));
            };
            match line.split_once(WORDS).map(|(_, word)| word) {
                Some(word) if word == expected => return Ok(()),
                Some(word) => {
                    let text =
                        format!("the machine said `{word}` instead of `{expected}`:\n{}", seen.join("\n"));
                    return Err(Failure::Other(text));
                }
                None => seen.push(line),
            }
        }
    }

    /// Waits until it has switched itself off.
    pub(super) fn switch_off(mut self) -> Result<(), Failure> {
        self.tell("off")?;
        let ended = self.emulator.wait();
        ended.map(drop).map_err(|source| Failure::Other(format!("cannot wait for the machine: {source}")))
    }

    fn tell(&mut self, order: &str) -> Result<(), Failure> {
        let told = self.emulator.stdin.as_mut().map(|console| writeln!(console, "{order}"));
        let gone = |source| Failure::Other(format!("the machine is gone: {source}"));
        told.unwrap_or(Ok(())).map_err(gone)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}
