//! A stream of choices out of any bytes. What is missing at the end is zero, so every input means something, and a
//! changed byte changes one choice.

/// The choices that are left.
#[derive(Debug)]
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    /// Reads choices from `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte.
    pub const fn byte(&mut self) -> u8 {
        match self.rest {
            [first, rest @ ..] => {
                self.rest = rest;
                *first
            }
            [] => 0,
        }
    }

    /// The next two bytes.
    pub const fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number over the whole range of a `u64`, with about eight bits of precision, out of two bytes.
    pub fn magnitude(&mut self) -> u64 {
        let (mantissa, exponent) = (self.byte(), self.byte());
        u64::from(mantissa) << (exponent % 57)
    }

    /// A place among `count` things; 0 if there are none.
    pub fn index(&mut self, count: usize) -> usize {
        usize::from(self.byte()).checked_rem(count).unwrap_or(0)
    }

    /// One of `things`, which are not none.
    pub fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.index(things.len())]
    }

    /// Whether bit `bit` of `byte` is set; no choice of its own, for flags that share a byte.
    #[must_use]
    pub const fn flag(byte: u8, bit: u8) -> bool {
        byte >> bit & 1 == 1
    }

    /// As many of the next bytes as the next byte says and there are.
    pub fn run(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.rest.len());
        let (run, rest) = self.rest.split_at(length);
        self.rest = rest;
        run
    }
}
