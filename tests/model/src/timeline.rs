//! A counterexample as people read it: what happened, and what each node said and wanted done about it.

use std::fmt::{self, Write};

use heartline_core::effect::Effect;
use heartline_core::time::Duration;

use crate::action::{Action, name};
use crate::cluster::{Cluster, Service};
use crate::explore::Counterexample;
use crate::play::Player;
use crate::roots::{self, RootError};
use crate::setting::Setting;

const BEGINNINGS: [&str; 3] =
    ["both hosts off", "settled, the group runs on ha1", "settled, the group runs on ha2"];

/// Plays a counterexample once more and tells it.
///
/// # Errors
/// If there is nowhere to begin.
pub fn tell(
    setting: Setting,
    faults: u8,
    late: Duration,
    found: &Counterexample,
) -> Result<String, RootError> {
    let roots = roots::of(setting, faults)?;
    let mut player = Player::new(setting, late)?;
    player.keep_said();
    let mut text = format!("{setting}: {}\n", found.violation);
    if let Some(root) = roots.get(found.root) {
        // Writing to a string cannot fail.
        let _ = tell_from(root, found, &mut player, &mut text);
    }
    Ok(text)
}

fn tell_from(root: &Cluster, found: &Counterexample, player: &mut Player, text: &mut String) -> fmt::Result {
    let begin = root.now;
    let mut cluster = root.clone();
    writeln!(text, "from: {}", BEGINNINGS.get(found.root).copied().unwrap_or("?"))?;
    writeln!(text, "   ms   ha1 ha2  what happens")?;
    for action in &found.actions {
        let what = describe(&cluster, *action);
        let played = player.play(&mut cluster, *action);
        let at = cluster.now.since(begin).millis();
        let [first, second] = &cluster.hosts;
        writeln!(text, "{at:>5}    {}   {}   {what}", sign(first.service), sign(second.service))?;
        for (host, effect) in player.take_said() {
            match effect {
                Effect::Transmit => {}
                Effect::Notice(notice) => writeln!(text, "{:18}  {}: {notice:?}", "", name(host))?,
                other => writeln!(text, "{:18}  {}: -> {other:?}", "", name(host))?,
            }
        }
        if let Err(violation) = played {
            writeln!(text, "{:18}  {violation}", "")?;
        }
    }
    Ok(())
}

/// Nothing, parts, or all of the group.
const fn sign(service: Service) -> char {
    match service {
        Service::Stopped => '.',
        Service::Partial => 'o',
        Service::Running => '#',
    }
}

/// An action with the frame or the job that it is about.
fn describe(cluster: &Cluster, action: Action) -> String {
    let frame = match action {
        Action::Deliver(from) => cluster.oldest(from).and_then(|oldest| {
            cluster.wires[usize::from(from)]
                .iter()
                .flat_map(|line| &line.frames)
                .find(|frame| frame.number() == oldest)
        }),
        Action::Lose(wire) | Action::HoldUp(wire) | Action::Repeat(wire) => cluster.line(wire).frames.first(),
        Action::DeliverLate(at) => cluster.late.get(usize::from(at)).map(|(_, frame)| frame),
        Action::JobEnds(host, at) | Action::JobFails(host, at) => {
            let work = cluster.host(host).jobs.get(usize::from(at)).map(|job| job.work);
            return work.map_or_else(|| action.to_string(), |work| format!("{action}: {work:?}"));
        }
        _ => None,
    };
    let Some(frame) = frame else { return action.to_string() };
    let group = frame.message.groups.first();
    let says = group.map(|group| format!("{:?}, epoch {}", group.state, group.epoch.0)).unwrap_or_default();
    let (generation, sequence) = (frame.generation.0, frame.sequence.0);
    let heard = frame.message.heard.first();
    let heard = heard.map_or_else(
        || "hears nobody".to_owned(),
        |heard| {
            format!(
                "heard {}:{}{}",
                heard.generation,
                heard.sequence,
                if heard.links.is_empty() { ", now deaf" } else { "" }
            )
        },
    );
    format!("{action} ({generation}:{sequence}, {:?}, {says}, {heard})", frame.message.phase)
}
