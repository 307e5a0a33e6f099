//! The measurements in which something happens: start, takeover, planned handover. Whoever holds the address is hit,
//! so the two hosts take turns.

use crate::client::Client;
use crate::clock;
use crate::error::Error;
use crate::figures::{Figure, Report};
use crate::pair::{LIMIT, Pair, SWITCH};
use crate::products::{ADDRESS, Tempo};
use crate::tap::What;
use std::time::Duration;

/// Measures a pair that is down.
pub(crate) fn measure(pair: &mut Pair, rounds: u32, report: &mut Report) -> Result<(), Error> {
    starts(pair, rounds, report)?;
    takeovers(pair, rounds, report)?;
    handovers(pair, rounds, report)
}

/// Both daemons are started: how long until the address answers. The pair must be down, and is up afterwards.
fn starts(pair: &mut Pair, rounds: u32, report: &mut Report) -> Result<(), Error> {
    for round in 0..rounds {
        if round > 0 {
            pair.power_cut()?;
        }
        pair.boot()?;
        let mut client = Client::start(SWITCH, ADDRESS)?;
        let began = clock::now()?;
        pair.start()?;
        let answered = client.until("the address answers", LIMIT, |seen| seen.what == What::Answer)?;
        report.add(Figure::Start, milliseconds(answered.saturating_sub(began)));
        drop(client);
        pair.settle()?;
    }
    Ok(())
}

/// The holder's power is cut: how long until the address answers from the other.
///
/// What counts is the time from the last heartbeat of the dead node that came to the switch, which is what the
/// survivor's own waiting starts from, to the first answer of the survivor. The power is cut at another point
/// between two heartbeats in every round.
fn takeovers(pair: &mut Pair, rounds: u32, report: &mut Report) -> Result<(), Error> {
    let dead_time = pair.product.dead_time(Tempo::Quick);
    let step = pair.product.interval(Tempo::Quick) / rounds.max(1);
    let mut phase = step / 2;
    for _ in 0..rounds {
        let holder = pair.settle()?;
        let (dying, survivor) = (pair.nodes[holder].hardware()?, pair.nodes[1 - holder].hardware()?);
        let mut client = Client::start(SWITCH, ADDRESS)?;
        client.until_answer(dying, LIMIT)?;
        client.until("the node sends", LIMIT, |seen| seen.from == dying && is_heartbeat(seen.what))?;
        clock::pass(phase)?;
        phase += step;
        pair.nodes[holder].power_cut()?;
        let answered = client.until_answer(survivor, LIMIT)?;
        let last =
            client.last(dying, |what| matches!(what, What::Heartbeat { .. })).ok_or(Error::NoClient)?;
        let silence = answered.saturating_sub(last);
        report.add(Figure::Takeover, milliseconds(silence));
        report.add(Figure::TakeoverBeyond, milliseconds(silence) - milliseconds(dead_time));
        drop(client);
        let node = &mut pair.nodes[holder];
        node.host.boot()?;
        node.start(pair.product.as_ref())?;
    }
    pair.settle().map(drop)
}

/// The holder is told to hand over: how long the address did not answer.
fn handovers(pair: &mut Pair, rounds: u32, report: &mut Report) -> Result<(), Error> {
    for _ in 0..rounds {
        let holder = pair.settle()?;
        let (old, new) = (pair.nodes[holder].hardware()?, pair.nodes[1 - holder].hardware()?);
        let mut client = Client::start(SWITCH, ADDRESS)?;
        client.until_answer(old, LIMIT)?;
        pair.product.hand_over(&mut pair.nodes[holder])?;
        let answered = client.until_answer(new, LIMIT)?;
        let before = client.last(old, |what| what == What::Answer);
        let outage = before.map_or(Duration::ZERO, |before| answered.saturating_sub(before));
        report.add(Figure::Handover, milliseconds(outage));
    }
    pair.settle().map(drop)
}

fn is_heartbeat(what: What) -> bool {
    matches!(what, What::Heartbeat { .. })
}

/// For the table; what is rounded away is far below what the capture can tell.
fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
