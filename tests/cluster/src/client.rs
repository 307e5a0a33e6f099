//! The client of the clusters: it fetches the page that a service serves.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a service answers at an address: the name of its host; nothing when nobody answers in time.
#[must_use]
pub fn fetch(address: IpAddr, port: u16) -> Option<String> {
    let answer = ask(SocketAddr::new(address, port)).ok()?;
    let (_, page) = answer.split_once("\r\n\r\n")?;
    Some(page.trim_end().to_owned())
}

fn ask(target: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
