//! The states seen, by fingerprint: a table of fixed size that several workers fill without waiting for each other.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A set of fingerprints. Zero is none.
#[derive(Debug)]
pub struct Seen {
    places: Vec<AtomicU64>,
    taken: AtomicUsize,
    limit: usize,
}

impl Seen {
    /// Room for `limit` fingerprints.
    #[must_use]
    pub fn with_room_for(limit: usize) -> Self {
        // A quarter stays empty, so that searches end soon.
        let places = (limit + limit / 3 + 1).next_power_of_two();
        Self { places: (0..places).map(|_| AtomicU64::new(0)).collect(), taken: AtomicUsize::new(0), limit }
    }

    /// Adds a fingerprint; whether it is new.
    pub fn insert(&self, fingerprint: u64) -> bool {
        let last = self.places.len() - 1;
        // The length is a power of two, so the low bits are a place.
        let mut at = usize::try_from(fingerprint & u64::try_from(last).unwrap_or(u64::MAX)).unwrap_or(0);
        loop {
            match self.places[at].compare_exchange(0, fingerprint, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Err(there) if there == fingerprint => return false,
                Err(_) => at = (at + 1) & last,
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there should be no more. The quarter that stays empty takes what workers have begun.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_known_also_where_places_collide() {
        let seen = Seen::with_room_for(6);
        let alike = [8u64, 16, 24, 8 << 32, 1, 9];
        assert!(alike.iter().all(|fingerprint| seen.insert(*fingerprint)));
        assert!(alike.iter().all(|fingerprint| !seen.insert(*fingerprint)));
        assert_eq!(seen.len(), 6);
        assert!(seen.is_full());
    }
}
