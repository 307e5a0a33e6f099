//! Somebody at the cable: recordings, forgeries, and garbage without end.

use std::error::Error;
use std::time::Duration;

use heartline::control::snapshot::Snapshot;
use heartline_cluster_tests::{Cluster, LIMIT};
use heartline_core::frame::Header;
use heartline_core::ids::{Epoch, Generation, NodeId, Sequence};
use heartline_core::seal::{KeyRing, Method};
use heartline_core::witness::{Asks, FenceAsk, Stage, Watch};
use heartline_dongle_tests::forge::{Overheard, on_the_line, overheard, ring, seal};
use heartline_lab::{NullModem, World, wait_until};

use crate::{Outcome, SECRET, done, plan, started};

/// How many recorded frames that ask for something are sent again.
const REPLAYED: usize = 40;
/// The rate of the line, in bytes per second.
const FULL_RATE: u32 = 1_920;
/// How long the garbage lasts, if not for half a minute.
const MINUTES_VARIABLE: &str = "HEARTLINE_GARBAGE_MINUTES";

fn keys() -> KeyRing {
    ring(Method::Sha1, SECRET.as_bytes())
}

/// What was asked on a tapped cable.
fn asked(cable: &NullModem) -> Vec<Overheard> {
    let mut frames = overheard(&cable.overheard(), &keys());
    frames.retain(|frame| !frame.message.asks.is_empty());
    frames
}

/// The frames that a node has refused on its serial line for being old.
fn refused(status: &Snapshot) -> u32 {
    let line = status.media.iter().find(|medium| medium.kind == "serial");
    line.map_or(0, |line| line.refused.old_generation + line.refused.replayed)
}

/// All that both hosts ever asked is sent again: a fence in two halves, a watchdog armed and released. First while the witness
/// knows what it has seen, then after a reset, when it does not.
pub(crate) fn recordings_ask_for_nothing(world: World) -> Outcome {
    let plan = plan().line("witness_watchdog 60").fencing("dongle dongle").directive("fence_delay", "0");
    let mut cluster = Cluster::provisioned(world, plan)?;
    cluster.cable.tap()?;
    cluster.dongle()?.far_cable.tap()?;
    cluster.start_settled()?;
    cluster.wait_watched()?;
    cluster.ha1.kill()?;
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    cluster.ha1.boot()?;
    cluster.ha1.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.ha2.stop()?;
    cluster.ha2.start()?;
    cluster.settled(&[("web", "ha1")])?;
    cluster.wait_watched()?;
    let recorded = [asked(&cluster.cable), asked(&cluster.dongle()?.far_cable)];
    let has = |wanted: fn(&Asks) -> bool| recorded[1].iter().any(|frame| wanted(&frame.message.asks));
    assert!(has(|asks| asks.fence.is_some_and(|fence| fence.stage == Stage::Arm)));
    assert!(has(|asks| asks.fence.is_some_and(|fence| fence.stage == Stage::Fire)));
    assert!(has(|asks| asks.watch == Some(Watch::Release)));
    assert!(has(|asks| matches!(asks.watch, Some(Watch::Arm(_)))));
    let before = done(&cluster)?;
    assert_eq!(before.resets, ["reset ha1"], "the one that was asked for");
    let seen = refused(&cluster.ha1.status()?);
    replay(&mut cluster, &recorded)?;
    cluster.ha1.wait_status("recordings have come through", |status| refused(status) > seen + 10)?;
    cluster.wait_watched()?;
    for _ in 0..3 {
        let lives = cluster.dongle()?.lives();
        cluster.dongle()?.reset()?;
        replay(&mut cluster, &recorded)?;
        wait_until("it begins anew", LIMIT, || cluster.dongle().is_ok_and(|it| it.lives() > lives))?;
        cluster.wait_watched()?;
    }
    assert_eq!(done(&cluster)?, before);
    Ok(cluster.finish()?)
}

