//! Keeps what the core says about fencing, with what only the devices know, where it survives a crash.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use heartline_core::fencing::FenceCause;
use heartline_core::ids::MemberIndex;
use heartline_core::notice::Notice;
use heartline_core::time;
use heartline_core::witness::ResetCause;

use super::Daemon;
use crate::clock;
use crate::fence::history::{Entry, Result};
use crate::fence::{Outcome, history::History};
use crate::log::{Level, render};

/// What is known of fencing beside the core and the devices.
#[derive(Debug)]
pub(super) struct Fences {
    pub(super) history: History,
    /// How the job ended whose end the core hears of just now.
    pub(super) outcome: Option<Outcome>,
}

impl Daemon {
    /// Enters a notice about fencing into the history; any other is nothing to it.
    pub(super) fn record_fence(&mut self, notice: &Notice) {
        let this = self.names.this_node().to_owned();
        let now = clock::wall();
        let kept = match *notice {
            Notice::Fenced { member, cause, took, .. } => {
                let device = match self.fences.outcome.take() {
                    Some(Outcome::Succeeded { kind, .. }) => kind,
                    Some(Outcome::Failed { .. } | Outcome::Cancelled) | None => String::new(),
                };
                self.extra.fence_errors.remove(&member.0);
                let entry = self.attempted(member, cause, now, took, device, Result::Fenced);
                self.fences.history.add(entry)
            }
            Notice::FencingFailed { member, .. } => {
                let why = match self.fences.outcome.take() {
                    Some(Outcome::Failed { reason }) => reason,
                    Some(Outcome::Succeeded { .. } | Outcome::Cancelled) | None => {
                        "it was cancelled".to_owned()
                    }
                };
                self.extra.fence_errors.insert(member.0, why.clone());
                let attempt =
                    self.node.member(member).and_then(heartline_core::member::Member::fence_attempt);
                let cause = attempt.map_or(FenceCause::Takeover, |attempt| attempt.cause);
                let took = attempt.map_or(time::Duration::ZERO, |it| clock::core_now().since(it.since));
                let result = Result::Failed { attempts: 1, why };
                let entry = self.attempted(member, cause, now, took, String::new(), result);
                self.fences.history.add(entry)
            }
            Notice::FenceBelied(member) => {
                let victim = self.names.member(member).to_owned();
                self.fences.history.belie(&victim, &this)
            }
            Notice::ResetByWitness { member, witness, cause, ago } => {
                let victim = self.names.member(member).to_owned();
                let life = self.node.member(member).and_then(heartline_core::member::Member::generation);
                let entry = self.reset_by_witness(victim, witness, cause, ago, life.map_or(0, |life| life.0));
                self.fences.history.add(entry)
            }
            Notice::WasResetByWitness { witness, cause, life, ago } => {
                let entry = self.reset_by_witness(this, witness, cause, ago, life);
                self.fences.history.add(entry)
            }
            Notice::WasFenced { by, cause, life, ago, took, silence, device } => {
                let entry = Entry {
                    time: seconds(now - Duration::from_millis(ago.millis())),
                    victim: this,
                    by: self.names.member(by).to_owned(),
                    device: if device == 0 { String::new() } else { format!("its device {device}") },
                    reason: render::fence_reason(cause, silence),
                    took_ms: took.millis(),
                    generation: life,
                    result: Result::Fenced,
                };
                self.fences.history.add(entry)
            }
            _ => return,
        };
        if let Err(error) = kept {
            self.log.write(Level::Error, &format!("Cannot record what was fenced: {error}"));
        }
    }

    fn reset_by_witness(
        &self,
        victim: String,
        witness: MemberIndex,
        cause: ResetCause,
        ago: time::Duration,
        generation: u32,
    ) -> Entry {
        Entry {
            time: seconds(clock::wall() - Duration::from_millis(ago.millis())),
            victim,
            by: self.names.member(witness).to_owned(),
            device: "its reset line".to_owned(),
            reason: render::reset_reason(cause),
            took_ms: 0,
            generation,
            result: Result::Fenced,
        }
    }

    fn attempted(
        &self,
        member: MemberIndex,
        cause: FenceCause,
        now: SystemTime,
        took: time::Duration,
        device: String,
        result: Result,
    ) -> Entry {
        let attempt = self.node.member(member).and_then(heartline_core::member::Member::fence_attempt);
        let silence = attempt.map_or(time::Duration::ZERO, |attempt| attempt.silence);
        Entry {
            time: seconds(now),
            victim: self.names.member(member).to_owned(),
            by: self.names.this_node().to_owned(),
            device,
            reason: render::fence_reason(cause, silence),
            took_ms: took.millis(),
            generation: attempt.and_then(|attempt| attempt.generation).map_or(0, |life| life.0),
            result,
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
