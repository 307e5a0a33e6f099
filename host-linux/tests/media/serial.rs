//! Serial links on pseudo-terminals.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use heartline::config::Medium;
use heartline::media::{MediaEvent, MediaReport, MediaSource, serial_test};
use heartline_core::framing::{self, Deframer, FRAME_BYTES_MAX};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::host::{FORGED, Host, PATIENCE};

/// The far end of a null-modem cable.
struct Cable {
    master: File,
    device: PathBuf,
}

impl Cable {
    fn new() -> Self {
        let pty = nix::pty::openpty(None, None).unwrap();
        let device = nix::unistd::ttyname(&pty.slave).unwrap();
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        Self { master: pty.master.into(), device }
    }

    fn medium(&self) -> Medium {
        serial(&self.device)
    }

    fn send(&mut self, frame: &[u8]) {
        self.master.write_all(&encoded(frame)).unwrap();
    }

    /// Reads up to and including the frame `last`.
    fn receive_until(&mut self, last: &[u8]) -> Vec<Vec<u8>> {
        let mut deframer = Deframer::<FRAME_BYTES_MAX>::new();
        let mut frames: Vec<Vec<u8>> = vec![];
        while frames.last().is_none_or(|frame| frame != last) {
            await_input(&self.master);
            let mut chunk = [0; 4096];
            let count = self.master.read(&mut chunk).unwrap();
            deframer.feed(&chunk[..count], |frame| frames.push(frame.unwrap().to_vec()));
        }
        frames
    }
}

fn await_input(device: &File) {
    let patience = PollTimeout::try_from(PATIENCE).unwrap();
    let ready = loop {
        match poll(&mut [PollFd::new(device.as_fd(), PollFlags::POLLIN)], patience) {
            Err(Errno::EINTR) => {}
            outcome => break outcome.unwrap(),
        }
    };
    assert_eq!(ready, 1, "nothing came");
}

fn encoded(frame: &[u8]) -> Vec<u8> {
    let mut out = [0; framing::encoded_bytes_max(FRAME_BYTES_MAX)];
    let length = framing::encode(frame, &mut out).unwrap();
    out[..length].to_vec()
}

fn serial(device: &Path) -> Medium {
    Medium::Serial { device: device.to_owned(), baud: 115_200 }
}

#[test]
fn a_serial_link_carries_frames_both_ways() {
    let mut cable = Cable::new();
    let mut host = Host::new(&[cable.medium()], &[]);
    host.send(b"to the peer\0\n\r\x11\x13\xff");
    assert_eq!(cable.receive_until(b"to the peer\0\n\r\x11\x13\xff").len(), 1);

    cable.send(b"from the peer\0\n\r\x03\x04\x11\x13\xff");
    host.run_until(|host| !host.frames.is_empty());
    assert_eq!(host.frames, [(0, b"from the peer\0\n\r\x03\x04\x11\x13\xff".to_vec())]);
    assert_eq!((host.counters(0).frames_in, host.counters(0).frames_out), (1, 1));
    let opened = format!("Starting serial heartbeat on tty {} (115200 baud)", cable.device.display());
    assert_eq!(
        host.said,
        [MediaReport { source: MediaSource::Link(0), event: MediaEvent::Opened, text: opened }]
    );
}

/// The watchdog's question to a loop that may have stopped reading: it does not depend on what the loop was told.
#[test]
fn what_waits_to_be_read_is_known_without_the_event_loop() {
    let mut cable = Cable::new();
    let mut host = Host::new(&[cable.medium()], &[]);
    assert_eq!(host.media.waiting().next(), None);
    cable.send(b"heartbeat");
    while host.media.waiting().next().is_none() {}
    assert_eq!(host.media.waiting().collect::<Vec<_>>(), [(0, 0)]);
    host.run_until(|host| !host.frames.is_empty());
    assert_eq!(host.media.waiting().next(), None);
}

