//! Whose turn it is when a group that runs is asked how it is. When that happens is decided in the core.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::config::{Group, Monitors};

/// When each resource was last asked and was well, by group and place in it.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    well: HashMap<(usize, usize), Instant>,
    /// To be asked in the next round, monitored or not.
    suspects: HashSet<(usize, usize)>,
}

impl Rounds {
    /// A resource was asked in the round that began at `now`, and is well.
    pub(super) fn is_well(&mut self, group: usize, resource: usize, now: Instant) {
        self.well.insert((group, resource), now);
    }

    /// All monitored resources of a group are asked in the next round.
    pub(super) fn ask_all(&mut self, group: usize) {
        self.well.retain(|(at, _), _| *at != group);
    }

    /// A resource seems to be gone.
    pub(super) fn suspect(&mut self, group: usize, resource: usize) {
        self.suspects.insert((group, resource));
    }

    /// Whose turn it is, by place in the group. The rounds of a group follow the most impatient of its resources; a more
    /// patient one is asked in the round that is nearest to its own time, and in every round while it is not well.
    pub(super) fn turns(&mut self, at: usize, group: &Group, monitors: &Monitors, now: Instant) -> Vec<bool> {
        let half_a_round = monitors.of_group(group).unwrap_or_default() / 2;
        let is_due = |resource: usize, every: Duration| match self.well.get(&(at, resource)) {
            Some(well) => now.saturating_duration_since(*well) + half_a_round >= every,
            None => true,
        };
        let suspects = &mut self.suspects;
        let turn = |(place, resource)| {
            let is_suspect = suspects.remove(&(at, place));
            is_suspect || monitors.of(resource).is_some_and(|every| is_due(place, every))
        };
        group.resources.iter().enumerate().map(turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Resource;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Three resources, and how often each is asked: the last never.
    fn example() -> (Group, Monitors) {
        let resource = |agent: &str| Resource {
            text: agent.to_owned(),
            agent: agent.to_owned(),
            arguments: Vec::new(),
            limits: None,
        };
        let group = Group {
            preferred: "ha1".to_owned(),
            resources: ["quick", "patient", "never"].iter().map(|agent| resource(agent)).collect(),
            line: 1,
        };
        let monitors = Monitors::every(seconds(10)).and(seconds(25), "patient").and(Duration::ZERO, "never");
        (group, monitors)
    }

    #[test]
    fn each_is_asked_in_its_own_time_and_again_while_it_is_not_well() {
        let (group, monitors) = example();
        assert_eq!(monitors.of_group(&group), Some(seconds(10)));
        let begin = crate::clock::monotonic();
        let mut rounds = Rounds::default();
        assert_eq!(rounds.turns(0, &group, &monitors, begin), [true, true, false]);
        rounds.is_well(0, 0, begin);
        rounds.is_well(0, 1, begin);
        for (round, patient) in [(10, false), (20, true), (30, true)] {
            let turns = rounds.turns(0, &group, &monitors, begin + seconds(round));
            assert_eq!(turns, [true, patient, false], "at {round} s");
        }
        rounds.is_well(0, 0, begin + seconds(20));
        rounds.is_well(1, 1, begin + seconds(20));
        let soon = begin + seconds(22);
        assert_eq!(
            rounds.turns(0, &group, &monitors, soon),
            [false, true, false],
            "what was not well is asked"
        );
        rounds.is_well(0, 1, soon);
        assert_eq!(rounds.turns(0, &group, &monitors, soon), [false, false, false]);
        rounds.ask_all(0);
        assert_eq!(rounds.turns(0, &group, &monitors, soon), [true, true, false]);
    }

    #[test]
    fn a_suspect_is_asked_once_even_if_nobody_monitors_it() {
        let (group, monitors) = example();
        let mut rounds = Rounds::default();
        let now = crate::clock::monotonic();
        (0..2).for_each(|resource| rounds.is_well(0, resource, now));
        rounds.suspect(0, 2);
        rounds.suspect(1, 0);
        assert_eq!(rounds.turns(0, &group, &monitors, now), [false, false, true]);
        assert_eq!(rounds.turns(0, &group, &monitors, now), [false; 3]);
    }
}
