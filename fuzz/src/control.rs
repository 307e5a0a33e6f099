//! The control socket with hostile clients: the real server on a real socket. What it takes in is what the lines of
//! each client say, in whatever pieces they come, and every line is answered.

use std::cell::RefCell;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heartline::control::{Incoming, Outcome, Reply, Request, Server};
use mio::{Events, Poll};
use tempfile::TempDir;

use crate::bytes::Choices;

/// Clients of one input.
const CLIENTS: usize = 3;
/// A client that has more requests unanswered may be dropped.
const UNANSWERED: usize = 16;
/// A client that sends a longer line is dropped.
const LINE_BYTES: usize = 64 * 1024;
/// A client that leaves more replies unread may be dropped; the server allows twice as much.
const UNREAD_BYTES: usize = 512 * 1024;
/// Turns after which the server must have nothing more to do.
const TURNS: usize = 1_000;
/// Requests that mean something, so that they need not be found byte by byte.
const REQUESTS: [&str; 8] = [
    r#"{"request":"status"}"#,
    r#"{"request":"standby","scope":"all"}"#,
    r#" {"scope":"local","request":"takeover"} "#,
    r#"{"request":"cleanup"}"#,
    r#"{"request":"cleanup","group":"IPaddr::10.0.0.1"}"#,
    r#"{"request":"parameter","name":"deadtime"}"#,
    r#"{"request":"stop"}"#,
    r#"{"request":"reload"}"#,
];

/// Any bytes as what up to three clients do.
pub fn run(data: &[u8]) {
    thread_local! {
        static HOUSE: RefCell<House> = RefCell::new(House::new());
    }
    HOUSE.with_borrow_mut(|house| house.live_through(&mut Choices::new(data)));
}

/// A server that outlives its clients.
struct House {
    _directory: TempDir,
    path: PathBuf,
    poll: Poll,
    events: Events,
    server: Server,
    /// Only root may command; who runs this may not be root.
    may_command: bool,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("control");
        let poll = Poll::new().expect("a poll");
        let mut server = Server::bind(&path).expect("a socket");
        server.register(poll.registry(), 1).expect("a place in the poll");
        let may_command = fs::metadata(&path).expect("the socket").uid() == 0;
        Self { _directory: directory, path, poll, events: Events::with_capacity(64), server, may_command }
    }

    fn live_through(&mut self, choices: &mut Choices<'_>) {
        let mut clients: Vec<Client> = Vec::new();
        while !choices.is_over() {
            let kind = choices.byte() % 8;
            let at = choices.index(CLIENTS);
            while clients.len() <= at {
                clients.push(Client::connect(&self.path));
                assert!(self.settle().is_empty(), "nobody has asked");
            }
            self.act(&mut clients[at], kind, choices);
        }
        for mut client in clients {
            self.part_with(&mut client);
        }
        assert!(self.settle().is_empty(), "everybody is gone");
    }

    fn act(&mut self, client: &mut Client, kind: u8, choices: &mut Choices<'_>) {
        match kind {
            0 => self.say(client, choices.run()),
            1 => {
                self.say(client, choices.one_of(&REQUESTS).as_bytes());
                self.say(client, b"\n");
            }
            2 => self.say(client, b"\n"),
            3 => {
                let (byte, times) = (choices.byte(), choices.word());
                self.say(client, &vec![byte; times.into()]);
            }
            4 => self.answer(client),
            5 => {
                if let Some(asked) = client.owed.first() {
                    let message = "x".repeat(choices.word().into());
                    client.unread += message.len();
                    client.may_be_dropped |= client.unread > UNREAD_BYTES;
                    self.server.reply(asked.client, &Reply::Progress { message });
                }
            }
            6 => client.end_input(),
            _ => client.hear(),
        }
    }

    fn say(&mut self, client: &mut Client, bytes: &[u8]) {
        let lines = client.say(bytes);
        let taken = self.settle();
        assert!(taken.len() <= lines.len(), "more requests than lines");
        let expected = lines.iter().filter_map(|line| serde_json::from_slice::<Request>(line).ok());
        let expected: Vec<Request> =
            expected.filter(|request| self.may_command || request.only_reads()).collect();
        let requests: Vec<&Request> = taken.iter().map(|incoming| &incoming.request).collect();
        assert!(expected.iter().zip(&requests).all(|(expected, request)| expected == *request));
        if !client.may_be_dropped {
            assert_eq!(requests.len(), expected.len(), "a request was not taken in");
        }
        for request in requests {
            let text = serde_json::to_vec(request).expect("every request is JSON");
            assert_eq!(&serde_json::from_slice::<Request>(&text).expect("it was one"), request);
        }
        client.owed.extend(taken);
    }

    fn answer(&mut self, client: &mut Client) {
        if !client.owed.is_empty() {
            let asked = client.owed.remove(0);
            self.server.reply(asked.client, &Reply::Result(Outcome::done("")));
        }
    }

    /// Everything is answered, and the client hears as many results as it has written lines.
    fn part_with(&mut self, client: &mut Client) {
        while !client.owed.is_empty() {
            self.answer(client);
            client.hear();
        }
        client.end_input();
        // What did not fit into the socket comes once there is room.
        for _ in 0..TURNS {
            assert!(self.settle().is_empty(), "the last line has no end");
            client.hear();
            if client.ended {
                break;
            }
        }
        assert!(client.ended, "the server keeps a client that will ask nothing more");
        let replies = client.heard.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let results = replies.filter(|line| {
            let reply = serde_json::from_slice::<Reply>(line);
            matches!(reply, Ok(Reply::Result(_)))
        });
        let results = results.count();
        assert!(results <= client.lines, "more results than requests");
        assert!(
            client.may_be_dropped || results == client.lines,
            "{results} results, {} lines",
            client.lines
        );
    }

    /// Turns until nothing happens any more; what was asked meanwhile.
    fn settle(&mut self) -> Vec<Incoming> {
        let mut incoming = Vec::new();
        for _ in 0..TURNS {
            self.poll.poll(&mut self.events, Some(Duration::ZERO)).expect("a poll");
            if self.events.is_empty() {
                return incoming;
            }
            incoming.extend(self.events.iter().flat_map(|event| self.server.ready(event)));
        }
        panic!("the server never comes to rest");
    }
}

