//! Which frames of one member are new: its life (generation) and a sliding window of frame numbers. Replays of an
//! earlier life, and of frames already seen, are told from news.

use serde::{Deserialize, Serialize};

use crate::ids::{Generation, Sequence};
use crate::planted::{Bug, planted};

/// How far back a frame may come late and still count.
pub const WINDOW: u64 = 64;

/// What one member has sent so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Freshness {
    life: Option<Life>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Life {
    generation: Generation,
    newest: Sequence,
    /// Bit n: the frame `newest - n` was seen.
    seen: u64,
}

/// What a frame is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The first frame of this member since our start.
    FirstContact,
    /// The first frame of a new life: the member restarted.
    Restarted,
    /// Newer than all before.
    News,
    /// Not seen before, but overtaken by a newer one: it proves a link, its contents are stale.
    Late,
    /// Seen before, by another link or as a replay.
    Copy,
    /// Of an earlier life: a replay, or a node whose generation went back.
    OldGeneration,
    /// Too old to tell.
    OutsideWindow,
}

impl Freshness {
    /// Judges a frame and remembers it.
    pub fn admit(&mut self, generation: Generation, sequence: Sequence) -> Verdict {
        let Some(life) = &mut self.life else {
            self.life = Some(Life { generation, newest: sequence, seen: 1 });
            return Verdict::FirstContact;
        };
        if generation < life.generation && !planted(Bug::OldGenerationHeard) {
            return Verdict::OldGeneration;
        }
        if generation != life.generation {
            *life = Life { generation, newest: sequence, seen: 1 };
            return Verdict::Restarted;
        }
        life.admit(sequence)
    }

    /// What a frame would be if it came now; nothing is remembered.
    #[must_use]
    pub fn judge(mut self, generation: Generation, sequence: Sequence) -> Verdict {
        self.admit(generation, sequence)
    }

    /// The life that is current.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.life.map(|life| life.generation)
    }

    /// The newest frame number of the current life.
    #[must_use]
    pub fn newest(&self) -> Option<Sequence> {
        self.life.map(|life| life.newest)
    }
}

impl Life {
    fn admit(&mut self, sequence: Sequence) -> Verdict {
        if sequence > self.newest {
            let ahead = sequence.0 - self.newest.0;
            self.seen = if ahead < WINDOW { self.seen << ahead } else { 0 } | 1;
            self.newest = sequence;
            return Verdict::News;
        }
        let behind = self.newest.0 - sequence.0;
        if behind >= WINDOW + u64::from(planted(Bug::WindowTooLong)) {
            return Verdict::OutsideWindow;
        }
        let bit = 1u64 << behind;
        if self.seen & bit != 0 {
            return Verdict::Copy;
        }
        self.seen |= bit;
        Verdict::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kind_of_frame_is_told_from_the_others() {
        let mut freshness = Freshness::default();
        let table = [
            (7, 10, Verdict::FirstContact),
            (7, 10, Verdict::Copy),
            (7, 12, Verdict::News),
            (7, 11, Verdict::Late),
            (7, 11, Verdict::Copy),
            (6, 500, Verdict::OldGeneration),
            (7, 75, Verdict::News),
            (7, 12, Verdict::Copy),
            (7, 11, Verdict::OutsideWindow),
            (8, 1, Verdict::Restarted),
            (7, 76, Verdict::OldGeneration),
            (8, u64::MAX, Verdict::News),
            (8, 2, Verdict::OutsideWindow),
        ];
        for (generation, sequence, expected) in table {
            let verdict = freshness.admit(Generation(generation), Sequence(sequence));
            assert_eq!(verdict, expected, "generation {generation}, sequence {sequence}");
        }
    }

    /// Remembers every frame, and so needs no window but to forget like the real one.
    #[derive(Default)]
    struct Naive {
        generation: Option<u32>,
        seen: std::collections::BTreeSet<u64>,
    }

    impl Naive {
        fn admit(&mut self, generation: u32, sequence: u64) -> Verdict {
            let newest = self.seen.last().copied();
            let verdict = match (self.generation, newest) {
                (Some(current), _) if generation < current => return Verdict::OldGeneration,
                (Some(current), _) if generation > current => Verdict::Restarted,
                (Some(_), Some(newest)) if sequence > newest => Verdict::News,
                (Some(_), Some(newest)) if newest - sequence >= WINDOW => return Verdict::OutsideWindow,
                (Some(_), Some(_)) if self.seen.contains(&sequence) => return Verdict::Copy,
                (Some(_), Some(_)) => Verdict::Late,
                (None, _) | (_, None) => Verdict::FirstContact,
            };
            if verdict == Verdict::Restarted {
                self.seen.clear();
            }
            self.generation = Some(generation);
            self.seen.insert(sequence);
            verdict
        }
    }

    /// Frames that stay near each other, with jumps about the size of the window and to the ends of the numbers.
    fn any_frames() -> impl Strategy<Value = std::vec::Vec<(u32, u64)>> {
        let sequence = prop_oneof![8 => 0u64..200, 1 => WINDOW..4 * WINDOW, 1 => u64::MAX - 70..=u64::MAX];
        prop::collection::vec((prop_oneof![9 => Just(2u32), 1 => 1u32..4], sequence), 1..400)
    }

    proptest! {
        #[test]
        fn the_window_judges_as_if_it_remembered_everything(frames in any_frames()) {
            let (mut freshness, mut naive) = (Freshness::default(), Naive::default());
            for (generation, sequence) in frames {
                let judged = freshness.judge(Generation(generation), Sequence(sequence));
                let verdict = freshness.admit(Generation(generation), Sequence(sequence));
                prop_assert_eq!(judged, verdict);
                prop_assert_eq!(verdict, naive.admit(generation, sequence), "{}:{}", generation, sequence);
            }
        }

        #[test]
        fn neither_life_nor_newest_frame_ever_goes_back(frames in any_frames()) {
            let mut freshness = Freshness::default();
            let mut before = (None, None);
            for (generation, sequence) in frames {
                freshness.admit(Generation(generation), Sequence(sequence));
                let now = (freshness.generation(), freshness.newest());
                prop_assert!(now >= before, "{:?} after {:?}", now, before);
                before = now;
            }
        }

        #[test]
        fn no_frame_is_news_or_late_twice(frames in prop::collection::vec((1u32..4, 0u64..200), 1..400)) {
            let mut freshness = Freshness::default();
            let mut admitted = std::collections::BTreeSet::new();
            for (generation, sequence) in frames {
                let verdict = freshness.admit(Generation(generation), Sequence(sequence));
                let fresh = matches!(
                    verdict, Verdict::FirstContact | Verdict::Restarted | Verdict::News | Verdict::Late);
                if fresh {
                    prop_assert!(admitted.insert((generation, sequence)));
                }
            }
        }
    }
}
