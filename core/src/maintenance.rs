//! Maintenance as state, not story: how often it was turned on or off in this cluster. Every node says the highest count that
//! it knows of, and adopts a higher one, so that a lost, late or repeated word does no harm. What a node leaves alone
//! meanwhile is in `node::maintenance`.

use serde::{Deserialize, Serialize};

/// How often maintenance was turned on or off; it is on while the count is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Maintenance(pub u32);

impl Maintenance {
    /// Whether it is on.
    #[must_use]
    pub const fn is_on(self) -> bool {
        self.0 % 2 == 1
    }

    /// Whether the cluster was ever in maintenance.
    #[must_use]
    pub const fn was_used(self) -> bool {
        self.0 > 0
    }

    /// The count after it was turned on or off once more; nothing after four thousand million times.
    #[must_use]
    pub const fn turned(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(count) => Some(Self(count)),
            None => None,
        }
    }
}
