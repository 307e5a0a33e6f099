//! States that are taken for one must have the same future: whenever an exploration meets a state that it knows, the
//! same actions must be possible in both, do the same, and lead to states that are taken for one again.

use std::collections::HashMap;
use std::mem::discriminant;

use heartline_core::effect::Effect;
use heartline_core::notice::Notice;
use heartline_core::time::Duration;
use heartline_model::action::Action;
use heartline_model::cluster::Cluster;
use heartline_model::fingerprint;
use heartline_model::invariant::Violation;
use heartline_model::play::Player;
use heartline_model::roots;
use heartline_model::setting::Setting;

const FAULTS: u8 = 2;
/// Every this manieth state is kept with all that it is, for states are large.
const KEPT: u64 = 8;
const STATES: usize = 12_000;

/// What comes of an action as far as it matters.
type Future = (Action, Result<u64, Violation>, Vec<(u8, String)>);

fn futures(player: &mut Player, cluster: &Cluster, setting: &Setting) -> Vec<(Future, Cluster)> {
    let mut possible = Vec::new();
    player.possible(cluster, &mut possible);
    possible
        .into_iter()
        .map(|action| {
            let mut child = cluster.clone();
            let played = player.play(&mut child, action).map(|()| fingerprint::of(&child, setting));
            let said = player.take_said().into_iter().filter(|(_, effect)| counts(effect));
            let said = said.map(|(host, effect)| (host, kind(&effect))).collect();
            ((action, played, said), child)
        })
        .collect()
}

/// Whether an effect is more than a remark on counters and gaps, which decide nothing.
const fn counts(effect: &Effect) -> bool {
    !matches!(effect, Effect::Notice(Notice::Refused { .. } | Notice::LateHeartbeat { .. }))
}

/// An effect without its figures.
fn kind(effect: &Effect) -> String {
    match effect {
        Effect::Notice(notice) => format!("{:?}", discriminant(notice)),
        Effect::Run { work, .. } => format!("{work:?}"),
        Effect::Answer { answer, .. } => format!("{answer:?}"),
        other => format!("{:?}", discriminant(other)),
    }
}

#[test]
fn states_that_are_taken_for_one_go_on_alike() {
    for setting in Setting::all() {
        let mut player = Player::new(setting, Duration::ZERO).unwrap();
        player.keep_said();
        let mut known: HashMap<u64, Option<Cluster>> = HashMap::new();
        let mut waiting: std::collections::VecDeque<Cluster> = roots::of(setting, FAULTS).unwrap().into();
        let mut compared = 0;
        while let Some(cluster) = waiting.pop_front() {
            let ours = futures(&mut player, &cluster, &setting);
            for ((action, played, _), child) in ours {
                let Ok(fingerprint) = played else { continue };
                match known.get(&fingerprint) {
                    Some(Some(twin)) => {
                        compared += 1;
                        let strip = |all: Vec<(Future, Cluster)>| all.into_iter().map(|(future, _)| future);
                        let one: Vec<Future> = strip(futures(&mut player, &child, &setting)).collect();
                        let two: Vec<Future> = strip(futures(&mut player, twin, &setting)).collect();
                        assert_eq!(one, two, "{setting}, after {action}: {child:#?}\nand\n{twin:#?}");
                    }
                    Some(None) => {}
                    None if known.len() < STATES => {
                        let kept = fingerprint.is_multiple_of(KEPT).then(|| child.clone());
                        known.insert(fingerprint, kept);
                        waiting.push_back(child);
                    }
                    None => {}
                }
            }
        }
        assert!(compared > 500, "{setting}: only {compared} pairs");
    }
}