#[test]
fn a_serial_link_survives_garbage() {
    let mut cable = Cable::new();
    let mut host = Host::new(&[cable.medium()], &[]);
    cable.master.write_all(b"login: \xff\xfe\x00\x00\x09\x01\x00").unwrap();
    cable.master.write_all(&[0x55; 2000]).unwrap();
    cable.send(b"heartbeat");
    host.run_until(|host| host.frames.iter().any(|(_, bytes)| bytes == b"heartbeat"));
    assert!(host.counters(0).malformed >= 2, "{:?}", host.counters(0));
    assert!(host.media.is_open(0));
}

#[test]
fn the_rest_of_a_frame_needs_no_event() {
    let mut cable = Cable::new();
    let mut host = Host::new(&[cable.medium()], &[]);
    let frame = encoded(b"heartbeat");
    cable.master.write_all(&frame[..3]).unwrap();
    host.run_until(|host| host.counters(0).bytes_in == 3);
    let pause_ends = host.media.next_deadline().unwrap();
    assert_eq!(host.media.due(pause_ends - Duration::from_nanos(1)), None);

    // The line may make us wait once more, but no event loop runs here.
    cable.master.write_all(&frame[3..]).unwrap();
    let mut reads = 0;
    while host.frames.is_empty() {
        host.ahead += Duration::from_secs(1);
        let token = host.media.due(host.now()).expect("the pause is over");
        host.take(token);
        reads += 1;
        assert!(reads < 10_000, "never read");
    }
    assert_eq!(host.frames, [(0, b"heartbeat".to_vec())]);
    assert_eq!(
        (host.media.due(host.now() + Duration::from_secs(1)), host.media.next_deadline()),
        (None, None)
    );

    cable.send(b"next");
    host.run_until(|host| host.frames.len() == 2);
}

#[test]
fn half_a_frame_is_not_waited_for_for_ever() {
    let mut cable = Cable::new();
    let mut host = Host::new(&[cable.medium()], &[]);
    cable.master.write_all(&encoded(b"heartbeat")[..3]).unwrap();
    host.run_until(|host| host.counters(0).bytes_in == 3);
    host.ahead += Duration::from_secs(1);
    let token = host.media.due(host.now()).expect("the pause is over");
    host.take(token);
    assert_eq!(host.media.next_deadline(), None, "the line wakes us");
    cable.send(b"heartbeat");
    cable.send(b"next");
    host.run_until(|host| !host.frames.is_empty());
}

#[test]
fn a_line_that_brings_copies_is_read_when_we_are_awake_anyway() {
    let mut cable = Cable::new();
    let ether = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let broadcast = Medium::Broadcast { interface: "lo".into(), port };
    ether.set_broadcast(true).unwrap();
    let mut host = Host::new(&[cable.medium(), broadcast], &[]);
    let send = |host: &mut Host, frame: &[u8]| {
        ether.send_to(frame, ("127.255.255.255", port)).unwrap();
        let before = host.heard(1).len();
        host.run_until(|host| host.heard(1).len() > before);
    };
    let keepalive = Duration::from_millis(100);

    send(&mut host, b"heartbeat");
    assert_eq!(host.media.unwatched(0), None, "nobody knows yet when the next one comes");
    host.ahead += keepalive;
    let sent = host.now();
    send(&mut host, b"heartbeat");
    let line = host.media.unwatched(0).expect("nothing that comes over the line is news");
    let until = host.media.next_deadline().unwrap();
    assert!(until >= sent + keepalive * 3 / 2, "not before the next heartbeat is really late");
    assert_eq!(host.media.due(until - Duration::from_nanos(1)), None);

    cable.send(b"heartbeat");
    while host.heard(0).is_empty() {
        host.take(line);
    }
    assert_eq!(host.media.unwatched(0), Some(line), "as before");
    host.ahead += keepalive;
    send(&mut host, b"heartbeat");
    assert!(host.media.next_deadline().unwrap() >= until);

    // The faster medium fails: the line wakes us again.
    host.ahead += Duration::from_secs(1);
    assert_eq!(host.media.due(host.now()), Some(line));
    host.take(line);
    assert_eq!((host.media.unwatched(0), host.media.due(host.now())), (None, None));
    cable.send(b"news");
    host.run_until(|host| host.heard(0).len() == 2);
}

