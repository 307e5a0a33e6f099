//! The media between the hosts, one direction of one link at a time: how long a frame is under way, whether it arrives,
//! how often, and what is left of it. What the receiver makes of the bytes is the core's business.

mod datagram;
mod frames;
mod serial;

pub(crate) use frames::{Frame, FrameId, Frames, Origin};
pub(crate) use serial::{LINE_BUFFER, Sending};

use crate::dice::Dice;
use crate::plan::Micros;

/// What the weather does to datagrams; chances in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) loss: u32,
    pub(crate) twice: u32,
    pub(crate) delay: Micros,
    pub(crate) corrupt: u32,
}

/// What noise does to a serial line: chances in a thousand bytes, and of breaks in a thousand frames.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Noise {
    pub(crate) loss: u32,
    pub(crate) flips: u32,
    pub(crate) garbage: u32,
    pub(crate) breaks: u32,
}

/// One direction of one link.
#[derive(Debug)]
pub(crate) struct Direction {
    pub(crate) dice: Dice,
    pub(crate) cut_until: Micros,
    /// Works and does not, each for half the period, from `begin` until `until`.
    flap: Option<(Micros, Micros, Micros)>,
    weather: Weather,
    weather_until: Micros,
    noise: Noise,
    noise_until: Micros,
    /// Until when anything at all is wrong with it.
    pub(crate) troubled_until: Micros,
    /// Of a serial line: the frame that is going out and the newest that waits behind it.
    pub(crate) sending: Sending,
}

impl Direction {
    pub(crate) const fn new(dice: Dice) -> Self {
        Self {
            dice,
            cut_until: 0,
            flap: None,
            weather: Weather { loss: 0, twice: 0, delay: 0, corrupt: 0 },
            weather_until: 0,
            noise: Noise { loss: 0, flips: 0, garbage: 0, breaks: 0 },
            noise_until: 0,
            troubled_until: 0,
            sending: Sending::IDLE,
        }
    }

    pub(crate) fn cut(&mut self, until: Micros) {
        self.cut_until = self.cut_until.max(until);
        self.trouble(until);
    }

    pub(crate) fn flap(&mut self, begin: Micros, period: Micros, until: Micros) {
        self.flap = Some((begin, period.max(2), until));
        self.trouble(until);
    }

    pub(crate) fn weather(&mut self, weather: Weather, until: Micros) {
        (self.weather, self.weather_until) = (weather, until);
        // What is delayed at the last moment is still under way then.
        self.trouble(until + weather.delay);
    }

    pub(crate) fn noise(&mut self, noise: Noise, until: Micros) {
        (self.noise, self.noise_until) = (noise, until);
        self.trouble(until);
    }

    pub(crate) fn passes(&self, now: Micros) -> bool {
        let flapped = self.flap.is_some_and(|(begin, period, until)| {
            now < until && now.saturating_sub(begin) % period < period / 2
        });
        now >= self.cut_until && !flapped
    }

    fn trouble(&mut self, until: Micros) {
        self.troubled_until = self.troubled_until.max(until);
    }
}
