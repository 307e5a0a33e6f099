//! A small web server for files: GET and HEAD of what lies below one directory, nothing else.

use crate::error::Error;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How many visitors are served at once; the next are told to come back.
const VISITORS_MAX: usize = 32;
/// A request may have so many bytes, head and all.
const REQUEST_MAX: u64 = 8 * 1024;
/// How long a visitor may stay silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `ROOT... ADDRESS:PORT`: serves the files below the first ROOT that has them, until SIGTERM or SIGINT, and then ends in good order.
/// Called through [`dispatch`](crate::dispatch), before any thread is started.
///
/// # Errors
/// The arguments are not understood, a ROOT is not there, or the address cannot be had.
pub fn run(arguments: &[OsString]) -> Result<ExitCode, Error> {
    const USAGE: Error = Error::Usage("lab-web ROOT... ADDRESS:PORT");
    let [roots @ .., address] = arguments else { return Err(USAGE) };
    let address = address.to_str().filter(|_| !roots.is_empty()).ok_or(USAGE)?;
    let canonical = |root: &OsString| {
        Path::new(root).canonicalize().map_err(Error::io(format!("find {}", root.display())))
    };
    let roots = roots.iter().map(canonical).collect::<Result<Vec<_>, _>>()?;
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGTERM);
    ends.add(Signal::SIGINT);
    ends.thread_block().map_err(Error::io("block signals"))?;
    let ends = SignalFd::new(&ends).map_err(Error::io("open a signal descriptor"))?;
    // The standard library sets SO_REUSEADDR: a restart does not wait for old connections.
    let listener = TcpListener::bind(address).map_err(Error::io(format!("listen on {address}")))?;
    listener.set_nonblocking(true).map_err(Error::io("listen without waiting"))?;
    serve(&listener, &ends, roots)?;
    Ok(ExitCode::SUCCESS)
}

fn serve(listener: &TcpListener, ends: &SignalFd, roots: Vec<PathBuf>) -> Result<(), Error> {
    let roots = Arc::new(roots);
    loop {
        let mut descriptors =
            [PollFd::new(ends.as_fd(), PollFlags::POLLIN), PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, PollTimeout::NONE) {
            Err(nix::Error::EINTR) => continue,
            result => result.map_err(Error::io("wait for visitors"))?,
        };
        if descriptors[0].any() == Some(true) {
            return Ok(());
        }
        // A visitor may be gone before it is let in.
        let Ok((visitor, _)) = listener.accept() else { continue };
        // Each visitor holds one more reference to the roots.
        if Arc::strong_count(&roots) > VISITORS_MAX {
            let _ = refuse(&visitor, "503 Service Unavailable");
            continue;
        }
        let roots = Arc::clone(&roots);
        // A failure concerns this visitor alone, and it has noticed.
        let _ = thread::Builder::new().spawn(move || answer(&visitor, &roots));
    }
}

fn answer(visitor: &TcpStream, roots: &[PathBuf]) -> io::Result<()> {
    visitor.set_nonblocking(false)?;
    visitor.set_nodelay(true)?;
    visitor.set_read_timeout(Some(PATIENCE))?;
    visitor.set_write_timeout(Some(PATIENCE))?;
    let mut request = BufReader::new(visitor.take(REQUEST_MAX));
    let mut line = String::new();
    request.read_line(&mut line)?;
    // The rest of the head says nothing of interest, but is read: closing early would reset the connection.
    for header in request.lines() {
        if header?.is_empty() {
            break;
        }
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let [method, path, ..] = words.as_slice() else { return refuse(visitor, "400 Bad Request") };
    if !matches!(*method, "GET" | "HEAD") {
        return refuse(visitor, "405 Method Not Allowed");
    }
    let found = roots.iter().find_map(|root| find(root, path));
    let found = found.and_then(|file| Some((content_type(&file), File::open(file).ok()?)));
    let Some((content_type, file)) = found else { return refuse(visitor, "404 Not Found") };
    let length = file.metadata()?.len();
    head(visitor, "200 OK", content_type, length)?;
    if *method == "GET" {
        io::copy(&mut file.take(length), &mut &*visitor)?;
    }
    Ok(())
}

fn refuse(visitor: &TcpStream, status: &str) -> io::Result<()> {
    head(visitor, status, "text/plain", status.len() as u64 + 1)?;
    writeln!(&mut &*visitor, "{status}")
}

fn head(mut visitor: &TcpStream, status: &str, content_type: &str, length: u64) -> io::Result<()> {
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    );
    visitor.write_all(head.as_bytes())
}

/// The regular file that a request means: below `root` (canonical) with every link followed.
fn find(root: &Path, path: &str) -> Option<PathBuf> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut file = root.join(decode(path)?.trim_start_matches('/')).canonicalize().ok()?;
    if file.is_dir() {
        file = file.join("index.html").canonicalize().ok()?;
    }
    (file.starts_with(root) && file.is_file()).then_some(file)
}

/// Undoes the percent signs of a path.
fn decode(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut decoded = parts.next()?.as_bytes().to_vec();
    for part in parts {
        decoded.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        decoded.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(decoded).ok()
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_outside_the_root_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap().join("www");
        fs::create_dir_all(root.join("a b")).unwrap();
        fs::write(root.join("index.html"), "home").unwrap();
        fs::write(root.join("a b/index.html"), "inner").unwrap();
        fs::write(directory.path().join("secret"), "secret").unwrap();
        symlink("../secret", root.join("link")).unwrap();
        assert_eq!(find(&root, "/"), Some(root.join("index.html")));
        assert_eq!(find(&root, "/a%20b/?x=1"), Some(root.join("a b/index.html")));
        for path in ["/../secret", "/%2e%2e/secret", "/link", "//etc/passwd", "/none", "/%zz", "/%", "/a%00"]
        {
            assert_eq!(find(&root, path), None, "{path}");
        }
    }
}
