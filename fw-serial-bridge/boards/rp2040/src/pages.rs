//! The two pages: one sector of the flash chip each, behind the first 64 KiB, where no program is.

use heartline_bridge::store::{PAGE_BYTES, PageError, Pages};

const SECTOR: usize = 4_096;
/// Bytes that the flash chip writes at once.
const CHUNK: usize = 256;
const FIRST: usize = 64 << 10;
const FLASH: usize = 0x1000_0000;

/// Both pages.
pub(crate) struct Sectors;

impl Pages for Sectors {
    fn read(&mut self, page: usize, out: &mut [u8; PAGE_BYTES]) -> Result<(), PageError> {
        let start = FLASH + offset(page);
        for (at, byte) in out.iter_mut().enumerate() {
            // SAFETY: `page` is 0 or 1, so this is within the flash that is mapped there and that this program does not
            // lie in. It is read anew each time, since `rewrite` changes it behind the compiler's back.
            *byte = unsafe { core::ptr::read_volatile((start + at) as *const u8) };
        }
        Ok(())
    }

    fn rewrite(&mut self, page: usize, bytes: &[u8]) -> Result<(), PageError> {
        let start = u32::try_from(offset(page)).map_err(|_| PageError)?;
        critical_section::with(|_| {
            // SAFETY: the sector is no part of the program; one core runs, and no interrupt is let in meanwhile.
            unsafe { rp2040_flash::flash::flash_range_erase(start, SECTOR as u32, true) };
        });
        for (at, chunk) in (start..).step_by(CHUNK).zip(bytes.chunks(CHUNK)) {
            let mut whole = [0xff; CHUNK];
            whole.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            critical_section::with(|_| {
                // SAFETY: as above; `whole` is one chunk, and lies in memory.
                unsafe { rp2040_flash::flash::flash_range_program(at, &whole, true) };
            });
        }
        let mut there = [0; PAGE_BYTES];
        self.read(page, &mut there)?;
        if there.starts_with(bytes) { Ok(()) } else { Err(PageError) }
    }
}

const fn offset(page: usize) -> usize {
    FIRST + (page & 1) * SECTOR
}
