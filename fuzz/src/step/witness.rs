//! What somebody who has the keys could say in the witness's name, and ask of it: the dullest where the choices are zero.

use heartline_core::ids::{Epoch, Generation, NodeId};
use heartline_core::time::Duration;
use heartline_core::witness::{
    Asks, Counters, Deed, Detail, FenceAsk, FenceRefusal, FenceState, FenceWord, Firmware, HOSTS, HostWord,
    PastDeed, Power, ReadBack, Reset, ResetCause, Side, Stage, StartCause, Vote, Watch, WatchState, Word,
};

use super::world::World;
use crate::bytes::Choices;
use crate::setting::NODES;

pub(super) fn word(world: &World, choices: &mut Choices<'_>) -> Word {
    let shape = choices.byte();
    let count = HOSTS - usize::from(shape & 3).min(HOSTS);
    Word {
        uptime: Duration::from_millis(choices.magnitude() >> 16),
        hosts: (0..count).map(|at| host(world, at, choices)).collect(),
        vote: Vote {
            epoch: Epoch(choices.byte().into()),
            to: Choices::flag(shape, 2).then(|| name(choices.byte())),
        },
        fences: (0..usize::from(shape >> 3 & 3).min(HOSTS)).map(|_| fence(choices)).collect(),
        detail: Choices::flag(shape, 5).then(|| detail(choices)),
    }
}

pub(super) fn asks(choices: &mut Choices<'_>) -> Asks {
    let what = choices.byte();
    let stage = if Choices::flag(what, 4) { Stage::Fire } else { Stage::Arm };
    let arm = Watch::Arm(Duration::from_millis(2_000));
    Asks {
        watch: [None, Some(arm), Some(Watch::Release), None][usize::from(what & 3)],
        fence: Choices::flag(what, 2).then(|| FenceAsk {
            target: name(choices.byte()),
            ticket: choices.byte().into(),
            stage,
        }),
        vote: Choices::flag(what, 3).then(|| Epoch(choices.byte().into())),
    }
}

fn name(which: u8) -> NodeId {
    match NODES.get(usize::from(which)) {
        Some(name) => NodeId::of(name),
        None => NodeId([which, which]),
    }
}

fn span(choices: &mut Choices<'_>) -> Duration {
    Duration::from_millis(choices.magnitude() >> 16)
}

fn host(world: &World, at: usize, choices: &mut Choices<'_>) -> HostWord {
    let what = choices.byte();
    let life = world.seats[at].node.generation().0;
    HostWord {
        host: if what == 0xff { name(choices.byte()) } else { NodeId::of(NODES[at]) },
        side: [Some(Side::ALL[at]), Some(Side::ALL[1 - at]), None][usize::from(what & 3).min(2)],
        power: [Power::NotSensed, Power::On, Power::Off, Power::Off][usize::from(what >> 2 & 3)],
        watch: match what >> 4 & 3 {
            0 => WatchState::Off,
            1 | 2 => WatchState::Armed(span(choices)),
            _ => WatchState::Withheld(span(choices)),
        },
        reset: (what >> 6 == 1).then(|| Reset {
            generation: Generation(life.wrapping_add_signed(i32::from(choices.byte().cast_signed()))),
            cause: cause(choices),
            ago: span(choices),
        }),
    }
}

fn cause(choices: &mut Choices<'_>) -> ResetCause {
    match choices.byte() % 3 {
        0 => ResetCause::Fence(name(choices.byte())),
        1 => ResetCause::Watchdog(span(choices)),
        _ => ResetCause::PowerLost,
    }
}

fn refusal(choices: &mut Choices<'_>) -> FenceRefusal {
    choices.one_of(&[
        FenceRefusal::OtherWasFirst,
        FenceRefusal::NotTheOther,
        FenceRefusal::NoLine,
        FenceRefusal::NotArmed,
        FenceRefusal::StayedOn,
    ])
}

fn fence(choices: &mut Choices<'_>) -> FenceWord {
    let state = match choices.byte() % 5 {
        0 => FenceState::Armed,
        1 => FenceState::Firing,
        2 => FenceState::Done(ReadBack::WentOff),
        3 => FenceState::Done(ReadBack::NotSensed),
        _ => FenceState::Refused(refusal(choices)),
    };
    // A node counts its requests from one on.
    FenceWord { asker: name(choices.byte()), ticket: u16::from(choices.byte()).wrapping_add(1), state }
}

fn detail(choices: &mut Choices<'_>) -> Detail {
    match choices.byte() % 3 {
        0 => Detail::Firmware(Firmware { version: [choices.byte(); 3], provision: choices.byte().into() }),
        1 => Detail::Counters(
            Side::ALL[usize::from(choices.byte() & 1)],
            Counters { frames: choices.byte().into(), longest_silence: span(choices), ..Counters::default() },
        ),
        _ => {
            Detail::Deed(PastDeed { number: choices.word().into(), ago: span(choices), deed: deed(choices) })
        }
    }
}

fn deed(choices: &mut Choices<'_>) -> Deed {
    let who = name(choices.byte());
    match choices.byte() % 9 {
        0 => Deed::Started(StartCause::PowerOn),
        1 => Deed::Provisioned,
        2 => Deed::Armed(who, span(choices)),
        3 => Deed::Released(who),
        4 => Deed::Reset(who, cause(choices), ReadBack::NotSensed),
        5 => Deed::Refused(who, refusal(choices)),
        6 => Deed::PowerLost(who),
        7 => Deed::Withheld(who),
        _ => Deed::LineBelied(who),
    }
}
