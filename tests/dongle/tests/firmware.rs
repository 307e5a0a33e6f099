//! The real firmware on the emulated board, between two real nodes.

#![cfg(test)]

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use heartline_core::framing::{Deframer, FRAME_BYTES_MAX};
use heartline_core::ids::{Epoch, NodeId};
use heartline_core::notice::Notice;
use heartline_core::provision::{Answer, Provision, Request, Wiring};
use heartline_core::time::{Duration as Span, Instant};
use heartline_core::witness::{
    Asks, Deed, FenceAsk, FenceRefusal, FenceState, Power, Side, Stage, StartCause, Watch, WatchState,
};
use heartline_dongle_tests::clock;
use heartline_dongle_tests::forge::on_the_line;
use heartline_dongle_tests::host::{Host, NAMES, keys, provision};
use heartline_dongle_tests::speaker::Speaker;
use heartline_lab::board::{Board, Lines, firmware};
use tempfile::TempDir;

/// Longer than anything takes here on a machine that does other things as well.
const PATIENCE: Span = Span::from_millis(90_000);

fn limit() -> Instant {
    clock::now() + PATIENCE
}

/// The first answer to a request at one side. It is asked again until one comes: what comes before the firmware has
/// opened its ports is lost, and its heartbeats come in between. What comes at the other side is taken as well.
fn answer(board: &Board, side: Side, request: &[u8]) -> Answer {
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
        let _ = (&board.lines[side.other().index()]).read(&mut [0; 512]);
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

fn powered(directory: &TempDir) -> Board {
    Board::start(&firmware().unwrap(), directory.path(), &Lines::Sockets).unwrap()
}

/// A board that was given its keys and has started with them. QEMU's pins forget what they are told when the board
/// starts anew.
fn provisioned(directory: &TempDir) -> Board {
    provisioned_with(directory, &provision())
}

fn provisioned_with(directory: &TempDir, settings: &Provision) -> Board {
    let mut board = powered(directory);
    let answer = answer(&board, Side::A, &Request::give(settings, &keys(), None).unwrap());
    assert_eq!((answer.outcome, answer.names), (Some(Ok(())), None));
    let limit = limit();
    while board.console().matches("started").count() < 2 {
        assert!(clock::now() < limit, "it does not start again: {}", board.console());
        thread::park_timeout(Duration::from_millis(5));
    }
    board.sense([true, true]).unwrap();
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

fn started(board: &Board) -> [Option<Host>; 2] {
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
    assert_eq!(board.pulled().unwrap(), [false, false]);
    hosts[0].as_mut().unwrap().is_stalled = true;
    run(&mut hosts, |_| board.pulled().unwrap()[0], "its line is pulled");
    run(&mut hosts, |_| !board.pulled().unwrap()[0], "and let go");
    run(&mut hosts, |hosts| hosts[1].as_ref().unwrap().runs, "the other has its group");
    let survivor = hosts[1].as_ref().unwrap();
    let said = |wanted: fn(&Notice) -> bool| survivor.notices.iter().any(wanted);
    assert!(said(|notice| matches!(notice, Notice::ResetByWitness { .. })));
    assert!(said(|notice| matches!(notice, Notice::WitnessVoted { .. })));
    assert!(!board.pulled().unwrap()[1]);
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
    board.sense([true, false]).unwrap();
    let power = |hosts: &[Option<Host>]| {
        let word = hosts[0].as_ref().unwrap().word().unwrap();
        word.host(NodeId::of(NAMES[1])).unwrap().power
    };
    run(&mut hosts, |hosts| power(hosts) == Power::Off, "it is told");
    board.sense([true, true]).unwrap();
    run(&mut hosts, |hosts| power(hosts) == Power::On, "and that it is back");
    assert_eq!(board.pulled().unwrap(), [false, false], "it never was silent");
}

#[test]
fn its_journal_outlives_the_reset_button_and_no_host_is_reset_by_it() {
    let directory = TempDir::new().unwrap();
    let mut board = provisioned(&directory);
    let mut hosts = started(&board);
    let lives = board.console().matches("started").count();
    board.press_reset().unwrap();
    run(&mut hosts, |_| board.console().matches("started").count() > lives, "it starts again");
    board.sense([true, true]).unwrap();
    run(&mut hosts, |hosts| hosts.iter().flatten().all(is_watched), "both arm it again");
    let told = |hosts: &[Option<Host>], deed: fn(&Deed) -> bool| {
        let known = hosts[1].as_ref().unwrap().node.witness().unwrap().known;
        known.deeds.iter().filter(|(_, told)| deed(&told.deed)).count()
    };
    let starts = |deed: &Deed| matches!(deed, Deed::Started(StartCause::PowerOn | StartCause::Software));
    run(&mut hosts, |hosts| told(hosts, starts) >= 3, "hosts read its deeds of three lives");
    assert!(told(&hosts, |deed| *deed == Deed::Provisioned) == 1);
    assert_eq!(board.pulled().unwrap(), [false, false]);
}

#[test]
fn keys_and_lives_outlive_a_power_cut() {
    let directory = TempDir::new().unwrap();
    let board = provisioned(&directory);
    drop(started(&board));
    drop(board);
    let board = powered(&directory);
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

/// Twenty times both hosts ask for the reset of the other in the same moment. The first is served, the other is told so and
/// reset, and no line but its own is ever pulled.
#[test]
fn of_two_that_ask_at_once_one_is_reset() {
    let directory = TempDir::new().unwrap();
    let wiring = Wiring { pull: Span::from_millis(300), ..provision().wiring[0] };
    let mut board = provisioned_with(&directory, &Provision { wiring: [wiring; 2], ..provision() });
    let mut hosts = [0, 1].map(|host| Speaker::new(host, &board.lines[host]).unwrap());
    for round in 1..=20 {
        race(&mut board, &mut hosts, round);
        assert_eq!(board.console().matches("reset: fenced").count(), usize::from(round));
    }
}

/// One race. Afterwards the loser is in its next life, and nobody asks for anything.
fn race(board: &mut Board, hosts: &mut [Speaker; 2], round: u16) {
    let ask = |host: usize, stage| FenceAsk { target: NodeId::of(NAMES[1 - host]), ticket: round, stage };
    let limit = limit();
    let mut turn = |hosts: &mut [Speaker; 2], silent: Option<usize>, what: &str| {
        assert!(clock::now() < limit, "{what}: {hosts:#?}");
        for (at, host) in hosts.iter_mut().enumerate() {
            if silent == Some(at) { host.listen().unwrap() } else { host.turn().unwrap() }
        }
        thread::park_timeout(Duration::from_millis(2));
        board.pulled().unwrap()
    };
    while !hosts.iter().all(Speaker::hears) {
        turn(hosts, None, "both hear the witness");
    }
    hosts[0].asks.fence = Some(ask(0, Stage::Arm));
    hosts[1].asks.fence = Some(ask(1, Stage::Arm));
    // Where both are whole in the same turn, side A wins.
    let first = usize::from(round % 2);
    hosts[first].speak().unwrap();
    hosts[1 - first].speak().unwrap();
    let lost = FenceState::Refused(FenceRefusal::OtherWasFirst);
    let mut ever_pulled = [false; 2];
    while ![0, 1].iter().any(|host| hosts[*host].fence(round) == Some(lost)) {
        let pulled = turn(hosts, None, "one is told that the other was first");
        assert_eq!(pulled, [false, false], "nobody has fired");
    }
    let loser = usize::from(hosts[1].fence(round) == Some(lost));
    let winner = 1 - loser;
    // The loser does not give in.
    for (at, host) in hosts.iter_mut().enumerate() {
        host.asks.fence = Some(ask(at, Stage::Fire));
        host.speak().unwrap();
    }
    let done = |host: &Speaker| matches!(host.fence(round), Some(FenceState::Done(_)));
    while !done(&hosts[winner]) {
        let silent = ever_pulled[loser].then_some(loser);
        let pulled = turn(hosts, silent, "the winner is told that it is done");
        [0, 1].iter().for_each(|side| ever_pulled[*side] |= pulled[*side]);
    }
    assert!(ever_pulled[loser] && !ever_pulled[winner], "lost: {loser}, pulled: {ever_pulled:?}");
    hosts[loser].boot();
    hosts[winner].asks = Asks::default();
    hosts[winner].speak().unwrap();
    let forgotten = |host: &Speaker| host.word.as_ref().is_some_and(|word| word.fences.is_empty());
    while !(hosts[loser].hears() && hosts.iter().all(forgotten)) {
        turn(hosts, None, "the witness is ready for the next round");
    }
}

/// It hangs in the middle of a pull. Its own watchdog has the line let go, and the next life pulls nothing.
#[test]
fn a_hang_during_a_pull_lets_the_line_go() {
    let directory = TempDir::new().unwrap();
    let wiring = Wiring { pull: Span::from_millis(10_000), ..provision().wiring[0] };
    let mut board = provisioned_with(&directory, &Provision { wiring: [wiring; 2], ..provision() });
    let mut hosts = started(&board);
    let lives = board.console().matches("started").count();
    hosts[0].as_mut().unwrap().is_stalled = true;
    run(&mut hosts, |_| board.pulled().unwrap()[0], "its line is pulled");
    board.hang().unwrap();
    run(&mut hosts, |_| board.pulled().unwrap() == [false, false], "the line is let go");
    run(&mut hosts, |_| board.console().matches("started").count() > lives, "it starts again");
    assert!(!board.console().contains("reset: "), "the pull did not come to its own end");
    hosts[0] = Some(Host::boot(0, 101, &board.lines[0]).unwrap());
    run(&mut hosts, |hosts| hosts.iter().flatten().all(is_watched), "both are watched over again");
    assert_eq!(board.pulled().unwrap(), [false, false]);
}

/// Both hosts are away, the witness has forgotten what it had seen, and somebody plays all that they ever said: who is to be
/// watched over, a fence in two halves, a vote. Nothing of it is done.
#[test]
fn recordings_ask_for_nothing_after_a_reset() {
    let directory = TempDir::new().unwrap();
    let wiring = Wiring { pull: Span::from_millis(300), ..provision().wiring[0] };
    let mut board = provisioned_with(&directory, &Provision { wiring: [wiring; 2], ..provision() });
    let mut hosts = [0, 1].map(|host| Speaker::new(host, &board.lines[host]).unwrap());
    let limit = limit();
    let deeds = ["armed", "reset: fenced", "voted", "released"];
    let fence = |stage| FenceAsk { target: NodeId::of(NAMES[1]), ticket: 1, stage };
    for deed in deeds {
        while !board.console().contains(deed) {
            assert!(clock::now() < limit, "{deed}: {hosts:#?}");
            let [first, second] = &mut hosts;
            first.turn().unwrap();
            if deed == "voted" {
                second.listen().unwrap()
            } else {
                second.turn().unwrap()
            }
            first.asks = match (deed, first.fence(1)) {
                ("armed", _) => Asks { watch: Some(Watch::Arm(Span::from_millis(60_000))), ..first.asks },
                ("reset: fenced", None) => Asks { fence: Some(fence(Stage::Arm)), ..first.asks },
                ("reset: fenced", Some(_)) => Asks { fence: Some(fence(Stage::Fire)), ..first.asks },
                ("voted", _) => Asks { vote: Some(Epoch(1)), ..first.asks },
                _ => Asks { watch: Some(Watch::Release), ..Asks::default() },
            };
            thread::park_timeout(Duration::from_millis(2));
        }
    }
    let before = board.console();
    board.press_reset().unwrap();
    while board.console().matches("started").count() == before.matches("started").count() {
        assert!(clock::now() < limit, "it does not start again");
        hosts.iter_mut().for_each(|host| host.listen().unwrap());
        thread::park_timeout(Duration::from_millis(2));
    }
    for side in Side::ALL {
        // Twice, at its own side and at the other: whoever is at the cable may be anywhere.
        for host in [side, side.other()] {
            (&board.lines[side.index()]).write_all(&hosts[host.index()].said).unwrap();
        }
        // What is answered was asked after all that.
        assert_eq!(answer(&board, side, &Request::ask().unwrap()).outcome, None);
    }
    let console = board.console();
    let since = console.strip_prefix(&before).unwrap();
    assert!(since.contains("started") && !deeds.iter().any(|deed| since.contains(deed)), "{since}");
    assert_eq!(board.pulled().unwrap(), [false, false]);
}
