//! Any sequence of events around the witness in the null-modem cable: two hosts that ask for watchdogs, resets and
//! votes, time, power senses, resets of the witness, and a forger with recordings, forgeries and garbage. The same is
//! played to a second witness without the forger: both must do the same. And a key in the wrong hands, heard by both.

mod cable;
mod forge;
mod hosts;

use heartline_bridge::journal;
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{FenceAsk, Side, Stage, StartCause, Watch};

use crate::bytes::Choices;
use cable::{Cable, Flash};
use hosts::{Hosts, NAMES, WATCHDOG};

/// What a witness keeps over its resets.
#[derive(Debug)]
struct Kept {
    flash: Flash,
    journal: [u8; journal::BYTES],
}

/// The witness that only the hosts speak to, and the one that the forger speaks to as well.
#[derive(Debug)]
struct Pair<'m> {
    undisturbed: Cable<'m>,
    attacked: Cable<'m>,
}

/// Plays what the bytes say.
///
/// # Panics
/// If a promise is broken.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let sense = choices.byte();
    let mut kept = [0, 1].map(|_| Kept { flash: Flash::provisioned(sense), journal: [0; journal::BYTES] });
    let mut now = Instant::from_micros(5_000_000);
    let mut hosts = Hosts::new();
    while !choices.is_over() {
        now = live(now, &mut choices, &mut kept, &mut hosts);
        // What a reset tears is torn for both.
        let (place, change) = (choices.word(), choices.byte());
        for kept in &mut kept {
            kept.journal[usize::from(place) % journal::BYTES] ^= change;
        }
    }
}

/// One life of both witnesses.
fn live(
    mut now: Instant,
    choices: &mut Choices<'_>,
    [first, second]: &mut [Kept; 2],
    hosts: &mut Hosts,
) -> Instant {
    let cause = choices.one_of(&[StartCause::PowerOn, StartCause::OwnWatchdog]);
    let mut pair =
        Pair { undisturbed: Cable::start(first, now, cause), attacked: Cable::start(second, now, cause) };
    hosts.witness_began();
    pair.turn(now, hosts);
    while !choices.is_over() {
        let what = choices.byte();
        let host = usize::from(what >> 7);
        match what & 0x1f {
            0 => return now,
            1..=4 => {
                let millis = choices.one_of(&[200, 1, 50, 400, 1_000, 2_000, 5_000]);
                now = pair.pass(now, Duration::from_millis(millis), hosts);
            }
            5 => now = pair.pass(now, Duration::from_millis(choices.magnitude() >> 24), hosts),
            6..=11 => {
                let (side, frame) = hosts.heartbeat(host, now, pair.undisturbed.newest, choices.byte());
                pair.hear_both(now, side, &frame, hosts);
            }
            12 => {
                let arm = Watch::Arm(Duration::from_millis(WATCHDOG));
                hosts.asks(host).watch = choices.one_of(&[Some(arm), None, Some(Watch::Release)]);
            }
            13 | 14 => {
                let ticket = choices.byte();
                let stage = if Choices::flag(ticket, 0) { Stage::Fire } else { Stage::Arm };
                let target = if ticket == 0xff { NAMES[host] } else { NAMES[1 - host] };
                let ask = FenceAsk { target: hosts::id(target), ticket: (ticket >> 1).into(), stage };
                hosts.asks(host).fence = (ticket != 0).then_some(ask);
            }
            15 => {
                let ahead = choices.byte();
                let epoch = pair.undisturbed.vote().epoch;
                hosts.asks(host).vote = (ahead != 0xff).then(|| hosts::epoch_after(epoch, ahead));
            }
            16 => hosts.boot(host),
            17 => hosts.flip_power(host),
            18 => hosts.exchange_cables(),
            19 => forge::lie(&mut pair, now, hosts, choices),
            20 => forge::echo(&mut pair, now, choices),
            21 => forge::changed_after_sealing(&mut pair, now, hosts, choices),
            22 => forge::wrong_key(&mut pair, now, hosts, choices),
            23 | 24 => forge::garbage(&mut pair, now, choices),
            25 => forge::earlier_life(&mut pair, now, hosts, choices),
            26 => forge::provision(&mut pair, now, choices),
            _ => forge::recording(&mut pair, now, hosts, choices),
        }
        pair.turn(now, hosts);
    }
    now
}

impl Pair<'_> {
    fn hear_both(&mut self, now: Instant, side: Side, frame: &[u8], hosts: &mut Hosts) {
        self.undisturbed.hear(now, side, frame);
        self.attacked.hear(now, side, frame);
        hosts.judge(now, self.undisturbed.pulled(), &self.undisturbed.new_deeds(now));
    }

    /// Lets time pass, with a turn at each deadline.
    fn pass(&mut self, now: Instant, span: Duration, hosts: &mut Hosts) -> Instant {
        let end = now + span;
        let mut now = now;
        // A heartbeat each keepalive is dull after a while.
        for _ in 0..50 {
            let next = self.undisturbed.next_deadline().max(now + Duration::from_millis(1));
            if next >= end {
                break;
            }
            now = next;
            self.turn(now, hosts);
        }
        end
    }

    fn turn(&mut self, now: Instant, hosts: &mut Hosts) {
        for cable in [&mut self.undisturbed, &mut self.attacked] {
            cable.turn(now, hosts.power());
        }
        assert_eq!(
            self.attacked.pulled(),
            self.undisturbed.pulled(),
            "a forger has a line pulled, or spares it"
        );
        let words = [&self.attacked, &self.undisturbed].map(|cable| cable.word.clone());
        assert_eq!(words[0], words[1], "a forger changes what the witness knows and does");
        let is_pulled = self.undisturbed.pulled().contains(&true);
        assert!(
            !is_pulled || hosts.have_asked_for_a_reset(),
            "a line is pulled, and nobody has asked for it"
        );
        hosts.judge(now, self.undisturbed.pulled(), &self.undisturbed.new_deeds(now));
    }
}
