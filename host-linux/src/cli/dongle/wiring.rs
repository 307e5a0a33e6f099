//! What is wired at both ends of the cable, as it is written on the command line.

use std::str::FromStr;
use std::time::Duration;

use heartline_core::provision::{self, Wiring};
use heartline_core::time;
use heartline_core::witness::HOSTS;

use crate::config::parse_time;

/// The longest pull: whoever asked for it waits for three times as long.
const PULL_MAX: Duration = Duration::from_secs(10);

/// One value for both ends, or one for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ends<T>([T; HOSTS]);

/// How long a reset line is pulled; zero: none is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pull(Duration);

/// What a power sense tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sense(provision::Sense);

impl<T: FromStr<Err = String> + Copy> FromStr for Ends<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split(',').collect::<Vec<_>>().as_slice() {
            [both] => both.trim().parse().map(|value| Self([value; HOSTS])),
            [a, b] => Ok(Self([a.trim().parse()?, b.trim().parse()?])),
            _ => Err("the cable has two ends: write one value for both, or two with a comma".to_owned()),
        }
    }
}

impl FromStr for Pull {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = parse_time(text).ok_or_else(|| format!("`{text}` is not a time, as `500ms` or `2` is"))?;
        if time > PULL_MAX {
            return Err(format!("a reset line is pulled for {} s at most", PULL_MAX.as_secs()));
        }
        Ok(Self(time))
    }
}

impl FromStr for Sense {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(provision::Sense::NotWired)),
            "power" => Ok(Self(provision::Sense::Power)),
            "read-back" => Ok(Self(provision::Sense::ReadBack)),
            _ => Err(format!("`{text}` is none of `none`, `power`, `read-back`")),
        }
    }
}

/// The same for the witness.
pub(super) fn of(resets: &Ends<Pull>, senses: &Ends<Sense>) -> [Wiring; HOSTS] {
    let wiring = |end: usize| Wiring {
        pull: time::Duration::from_millis(u64::try_from(resets.0[end].0.as_millis()).unwrap_or(u64::MAX)),
        sense: senses.0[end].0,
    };
    [wiring(0), wiring(1)]
}

/// A line for each end.
pub(super) fn words(resets: &Ends<Pull>, senses: &Ends<Sense>) -> String {
    let end = |side: &str, Pull(pull): Pull, Sense(sense): Sense| {
        let pull = match pull.as_millis() {
            0 => "no reset line".to_owned(),
            millis => format!("its reset line is pulled for {millis} ms"),
        };
        let sense = match sense {
            provision::Sense::NotWired => "no power sense",
            provision::Sense::Power => "the power sense tells whether there is power",
            provision::Sense::ReadBack => "the power sense must tell that the pulled line takes the power",
        };
        format!("Side {side}: {pull}; {sense}.\n")
    };
    end("A", resets.0[0], senses.0[0]) + &end("B", resets.0[1], senses.0[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_for_both_ends() {
        let resets: Ends<Pull> = "500ms".parse().unwrap();
        let senses: Ends<Sense> = "power,read-back".parse().unwrap();
        let [a, b] = of(&resets, &senses);
        assert_eq!((a.pull.millis(), b.pull.millis()), (500, 500));
        assert_eq!((a.sense, b.sense), (provision::Sense::Power, provision::Sense::ReadBack));
        let resets: Ends<Pull> = "2, 0".parse().unwrap();
        assert_eq!(
            words(&resets, &senses),
            "Side A: its reset line is pulled for 2000 ms; the power sense tells whether there is power.\n\
             Side B: no reset line; the power sense must tell that the pulled line takes the power.\n"
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        let pull = |text: &str| text.parse::<Ends<Pull>>().unwrap_err();
        assert_eq!(pull("11"), "a reset line is pulled for 10 s at most");
        assert_eq!(pull("1,soon"), "`soon` is not a time, as `500ms` or `2` is");
        assert!(pull("1,2,3").starts_with("the cable has two ends"));
        assert_eq!(
            "relay".parse::<Ends<Sense>>().unwrap_err(),
            "`relay` is none of `none`, `power`, `read-back`"
        );
    }
}
