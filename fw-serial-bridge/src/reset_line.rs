//! One reset line: pulled for a time and let go, with what the power sense said meanwhile. The pin is the board's.

use heartline_core::provision::{Sense, Wiring};
use heartline_core::time::Instant;
use heartline_core::witness::{Power, ReadBack};

/// One reset line. It starts let go, and so it is after any reset of the witness.
#[derive(Debug, Clone)]
pub struct ResetLine {
    wiring: Wiring,
    pulled: Option<Pull>,
}

#[derive(Debug, Clone, Copy)]
struct Pull {
    until: Instant,
    power_went: bool,
}

/// How a pull ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// As it should.
    Done(ReadBack),
    /// The power sense should have seen the power go, and did not.
    StayedOn,
}

impl ResetLine {
    /// A line that is let go.
    #[must_use]
    pub const fn new(wiring: Wiring) -> Self {
        Self { wiring, pulled: None }
    }

    /// Whether there is one.
    #[must_use]
    pub const fn is_wired(&self) -> bool {
        self.wiring.pull.micros() > 0
    }

    /// Whether it is pulled now.
    #[must_use]
    pub const fn is_pulled(&self) -> bool {
        self.pulled.is_some()
    }

    /// Pulls it, for its whole time again if it is pulled already.
    pub fn pull(&mut self, now: Instant, power: Power) {
        if self.is_wired() {
            let power_went = power == Power::Off;
            self.pulled = Some(Pull { until: now + self.wiring.pull, power_went });
        }
    }

    /// Notes what the power sense says, and lets go once it is time. Gives how it ended when it ends.
    pub fn pass_time(&mut self, now: Instant, power: Power) -> Option<Pulled> {
        let pull = self.pulled.as_mut()?;
        pull.power_went |= power == Power::Off;
        if now < pull.until || planted!(WitnessHoldsLine) {
            return None;
        }
        let power_went = pull.power_went;
        self.pulled = None;
        Some(match self.wiring.sense {
            Sense::NotWired | Sense::Power => Pulled::Done(ReadBack::NotSensed),
            Sense::ReadBack if power_went => Pulled::Done(ReadBack::WentOff),
            Sense::ReadBack => Pulled::StayedOn,
        })
    }

    /// When it is to be let go.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.pulled.map(|pull| pull.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heartline_core::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1000 * millis)
    }

    fn line(sense: Sense) -> ResetLine {
        ResetLine::new(Wiring { pull: Duration::from_millis(500), sense })
    }

    #[test]
    fn it_is_pulled_for_its_time() {
        let mut line = line(Sense::Power);
        assert!(!line.is_pulled());
        line.pull(at(1_000), Power::On);
        assert_eq!((line.is_pulled(), line.deadline()), (true, Some(at(1_500))));
        assert_eq!(line.pass_time(at(1_499), Power::On), None);
        assert_eq!(line.pass_time(at(1_500), Power::On), Some(Pulled::Done(ReadBack::NotSensed)));
        assert_eq!((line.is_pulled(), line.pass_time(at(1_501), Power::On)), (false, None));
    }

    #[test]
    fn where_the_power_must_go_it_is_read_back() {
        for (power, ended) in [(Power::Off, Pulled::Done(ReadBack::WentOff)), (Power::On, Pulled::StayedOn)] {
            let mut line = line(Sense::ReadBack);
            line.pull(at(0), Power::On);
            assert_eq!(line.pass_time(at(200), power), None);
            assert_eq!(line.pass_time(at(600), Power::On), Some(ended));
        }
    }

    #[test]
    fn what_is_not_wired_is_never_pulled() {
        let mut line = ResetLine::new(Wiring { pull: Duration::ZERO, sense: Sense::Power });
        line.pull(at(0), Power::On);
        assert!(!line.is_pulled());
    }
}