/// A client, and what it has said and heard.
struct Client {
    stream: UnixStream,
    /// The line that it has begun.
    begun: Vec<u8>,
    /// Lines with something in them.
    lines: usize,
    owed: Vec<Incoming>,
    heard: Vec<u8>,
    /// About how many bytes it was told and has not read.
    unread: usize,
    /// It has asked too much at once, or did not read.
    may_be_dropped: bool,
    /// The server has closed the connection.
    ended: bool,
    input_ended: bool,
}

impl Client {
    fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("a server that listens");
        stream.set_nonblocking(true).expect("a socket that need not be waited for");
        Self {
            stream,
            begun: Vec::new(),
            lines: 0,
            owed: Vec::new(),
            heard: Vec::new(),
            unread: 0,
            may_be_dropped: false,
            ended: false,
            input_ended: false,
        }
    }

    /// Writes what the socket takes, and gives the lines that are complete with it.
    fn say(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        if self.input_ended {
            return Vec::new();
        }
        let Ok(written) = self.stream.write(bytes) else {
            assert!(self.may_be_dropped, "the server has dropped a client that behaves");
            return Vec::new();
        };
        self.begun.extend_from_slice(&bytes[..written]);
        let mut lines: Vec<Vec<u8>> = self.begun.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        self.may_be_dropped |= lines.iter().any(|line| line.len() > LINE_BYTES);
        self.begun = lines.pop().unwrap_or_default();
        lines.retain(|line| !line.trim_ascii().is_empty());
        self.lines += lines.len();
        self.may_be_dropped |= self.owed.len() + lines.len() > UNANSWERED;
        lines
    }

    fn end_input(&mut self) {
        self.input_ended = true;
        // One that is not connected any more has nothing to end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn hear(&mut self) {
        let mut chunk = [0; 4096];
        while !self.ended {
            match self.stream.read(&mut chunk) {
                Ok(0) => self.ended = true,
                Ok(length) => {
                    self.unread = self.unread.saturating_sub(length);
                    self.heard.extend_from_slice(&chunk[..length]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.ended = true,
            }
        }
    }
}
