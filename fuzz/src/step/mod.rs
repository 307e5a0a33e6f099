//! Any sequence of inputs into a cluster of real nodes: honest frames, replays, frames changed after and before they
//! were sealed, jumps in time, outcomes of known and unknown jobs, orders, new configurations, restarts.

mod forge;
mod witness;
mod world;

use heartline_core::Input;
use heartline_core::ids::{Generation, GroupIndex, JobId, LinkIndex, MemberIndex, PingIndex};
use heartline_core::input::{Command, JobFailure, Outcome, Scope};
use heartline_core::time::Duration;

use crate::bytes::Choices;
use crate::setting::Setting;
use world::World;

/// So that no input takes seconds.
const MOVES: usize = 120;
/// Rounds of undisturbed conversation in one move.
const ROUNDS: usize = 8;

/// Any bytes as a setting and moves in it.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let setting = Setting::choose(&mut choices);
    let changes = [choices.byte(), choices.byte(), choices.byte()];
    let mut world = World::new(setting, |at| changes[at]);
    for at in 0..world.seats.len() {
        world.tick(at);
    }
    for _ in 0..MOVES {
        if choices.is_over() {
            break;
        }
        make_move(&mut world, &mut choices);
    }
}

fn make_move(world: &mut World, choices: &mut Choices<'_>) {
    let kind = choices.byte() % 20;
    let at = choices.index(world.seats.len());
    match kind {
        0 => {
            for _ in 0..=choices.index(ROUNDS) {
                world.wait_for_deadline();
                world.deliver_fresh();
                world.finish_jobs();
            }
        }
        1 => world.wait(choices.magnitude()),
        2 => world.tick(at),
        3 => world.wait_for_deadline(),
        4 => world.deliver_fresh(),
        5 => world.finish_jobs(),
        6 => {
            let back = Duration::from_micros(choices.magnitude());
            world.step(at, world.now - back, Input::Tick);
        }
        7 => match choices.byte() {
            group @ 0x80.. => world.step(at, world.now, Input::Suspect(GroupIndex(group & 0x7f))),
            ping @ 0x20.. => world.step(at, world.now, Input::Pong(PingIndex(ping))),
            seconds => {
                let timeout = Duration::from_millis(1000 * u64::from(seconds));
                world.step(at, world.now, Input::Watchdog(Some(timeout).filter(|_| seconds > 0)));
            }
        },
        8 => {
            let job = choices.index(world.seats[at].jobs.len());
            if let Some((job, _)) = world.seats[at].jobs.get(job).copied() {
                world.end_job(at, job, outcome(choices));
            }
        }
        9 => match (world.setting.has_witness(), choices.byte()) {
            (true, target @ 0xf0..) => {
                let job = world.seats[at].jobs.first().map_or(JobId(0), |(job, _)| *job);
                world.ask_for_reset(at, job, MemberIndex(target & 0xf));
            }
            (true, job @ 0xe0..) => {
                world.step(at, world.now, Input::FenceWithdrawn(JobId((job & 0xf).into())))
            }
            (_, job) => world.end_job(at, JobId(job.into()), outcome(choices)),
        },
        10 => world.order(at, command(choices)),
        11 => world.reconfigure(at, choices.byte(), choices.byte() == 1),
        12 => {
            let generation = world.seats[at].node.generation().0;
            let generation = generation.wrapping_add_signed(i32::from(choices.byte().cast_signed()));
            world.restart(at, Generation(generation), choices.byte());
        }
        13 => world.hear(at, link(choices), choices.run()),
        14 | 15 => replayed(world, at, choices),
        16 => forge::changed_after_sealing(world, at, choices),
        17 => forge::changed_before_sealing(world, at, choices),
        _ => forge::strange_message(world, at, choices),
    }
}

/// A frame that was sent, perhaps long ago, perhaps by the node itself.
fn replayed(world: &mut World, at: usize, choices: &mut Choices<'_>) {
    let frame = choices.index(world.frames.len());
    if let Some(sent) = world.frames.get(frame).cloned() {
        world.hear(at, link(choices), &sent.bytes);
    }
}

/// Mostly one that there is.
fn link(choices: &mut Choices<'_>) -> LinkIndex {
    LinkIndex(choices.byte() % 18)
}

fn outcome(choices: &mut Choices<'_>) -> Outcome {
    choices.one_of(&[
        Outcome::Done,
        Outcome::NotRunning,
        Outcome::Partial,
        Outcome::Repairable,
        Outcome::Failed(JobFailure::Refused),
        Outcome::Failed(JobFailure::TimedOut),
        Outcome::Failed(JobFailure::Cancelled),
        Outcome::Failed(JobFailure::NotRun),
        Outcome::Fenced { device: 1 },
    ])
}

fn command(choices: &mut Choices<'_>) -> Command {
    let which = choices.byte();
    let scope = [Scope::All, Scope::Local, Scope::Foreign][usize::from(which) % 3];
    match choices.byte() % 10 {
        0 => Command::Standby(scope),
        1 => Command::Takeover(scope),
        2 => Command::Cleanup(None),
        3 => Command::Cleanup(Some(GroupIndex(which))),
        4 => Command::Retire(u32::from(which) | u32::from(choices.byte()) << 24),
        5 => Command::Leave,
        6 => Command::Restart,
        7 => Command::ConfirmDown(MemberIndex(which % 18)),
        8 => Command::Maintenance(true),
        _ => Command::Maintenance(false),
    }
}