#[test]
fn forged_frames_on_a_faster_medium_do_not_keep_us_from_a_line() {
    let cable = Cable::new();
    let ether = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    ether.set_broadcast(true).unwrap();
    let broadcast = Medium::Broadcast { interface: "lo".into(), port };
    let mut host = Host::new(&[cable.medium(), broadcast], &[]);
    for count in 1..=5 {
        host.ahead += Duration::from_millis(100);
        ether.send_to(FORGED, ("127.255.255.255", port)).unwrap();
        host.run_until(|host| host.heard(1).len() == count);
        assert_eq!(host.media.unwatched(0), None);
    }
}

#[test]
fn garbage_at_full_rate_is_read_in_bounded_portions() {
    let cable = Cable::new();
    let mut host = Host::new(&[cable.medium()], &[]);
    let mut master = cable.master.try_clone().unwrap();
    // Stretches that look like short frames.
    let garbage: Vec<u8> = [0, 2, 0x55].repeat(20_000);
    let writer = std::thread::spawn(move || {
        let mut rest = garbage.as_slice();
        while !rest.is_empty() {
            match master.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    });
    host.run_until(|host| host.media.unwatched(0).is_some() && host.counters(0).bytes_in > 8 << 10);
    host.run_until(|host| writer.is_finished() && host.counters(0).bytes_in == 60_000);
    writer.join().unwrap();
    assert!(host.turned_away[0] > 0 && host.frames.len() < 10_000, "{}", host.frames.len());
    let mut cable = cable;
    // A frame that looks like one is heard all the same.
    let frame = [&[0x10; 8][..], &[7; 40]].concat();
    cable.send(&frame);
    host.run_until(|host| host.frames.last().is_some_and(|(_, bytes)| *bytes == frame));
}

#[test]
fn a_device_that_vanishes_in_the_middle_of_a_frame_is_noticed() {
    let mut cable = Cable::new();
    let mut host = Host::new(&[cable.medium()], &[]);
    cable.master.write_all(&encoded(b"heartbeat")[..3]).unwrap();
    host.run_until(|host| host.counters(0).bytes_in == 3);
    drop(cable);
    host.run_until(|host| !host.media.is_open(0));
    assert_eq!(host.media.due(host.now() + Duration::from_secs(1)), None);
}

#[test]
fn what_a_device_had_received_before_is_discarded() {
    let mut cable = Cable::new();
    let terminal = OFlag::O_NOCTTY.bits();
    let keep_open = OpenOptions::new().read(true).custom_flags(terminal).open(&cable.device).unwrap();
    cable.send(b"old");
    cable.master.write_all(b"\n").unwrap(); // the terminal still reads whole lines
    await_input(&keep_open);
    let mut host = Host::new(&[cable.medium()], &[]);
    cable.send(b"new");
    host.run_until(|host| !host.frames.is_empty());
    assert_eq!(host.frames, [(0, b"new".to_vec())]);
}

#[test]
fn a_serial_line_that_nobody_reads_keeps_only_the_newest_frame() {
    let mut cable = Cable::new();
    let mut host = Host::new(&[cable.medium()], &[]);
    let second = Duration::from_secs(1);
    let mut number: u32 = 0;
    // The pseudo-terminal's own buffer takes some; then ten more.
    while host.counters(0).dropped < 10 {
        number += 1;
        host.ahead += second;
        host.send(&[&number.to_be_bytes()[..], &[1; 400]].concat());
        assert!(number < 10_000, "never full");
    }
    let newest = [&number.to_be_bytes()[..], &[1; 400]].concat();
    let sent_before = host.counters(0).frames_out;

    let reader = std::thread::spawn(move || cable.receive_until(&newest));
    host.run_until(|_| reader.is_finished());
    let frames = reader.join().unwrap();
    assert_eq!(frames.len() as u64, host.counters(0).frames_out);
    assert_eq!(host.counters(0).frames_out, sent_before + 2, "the unfinished one and the newest");
}

#[test]
fn a_serial_device_that_vanishes_is_used_again_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let device = directory.path().join("ttyUSB0");
    let cable = Cable::new();
    symlink(&cable.device, &device).unwrap();
    let mut host = Host::new(&[serial(&device)], &[]);
    host.run_until(|host| host.has_said(MediaSource::Link(0), MediaEvent::Opened));

    std::fs::remove_file(&device).unwrap();
    drop(cable);
    host.run_until(|host| !host.media.is_open(0));
    host.run_until(|host| host.has_said(MediaSource::Link(0), MediaEvent::Failed));
    host.send(b"lost");
    assert_eq!(host.counters(0).dropped, 1);
    host.skip(Duration::from_secs(1));
    assert!(!host.media.is_open(0));

    let mut cable = Cable::new();
    symlink(&cable.device, &device).unwrap();
    host.skip(Duration::from_secs(10));
    assert!(host.media.is_open(0));
    host.send(b"again");
    assert_eq!(cable.receive_until(b"again").len(), 1);
    cable.send(b"welcome");
    host.run_until(|host| !host.frames.is_empty());
    let events: Vec<MediaEvent> = host.said.iter().map(|report| report.event).collect();
    assert_eq!(
        events,
        [MediaEvent::Opened, MediaEvent::Failed, MediaEvent::Failed, MediaEvent::Reopened],
        "hung up, then no such file, then back: {:?}",
        host.said
    );
}

