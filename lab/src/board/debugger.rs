//! QEMU's debugger: as much of its protocol as it takes to have a program hang.

use crate::error::Error;
use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;

/// Memory that no program here uses.
const PLACE: u32 = 0x2000_c000;
/// A branch to itself.
const LOOP: &str = "fee7";

/// Puts an endless loop into memory, and lets the processor go on there.
pub(super) fn hang(stream: UnixStream) -> Result<(), Error> {
    let mut link = Link(BufReader::new(stream));
    // Registers can be set one by one once their description was read.
    link.ask("qXfer:features:read:target.xml:0,1000")?;
    link.order(&format!("M{PLACE:x},2:{LOOP}"))?;
    link.order(&format!("Pf={:08x}", PLACE.swap_bytes()))?;
    // The processor goes on when nobody debugs it any more.
    link.order("D")
}

struct Link(BufReader<UnixStream>);

impl Link {
    fn order(&mut self, command: &str) -> Result<(), Error> {
        match self.ask(command)?.as_str() {
            "OK" => Ok(()),
            other => Err(Error::Emulator(format!("`{command}` was answered by `{other}`"))),
        }
    }

    /// Sends a command and gives its answer; reports that come by themselves are passed over.
    fn ask(&mut self, command: &str) -> Result<String, Error> {
        let sum = command.bytes().fold(0u8, u8::wrapping_add);
        write!(self.0.get_mut(), "${command}#{sum:02x}").map_err(Error::io("ask QEMU's debugger"))?;
        loop {
            let packet = self.packet()?;
            if !packet.starts_with('T') {
                return Ok(packet);
            }
        }
    }

    /// The next packet, between `$` and `#`.
    fn packet(&mut self) -> Result<String, Error> {
        while self.byte()? != b'$' {}
        let mut packet = Vec::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => packet.push(byte),
            }
        }
        // Its sum, which a socket does not spoil.
        self.byte()?;
        self.byte()?;
        write!(self.0.get_mut(), "+").map_err(Error::io("ask QEMU's debugger"))?;
        Ok(String::from_utf8_lossy(&packet).into_owned())
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).map_err(Error::io("hear QEMU's debugger"))?;
        Ok(byte[0])
    }
}