/// The newest of what was recorded on each side, fences first.
fn replay(cluster: &mut Cluster, [first, second]: &[Vec<Overheard>; 2]) -> Outcome {
    let chosen = |frames: &[Overheard]| {
        let mut frames: Vec<_> = frames.iter().rev().collect();
        frames.sort_by_key(|frame| frame.message.asks.fence.is_none());
        frames.truncate(REPLAYED);
        frames.sort_by_key(|frame| (frame.header.generation, frame.header.sequence));
        frames.into_iter().flat_map(|frame| on_the_line(&frame.frame)).collect::<Vec<u8>>()
    };
    cluster.cable.forge(&chosen(first))?;
    Ok(cluster.dongle()?.far_cable.forge(&chosen(second))?)
}

/// Frames of ha2 that ask for everything, made by somebody who lacks the key, or has it and not the newest life of ha2.
pub(crate) fn forgeries_ask_for_nothing(world: World) -> Outcome {
    let plan = plan().line("witness_watchdog 60").fencing("dongle dongle");
    let mut cluster = started(world, plan)?;
    let before = done(&cluster)?;
    cluster.dongle()?.far_cable.tap()?;
    let newest = newest(&mut cluster)?;
    let stranger = ring(Method::Sha1, b"another_secret_of_good_length");
    let earlier = Generation(newest.header.generation.0 - 1);
    let [ours, theirs] = [keys(), stranger];
    let mut forged = [Vec::new(), Vec::new()];
    for ticket in 900..910 {
        for stage in [Stage::Arm, Stage::Fire, Stage::Fire] {
            let header = Header { sequence: Sequence(newest.header.sequence.0 + 1_000), ..newest.header };
            forged[0].extend(demand(&newest, header, (ticket, stage), &theirs)?);
            let header = Header { generation: earlier, ..header };
            forged[1].extend(demand(&newest, header, (ticket, stage), &ours)?);
        }
    }
    let bad = |status: &Snapshot| {
        let counters = status.witness.as_ref().map_or(&[][..], |witness| witness.counters.as_slice());
        counters.iter().map(|side| side.bad_frames).sum::<u32>()
    };
    for (at, bytes) in forged.iter().enumerate() {
        let seen = [refused(&cluster.ha1.status()?), bad(&cluster.ha1.status()?)];
        // Once from ha2's plug, once from ha1's.
        cluster.dongle()?.far_cable.forge(bytes)?;
        cluster.cable.forge(bytes)?;
        cluster.ha1.wait_status("they have come", |status| {
            let now = [bad(status), refused(status)];
            now[at] >= seen[1 - at] + 20
        })?;
        cluster.wait_watched()?;
    }
    assert_eq!(done(&cluster)?, before);
    Ok(cluster.finish()?)
}

/// The newest frame of ha2 that was heard on its cable.
fn newest(cluster: &mut Cluster) -> Result<Overheard, Box<dyn Error>> {
    let mut newest = None;
    wait_until("ha2 has spoken", LIMIT, || {
        newest =
            cluster.dongle().ok().and_then(|dongle| overheard(&dongle.far_cable.overheard(), &keys()).pop());
        newest.is_some()
    })?;
    newest.ok_or_else(|| "ha2 says nothing".into())
}

/// A frame that asks for ha1's reset, for the next vote, and for its own release, as bytes of the line.
fn demand(
    truth: &Overheard,
    header: Header,
    (ticket, stage): (u16, Stage),
    keys: &KeyRing,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut message = truth.message.clone();
    let target = NodeId::of("ha1");
    let fence = Some(FenceAsk { target, ticket, stage });
    message.asks = Asks { watch: Some(Watch::Release), fence, vote: Some(Epoch(1)) };
    Ok(on_the_line(&seal(&header, &message, keys)?))
}