#[test]
fn a_missing_device_is_reported_once_and_tried_every_second() {
    let mut host = Host::new(&[serial(Path::new("/dev/ttyNONE"))], &[]);
    host.run_until(|host| host.has_said(MediaSource::Link(0), MediaEvent::Failed));
    let mut intervals = vec![];
    for _ in 0..30 {
        let now = host.media.next_deadline().unwrap();
        host.media.tick(now);
        intervals.push(host.media.next_deadline().unwrap() - now);
    }
    // It may be the only path that is left when it works again.
    assert_eq!(intervals, [Duration::from_secs(1); 30]);
    assert_eq!(host.media.reports().count(), 0);
}

#[test]
fn a_device_in_use_is_not_shared() {
    let cable = Cable::new();
    let first = Host::new(&[cable.medium()], &[]);
    let mut second = Host::new(&[cable.medium()], &[]);
    assert!(first.media.is_open(0));
    second.run_until(|host| host.has_said(MediaSource::Link(0), MediaEvent::Failed));
    assert!(serial_test::send_line(&cable.device, 19_200, "hello").is_err());
}

#[test]
fn a_line_of_text_goes_over_the_cable_by_hand() {
    let mut cable = Cable::new();
    serial_test::send_line(&cable.device, 19_200, "hello").unwrap();
    let mut sent = [0; 6];
    await_input(&cable.master);
    cable.master.read_exact(&mut sent).unwrap();
    assert_eq!(&sent, b"hello\n");

    let device = cable.device.clone();
    let receiver = std::thread::spawn(move || serial_test::receive_line(&device, 19_200, PATIENCE));
    while !receiver.is_finished() {
        // Until the receiver is ready its device may be full.
        let written = cable.master.write_all(b"hello\x07you\r\n").map_err(|error| error.kind());
        assert!(matches!(written, Ok(()) | Err(ErrorKind::WouldBlock)), "{written:?}");
        std::thread::yield_now();
    }
    assert_eq!(receiver.join().unwrap().unwrap(), "hello\u{fffd}you");
}

#[test]
fn a_silent_cable_is_a_timeout() {
    let cable = Cable::new();
    let outcome = serial_test::receive_line(&cable.device, 19_200, Duration::ZERO);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
}
