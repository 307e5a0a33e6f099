//! Sets two runs side by side: what both say, what only one says, and in sentences what it comes to.

use std::time::Duration;

use heartline_core::notice::Notice;

use super::replay::Decision;
use crate::log::render::json;

/// Decisions that are as near as this to each other are the same.
const NEAR: Duration = Duration::from_millis(100);

/// A decision of the record, of the other run, or of both.
#[derive(Debug)]
pub enum Difference<'a> {
    /// Both have it, at about the same time.
    Both(&'a Decision),
    /// Only the record has it, or has it at another time.
    Recorded(&'a Decision),
    /// Only the other run has it, or has it at another time.
    WhatIf(&'a Decision),
}

impl<'a> Difference<'a> {
    /// What it is about.
    #[must_use]
    pub fn decision(&self) -> &'a Decision {
        match self {
            Self::Both(decision) | Self::Recorded(decision) | Self::WhatIf(decision) => decision,
        }
    }
}

/// Both runs in one list by time, and in sentences what it comes to.
#[must_use]
pub fn compare<'a>(recorded: &'a [Decision], what_if: &'a [Decision]) -> (Vec<Difference<'a>>, Vec<String>) {
    // Between two lives, or at a reload, somebody may have set the calendar back.
    let by_time = |decisions: &'a [Decision]| {
        let mut sorted: Vec<&Decision> = decisions.iter().collect();
        sorted.sort_by_key(|decision| decision.when);
        sorted
    };
    let (recorded, what_if) = (by_time(recorded), by_time(what_if));
    let theirs: Vec<String> = what_if.iter().map(|decision| meaning(decision)).collect();
    let mut taken = vec![false; what_if.len()];
    let mut lines = Vec::new();
    let mut from = 0;
    for decision in recorded {
        // What is too old for this one is too old for all that follow.
        while what_if.get(from).is_some_and(|other| other.when + NEAR < decision.when) {
            from += 1;
        }
        let near = (from..what_if.len()).take_while(|at| what_if[*at].when <= decision.when + NEAR);
        let own = meaning(decision);
        match near.into_iter().find(|at| !taken[*at] && theirs[*at] == own) {
            Some(at) => {
                taken[at] = true;
                lines.push(Difference::Both(decision));
            }
            None => lines.push(Difference::Recorded(decision)),
        }
    }
    let rest = what_if.iter().zip(&taken).filter(|(_, taken)| !**taken);
    lines.extend(rest.map(|(decision, _)| Difference::WhatIf(decision)));
    lines.sort_by_key(|line| line.decision().when);
    let summary = summary(&lines);
    (lines, summary)
}

/// A decision without its figures of time.
fn meaning(decision: &Decision) -> String {
    let mut value = json(&decision.notice, &decision.names);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !name.ends_with("_ms"));
    }
    value.to_string()
}

fn summary(lines: &[Difference<'_>]) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut others: Vec<&Decision> = lines
        .iter()
        .filter_map(|line| if let Difference::WhatIf(decision) = line { Some(*decision) } else { None })
        .collect();
    for line in lines {
        let Difference::Recorded(decision) = line else { continue };
        let Some(subject) = subject(decision) else { continue };
        let own = meaning(decision);
        let later = others.iter().position(|other| meaning(other) == own).map(|at| others.remove(at));
        sentences.push(match later {
            None => format!("{subject} would not have been {}", deed(decision)),
            Some(other) => {
                let (word, gap) = match other.when.duration_since(decision.when) {
                    Ok(gap) => ("later", gap),
                    Err(earlier) => ("earlier", earlier.duration()),
                };
                format!("{subject} would have been {} {} ms {word}", deed(decision), gap.as_millis())
            }
        });
    }
    for other in others {
        if let Some(subject) = subject(other) {
            sentences.push(format!("{subject} would have been {}", deed(other)));
        }
    }
    sentences
}

fn subject(decision: &Decision) -> Option<String> {
    let names = &decision.names;
    match &decision.notice {
        Notice::MemberDead { member, .. } | Notice::Fencing { member, .. } => {
            Some(format!("node {}", names.member(*member)))
        }
        Notice::Starting { group, .. } | Notice::Releasing { group, .. } => {
            Some(format!("resource group {}", names.group(*group)))
        }
        _ => None,
    }
}

fn deed(decision: &Decision) -> &'static str {
    match &decision.notice {
        Notice::MemberDead { .. } => "declared dead",
        Notice::Fencing { .. } => "fenced",
        Notice::Starting { .. } => "started here",
        _ => "given up here",
    }
}
