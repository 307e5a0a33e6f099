//! The emulated board. Its serial lines are sockets; its pins are read through QEMU's monitor, and set through the
//! interface that QEMU's own tests use.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use heartline_core::witness::Side;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where the path of the firmware is, if it is not where `cargo xtask firmware build` puts it.
const FIRMWARE_VARIABLE: &str = "HEARTLINE_FIRMWARE";
const BUILT: &str = "target/firmware/thumbv7m-none-eabi/release/heartline-lm3s6965";
/// All pins of port B.
const PORT_B: u64 = 0x4000_53fc;
/// Port B among QEMU's devices of this board.
const PORT_B_DEVICE: &str = "/machine/unattached/device[9]";

/// Why there is no board.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// The firmware was not built.
    #[error("there is no firmware at {}; `cargo xtask firmware build` makes it", .0.display())]
    NoFirmware(PathBuf),
    /// QEMU could not be started, or does not answer.
    #[error("qemu-system-arm (Debian's package qemu-system-arm): {0}")]
    Qemu(#[from] io::Error),
    /// QEMU answered something else than it was asked.
    #[error("QEMU answered {0:?}")]
    Answer(String),
}

/// A board that runs.
#[derive(Debug)]
pub struct Emulator {
    qemu: Child,
    directory: PathBuf,
    monitor: BufReader<UnixStream>,
    pins: BufReader<UnixStream>,
    /// The serial lines, by side.
    pub lines: [UnixStream; 2],
}

impl Emulator {
    /// Powers a board up whose pages are in `directory`.
    ///
    /// # Errors
    /// [`EmulatorError`].
    pub fn start(directory: &TempDir) -> Result<Self, EmulatorError> {
        let firmware = firmware();
        if !firmware.is_file() {
            return Err(EmulatorError::NoFirmware(firmware));
        }
        let directory = directory.path().to_owned();
        let mut command = Command::new("qemu-system-arm");
        command.args(["-machine", "lm3s6965evb", "-display", "none", "-nodefaults", "-net", "none"]);
        command.args(["-semihosting-config", "enable=on,target=native"]).arg("-kernel").arg(firmware);
        for name in ["a", "b"] {
            command.arg("-chardev").arg(format!("socket,id={name},path={name},server=on,wait=on"));
            command.arg("-serial").arg(format!("chardev:{name}"));
        }
        command.args(["-chardev", "file,id=console,path=console", "-serial", "chardev:console"]);
        command.args(["-qmp", "unix:monitor,server=on,wait=off", "-qtest", "unix:pins,server=on,wait=off"]);
        command.args(["-qtest-log", "/dev/null"]);
        for name in ["a", "b", "monitor", "pins"] {
            let _ = fs::remove_file(directory.join(name));
        }
        let mut qemu = command.current_dir(&directory).stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut connect = |name| connect(&directory.join(name), &mut qemu);
        // In the order in which QEMU waits for them.
        let lines = [connect("a")?, connect("b")?];
        let monitor = BufReader::new(connect("monitor")?);
        let pins = BufReader::new(connect("pins")?);
        let mut emulator = Self { qemu, directory, monitor, pins, lines };
        emulator.read_monitor()?;
        emulator.ask(&json!({ "execute": "qmp_capabilities" }))?;
        for line in &emulator.lines {
            line.set_nonblocking(true)?;
        }
        for side in Side::ALL {
            emulator.set_power(side, true)?;
        }
        Ok(emulator)
    }

    /// Whether the reset line of a side is pulled.
    ///
    /// # Errors
    /// [`EmulatorError`].
    pub fn is_pulled(&mut self, side: Side) -> Result<bool, EmulatorError> {
        Ok(self.read_word(PORT_B)? & 1 << side.index() != 0)
    }

    /// Sets what the power sense of a side says.
    ///
    /// # Errors
    /// [`EmulatorError`].
    pub fn set_power(&mut self, side: Side, is_on: bool) -> Result<(), EmulatorError> {
        let pin = 4 + side.index();
        let stream = self.pins.get_mut();
        writeln!(stream, "set_irq_in {PORT_B_DEVICE} unnamed-gpio-in {pin} {}", u8::from(is_on))?;
        let mut answer = String::new();
        self.pins.read_line(&mut answer)?;
        if answer.starts_with("OK") { Ok(()) } else { Err(EmulatorError::Answer(answer)) }
    }

    /// Presses the reset button: memory keeps what it holds, all else begins anew.
    ///
    /// # Errors
    /// [`EmulatorError`].
    pub fn press_reset(&mut self) -> Result<(), EmulatorError> {
        self.ask(&json!({ "execute": "system_reset" })).map(|_| ())
    }

    /// What the console has said.
    #[must_use]
    pub fn console(&self) -> String {
        fs::read(self.directory.join("console"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A word of the board's memory or registers.
    ///
    /// # Errors
    /// [`EmulatorError`].
    pub fn read_word(&mut self, address: u64) -> Result<u32, EmulatorError> {
        let command = format!("xp /1wx {address:#x}");
        let answer = self.ask(&json!({
            "execute": "human-monitor-command", "arguments": { "command-line": command },
        }))?;
        let text = answer.as_str().unwrap_or_default();
        let digits = text.trim().rsplit_once("0x").map(|(_, digits)| digits);
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| EmulatorError::Answer(text.to_owned()))
    }

    fn ask(&mut self, request: &Value) -> Result<Value, EmulatorError> {
        writeln!(self.monitor.get_mut(), "{request}")?;
        loop {
            let answer = self.read_monitor()?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            // Events come in between.
            if answer.get("event").is_none() {
                return Err(EmulatorError::Answer(answer.to_string()));
            }
        }
    }

    fn read_monitor(&mut self) -> Result<Value, EmulatorError> {
        let mut line = String::new();
        self.monitor.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|_| EmulatorError::Answer(line))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn firmware() -> PathBuf {
    match env::var_os(FIRMWARE_VARIABLE) {
        Some(path) => path.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(BUILT),
    }
}

/// Connects as soon as QEMU listens there; an error if it ended instead.
fn connect(path: &Path, qemu: &mut Child) -> Result<UnixStream, EmulatorError> {
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if qemu.try_wait()?.is_some() => return Err(error.into()),
            Err(_) => std::thread::park_timeout(Duration::from_millis(10)),
        }
    }
}
