//! The witness in the cable, from a host's side. What it says is made up here; the real one is in the crate of the
//! firmware, whose tests let both speak with each other.

use super::world::{DEADTIME, KEEPALIVE, Setting, World};
use crate::config::Quorum;
use crate::effect::{Answer, FenceAnswer};
use crate::fencing::FenceCause;
use crate::ids::{Epoch, Generation, JobId, NodeId};
use crate::input::{Command, Input, Scope};
use crate::member::Presence;
use crate::notice::Notice;
use crate::time::Duration;
use crate::witness::{
    Asks, FenceAsk, FenceRefusal, FenceState, FenceWord, HostWord, Power, ReadBack, Reset, ResetCause, Side,
    Stage, Vote, Watch, WatchState, Word,
};

const WATCHDOG: u64 = 2 * DEADTIME;
const WITNESS: usize = 2;

fn setting() -> Setting {
    Setting {
        nodes: std::vec!["ha1", "ha2", "witness"],
        witness: Some("witness"),
        quorum: Quorum::Witness,
        witness_watchdog: Some(WATCHDOG),
        ..Setting::default()
    }
}

fn host(name: &str, side: Side) -> HostWord {
    HostWord {
        host: NodeId::of(name),
        side: Some(side),
        power: Power::NotSensed,
        watch: WatchState::Armed(Duration::from_millis(WATCHDOG)),
        reset: None,
    }
}

fn word() -> Word {
    Word {
        uptime: Duration::from_millis(60_000),
        hosts: [host("ha1", Side::A), host("ha2", Side::B)].into_iter().collect(),
        vote: Vote::default(),
        fences: heapless::Vec::new(),
        detail: None,
    }
}

fn started() -> World {
    let mut world = World::new(&setting());
    world.word = Some(word());
    (0..3).for_each(|host| world.boot(host));
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
    world
}

fn say(world: &mut World, change: impl FnOnce(&mut Word)) {
    change(world.word.as_mut().expect("the witness speaks"));
}

/// The witness has reset a host in its present life.
fn reset(world: &mut World, host: usize, generation: u32) {
    let cause = ResetCause::Watchdog(Duration::from_millis(WATCHDOG));
    let reset = Reset { generation: Generation(generation), cause, ago: Duration::ZERO };
    say(world, |word| word.hosts[host].reset = Some(reset));
}

fn vote(world: &mut World, epoch: u32, to: &str) {
    say(world, |word| word.vote = Vote { epoch: Epoch(epoch), to: Some(NodeId::of(to)) });
}

#[test]
fn a_host_is_watched_while_it_is_active_and_released_when_it_left() {
    let mut world = started();
    let armed = Asks { watch: Some(Watch::Arm(Duration::from_millis(WATCHDOG))), ..Asks::default() };
    assert_eq!((world.asks[0], world.asks[1], world.asks[2]), (armed, armed, Asks::default()));
    let watches = |notice: &Notice| matches!(notice, Notice::WitnessWatches { .. });
    assert!(world.said(0, watches) && world.said(1, watches));
    world.order(0, 1, Command::Leave);
    assert_eq!(world.asks[0], armed, "something runs here still");
    world
        .run_for(DEADTIME, |world| world.asks[0].watch == Some(Watch::Release))
        .expect("it ends in good order");
    assert!(world.owners(0) != [0]);
    say(&mut world, |word| word.hosts.iter_mut().for_each(|host| host.watch = WatchState::Off));
    world.run(DEADTIME);
    let alarm = |notice: &Notice| matches!(notice, Notice::WitnessWatchesNot(_));
    assert_eq!((world.said(0, alarm), world.said(1, alarm)), (false, true), "ha1 has asked for it");
}

#[test]
fn without_vote_nothing_is_taken_from_a_host_that_was_reset() {
    let mut world = started();
    let generation = world.node(0).generation().0;
    world.power_cut(0);
    world.run(2 * DEADTIME);
    assert_eq!(world.asks[1].vote, Some(Epoch(1)));
    reset(&mut world, 0, generation);
    world.run(4 * WATCHDOG);
    assert!(world.owners(0).is_empty());
    vote(&mut world, 1, "ha2");
    world.run_for(DEADTIME, |world| world.owners(0) == [1]).expect("it has the vote");
    assert!(world.said(1, |notice| matches!(notice, Notice::ResetByWitness { .. })));
    assert_eq!(world.asks[1].vote, None, "what was given is not asked for");
}

#[test]
fn with_the_vote_alone_nothing_is_taken() {
    let mut world = started();
    world.power_cut(0);
    world.run(2 * DEADTIME);
    vote(&mut world, 1, "ha2");
    world.run(10 * WATCHDOG);
    assert!(world.owners(0).is_empty(), "nobody knows that ha1 is down");
}

