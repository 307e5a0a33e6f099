//! Requests of one host to reset the other: two frames, the first to be ready and the second to fire; and of two that
//! ask, the first alone is served.

use heartline_core::ids::NodeId;
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::{FenceAsk, FenceRefusal, FenceState, FenceWord, HOSTS, Stage};

use crate::reset_line::Pulled;

/// How long the first half waits for the second.
const READY: Duration = Duration::from_millis(5_000);

#[derive(Debug, Clone, Default)]
pub(crate) struct Fences {
    /// The request that is being served.
    active: Option<Active>,
    /// What became of the newest request of each host.
    words: [Option<FenceWord>; HOSTS],
}

#[derive(Debug, Clone, Copy)]
struct Active {
    asker: usize,
    /// Until when the second half may come; nothing once the line is pulled.
    ready_until: Option<Instant>,
}

/// What is known of the host that is to be reset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) id: NodeId,
    pub(crate) has_line: bool,
    /// It was first, and has had the asker reset.
    pub(crate) has_won: bool,
}

/// What is to be done about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Nothing,
    Pull,
    Refuse(FenceRefusal),
}

impl Fences {
    pub(crate) const fn words(&self) -> &[Option<FenceWord>; HOSTS] {
        &self.words
    }

    /// Takes in what a host asks, in a frame that is no recording.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        asker: usize,
        name: NodeId,
        ask: Option<FenceAsk>,
        target: Target,
    ) -> Verdict {
        let Some(ask) = ask else {
            self.forget(asker);
            return Verdict::Nothing;
        };
        let known = self.words[asker].filter(|word| word.ticket == ask.ticket).map(|word| word.state);
        let (state, verdict) = match (known, ask.stage) {
            (None, _) if ask.target != target.id => refuse(FenceRefusal::NotTheOther),
            (None, _) if !target.has_line => refuse(FenceRefusal::NoLine),
            (None, _) if (target.has_won || self.is_served(1 - asker)) && !planted!(WitnessServesBoth) => {
                refuse(FenceRefusal::OtherWasFirst)
            }
            (None, Stage::Arm) => {
                self.active = Some(Active { asker, ready_until: Some(now + READY) });
                (FenceState::Armed, Verdict::Nothing)
            }
            (None, Stage::Fire) => refuse(FenceRefusal::NotArmed),
            (Some(FenceState::Armed), Stage::Fire) if self.is_ready(now, asker) => {
                self.active = Some(Active { asker, ready_until: None });
                (FenceState::Firing, Verdict::Pull)
            }
            (Some(FenceState::Armed), Stage::Fire) => refuse(FenceRefusal::NotArmed),
            (Some(state), _) => (state, Verdict::Nothing),
        };
        self.words[asker] = Some(FenceWord { asker: name, ticket: ask.ticket, state });
        verdict
    }

    /// A host does not ask any more, or has begun a new life: what is begun is ended, and nothing else remembered.
    pub(crate) fn forget(&mut self, asker: usize) {
        self.words[asker] = None;
        if self.active.is_some_and(|active| active.asker == asker && active.ready_until.is_some()) {
            self.active = None;
        }
    }

    /// A pulled line was let go. Gives who had asked for it.
    pub(crate) fn ended(&mut self, pulled: Pulled) -> Option<usize> {
        let Active { asker, .. } = self.active.take_if(|active| active.ready_until.is_none())?;
        let state = match pulled {
            Pulled::Done(read_back) => FenceState::Done(read_back),
            Pulled::StayedOn => FenceState::Refused(FenceRefusal::StayedOn),
        };
        if let Some(word) = self.words[asker].as_mut().filter(|word| word.state == FenceState::Firing) {
            word.state = state;
        }
        Some(asker)
    }

    /// Who was ready for too long loses its turn.
    pub(crate) fn pass_time(&mut self, now: Instant) {
        self.active = self.active.filter(|active| active.ready_until.is_none_or(|until| now < until));
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.active?.ready_until
    }

    fn is_served(&self, asker: usize) -> bool {
        self.active.is_some_and(|active| active.asker == asker)
    }

    fn is_ready(&self, now: Instant, asker: usize) -> bool {
        self.is_served(asker)
            && self.active.and_then(|active| active.ready_until).is_some_and(|until| now < until)
    }
}

