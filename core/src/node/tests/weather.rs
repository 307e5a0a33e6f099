//! The weather on the cables of the unit tests' world.

/// What the cables do to frames besides being cut.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    /// Percent of the frames that the first link loses.
    pub(super) loss: u64,
    /// Percent of the frames that come twice.
    pub(super) twice: u64,
    /// The longest delay beyond the usual, in milliseconds: frames overtake each other.
    pub(super) delay: u64,
    /// The state of the dice.
    pub(super) dice: u64,
}

impl Weather {
    /// A number below `sides`: xorshift, so that a case can be repeated.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.dice |= 1;
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 16) % sides.max(1)
    }
}