/// The cable is all that is left between the hosts, and it is bad: bits turn over and garbage comes in, in both halves and
/// directions. Enough heartbeats pass.
pub(crate) fn noise_on_both_halves_moves_nothing(world: World) -> Outcome {
    let mut cluster = started(world, plan().line("witness_watchdog 2"))?;
    let before = done(&cluster)?;
    cluster.ha1.host.cut_ethernet("eth0")?;
    cluster.ha1.wait_link("ha2", "eth0", false)?;
    cluster.cable.flip_bits(1_000, 1)?;
    cluster.dongle()?.far_cable.flip_bits(1_000, 2)?;
    cluster.cable.noise(2, 3)?;
    cluster.dongle()?.far_cable.noise(2, 4)?;
    let is_hit = |status: &Snapshot| {
        let counters = status.witness.as_ref().map_or(&[][..], |witness| witness.counters.as_slice());
        counters.len() == 2 && counters.iter().all(|side| side.bad_frames > 10)
    };
    cluster.ha1.wait_status("both halves were hit", is_hit)?;
    cluster.ha1.wait_link("ha2", "/dev/ttyS0", true)?;
    assert_eq!(done(&cluster)?, before);
    cluster.cable.flip_bits(0, 0)?;
    cluster.cable.noise(0, 0)?;
    cluster.dongle()?.far_cable.flip_bits(0, 0)?;
    cluster.dongle()?.far_cable.noise(0, 0)?;
    cluster.ha1.host.restore_ethernet("eth0")?;
    cluster.wait_watched()?;
    assert_eq!(done(&cluster)?, before);
    Ok(cluster.finish()?)
}

/// Garbage comes in from ha2's plug as fast as the line goes. ha1 and the witness go on as if there was none.
pub(crate) fn garbage_at_full_rate_stays_at_its_side(world: World) -> Outcome {
    let minutes = std::env::var(MINUTES_VARIABLE).ok().and_then(|text| text.parse().ok());
    let lasts = minutes.map_or(Duration::from_secs(30), |minutes: u64| Duration::from_secs(60 * minutes));
    // An hour has its moments in which the machine does other things.
    let plan = plan().directive("deadtime", "3").line("witness_watchdog 5");
    let mut cluster = started(world, plan)?;
    let before = done(&cluster)?;
    let lost = cluster.ha1.log().matches("Witness dongle is lost").count();
    cluster.dongle()?.far_cable.noise(FULL_RATE, 7)?;
    for _ in 0..lasts.as_secs() {
        // Garbage lasts for a time, whatever comes of it.
        let _ = wait_until("a second is over", Duration::from_secs(1), || false);
        one_side(&cluster)?;
    }
    assert_eq!(
        cluster.ha1.log().matches("Witness dongle is lost").count(),
        lost,
        "ha1 heard it all the time"
    );
    assert_eq!(done(&cluster)?, before);
    let status = cluster.ha1.status()?;
    for side in status.witness.iter().flat_map(|witness| &witness.counters) {
        println!(
            "{} s of garbage at side b. Side {}: {} frames, {} bad, longest silence {} ms",
            lasts.as_secs(),
            side.side,
            side.frames,
            side.bad_frames,
            side.longest_silence_ms
        );
    }
    cluster.dongle()?.far_cable.noise(0, 7)?;
    cluster.wait_watched()?;
    // The witness's word is still good for what it is there for.
    cluster.part("ha1")?;
    cluster.ha1.wait_down()?;
    cluster.settled(&[("web", "ha2")])?;
    Ok(cluster.finish()?)
}

/// ha1 and the witness hear each other, and nothing of the garbage has come to ha1.
fn one_side(cluster: &Cluster) -> Outcome {
    let status = cluster.ha1.status()?;
    let line = status.media.iter().find(|medium| medium.kind == "serial").ok_or("there is no serial line")?;
    if line.garbage + u64::from(line.refused.malformed + line.refused.wrong_tag) > 0 {
        return Err(format!("garbage has crossed: {line:?}").into());
    }
    let witness = status.witness.as_ref().ok_or("there is no witness")?;
    if !witness.hears_us || witness.counters.iter().any(|it| it.side == "a" && it.bad_frames > 0) {
        return Err(format!("ha1 is not heard as it should: {witness:?}").into());
    }
    let resets = cluster.resets()?;
    if resets.is_empty() { Ok(()) } else { Err(format!("{resets:?}").into()) }
}
