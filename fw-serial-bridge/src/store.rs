//! What the witness keeps over power cuts: its settings and keys as they were given, and the number of its lives. They
//! stand in two pages, written in turn, so that one of them is whole whenever the power goes.

use heartline_core::ids::Generation;
use heartline_core::limits::MAX_FRAME;
use heartline_core::provision::{Gift, ProvisionError};

use crate::CRC32;

/// Bytes that a page must hold.
pub const PAGE_BYTES: usize = MAX_FRAME + 24;

/// Two pages of flash, or of whatever keeps bytes without power. The board has them.
pub trait Pages {
    /// Reads a page from its start.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&mut self, page: usize, out: &mut [u8; PAGE_BYTES]) -> Result<(), PageError>;

    /// Erases a page and writes `bytes` to its start. The other page is left as it is.
    ///
    /// # Errors
    /// If what is there afterwards is not `bytes`.
    fn rewrite(&mut self, page: usize, bytes: &[u8]) -> Result<(), PageError>;
}

/// A page could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageError;

/// A page: `length of the gift | count | lives | gift | CRC-32 of all before`. The count grows with each entry that is
/// written; a gift of no bytes: none was given yet.
struct Entry<'a> {
    count: u32,
    lives: u32,
    gift: &'a [u8],
}

const HEADER: usize = 12;

/// The two pages, and which of them is the newer.
#[derive(Debug)]
pub struct Store<P> {
    pages: P,
    newest: Option<usize>,
    count: u32,
    lives: u32,
}

impl<P: Pages> Store<P> {
    /// Begins a life: counts it and has that stored before it says anything.
    ///
    /// # Errors
    /// [`PageError`]: the life could not be stored, so the hosts may take its frames for recordings; without more lives
    /// it can do no harm, but must not speak.
    // Its buffer is not to lie in the frame of whoever loops for ever.
    #[inline(never)]
    pub fn begin_life(pages: P) -> Result<Self, PageError> {
        let mut store = Self { pages, newest: None, count: 0, lives: 0 };
        let mut buffer = [0; PAGE_BYTES];
        for page in [0, 1] {
            if store.pages.read(page, &mut buffer).is_ok()
                && let Some(entry) = entry_in(&buffer)
                && (store.newest.is_none() || entry.count > store.count)
            {
                (store.newest, store.count, store.lives) = (Some(page), entry.count, entry.lives);
            }
        }
        // The same buffer once more: there is little memory.
        let mut gift = 0;
        if let Some(page) = store.newest {
            store.pages.read(page, &mut buffer)?;
            gift = entry_in(&buffer).ok_or(PageError)?.gift.len();
        }
        store.lives = store.lives.saturating_add(1);
        store.write(gift, &mut buffer)?;
        Ok(store)
    }

