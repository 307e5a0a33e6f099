//! The real firmware on the emulated board, between two real nodes.

#![cfg(test)]

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use heartline_core::framing::{self, Deframer, FRAME_BYTES_MAX};
use heartline_core::ids::NodeId;
use heartline_core::notice::Notice;
use heartline_core::provision::{Answer, Request};
use heartline_core::time::{Duration as Span, Instant};
use heartline_core::witness::{Deed, Power, Side, StartCause, WatchState};
use heartline_dongle_tests::host::{Host, NAMES, keys, provision};
use heartline_dongle_tests::{Emulator, clock};
use tempfile::TempDir;

/// Longer than anything takes here on a machine that does other things as well.
const PATIENCE: Span = Span::from_millis(90_000);

fn limit() -> Instant {
    clock::now() + PATIENCE
}

fn on_the_line(frame: &[u8]) -> Vec<u8> {
    let mut line = [0; framing::encoded_bytes_max(FRAME_BYTES_MAX)];
    let length = framing::encode(frame, &mut line).unwrap();
    line[..length].to_vec()
}

/// The first answer to a request at one side. It is asked again until one comes: what comes before the firmware has
/// opened its ports is lost, and its heartbeats come in between.
fn answer(board: &Emulator, side: Side, request: &[u8]) -> Answer {
    let mut line = &board.lines[side.index()];
    let mut deframer = Deframer::<FRAME_BYTES_MAX>::new();
    let limit = limit();
    let mut ask_at = clock::now();
    let mut byte = [0];
    loop {
        if clock::now() >= ask_at {
            line.write_all(&on_the_line(request)).unwrap();
            ask_at = clock::now() + Span::from_millis(1_000);
        }
        match line.read(&mut byte) {
            Ok(_) => {
                if let Some(Ok(frame)) = deframer.push(byte[0])
                    && let Ok(answer) = Answer::read(frame)
                {
                    return answer;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(clock::now() < limit, "nothing came; console: {}", board.console());
                thread::park_timeout(Duration::from_millis(2));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A board that was given its keys and has started with them. QEMU's pins forget what they are told when the board
/// starts anew.
fn provisioned(directory: &TempDir) -> Emulator {
    let mut board = Emulator::start(directory).unwrap();
    let answer = answer(&board, Side::A, &Request::give(&provision(), &keys(), None).unwrap());
    assert_eq!((answer.outcome, answer.names), (Some(Ok(())), None));
    let limit = limit();
    while board.console().matches("started").count() < 2 {
        assert!(clock::now() < limit, "it does not start again: {}", board.console());
        thread::park_timeout(Duration::from_millis(5));
    }
    Side::ALL.into_iter().for_each(|side| board.set_power(side, true).unwrap());
    board
}

/// Both hosts have their turns until something holds.
fn run(hosts: &mut [Option<Host>], mut until: impl FnMut(&[Option<Host>]) -> bool, what: &str) {
    let limit = limit();
    while !until(hosts) {
        assert!(clock::now() < limit, "{what}: {hosts:#?}");
        hosts.iter_mut().flatten().for_each(|host| host.turn().unwrap());
        thread::park_timeout(Duration::from_millis(2));
    }
}

fn started(board: &Emulator) -> [Option<Host>; 2] {
    let mut hosts = [0, 1].map(|host| Some(Host::boot(host, 100, &board.lines[host]).unwrap()));
    run(&mut hosts, |hosts| hosts.iter().flatten().all(is_watched), "both are watched over");
    run(&mut hosts, |hosts| hosts[0].as_ref().unwrap().runs, "they hear each other through the bridge");
    hosts
}

fn is_watched(host: &Host) -> bool {
    let armed = |host| matches!(host, WatchState::Armed(_));
    host.word().is_some_and(|word| word.hosts.len() == 2 && word.hosts.iter().all(|host| armed(host.watch)))
}

#[test]
fn silence_pulls_the_line_and_the_other_host_takes_over() {
    let directory = TempDir::new().unwrap();
    let mut board = provisioned(&directory);
    let mut hosts = started(&board);
    assert!(!board.is_pulled(Side::A).unwrap() && !board.is_pulled(Side::B).unwrap());
    hosts[0].as_mut().unwrap().is_stalled = true;
    run(&mut hosts, |_| board.is_pulled(Side::A).unwrap(), "its line is pulled");
    run(&mut hosts, |_| !board.is_pulled(Side::A).unwrap(), "and let go");
    run(&mut hosts, |hosts| hosts[1].as_ref().unwrap().runs, "the other has its group");
    let survivor = hosts[1].as_ref().unwrap();
    let said = |wanted: fn(&Notice) -> bool| survivor.notices.iter().any(wanted);
    assert!(said(|notice| matches!(notice, Notice::ResetByWitness { .. })));
    assert!(said(|notice| matches!(notice, Notice::WitnessVoted { .. })));
    assert!(!board.is_pulled(Side::B).unwrap());
    assert!(board.console().contains("reset: silent"), "{}", board.console());
    hosts[0] = Some(Host::boot(0, 101, &board.lines[0]).unwrap());
    let told = |host: &Host| {
        host.notices.iter().any(|notice| matches!(notice, Notice::WasResetByWitness { life: 100, .. }))
    };
    run(&mut hosts, |hosts| told(hosts[0].as_ref().unwrap()), "the next life is told why");
}

#[test]
fn its_power_sense_is_a_death_notice() {
    let directory = TempDir::new().unwrap();
    let mut board = provisioned(&directory);
    let mut hosts = started(&board);
    board.set_power(Side::B, false).unwrap();
    let power = |hosts: &[Option<Host>]| {
        let word = hosts[0].as_ref().unwrap().word().unwrap();
        word.host(NodeId::of(NAMES[1])).unwrap().power
    };
    run(&mut hosts, |hosts| power(hosts) == Power::Off, "it is told");
    board.set_power(Side::B, true).unwrap();
    run(&mut hosts, |hosts| power(hosts) == Power::On, "and that it is back");
    assert!(!board.is_pulled(Side::B).unwrap(), "it never was silent");
}

#[test]
fn its_journal_outlives_the_reset_button_and_no_host_is_reset_by_it() {
    let directory = TempDir::new().unwrap();
    let mut board = provisioned(&directory);
    let mut hosts = started(&board);
    let lives = board.console().matches("started").count();
    board.press_reset().unwrap();
    run(&mut hosts, |_| board.console().matches("started").count() > lives, "it starts again");
    Side::ALL.into_iter().for_each(|side| board.set_power(side, true).unwrap());
    run(&mut hosts, |hosts| hosts.iter().flatten().all(is_watched), "both arm it again");
    let told = |hosts: &[Option<Host>], deed: fn(&Deed) -> bool| {
        let known = hosts[1].as_ref().unwrap().node.witness().unwrap().known;
        known.deeds.iter().filter(|(_, told)| deed(&told.deed)).count()
    };
    let starts = |deed: &Deed| matches!(deed, Deed::Started(StartCause::PowerOn | StartCause::Software));
    run(&mut hosts, |hosts| told(hosts, starts) >= 3, "hosts read its deeds of three lives");
    assert!(told(&hosts, |deed| *deed == Deed::Provisioned) == 1);
    assert!(!board.is_pulled(Side::A).unwrap() && !board.is_pulled(Side::B).unwrap());
}

#[test]
fn keys_and_lives_outlive_a_power_cut() {
    let directory = TempDir::new().unwrap();
    let board = provisioned(&directory);
    drop(started(&board));
    drop(board);
    let board = Emulator::start(&directory).unwrap();
    let answer = answer(&board, Side::B, &Request::ask().unwrap());
    assert_eq!(answer.names, Some((provision().witness, provision().hosts)));
    // The next life of the hosts hears it, so it has a number that they had not heard yet.
    let mut hosts = [0, 1].map(|host| Some(Host::boot(host, 101, &board.lines[host]).unwrap()));
    run(&mut hosts, |hosts| hosts.iter().flatten().all(is_watched), "both are watched over");
}

#[test]
fn garbage_at_one_side_does_not_cross_and_keeps_nobody_from_speaking() {
    let directory = TempDir::new().unwrap();
    let board = provisioned(&directory);
    let mut hosts = started(&board);
    hosts[0].as_mut().unwrap().is_stalled = true;
    let mut noise = 1u32;
    let mut bytes = 0;
    while bytes < 50_000 {
        let chunk: Vec<u8> = (0..64)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise.to_le_bytes()[3]
            })
            .collect();
        // As much as the line takes.
        bytes += (&board.lines[0]).write(&chunk).unwrap_or(0);
        hosts.iter_mut().flatten().for_each(|host| host.turn().unwrap());
    }
    hosts[0].as_mut().unwrap().is_stalled = false;
    let refused = |host: &Host| host.node.counters(heartline_core::ids::LinkIndex(0)).refused;
    assert_eq!(refused(hosts[1].as_ref().unwrap()), [0; 7]);
    run(&mut hosts, |hosts| hosts.iter().flatten().all(is_watched), "all is well again");
}
