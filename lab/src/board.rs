//! A microcontroller: QEMU's `lm3s6965evb`. Its serial ports are terminals or sockets, its pins are read through QEMU's
//! monitor, and set through the interface that QEMU's own tests use. What its program does is the program's business.

mod debugger;

use crate::command::PATH;
use crate::error::Error;
use crate::wait::pause;
use nix::fcntl::OFlag;
use nix::sys::termios::{FlushArg, tcflush};
use serde_json::{Value, json};
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Names the program, if it is not where it is built.
const PROGRAM_VARIABLE: &str = "HEARTLINE_FIRMWARE";
/// Where it is built, below the target directory.
const BUILT: &str = "firmware/thumbv7m-none-eabi/release/heartline-lm3s6965";
/// All pins of port B: reset lines at 0 and 1, power senses at 4 and 5.
const PORT_B: u64 = 0x4000_53fc;
const FIRST_SENSE: usize = 4;
/// Port B among QEMU's devices of this board.
const PORT_B_DEVICE: &str = "/machine/unattached/device[9]";
/// What its program keeps over a power cut.
const PAGES: [&str; 2] = ["page-0", "page-1"];
/// The names of its serial ports.
const PORTS: [&str; 2] = ["a", "b"];
/// QEMU answers within this time, or never.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(10);

/// What its two serial ports lead to.
#[derive(Debug, Clone)]
pub enum Lines {
    /// Terminals that there are.
    Terminals([PathBuf; 2]),
    /// Sockets, [`Board::lines`]. Somebody must read them always: QEMU stands still where a wire would lose the bytes.
    Sockets,
}

/// A board with power. Losing this cuts it; what it keeps is in its directory.
#[derive(Debug)]
pub struct Board {
    qemu: Child,
    directory: PathBuf,
    monitor: BufReader<UnixStream>,
    pins: BufReader<UnixStream>,
    /// Its serial lines, if they are sockets; reading does not wait.
    pub lines: Vec<UnixStream>,
}

/// The built program for the board.
///
/// # Errors
/// [`Error::NoFirmware`].
pub fn firmware() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os(PROGRAM_VARIABLE).map(PathBuf::from) {
        return if path.is_file() { Ok(path) } else { Err(Error::NoFirmware(path)) };
    }
    // This program was built below the same directory.
    let here = env::current_exe().map_err(Error::io("find the path of this program"))?;
    let found = here.ancestors().map(|above| above.join(BUILT)).find(|path| path.is_file());
    found.ok_or_else(|| Error::NoFirmware(Path::new("target").join(BUILT)))
}

impl Board {
    /// Powers a board up that keeps its pages in `directory`, with the power of both hosts sensed.
    ///
    /// # Errors
    /// QEMU cannot be started, or does not do what it should.
    pub fn start(firmware: &Path, directory: &Path, lines: &Lines) -> Result<Self, Error> {
        let log = File::create(directory.join("qemu.log")).map_err(Error::io("make a log for QEMU"))?;
        // A board does not wait until a busy machine has time for it. Whoever may not say so runs it like all else.
        let mut command = Command::new("nice");
        command.args(["-n", "-10", "qemu-system-arm"]);
        command.args(["-machine", "lm3s6965evb", "-display", "none", "-nodefaults", "-net", "none"]);
        command.args(["-semihosting-config", "enable=on,target=native"]).arg("-kernel").arg(firmware);
        for (at, port) in PORTS.into_iter().enumerate() {
            let what = match lines {
                Lines::Terminals(terminals) => {
                    forget_unread(&terminals[at])?;
                    format!("serial,id={port},path={}", terminals[at].display())
                }
                Lines::Sockets => format!("socket,id={port},path={port},server=on,wait=on"),
            };
            command.arg("-chardev").arg(what).arg("-serial").arg(format!("chardev:{port}"));
        }
        command.args(["-chardev", "file,id=console,path=console,append=on", "-serial", "chardev:console"]);
        command.args(["-qmp", "unix:monitor,server=on,wait=off", "-qtest", "unix:pins,server=on,wait=off"]);
        command.args(["-qtest-log", "/dev/null", "-gdb", "unix:debugger,server=on,wait=off"]);
        for socket in PORTS.into_iter().chain(["monitor", "pins", "debugger"]) {
            let _ = fs::remove_file(directory.join(socket));
        }
        command
            .current_dir(directory)
            .env("PATH", PATH)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut qemu = command.spawn().map_err(Error::io("run qemu-system-arm"))?;
        let mut connect = |name| connect(directory, name, &mut qemu);
        // In the order in which QEMU waits for them.
        let lines = match lines {
            Lines::Terminals(_) => Vec::new(),
            Lines::Sockets => PORTS.into_iter().map(&mut connect).collect::<Result<_, _>>()?,
        };
        let monitor = BufReader::new(connect("monitor")?);
        let pins = BufReader::new(connect("pins")?);
        let mut board = Self { qemu, directory: directory.to_owned(), monitor, pins, lines };
        board.read_monitor()?;
        board.ask(&json!({ "execute": "qmp_capabilities" }))?;
        for line in &board.lines {
            line.set_nonblocking(true).map_err(Error::io("read a line without waiting"))?;
        }
        board.sense([true, true])?;
        Ok(board)
    }