    /// The life that was begun.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        Generation(self.lives)
    }

    /// Hands settings and keys to `take`, if it was given any.
    #[inline(never)]
    pub fn given<T>(&mut self, take: impl FnOnce(Gift<'_>) -> Option<T>) -> Option<T> {
        let mut buffer = [0; PAGE_BYTES];
        self.pages.read(self.newest?, &mut buffer).ok()?;
        let gift = entry_in(&buffer)?.gift;
        if gift.is_empty() { None } else { take(Gift::kept(gift)) }
    }

    /// Keeps other settings and keys from now on.
    ///
    /// # Errors
    /// [`ProvisionError::NotStored`]; the old ones are kept then.
    #[inline(never)]
    pub fn keep(&mut self, gift: Gift<'_>) -> Result<(), ProvisionError> {
        let mut buffer = [0; PAGE_BYTES];
        let bytes = gift.bytes();
        let place = buffer.get_mut(HEADER..HEADER + bytes.len()).ok_or(ProvisionError::NotStored)?;
        place.copy_from_slice(bytes);
        self.write(bytes.len(), &mut buffer).map_err(|PageError| ProvisionError::NotStored)
    }

    /// Writes a page whose gift stands in the buffer already.
    fn write(&mut self, gift: usize, buffer: &mut [u8; PAGE_BYTES]) -> Result<(), PageError> {
        let count = self.count.saturating_add(1);
        let length = u32::try_from(gift).map_err(|_| PageError)?;
        let (header, _) = buffer.split_at_mut_checked(HEADER).ok_or(PageError)?;
        for (field, value) in header.chunks_exact_mut(4).zip([length, count, self.lives]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        let (covered, rest) = buffer.split_at_mut_checked(HEADER + gift).ok_or(PageError)?;
        let check = CRC32.checksum(covered).to_le_bytes();
        rest.first_chunk_mut::<4>().ok_or(PageError)?.copy_from_slice(&check);
        let page = self.newest.map_or(0, |newest| 1 - newest);
        self.pages.rewrite(page, &buffer[..HEADER + gift + 4])?;
        (self.newest, self.count) = (Some(page), count);
        Ok(())
    }
}

fn entry_in(page: &[u8; PAGE_BYTES]) -> Option<Entry<'_>> {
    let number = |at: usize| page.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    let end = HEADER + usize::try_from(number(0)?).ok()?;
    let covered = page.get(..end)?;
    let is_whole = CRC32.checksum(covered) == number(end)?;
    is_whole.then_some(Entry { count: number(4)?, lives: number(8)?, gift: &covered[HEADER..] })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing;
    use heartline_core::provision::{Request, WitnessKeys};
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Pages in memory, of which a write may be torn by a power cut.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Memory {
        pub(crate) pages: [Vec<u8>; 2],
        /// So many bytes of the next write get there.
        pub(crate) torn_after: Option<usize>,
    }

    impl Pages for &mut Memory {
        fn read(&mut self, page: usize, out: &mut [u8; PAGE_BYTES]) -> Result<(), PageError> {
            out.fill(0xff);
            out.iter_mut().zip(&self.pages[page]).for_each(|(to, from)| *to = *from);
            Ok(())
        }

        fn rewrite(&mut self, page: usize, bytes: &[u8]) -> Result<(), PageError> {
            let there = self.torn_after.map_or(bytes.len(), |torn| torn.min(bytes.len()));
            self.pages[page] = bytes[..there].to_vec();
            if there < bytes.len() { Err(PageError) } else { Ok(()) }
        }
    }

    fn lives(memory: &mut Memory) -> (u32, bool) {
        let mut store = Store::begin_life(memory).unwrap();
        (store.generation().0, store.given(|gift| gift.unpack().ok()).is_some())
    }

    fn provision(memory: &mut Memory) {
        let frame = Request::give(&testing::provision(1), &testing::keys(), None).unwrap();
        let Ok(Request::Give(gift)) = Request::read(&frame, None::<&WitnessKeys>) else { panic!() };
        let mut store = Store::begin_life(memory).unwrap();
        store.keep(gift).unwrap();
    }

    #[test]
    fn each_life_has_a_number_of_its_own() {
        let mut memory = Memory::default();
        assert_eq!((lives(&mut memory), lives(&mut memory)), ((1, false), (2, false)));
        provision(&mut memory);
        assert_eq!((lives(&mut memory), lives(&mut memory)), ((4, true), (5, true)));
    }

    #[test]
    fn a_page_that_cannot_be_written_is_said() {
        let mut memory = Memory { torn_after: Some(3), ..Memory::default() };
        assert_eq!(Store::begin_life(&mut memory).err(), Some(PageError));
    }

    proptest! {
        /// Whenever the power goes, settings are kept and no number of a life that spoke comes again.
        #[test]
        fn a_torn_page_loses_nothing(cuts in prop::collection::vec(prop::option::of(0usize..120), 1..20)) {
            let mut memory = Memory::default();
            provision(&mut memory);
            let mut newest = 1;
            for torn_after in cuts {
                memory.torn_after = torn_after;
                if let Ok(mut store) = Store::begin_life(&mut memory) {
                    prop_assert!(store.generation().0 > newest);
                    prop_assert!(store.given(|gift| gift.unpack().ok()).is_some());
                    newest = store.generation().0;
                }
            }
        }
    }
}
