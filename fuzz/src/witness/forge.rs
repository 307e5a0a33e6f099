//! What a forger sends: to one of the two witnesses, but for what is said with a stolen key, which no witness can tell
//! from its host's own word.

use heartline_core::ids::{Epoch, Generation, Sequence};
use heartline_core::message::{Message, Phase};
use heartline_core::provision::{Provision, Request, Sense};
use heartline_core::seal::Method;
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{Asks, FenceAsk, Side, Stage, Watch};

use super::Pair;
use super::cable::settings;
use super::hosts::{Hosts, NAMES, confirmation, id, keys, message, sealed};
use crate::bytes::Choices;
use crate::setting::{CLUSTER, ring};

/// A frame that a host has sent, at either side.
pub(super) fn recording(pair: &mut Pair<'_>, now: Instant, hosts: &Hosts, choices: &mut Choices<'_>) {
    let at = choices.index(hosts.recordings.len());
    let Some(recording) = hosts.recordings.get(at) else { return };
    // A witness that has just started cannot tell a recording from the truth before it has heard the host.
    if hosts.is_old(recording.host, recording.number) {
        let side = if choices.byte() == 1 { recording.side.other() } else { recording.side };
        pair.attacked.hear(now, side, &recording.frame);
    }
}

/// Cut, or with one byte changed.
pub(super) fn changed_after_sealing(
    pair: &mut Pair<'_>,
    now: Instant,
    hosts: &Hosts,
    choices: &mut Choices<'_>,
) {
    let at = choices.index(hosts.recordings.len());
    let Some(recording) = hosts.recordings.get(at) else { return };
    let mut frame = recording.frame.clone();
    let place = choices.index(frame.len());
    match choices.byte() {
        // An empty frame is an idle line.
        0 => frame.truncate(place.max(1)),
        change => frame[place] ^= change,
    }
    pair.attacked.hear(now, recording.side, &frame);
}

/// All that one could ask for, sealed with the key of another cluster.
pub(super) fn wrong_key(pair: &mut Pair<'_>, now: Instant, hosts: &Hosts, choices: &mut Choices<'_>) {
    let host = usize::from(choices.byte() & 1);
    let (generation, sequence) = hosts.truth(host);
    let message = Message {
        asks: asks(host, choices),
        heard: pair.undisturbed.newest.map(|newest| confirmation("dongle", newest)).into_iter().collect(),
        ..message(Phase::Active)
    };
    let number = (generation, Sequence(sequence.0 + 1));
    let method = choices.one_of(&[Method::Sha1, Method::Crc]);
    let frame = sealed(host, number, &message, &ring(1, method, b"another secret"));
    pair.attacked.hear(now, hosts.side(host), &frame);
}

/// The same with the right key, but in a life of the host that is over.
pub(super) fn earlier_life(pair: &mut Pair<'_>, now: Instant, hosts: &Hosts, choices: &mut Choices<'_>) {
    let host = usize::from(choices.byte() & 1);
    let Some((Generation(newest), _)) = hosts.newest(host) else { return };
    let Some(generation) = newest.checked_sub(1 + u32::from(choices.byte())) else { return };
    let message = Message {
        asks: asks(host, choices),
        heard: pair.undisturbed.newest.map(|newest| confirmation("dongle", newest)).into_iter().collect(),
        ..message(Phase::Active)
    };
    let number = (Generation(generation), Sequence(choices.magnitude()));
    let frame = sealed(host, number, &message, &keys());
    pair.attacked.hear(now, hosts.side(host), &frame);
}

/// Any bytes, up to the end of a frame.
pub(super) fn garbage(pair: &mut Pair<'_>, now: Instant, choices: &mut Choices<'_>) {
    let side = Side::ALL[usize::from(choices.byte() & 1)];
    let mut bytes = choices.run().to_vec();
    bytes.push(0);
    pair.attacked.receive(now, side, &bytes);
}

/// What the witness has said comes back.
pub(super) fn echo(pair: &mut Pair<'_>, now: Instant, choices: &mut Choices<'_>) {
    let side = Side::ALL[usize::from(choices.byte() & 1)];
    let said = pair.attacked.said.clone();
    if !said.is_empty() {
        pair.attacked.hear(now, side, &said);
    }
}

/// Asks for its name, or gives it keys without having the old ones.
pub(super) fn provision(pair: &mut Pair<'_>, now: Instant, choices: &mut Choices<'_>) {
    let side = Side::ALL[usize::from(choices.byte() & 1)];
    let new = ring(1, Method::Sha1, b"the forger's secret");
    let settings = Provision { count: 2, ..settings(Sense::NotWired) };
    let request = match choices.byte() % 3 {
        0 => Request::ask(),
        1 => Request::give(&settings, &new, None),
        _ => Request::give(&settings, &new, Some(&new)),
    };
    pair.attacked.hear(now, side, &request.expect("good settings"));
}

/// Somebody who has the keys says anything in a host's name.
pub(super) fn lie(pair: &mut Pair<'_>, now: Instant, hosts: &mut Hosts, choices: &mut Choices<'_>) {
    hosts.lied = true;
    let host = usize::from(choices.byte() & 1);
    let (generation, sequence) = hosts.truth(host);
    let number = match choices.byte() {
        0 => (generation, Sequence(sequence.0 + 1)),
        0xff => (Generation(u32::MAX), Sequence(u64::MAX)),
        ahead => (Generation(generation.0.wrapping_add(ahead.into())), Sequence(choices.magnitude())),
    };
    let phase = choices.one_of(&[Phase::Active, Phase::Left, Phase::Leaving, Phase::Starting]);
    let span = |choices: &mut Choices<'_>| Duration::from_millis(choices.magnitude() >> 16);
    let heard_of = |choices: &mut Choices<'_>, name| {
        confirmation(name, (Generation(choices.byte().into()), Sequence(choices.word().into())))
    };
    let truth = pair.undisturbed.newest.map(|newest| confirmation("dongle", newest));
    let message = Message {
        asks: asks(host, choices),
        keepalive: span(choices),
        deadtime: span(choices),
        heard: match choices.byte() % 3 {
            0 => truth.into_iter().collect(),
            1 => truth.into_iter().chain([heard_of(choices, NAMES[1 - host])]).collect(),
            _ => [heard_of(choices, "dongle"), heard_of(choices, NAMES[1 - host])].into_iter().collect(),
        },
        ..message(phase)
    };
    let frame = sealed(host, number, &message, &keys());
    let side = Side::ALL[usize::from(choices.byte() & 1)];
    // What cannot be said is not taken in.
    let readable = keys().open(CLUSTER, &frame).is_ok_and(|(_, body)| Message::decode(body).is_ok());
    if readable {
        hosts.note_heard(host, now, number, &message);
    }
    pair.hear_both(now, side, &frame, hosts);
}

fn asks(host: usize, choices: &mut Choices<'_>) -> Asks {
    let what = choices.byte();
    let after = Duration::from_millis(choices.magnitude() >> 24);
    let stage = if Choices::flag(what, 4) { Stage::Fire } else { Stage::Arm };
    let target = id(NAMES[if Choices::flag(what, 5) { host } else { 1 - host }]);
    let fence = FenceAsk { target, ticket: choices.byte().into(), stage };
    Asks {
        watch: [None, Some(Watch::Arm(after)), Some(Watch::Release), None][usize::from(what & 3)],
        fence: Choices::flag(what, 2).then_some(fence),
        vote: Choices::flag(what, 3).then(|| Epoch(choices.byte().into())),
    }
}
