//! One power sense: what its pin says, once that has held for a while, since relays and supplies bounce.

use heartline_core::provision::Sense;
use heartline_core::time::{Duration, Instant};
use heartline_core::witness::Power;

/// How long the pin must say the same before it counts.
const SETTLING: Duration = Duration::from_millis(20);

/// One power sense.
#[derive(Debug, Clone)]
pub struct PowerSense {
    sense: Sense,
    power: Power,
    /// The pin says otherwise since then.
    changing: Option<Instant>,
}

impl PowerSense {
    /// A sense whose pin has not been read yet: the power is taken to be on, for a host must not be held for dead
    /// because its witness started.
    #[must_use]
    pub const fn new(sense: Sense) -> Self {
        let power = match sense {
            Sense::NotWired => Power::NotSensed,
            Sense::Power | Sense::ReadBack => Power::On,
        };
        Self { sense, power, changing: None }
    }

    /// What is known of the power.
    #[must_use]
    pub const fn power(&self) -> Power {
        self.power
    }

    /// Takes in what the pin says. Gives the power if it has changed.
    pub fn read(&mut self, now: Instant, is_on: bool) -> Option<Power> {
        let read = match self.sense {
            Sense::NotWired => return None,
            Sense::Power | Sense::ReadBack if is_on => Power::On,
            Sense::Power | Sense::ReadBack => Power::Off,
        };
        if read == self.power {
            self.changing = None;
            return None;
        }
        let since = *self.changing.get_or_insert(now);
        if now < since + SETTLING {
            return None;
        }
        (self.power, self.changing) = (read, None);
        Some(read)
    }

    /// When the pin is to be read next at the latest, because what it says is about to count.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.changing.map(|since| since + SETTLING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(1000 * millis)
    }

    #[test]
    fn what_bounces_is_no_death() {
        let mut sense = PowerSense::new(Sense::Power);
        for time in (0..1_000).step_by(10) {
            assert_eq!(sense.read(at(time), time % 20 == 0), None);
        }
        assert_eq!(sense.power(), Power::On);
    }

    #[test]
    fn what_holds_counts() {
        let mut sense = PowerSense::new(Sense::Power);
        assert_eq!(sense.read(at(100), false), None);
        assert_eq!(sense.deadline(), Some(at(120)));
        assert_eq!(sense.read(at(119), false), None);
        assert_eq!(sense.read(at(120), false), Some(Power::Off));
        assert_eq!((sense.read(at(130), true), sense.read(at(150), true)), (None, Some(Power::On)));
    }

    #[test]
    fn an_open_pin_says_nothing() {
        let mut sense = PowerSense::new(Sense::NotWired);
        assert_eq!((sense.read(at(0), false), sense.read(at(900), false)), (None, None));
        assert_eq!(sense.power(), Power::NotSensed);
    }
}
