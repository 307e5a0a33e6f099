//! Draws a plan from a seed. Each seed has a mix of its own: a random subset of the kinds of faults, at random rates,
//! against a random cluster. Many seeds are nearly calm, for only there the promises about one crash can be checked.

use heartline_core::config::{Intervals, Policy, Quorum, StopFailure};
use heartline_core::ids::GroupIndex;
use heartline_core::input::{Command, Scope};
use heartline_core::seal::Method;
use heartline_core::time::Duration;

use super::{
    Behaviour, Fault, Forgery, GroupSettings, HostSettings, KINDS, Kind, LinkSettings, MILLISECOND, Micros,
    Plan, Planned, Reading, SECOND, Settings, Task, Times, Words, administration, fencing, majority,
    monitors, witness,
};
use crate::dice::Dice;

const PURPOSE: u64 = 1;

pub(super) fn plan(seed: u64) -> Plan {
    let mut dice = Dice::branch(seed, PURPOSE, 0);
    let mut settings = settings(&mut dice);
    majority::ask_for(seed, &mut settings);
    fencing::ask_for(seed, &mut settings);
    witness::ask_for(seed, &mut settings);
    let calm_start = settings.longest(|intervals| intervals.initdead) + settings.times.boot + 20 * SECOND;
    if let Some(faults) = fencing::race(seed, &mut settings, calm_start) {
        let last = faults.last().map_or(calm_start, |last| last.at);
        return Plan { seed, settings, faults, storm: last + 60 * SECOND };
    }
    let storm = calm_start + dice.between(2 * 60, 8 * 60) * SECOND;
    let kinds = kinds(&mut dice, &settings);
    let most = 1 << dice.between(2, 6);
    let number = if dice.permille(250) { 1 } else { dice.between(2, most) };
    let mut faults: Vec<Planned> = (0..number)
        .map(|_| {
            // Some strike before the cluster has come up.
            let earliest = if dice.permille(50) { 0 } else { calm_start };
            let at = dice.between(earliest, storm - SECOND);
            let kind = dice.pick(&kinds);
            Planned { at, fault: fault(&mut dice, &settings, kind) }
        })
        .collect();
    faults.extend(monitors::ask_for(seed, &mut settings, storm));
    faults.sort_by_key(|planned| planned.at);
    administration::add(seed, &settings, &mut faults, (calm_start, storm));
    witness::add(seed, &settings, &mut faults, (calm_start, storm));
    Plan { seed, settings, faults, storm }
}

fn settings(dice: &mut Dice) -> Settings {
    let hosts_number = dice.pick(&[2, 2, 2, 2, 2, 2, 2, 3, 3, 4, 5]);
    let usual = intervals(dice);
    let differing = dice.permille(200);
    let hosts = (0..hosts_number).map(|_| HostSettings {
        intervals: if differing { intervals(dice) } else { usual },
        drift: i32::try_from(dice.below(1001)).unwrap_or(0) - 500,
        first_boot: if dice.permille(100) { dice.below(60 * SECOND) } else { dice.below(SECOND) },
    });
    let hosts: Vec<HostSettings> = hosts.collect();
    let groups_number = dice.pick(&[1, 1, 1, 2, 2, 3, 5]);
    let groups = (0..groups_number).map(|_| GroupSettings { preferred: dice.index(hosts_number) }).collect();
    let pings = dice.pick(&[0, 0, 0, 1, 2]);
    Settings {
        hosts,
        groups,
        links: links(dice, hosts_number),
        witness: None,
        pings,
        watchdog: None,
        fence_reads_back: false,
        monitors: Vec::new(),
        policy: Policy {
            auto_failback: dice.permille(500),
            stop_failure: dice.pick(&[StopFailure::Reboot, StopFailure::Block]),
            fencing: dice.permille(500),
            ping_decides: pings > 0,
            ..Policy::default()
        },
        // The others cost time and change no decision.
        method: if dice.permille(100) {
            dice.pick(&[Method::Md5, Method::Sha1, Method::Sha256])
        } else {
            Method::Crc
        },
        times: Times {
            start: dice.between(10, 5000) * MILLISECOND,
            stop: dice.between(10, 5000) * MILLISECOND,
            probe: dice.between(5, 500) * MILLISECOND,
            fence: dice.between(100, 10_000) * MILLISECOND,
            boot: dice.between(2, 40) * SECOND,
            limit: dice.between(10, 40) * SECOND,
        },
    }
}

fn intervals(dice: &mut Dice) -> Intervals {
    let keepalive = dice.pick(&[500, 1000, 1000, 1000, 2000, 2000, 2000, 2000]) * MILLISECOND;
    let deadtime = keepalive * dice.between(5, 20) / 2;
    // Two and a half keepalives are the shortest; twice is refused.
    Intervals {
        keepalive: Duration::from_micros(keepalive),
        deadtime: Duration::from_micros(deadtime),
        warntime: Duration::from_micros(deadtime / 2),
        initdead: Duration::from_micros(deadtime * dice.between(2, 4)),
        deadping: Duration::from_micros(deadtime),
    }
}