fn refuse(refusal: FenceRefusal) -> (FenceState, Verdict) {
    (FenceState::Refused(refusal), Verdict::Refuse(refusal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartline_core::witness::ReadBack;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1000 * millis)
    }

    fn name(host: usize) -> NodeId {
        NodeId::of(["ha1", "ha2"][host])
    }

    fn ask(fences: &mut Fences, now: u64, asker: usize, ticket: u16, stage: Stage) -> Verdict {
        let target = Target { id: name(1 - asker), has_line: true, has_won: false };
        let ask = FenceAsk { target: target.id, ticket, stage };
        fences.ask(at(now), asker, name(asker), Some(ask), target)
    }

    fn state(fences: &Fences, asker: usize) -> Option<FenceState> {
        fences.words()[asker].map(|word| word.state)
    }

    #[test]
    fn two_halves_pull_the_line_once() {
        let mut fences = Fences::default();
        assert_eq!(ask(&mut fences, 0, 0, 1, Stage::Arm), Verdict::Nothing);
        assert_eq!(ask(&mut fences, 10, 0, 1, Stage::Arm), Verdict::Nothing);
        assert_eq!(state(&fences, 0), Some(FenceState::Armed));
        assert_eq!(ask(&mut fences, 20, 0, 1, Stage::Fire), Verdict::Pull);
        assert_eq!(ask(&mut fences, 30, 0, 1, Stage::Fire), Verdict::Nothing);
        assert_eq!(state(&fences, 0), Some(FenceState::Firing));
        assert_eq!(fences.ended(Pulled::Done(ReadBack::WentOff)), Some(0));
        assert_eq!(ask(&mut fences, 40, 0, 1, Stage::Fire), Verdict::Nothing);
        assert_eq!(state(&fences, 0), Some(FenceState::Done(ReadBack::WentOff)));
    }

    #[test]
    fn the_second_half_alone_or_too_late_pulls_nothing() {
        let mut fences = Fences::default();
        let refused = Verdict::Refuse(FenceRefusal::NotArmed);
        assert_eq!(ask(&mut fences, 0, 0, 1, Stage::Fire), refused);
        assert_eq!(ask(&mut fences, 0, 0, 2, Stage::Arm), Verdict::Nothing);
        assert_eq!(fences.deadline(), Some(at(5_000)));
        assert_eq!(ask(&mut fences, 5_000, 0, 2, Stage::Fire), refused);
    }

    #[test]
    fn of_two_that_ask_the_first_is_served() {
        let mut fences = Fences::default();
        ask(&mut fences, 0, 1, 7, Stage::Arm);
        assert_eq!(ask(&mut fences, 1, 0, 1, Stage::Arm), Verdict::Refuse(FenceRefusal::OtherWasFirst));
        assert_eq!(ask(&mut fences, 2, 0, 1, Stage::Fire), Verdict::Nothing);
        assert_eq!(ask(&mut fences, 3, 1, 7, Stage::Fire), Verdict::Pull);
        assert_eq!(ask(&mut fences, 4, 0, 2, Stage::Arm), Verdict::Refuse(FenceRefusal::OtherWasFirst));
        fences.ended(Pulled::StayedOn);
        assert_eq!(state(&fences, 1), Some(FenceState::Refused(FenceRefusal::StayedOn)));
        assert_eq!(ask(&mut fences, 5, 0, 3, Stage::Arm), Verdict::Nothing, "its turn");
    }

    #[test]
    fn who_was_reset_has_lost() {
        let mut fences = Fences::default();
        let target = Target { id: name(1), has_line: true, has_won: true };
        let ask = FenceAsk { target: name(1), ticket: 1, stage: Stage::Arm };
        assert_eq!(
            fences.ask(at(0), 0, name(0), Some(ask), target),
            Verdict::Refuse(FenceRefusal::OtherWasFirst)
        );
    }

    #[test]
    fn what_is_no_target_is_refused() {
        let mut fences = Fences::default();
        let other = Target { id: name(1), has_line: true, has_won: false };
        let itself = FenceAsk { target: name(0), ticket: 1, stage: Stage::Arm };
        let refused = |refusal| Verdict::Refuse(refusal);
        assert_eq!(fences.ask(at(0), 0, name(0), Some(itself), other), refused(FenceRefusal::NotTheOther));
        let unwired = Target { has_line: false, ..other };
        let ask = FenceAsk { target: name(1), ticket: 2, stage: Stage::Arm };
        assert_eq!(fences.ask(at(0), 0, name(0), Some(ask), unwired), refused(FenceRefusal::NoLine));
    }

    #[test]
    fn who_does_not_ask_any_more_loses_its_turn_but_not_what_is_begun() {
        let mut fences = Fences::default();
        let other = Target { id: name(1), has_line: true, has_won: false };
        ask(&mut fences, 0, 0, 1, Stage::Arm);
        fences.ask(at(1), 0, name(0), None, other);
        assert_eq!(ask(&mut fences, 2, 0, 1, Stage::Fire), Verdict::Refuse(FenceRefusal::NotArmed));
        ask(&mut fences, 3, 0, 2, Stage::Arm);
        ask(&mut fences, 4, 0, 2, Stage::Fire);
        fences.ask(at(5), 0, name(0), None, other);
        assert_eq!(ask(&mut fences, 6, 1, 1, Stage::Arm), Verdict::Refuse(FenceRefusal::OtherWasFirst));
        assert_eq!(fences.ended(Pulled::Done(ReadBack::NotSensed)), Some(0));
    }
}
