//! A network: loss, copies, delay beyond the usual (frames overtake each other) and corruption.

use super::Direction;
use crate::plan::Micros;

/// What becomes of one datagram: when its copies arrive, and which of them is damaged.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fate {
    pub(crate) arrivals: [Option<Arrival>; 2],
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) after: Micros,
    pub(crate) damaged: bool,
}

impl Direction {
    pub(crate) fn datagram(&mut self, now: Micros, delay: Micros, jitter: Micros) -> Fate {
        let mut fate = Fate::default();
        if !self.passes(now) {
            return fate;
        }
        if now >= self.weather_until {
            fate.arrivals[0] = Some(Arrival { after: delay + self.spread(jitter), damaged: false });
            return fate;
        }
        let weather = self.weather;
        if self.dice.permille(weather.loss) {
            return fate;
        }
        let copies = if self.dice.permille(weather.twice) { 2 } else { 1 };
        for arrival in &mut fate.arrivals[..copies] {
            let after = delay + self.dice.between(0, jitter) + self.dice.between(0, weather.delay);
            *arrival = Some(Arrival { after, damaged: self.dice.permille(weather.corrupt) });
        }
        fate
    }

    fn spread(&mut self, jitter: Micros) -> Micros {
        if jitter == 0 { 0 } else { self.dice.below(jitter) }
    }

    /// Turns over a few bits.
    pub(crate) fn damage(&mut self, bytes: &mut [u8]) {
        for _ in 0..self.dice.between(1, 4) {
            let at = self.dice.index(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << self.dice.below(8);
            }
        }
    }
}
