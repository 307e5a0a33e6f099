//! What the witness keeps over power cuts: its settings and keys as they were given, and the number of its lives. They
//! stand in two pages, written in turn, so that one of them is whole whenever the power goes.

use heartline_core::ids::Generation;
use heartline_core::limits::MAX_FRAME;
use heartline_core::provision::{Gift, Provision, ProvisionError, WitnessKeys};
use heartline_core::record;
use serde::{Deserialize, Serialize};

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

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    /// Grows with each entry that is written.
    count: u32,
    /// Lives so far.
    lives: u32,
    /// Settings and keys; empty: none were given yet.
    gift: &'a [u8],
}

/// The two pages, and which of them is the newer.
#[derive(Debug)]
pub struct Store<P> {
    pages: P,
    newest: Option<usize>,
    count: u32,
    lives: u32,
}

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// This life.
    pub generation: Generation,
    /// Settings and keys, if it was given any.
    pub given: Option<(Provision, WitnessKeys)>,
}

impl<P: Pages> Store<P> {
    /// Begins a life: counts it and has that stored before it says anything.
    ///
    /// # Errors
    /// [`PageError`]: the life could not be stored, so the hosts may take its frames for recordings; without more lives
    /// it can do no harm, but must not speak.
    pub fn begin_life(pages: P) -> Result<(Self, Kept), PageError> {
        let mut store = Self { pages, newest: None, count: 0, lives: 0 };
        let mut newest = [0; PAGE_BYTES];
        let mut buffer = [0; PAGE_BYTES];
        for page in [0, 1] {
            if store.pages.read(page, &mut buffer).is_err() {
                continue;
            }
            let Some(entry) = entry_in(&buffer) else { continue };
            if store.newest.is_none() || entry.count > store.count {
                (store.newest, store.count, store.lives) = (Some(page), entry.count, entry.lives);
                newest = buffer;
            }
        }
        let gift = entry_in(&newest).map_or(&[][..], |entry| entry.gift);
        let given = if gift.is_empty() { None } else { Gift::kept(gift).unpack().ok() };
        store.lives = store.lives.saturating_add(1);
        store.write(gift, &mut buffer)?;
        let kept = Kept { generation: Generation(store.lives), given };
        Ok((store, kept))
    }

    /// Keeps other settings and keys from now on.
    ///
    /// # Errors
    /// [`ProvisionError::NotStored`]; the old ones are kept then.
    pub fn keep(&mut self, gift: Gift<'_>) -> Result<(), ProvisionError> {
        let mut buffer = [0; PAGE_BYTES];
        self.write(gift.bytes(), &mut buffer).map_err(|PageError| ProvisionError::NotStored)
    }

    fn write(&mut self, gift: &[u8], buffer: &mut [u8; PAGE_BYTES]) -> Result<(), PageError> {
        let entry = Entry { count: self.count.saturating_add(1), lives: self.lives, gift };
        let length = record::write_block(&entry, buffer).ok_or(PageError)?;
        let page = self.newest.map_or(0, |newest| 1 - newest);
        self.pages.rewrite(page, &buffer[..length])?;
        (self.newest, self.count) = (Some(page), entry.count);
        Ok(())
    }
}

fn entry_in(page: &[u8]) -> Option<Entry<'_>> {
    let (contents, _) = record::read_block(page).ok()?;
    postcard::from_bytes(contents).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing;
    use heartline_core::provision::Request;
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
        let (_, kept) = Store::begin_life(memory).unwrap();
        (kept.generation.0, kept.given.is_some())
    }

    fn provision(memory: &mut Memory) {
        let frame = Request::give(&testing::provision(1), &testing::keys(), None).unwrap();
        let Ok(Request::Give(gift)) = Request::read(&frame, None::<&WitnessKeys>) else { panic!() };
        let (mut store, _) = Store::begin_life(memory).unwrap();
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
                if let Ok((_, kept)) = Store::begin_life(&mut memory) {
                    prop_assert!(kept.generation.0 > newest);
                    prop_assert!(kept.given.is_some());
                    newest = kept.generation.0;
                }
            }
        }
    }
}
