//! The daemon's side of the control socket, for a mio loop: accepts, reads requests, sends replies. Never waits;
//! whoever does not read its replies is dropped. What a request does is not known here.

mod connection;

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mio::event::Event;
use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Gid, Group, Pid};

use super::protocol::{Outcome, Reply, Request};
use crate::dying::Patience;
use connection::{Connection, Received};

/// How many clients are served at once; one more is told to come back.
pub const CLIENTS: usize = 32;
/// How many mio tokens a server needs: one to listen, one per client.
pub const TOKENS: usize = 1 + CLIENTS;

/// The group whose members may read the state of the cluster.
const READERS: &str = "haclient";

/// A client of one server. Never used twice: replies to one that is gone go nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId {
    slot: usize,
    serial: u64,
}

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its process id when it connected.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
}

impl Peer {
    /// Root may command. Who may read is settled by the mode of the socket: who could connect.
    #[must_use]
    pub fn may_command(&self) -> bool {
        self.uid == 0
    }
}

/// A permitted request. The daemon owes it a [`Reply::Result`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Whom to answer.
    pub client: ClientId,
    /// Who asks.
    pub peer: Peer,
    /// What is asked.
    pub request: Request,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[error("Cannot open the control socket {path}: {source}")]
pub struct ServerError {
    path: PathBuf,
    source: io::Error,
}

/// The control socket and its clients. Dropping it removes the socket.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    listener: UnixListener,
    registered: Option<Registered>,
    clients: [Option<Connection>; CLIENTS],
    serial: u64,
}

#[derive(Debug)]
struct Registered {
    registry: Registry,
    tokens: Range<usize>,
}

impl Server {
    /// Opens the socket at `path`, in place of one that a dead daemon left. The caller holds the pid file; a daemon
    /// that answers all the same has lost its own (somebody removed it), and two must not run on one host.
    /// Its directory is made if need be; its group becomes `haclient` if there is one.
    ///
    /// # Errors
    /// When any of this fails.
    pub fn bind(path: &Path) -> Result<Self, ServerError> {
        let attempt = || {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            // Bound under another name until its mode is right, so that nobody slips in.
            let temporary = path.with_extension("new");
            remove_if_there(&temporary)?;
            let patience = Patience::new();
            while let Some(pid) = who_answers(path) {
                if patience.waits_for(Pid::from_raw(pid)) {
                    continue;
                }
                let text = format!(
                    "process {pid} answers there: a daemon whose pid file was removed; end it first (kill {pid})"
                );
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
            let listener = UnixListener::bind(&temporary)?;
            // An error is one more way to say that there is no such group (getgrnam(3)), for example without /etc/group.
            let readers = Group::from_name(READERS).ok().flatten().map(|group| group.gid);
            restrict(&temporary, readers)?;
            fs::rename(&temporary, path)?;
            Ok(listener)
        };
        let listener = attempt().map_err(|source| ServerError { path: path.to_owned(), source })?;
        Ok(Self {
            path: path.to_owned(),
            listener,
            registered: None,
            clients: [const { None }; CLIENTS],
            serial: 0,
        })
    }

    /// Joins a poll with [`TOKENS`] tokens of its own, from `first_token` on.
    ///
    /// # Errors
    /// When the poll refuses.
    pub fn register(&mut self, registry: &Registry, first_token: usize) -> io::Result<()> {
        registry.register(&mut self.listener, Token(first_token), Interest::READABLE)?;
        let tokens = first_token..first_token + TOKENS;
        self.registered = Some(Registered { registry: registry.try_clone()?, tokens });
        Ok(())
    }

    /// Handles an event of the poll; the requests in it, oldest first. Events with foreign tokens change nothing.
    pub fn ready(&mut self, event: &Event) -> Vec<Incoming> {
        let token = event.token();
        let Some(registered) = &self.registered else { return Vec::new() };
        if !registered.tokens.contains(&token.0) {
            return Vec::new();
        }
        match (token.0 - registered.tokens.start).checked_sub(1) {
            None => {
                self.accept();
                Vec::new()
            }
            Some(slot) => self.serve(slot, event.is_write_closed()),
        }
    }

    /// Answers a client; one that is gone, or does not read, is none any more.
    pub fn reply(&mut self, client: ClientId, reply: &Reply) {
        let Some(place) = self.clients.get_mut(client.slot) else { return };
        if let Some(connection) = place.as_mut().filter(|found| found.serial == client.serial) {
            connection.send(reply);
            if connection.is_over() {
                *place = None;
            }
        }
    }

    /// Whether a client is still there.
    #[must_use]
    pub fn is_connected(&self, client: ClientId) -> bool {
        let place = self.clients.get(client.slot).and_then(Option::as_ref);
        place.is_some_and(|connection| connection.serial == client.serial)
    }

    fn accept(&mut self) {
        // Until it would block, or for an error that the next connection brings back.
        while let Ok((stream, _)) = self.listener.accept() {
            self.serial += 1;
            let Ok(mut connection) = Connection::new(stream, self.serial) else { continue };
            let free = self.clients.iter().position(Option::is_none);
            let (Some(slot), Some(registered)) = (free, &self.registered) else {
                connection.send(&Reply::Result(Outcome::failed(
                    1,
                    format!("Too many commands at once: {CLIENTS} are being answered. Try again."),
                )));
                continue;
            };
            let token = Token(registered.tokens.start + 1 + slot);
            if connection.register(&registered.registry, token).is_ok() {
                self.clients[slot] = Some(connection);
            }
        }
    }

    fn serve(&mut self, slot: usize, gone: bool) -> Vec<Incoming> {
        let Some(place) = self.clients.get_mut(slot) else { return Vec::new() };
        let Some(connection) = place else { return Vec::new() };
        connection.flush();
        let client = ClientId { slot, serial: connection.serial };
        let peer = connection.peer;
        let mut incoming = Vec::new();
        for received in connection.receive() {
            match received {
                Received::Request(request) if request.only_reads() || peer.may_command() => {
                    incoming.push(Incoming { client, peer, request });
                }
                Received::Request(_) => {
                    connection.send(&Reply::Result(Outcome::failed(1, "Only root may command the cluster.")))
                }
                Received::Garbage(reason) => {
                    connection.send(&Reply::Result(Outcome::failed(2, format!("Not a request: {reason}"))))
                }
            }
        }
        if let Some(registered) = &self.registered {
            let token = Token(registered.tokens.start + 1 + slot);
            connection.come_back_if_more(&registered.registry, token);
        }
        if gone {
            connection.hang_up();
        }
        if connection.is_over() {
            *place = None;
        }
        incoming
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that stays behind is replaced by the next daemon.
        let _ = fs::remove_file(&self.path);
    }
}

/// The process that listens at `path`, if somebody does.
fn who_answers(path: &Path) -> Option<i32> {
    let stream = std::os::unix::net::UnixStream::connect(path).ok()?;
    let listener = getsockopt(&stream, PeerCredentials);
    Some(listener.map_or(0, |credentials| credentials.pid()))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn restrict(path: &Path, readers: Option<Gid>) -> io::Result<()> {
    match readers.map(|readers| nix::unistd::chown(path, None, Some(readers))) {
        // A group that is not mapped into this user namespace cannot be had: the socket stays root's.
        None | Some(Ok(()) | Err(Errno::EINVAL)) => {}
        Some(Err(error)) => return Err(error.into()),
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))
}

#[cfg(test)]
mod tests;