fn links(dice: &mut Dice, hosts: usize) -> Vec<LinkSettings> {
    let mut links = Vec::new();
    for _ in 0..dice.pick(&[1, 1, 2, 2, 2, 3]) {
        links.push(LinkSettings::Datagram {
            delay: dice.between(50, 2000),
            jitter: dice.pick(&[0, 100, 1000, 20_000]),
        });
    }
    if dice.permille(600) {
        let first = dice.index(hosts);
        let second = (first + 1 + dice.index(hosts - 1)) % hosts;
        let baud = dice.pick(&[9600, 19_200, 19_200, 38_400, 115_200]);
        links.push(LinkSettings::Serial { ends: [first.min(second), first.max(second)], baud });
        if hosts == 2 && dice.permille(200) {
            // Two hosts with nothing but cables.
            links.retain(|link| matches!(link, LinkSettings::Serial { .. }));
        }
    }
    links
}

/// The kinds of faults that a seed uses, some of them more than once: they come more often.
fn kinds(dice: &mut Dice, settings: &Settings) -> Vec<Kind> {
    let possible = |kind: &Kind| match kind {
        Kind::Part => settings.hosts.len() > 2 || settings.witness.is_some(),
        Kind::Noise => settings.links.iter().any(is_serial),
        Kind::Weather => !settings.links.iter().all(is_serial),
        Kind::Device => settings.policy.fencing && settings.witness.is_none(),
        Kind::Watchdog => settings.watchdog.is_some(),
        Kind::PingLost => settings.pings > 0,
        // See `administration`.
        Kind::Maintenance | Kind::ByHand | Kind::Restart | Kind::ConfirmDown => false,
        // It comes with the monitors.
        Kind::PartGone => false,
        other => !super::witness::KINDS.contains(other),
    };
    let likelihood = dice.pick(&[60, 150, 150, 300, 600]);
    let mut kinds = Vec::new();
    for kind in KINDS.iter().filter(|kind| possible(kind)) {
        if dice.permille(likelihood) {
            (0..dice.between(1, 4)).for_each(|_| kinds.push(*kind));
        }
    }
    if settings.policy.quorum != Quorum::Off && dice.permille(500) {
        // What a majority is asked for.
        kinds.extend([Kind::Isolate, Kind::Isolate, Kind::Part, Kind::Agent, Kind::StallDaemon]);
    }
    if kinds.is_empty() {
        kinds.push(Kind::PowerLoss);
    }
    kinds
}

const fn is_serial(link: &LinkSettings) -> bool {
    matches!(link, LinkSettings::Serial { .. } | LinkSettings::Witnessed { .. })
}

fn link(dice: &mut Dice, settings: &Settings, wanted: impl Fn(&LinkSettings) -> bool) -> usize {
    let fitting: Vec<usize> = (0..settings.links.len()).filter(|at| wanted(&settings.links[*at])).collect();
    if fitting.is_empty() { 0 } else { dice.pick(&fitting) }
}

/// Half a dead time to many of them, short ones more often.
pub(super) fn span(dice: &mut Dice, settings: &Settings) -> Micros {
    let deadtime = settings.longest(|intervals| intervals.deadtime);
    match dice.below(4) {
        0 => dice.between(deadtime / 10, deadtime / 2),
        1 => dice.between(deadtime / 2, deadtime * 3 / 2),
        2 => dice.between(deadtime, deadtime * 4),
        _ => dice.between(deadtime, deadtime * 20),
    }
}

fn stall(dice: &mut Dice, settings: &Settings, host: usize) -> Micros {
    let deadtime = settings.hosts[host].intervals.deadtime.micros();
    if dice.permille(500) {
        dice.between(deadtime / 2, deadtime * 2)
    } else {
        dice.between(deadtime / 2, deadtime * 10)
    }
}