    /// Whether the reset line of the first and of the second host is pulled.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn pulled(&mut self) -> Result<[bool; 2], Error> {
        let pins = self.read_word(PORT_B)?;
        Ok([0, 1].map(|side| pins & 1 << side != 0))
    }

    /// Has the power senses say this. QEMU's pins forget what they are told when the board starts anew, so it is to be
    /// told again and again.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn sense(&mut self, is_on: [bool; 2]) -> Result<(), Error> {
        for (pin, is_on) in (FIRST_SENSE..).zip(is_on) {
            let order = format!("set_irq_in {PORT_B_DEVICE} unnamed-gpio-in {pin} {}", u8::from(is_on));
            writeln!(self.pins.get_mut(), "{order}").map_err(Error::io("set a pin"))?;
            let mut answer = String::new();
            self.pins.read_line(&mut answer).map_err(Error::io("set a pin"))?;
            if !answer.starts_with("OK") {
                return Err(Error::Emulator(answer));
            }
        }
        Ok(())
    }

    /// Presses the reset button: memory keeps what it holds, all else begins anew.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn press_reset(&mut self) -> Result<(), Error> {
        self.ask(&json!({ "execute": "system_reset" })).map(drop)
    }

    /// Has its program hang in an endless loop, with its exceptions still served.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn hang(&mut self) -> Result<(), Error> {
        debugger::hang(connect(&self.directory, "debugger", &mut self.qemu)?)
    }

    /// What its console has said, in all its lives.
    #[must_use]
    pub fn console(&self) -> String {
        console(&self.directory)
    }

    /// A word of its memory or registers.
    ///
    /// # Errors
    /// QEMU does not answer.
    pub fn read_word(&mut self, address: u64) -> Result<u32, Error> {
        let command = format!("xp /1wx {address:#x}");
        let answer = self.ask(&json!({
            "execute": "human-monitor-command", "arguments": { "command-line": command },
        }))?;
        let text = answer.as_str().unwrap_or_default();
        let digits = text.trim().rsplit_once("0x").map(|(_, digits)| digits);
        digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| Error::Emulator(text.to_owned()))
    }

    fn ask(&mut self, request: &Value) -> Result<Value, Error> {
        writeln!(self.monitor.get_mut(), "{request}").map_err(Error::io("ask QEMU"))?;
        loop {
            let answer = self.read_monitor()?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            // Events come in between.
            if answer.get("event").is_none() {
                return Err(Error::Emulator(answer.to_string()));
            }
        }
    }

    fn read_monitor(&mut self) -> Result<Value, Error> {
        let mut line = String::new();
        self.monitor.read_line(&mut line).map_err(Error::io("hear QEMU"))?;
        serde_json::from_str(&line).map_err(|_| Error::Emulator(line))
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What the console of the board in `directory` has said, in all its lives.
#[must_use]
pub fn console(directory: &Path) -> String {
    let said = fs::read(directory.join("console")).unwrap_or_default();
    String::from_utf8_lossy(&said).into_owned()
}

/// Erases what the board in `directory`, which has no power, would have kept.
///
/// # Errors
/// It cannot be erased.
pub fn erase(directory: &Path) -> Result<(), Error> {
    for page in PAGES.map(|page| directory.join(page)).into_iter().filter(|page| page.exists()) {
        fs::remove_file(page).map_err(Error::io("erase a page"))?;
    }
    Ok(())
}

/// What came while the board had no power is lost.
fn forget_unread(terminal: &Path) -> Result<(), Error> {
    let flags = (OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits();
    let what = || format!("clear {}", terminal.display());
    let file = OpenOptions::new().read(true).custom_flags(flags).open(terminal).map_err(Error::io(what()))?;
    tcflush(&file, FlushArg::TCIFLUSH).map_err(Error::io(what()))
}

/// Connects as soon as QEMU listens there; an error if it ended instead.
fn connect(directory: &Path, name: &str, qemu: &mut Child) -> Result<UnixStream, Error> {
    let stream = loop {
        match UnixStream::connect(directory.join(name)) {
            Ok(stream) => break stream,
            Err(_) if matches!(qemu.try_wait(), Ok(None)) => pause(RETRY),
            Err(_) => {
                let said = fs::read_to_string(directory.join("qemu.log")).unwrap_or_default();
                return Err(Error::Emulator(said));
            }
        }
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(Error::io("connect to QEMU"))?;
    Ok(stream)
}