#[test]
fn a_vote_for_the_other_is_none_and_the_next_is_asked_for() {
    let mut world = started();
    let generation = world.node(0).generation().0;
    world.power_cut(0);
    world.run(2 * DEADTIME);
    reset(&mut world, 0, generation);
    vote(&mut world, 1, "ha1");
    world.run(2 * DEADTIME);
    assert_eq!((world.asks[1].vote, world.owners(0).len()), (Some(Epoch(2)), 0));
    vote(&mut world, 2, "ha2");
    world.run_for(DEADTIME, |world| world.owners(0) == [1]).expect("it has the vote");
}

/// A vote was for one death, not for all that follow.
#[test]
fn each_death_needs_a_vote_of_its_own() {
    let mut world = started();
    let generation = world.node(0).generation().0;
    world.power_cut(0);
    reset(&mut world, 0, generation);
    vote(&mut world, 1, "ha2");
    world.run(2 * DEADTIME);
    assert_eq!(world.asks[1].vote, Some(Epoch(2)), "what it had not asked for is not its own");
    assert!(world.owners(0).is_empty());
}

#[test]
fn a_reset_of_an_earlier_life_is_none_of_this_one() {
    let mut world = started();
    let generation = world.node(0).generation().0;
    reset(&mut world, 0, generation - 1);
    world.power_cut(0);
    world.run(2 * DEADTIME);
    vote(&mut world, 1, "ha2");
    world.run(4 * WATCHDOG);
    assert!(world.owners(0).is_empty());
}

/// It was heard after the line was let go: the line does nothing.
#[test]
fn a_reset_before_the_last_heartbeat_is_none() {
    let mut world = started();
    let generation = world.node(0).generation().0;
    reset(&mut world, 0, generation);
    world.run(KEEPALIVE);
    let long_ago = Duration::from_millis(4 * DEADTIME);
    say(&mut world, |word| word.hosts[0].reset.as_mut().expect("it was reset").ago = long_ago);
    world.power_cut(0);
    world.run(2 * DEADTIME);
    vote(&mut world, 1, "ha2");
    world.run(DEADTIME);
    assert!(world.owners(0).is_empty());
}

/// A later life of it may have come up since, with a former life of ours for its majority, and not be heard by the witness.
#[test]
fn a_reset_before_our_start_proves_nothing_of_a_host_that_we_never_heard() {
    let mut world = started();
    let generation = world.node(0).generation().0;
    world.power_cut(0);
    world.power_cut(1);
    world.run(DEADTIME);
    world.boot(1);
    reset(&mut world, 0, generation);
    let long_ago = |word: &mut Word| {
        let reset = word.hosts[0].reset.as_mut();
        reset.expect("ha1 was reset").ago = Duration::from_millis(20 * DEADTIME);
    };
    say(&mut world, long_ago);
    world.run(10 * DEADTIME);
    let wanted = world.asks[1].vote.expect("ha1 is dead, and it has a vote to ask for");
    vote(&mut world, wanted.0, "ha2");
    world.run(DEADTIME);
    assert_eq!(world.state(1, 0), crate::message::GroupState::Claiming);
    reset(&mut world, 0, generation);
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1], "it was reset just now");
}

#[test]
fn a_host_learns_of_its_reset_once() {
    let mut world = started();
    let generation = world.node(0).generation().0;
    world.power_cut(0);
    reset(&mut world, 0, generation);
    world.boot(0);
    world.run(4 * DEADTIME);
    let told = |notice: &&(usize, Notice)| matches!(notice, (0, Notice::WasResetByWitness { life, .. }) if *life == generation);
    assert_eq!(world.notices.iter().filter(told).count(), 1);
}

#[test]
fn a_host_without_power_is_dead_after_two_heartbeats() {
    let mut world = started();
    world.power_cut(0);
    say(&mut world, |word| word.hosts[0].power = Power::Off);
    let dead = |world: &World| {
        world.node(1).member(World::member(0)).map(crate::member::Member::presence) == Some(Presence::Dead)
    };
    let took = world.run_for(DEADTIME, dead).expect("it is dead");
    assert!(took < DEADTIME - KEEPALIVE, "after {took} ms");
    assert!(world.said(1, |notice| *notice == Notice::PowerLost(World::member(0))));
}