fn fault(dice: &mut Dice, settings: &Settings, kind: Kind) -> Fault {
    let hosts = settings.hosts.len();
    let any_link = |_: &LinkSettings| true;
    let host = dice.index(hosts);
    let other = (host + 1 + dice.index(hosts - 1)) % hosts;
    let group = dice.index(settings.groups.len());
    let lasts = span(dice, settings);
    match kind {
        Kind::Cut => Fault::Cut { link: link(dice, settings, any_link), from: host, to: other, lasts },
        Kind::Sever => Fault::Sever { link: link(dice, settings, any_link), lasts },
        Kind::Isolate => Fault::Isolate { host, lasts },
        Kind::Part => Fault::Part { hosts: [host, other], lasts },
        Kind::OneWay => Fault::OneWay { from: host, to: other, lasts },
        Kind::Flap => Fault::Flap {
            link: link(dice, settings, any_link),
            period: dice.between(lasts / 50 + MILLISECOND, lasts / 2 + 2 * MILLISECOND),
            lasts,
        },
        Kind::Weather => Fault::Weather {
            link: link(dice, settings, |link| !is_serial(link)),
            loss: if dice.permille(600) { dice.pick(&[10, 100, 300, 700, 950]) } else { 0 },
            twice: if dice.permille(500) { dice.pick(&[10, 200, 500]) } else { 0 },
            delay: if dice.permille(500) { dice.pick(&[10, 100, 1000, 3000]) * MILLISECOND } else { 0 },
            corrupt: if dice.permille(400) { dice.pick(&[5, 100, 500]) } else { 0 },
            lasts,
        },
        Kind::Noise => Fault::Noise {
            link: link(dice, settings, is_serial),
            loss: if dice.permille(500) { dice.pick(&[1, 5, 50]) } else { 0 },
            flips: if dice.permille(500) { dice.pick(&[1, 5, 50]) } else { 0 },
            garbage: if dice.permille(500) { dice.pick(&[1, 10, 300]) } else { 0 },
            breaks: if dice.permille(500) { dice.pick(&[10, 100, 500]) } else { 0 },
            lasts,
        },
        Kind::Forge => {
            Fault::Forge { link: link(dice, settings, any_link), to: host, forgery: forgery(dice) }
        }
        Kind::PowerLoss => Fault::PowerLoss { host, off: lasts },
        Kind::RebootLoop => Fault::RebootLoop {
            host,
            times: u32::try_from(dice.between(2, 5)).unwrap_or(2),
            up: dice.between(1, 30) * SECOND,
        },
        Kind::KillDaemon => Fault::KillDaemon {
            host,
            children_die: dice.permille(500),
            back: if dice.permille(500) { dice.between(10, 3000) * MILLISECOND } else { lasts },
        },
        Kind::StallDaemon => Fault::StallDaemon { host, lasts: stall(dice, settings, host) },
        Kind::PauseHost => {
            Fault::PauseHost { host, clock_stops: dice.permille(300), lasts: stall(dice, settings, host) }
        }
        Kind::Agent => {
            let task = dice.pick(&[Task::Probe, Task::Start, Task::Stop]);
            // Agents are not called often: their troubles last.
            let lasts = dice.between(10, 600) * SECOND;
            Fault::Agent { host, group, task, behaviour: behaviour(dice, task == Task::Probe), lasts }
        }
        Kind::ServiceDies => Fault::ServiceDies { host, group },
        Kind::PartGone => Fault::PartGone { host, group, told: true },
        Kind::RunsAtBoot => Fault::RunsAtBoot { host, group },
        Kind::Device => {
            Fault::Device { host, behaviour: behaviour(dice, true), lasts: dice.between(10, 600) * SECOND }
        }
        Kind::Watchdog => Fault::Watchdog { host },
        Kind::Order => {
            let command = command(dice, group);
            Fault::Order { host, command, times: if dice.permille(50) { 12 } else { 1 } }
        }
        Kind::Stop => Fault::Stop { host, back: lasts },
        Kind::Shutdown => Fault::Shutdown { back: lasts },
        Kind::Reload => Fault::Reload { host, words: words(dice, group), lasts },
        Kind::PingLost => Fault::PingLost { host, ping: dice.index(settings.pings), lasts },
        Kind::Maintenance => Fault::Maintenance { host, lasts },
        Kind::ByHand => Fault::ByHand { host, group },
        Kind::Restart => Fault::Restart { host, takes: lasts, runs: true },
        Kind::ConfirmDown => Fault::ConfirmDown { host, about: other, truthful: true },
        // Drawn elsewhere.
        Kind::WitnessOff
        | Kind::WitnessReset
        | Kind::WitnessHangs
        | Kind::Unplug
        | Kind::HalfCut
        | Kind::HalfNoise
        | Kind::AskFence
        | Kind::Blackout
        | Kind::ForgeToWitness
        | Kind::LineBroken
        | Kind::Lie => Fault::PowerLoss { host, off: lasts },
    }
}

pub(super) fn forgery(dice: &mut Dice) -> Forgery {
    dice.pick(&[
        Forgery::Garbage,
        Forgery::BitFlip,
        Forgery::Truncated,
        Forgery::OtherCluster,
        Forgery::Replay,
        Forgery::Replay,
        Forgery::EarlierLife,
    ])
}

fn behaviour(dice: &mut Dice, may_lie: bool) -> Behaviour {
    let slow = Behaviour::Slow(u32::try_from(dice.between(2, 20)).unwrap_or(2));
    let lie = Behaviour::Lies(dice.pick(&[Reading::Runs, Reading::Stopped, Reading::Unclear]));
    let all = [Behaviour::FailsOnce, Behaviour::Fails, slow, Behaviour::Hangs, lie];
    dice.pick(if may_lie { &all } else { &all[..4] })
}

fn command(dice: &mut Dice, group: usize) -> Command {
    let scope = dice.pick(&[Scope::All, Scope::Local, Scope::Foreign]);
    let group = GroupIndex(u8::try_from(group).unwrap_or(0));
    match dice.below(6) {
        0 => Command::Cleanup(None),
        1 => Command::Cleanup(Some(group)),
        2 | 3 => Command::Standby(scope),
        _ => Command::Takeover(scope),
    }
}

fn words(dice: &mut Dice, group: usize) -> Words {
    if dice.permille(700) { Words::OtherGroup(group) } else { Words::Slower(dice.pick(&[1, 4, 8])) }
}
