//! The control socket with good, slow and hostile clients.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use mio::{Events, Poll};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::control::client::{Client, ClientError};

struct House {
    directory: TempDir,
    poll: Poll,
    server: Server,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let poll = Poll::new().unwrap();
        let mut server = Server::bind(&directory.path().join("heartbeat/control")).unwrap();
        server.register(poll.registry(), 7).unwrap();
        Self { directory, poll, server }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("heartbeat/control")
    }

    /// A client that the server has accepted.
    fn connect(&mut self) -> UnixStream {
        let before = self.server.serial;
        let stream = UnixStream::connect(self.path()).unwrap();
        while self.server.serial == before {
            self.turn();
        }
        stream
    }

    fn connected(&self) -> usize {
        self.server.clients.iter().flatten().count()
    }

    fn turn(&mut self) -> Vec<Incoming> {
        let mut events = Events::with_capacity(64);
        self.poll.poll(&mut events, None).unwrap();
        events.iter().flat_map(|event| self.server.ready(event)).collect()
    }

    fn next_request(&mut self) -> Incoming {
        loop {
            if let Some(incoming) = self.turn().into_iter().next() {
                return incoming;
            }
        }
    }
}

fn done(message: &str) -> Reply {
    Reply::Result(Outcome::done(message))
}

fn read_reply(stream: &UnixStream) -> Reply {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn a_command_hears_of_the_steps_and_of_the_outcome() {
    let mut house = House::new();
    let path = house.path();
    let command = std::thread::spawn(move || {
        let mut steps = Vec::new();
        let mut client = Client::connect(&path, None).unwrap();
        let request = Request::Standby { scope: super::super::Scope::All };
        let answer = client.ask(&request, |step| steps.push(step.to_owned())).unwrap();
        (steps, answer.outcome)
    });
    let incoming = house.next_request();
    assert_eq!(incoming.request, Request::Standby { scope: super::super::Scope::All });
    assert_eq!(incoming.peer.uid, nix::unistd::getuid().as_raw());
    house.server.reply(incoming.client, &Reply::Progress { message: "stopping".to_owned() });
    house.server.reply(incoming.client, &Reply::Result(Outcome::failed(3, "wnb is dead")));
    let (steps, outcome) = command.join().unwrap();
    assert_eq!(steps, ["stopping"]);
    assert_eq!(outcome, Outcome { ok: false, exit_code: 3, message: "wnb is dead".to_owned() });
}

#[test]
fn garbage_is_answered_and_the_conversation_goes_on() {
    let mut house = House::new();
    let mut stream = house.connect();
    stream
        .write_all(b"\xff\x00{{{\n\n{\"request\":\"cleanup\",\"grop\":\"x\"}\n{\"request\":\"status\"}\n")
        .unwrap();
    let incoming = house.next_request();
    assert_eq!(incoming.request, Request::Status);
    house.server.reply(incoming.client, &done(""));
    let mut lines = BufReader::new(&stream).lines().map(|line| line.unwrap());
    for _ in 0..2 {
        let line = lines.next().unwrap();
        assert!(line.contains(r#""exit_code":2,"message":"Not a request: "#), "{line}");
    }
    assert!(lines.next().unwrap().contains(r#""ok":true"#));
}

#[test]
fn only_root_commands() {
    let mut house = House::new();
    let mut stream = house.connect();
    house.server.clients[0].as_mut().unwrap().peer.uid = 1000;
    stream.write_all(b"{\"request\":\"stop\"}\n{\"request\":\"status\"}\n").unwrap();
    assert_eq!(house.next_request().request, Request::Status);
    let refusal = Outcome::failed(1, "Only root may command the cluster.");
    assert_eq!(read_reply(&stream), Reply::Result(refusal));
}

#[test]
fn who_asks_and_hangs_up_is_obeyed() {
    let mut house = House::new();
    let mut stream = house.connect();
    stream.write_all(b"{\"request\":\"stop\"}\n").unwrap();
    drop(stream);
    let incoming = house.next_request();
    assert_eq!(incoming.request, Request::Stop);
    assert!(!house.server.is_connected(incoming.client));
    house.server.reply(incoming.client, &done(""));
}

#[test]
fn who_stops_writing_still_gets_the_answer() {
    let mut house = House::new();
    let mut stream = house.connect();
    stream.write_all(b"{\"request\":\"status\"}\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let incoming = house.next_request();
    assert!(house.server.is_connected(incoming.client));
    house.server.reply(incoming.client, &done("here"));
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert!(all.contains("here"));
    assert!(!house.server.is_connected(incoming.client));
}

#[test]
fn who_does_not_read_is_dropped_and_others_are_served() {
    let mut house = House::new();
    let mut slow = house.connect();
    slow.write_all(b"{\"request\":\"status\"}\n").unwrap();
    let asked = house.next_request();
    let progress = Reply::Progress { message: "x".repeat(60_000) };
    let mut replies = 0;
    while house.server.is_connected(asked.client) {
        house.server.reply(asked.client, &progress);
        replies += 1;
        assert!(replies < 1000, "a slow reader is kept for ever");
    }
    let mut other = house.connect();
    other.write_all(b"{\"request\":\"status\"}\n").unwrap();
    let incoming = house.next_request();
    house.server.reply(incoming.client, &done(""));
    assert_eq!(read_reply(&other), done(""));
}

#[test]
fn a_line_without_end_and_a_flood_of_requests_end_the_connection() {
    for flood in [vec![b'x'; 200_000], b"{\"request\":\"status\"}\n".repeat(50)] {
        let mut house = House::new();
        let mut stream = house.connect();
        let writer = std::thread::spawn(move || {
            let _ = stream.write_all(&flood);
            stream
        });
        while house.connected() > 0 {
            house.turn();
        }
        writer.join().unwrap();
    }
}

#[test]
fn one_client_too_many_is_told_so() {
    let mut house = House::new();
    let mut streams: Vec<_> = (0..CLIENTS).map(|_| house.connect()).collect();
    let extra = house.connect();
    let Reply::Result(outcome) = read_reply(&extra) else { panic!("no result") };
    assert_eq!(outcome.message, "Too many commands at once: 32 are being answered. Try again.");
    streams.pop();
    while house.connected() == CLIENTS {
        house.turn();
    }
    house.connect();
    assert_eq!(house.connected(), CLIENTS);
}

#[test]
fn the_socket_of_a_daemon_that_lives_is_not_taken_over() {
    let house = House::new();
    let error = Server::bind(&house.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("process {} answers there", std::process::id())), "{error}");
    UnixStream::connect(house.path()).unwrap();
}

#[test]
fn the_socket_is_for_its_group_and_replaces_a_stale_one() {
    let house = House::new();
    let path = house.path();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o660);
    drop(house.server);
    assert!(!path.exists());
    // A listener of the standard library leaves its socket behind, as a daemon does that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let second = Server::bind(&path).unwrap();
    drop(second);
    assert!(!path.exists());
    assert!(matches!(Client::connect(&path, None), Err(ClientError::NotRunning)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_line_is_a_request_or_is_answered(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>().prop_filter("newline", |b| *b != b'\n'), 1..40),
                Just(b"{\"request\":\"status\"}".to_vec()),
                "\\{\"request\":\"(cleanup|standby|stop)\"(,\"[a-z]{1,5}\":[0-9\"a-z]{1,4})?\\}".prop_map(String::into_bytes),
            ],
            1..12,
        ),
    ) {
        let mut house = House::new();
        let mut stream = house.connect();
        let expected = lines.iter().filter(|line| !line.trim_ascii().is_empty()).count();
        stream.write_all(&lines.join(&b'\n')).unwrap();
        stream.write_all(b"\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        while house.connected() > 0 {
            for incoming in house.turn() {
                house.server.reply(incoming.client, &done(""));
            }
        }
        prop_assert_eq!(BufReader::new(stream).lines().count(), expected);
    }
}