#[test]
fn a_host_that_speaks_is_alive_whatever_its_power_sense_says() {
    let mut world = started();
    say(&mut world, |word| word.hosts[0].power = Power::Off);
    world.run(10 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
    assert!(!world.said(1, |notice| matches!(notice, Notice::PowerLost(_) | Notice::MemberDead { .. })));
}

/// As after a stall, in which the witness's words waited.
#[test]
fn a_death_notice_from_before_a_heartbeat_is_over() {
    let mut world = started();
    say(&mut world, |word| word.hosts[0].power = Power::Off);
    world.run(2 * KEEPALIVE);
    world.power_cut(WITNESS);
    world.run(2 * KEEPALIVE);
    world.power_cut(0);
    let dead = |world: &World| {
        world.node(1).member(World::member(0)).map(crate::member::Member::presence) == Some(Presence::Dead)
    };
    let took = world.run_for(2 * DEADTIME, dead).expect("it is dead");
    assert!(took >= DEADTIME - KEEPALIVE, "after {took} ms");
}

#[test]
fn a_reset_is_asked_for_in_two_steps() {
    let mut world = started();
    let job = JobId(77);
    world.step(1, Input::FenceByWitness { job, target: World::member(0) });
    let ask = FenceAsk { target: NodeId::of("ha1"), ticket: 1, stage: Stage::Arm };
    assert_eq!(world.asks[1].fence, Some(ask));
    world.run(DEADTIME);
    assert_eq!(world.asks[1].fence, Some(ask), "not before the witness is ready");
    let answers = |state| FenceWord { asker: NodeId::of("ha2"), ticket: 1, state };
    say(&mut world, |word| word.fences = [answers(FenceState::Armed)].into_iter().collect());
    world.run(KEEPALIVE + 10);
    assert_eq!(world.asks[1].fence, Some(FenceAsk { stage: Stage::Fire, ..ask }));
    say(&mut world, |word| word.fences[0] = answers(FenceState::Firing));
    world.run(2 * KEEPALIVE);
    assert!(world.fence_answers.is_empty());
    say(&mut world, |word| word.fences[0] = answers(FenceState::Done(ReadBack::WentOff)));
    world.run(2 * KEEPALIVE);
    assert_eq!(world.fence_answers, [(1, job, FenceAnswer::Done(ReadBack::WentOff))]);
    assert_eq!(world.asks[1].fence, None);
}

#[test]
fn a_refusal_and_another_ticket_are_told_apart() {
    let mut world = started();
    let fences = |ticket| {
        let state = FenceState::Refused(FenceRefusal::OtherWasFirst);
        [FenceWord { asker: NodeId::of("ha2"), ticket, state }].into_iter().collect()
    };
    world.step(1, Input::FenceByWitness { job: JobId(1), target: World::member(0) });
    say(&mut world, |word| word.fences = fences(9));
    world.run(2 * KEEPALIVE);
    assert!(world.fence_answers.is_empty());
    say(&mut world, |word| word.fences = fences(1));
    world.run(2 * KEEPALIVE);
    assert_eq!(world.fence_answers, [(1, JobId(1), FenceAnswer::Refused(FenceRefusal::OtherWasFirst))]);
    world.step(1, Input::FenceByWitness { job: JobId(2), target: World::member(0) });
    world.step(1, Input::FenceWithdrawn(JobId(2)));
    world.run(2 * KEEPALIVE);
    assert_eq!(world.asks[1].fence, None);
}

/// The hosts see each other: nothing moves, nothing stops.
#[test]
fn a_witness_that_dies_changes_nothing() {
    let mut world = started();
    world.power_cut(WITNESS);
    world.run(10 * WATCHDOG);
    assert_eq!(world.owners(0), [0]);
    world.order(0, 1, Command::Standby(Scope::All));
    world.run(DEADTIME);
    assert_eq!(world.owners(0), [1]);
    let bad = |notice: &Notice| matches!(notice, Notice::QuorumLost);
    assert!(!world.said(0, bad) && !world.said(1, bad));
}

/// It has forgotten that it was armed, and does not say that it has fired.
#[test]
fn a_witness_that_restarted_proves_nothing() {
    let mut world = started();
    world.power_cut(0);
    world.power_cut(WITNESS);
    let unarmed = |host: &mut HostWord| host.watch = WatchState::Off;
    say(&mut world, |word| word.hosts.iter_mut().for_each(unarmed));
    world.boot(WITNESS);
    world.run(2 * DEADTIME);
    vote(&mut world, 1, "ha2");
    world.run(10 * WATCHDOG);
    assert!(world.owners(0).is_empty());
    assert!(world.said(1, |notice| matches!(notice, Notice::WitnessWatchesNot(_))));
    assert_eq!(world.state(1, 0), crate::message::GroupState::Claiming);
}

/// The witness knows of no maintenance, and is not waited for.
#[test]
fn maintenance_is_a_matter_of_the_nodes() {
    let mut world = started();
    world.order(0, 1, Command::Maintenance(true));
    world.run(3 * KEEPALIVE);
    assert_eq!(world.answers.get(&1), Some(&Answer::Done));
    world.order(0, 2, Command::Leave);
    world.run(2 * DEADTIME);
    assert!(world.hosts[0].node.is_none() && world.hosts[0].runs[0], "it left its services running");
    assert_eq!(world.asks[0].watch, Some(Watch::Release));
}

/// As without a witness: who runs something fences first, whoever is asked to do it.
#[test]
fn a_holder_defends_itself_beside_a_witness() {
    let setting = Setting { fencing: true, fence_delay: 5_000, quorum: Quorum::Off, ..setting() };
    let mut world = World::new(&setting);
    world.word = Some(word());
    (0..3).for_each(|host| world.boot(host));
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
    world.cut(0, 1);
    world.cut(1, 0);
    let defends = |world: &World| {
        world.said(0, |notice| matches!(notice, Notice::Fencing { cause: FenceCause::Defence, .. }))
    };
    world.run_for(2 * DEADTIME, defends).expect("it fences at once");
}
