//! Registers of the chip, by their addresses in its data sheet. All access to hardware goes through here, and this is
//! where the `unsafe` of it is.

/// One 32-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Register(u32);

impl Register {
    /// The register at `base + offset`: of a peripheral of this chip, aligned to four bytes.
    pub(crate) const fn at(base: u32, offset: u32) -> Self {
        Self(base + offset)
    }

    pub(crate) fn read(self) -> u32 {
        // SAFETY: the address is that of a peripheral's register, which is always there and is no memory of Rust's.
        unsafe { core::ptr::read_volatile(self.0 as *const u32) }
    }

    pub(crate) fn write(self, value: u32) {
        // SAFETY: as in `read`. What it does is the peripheral's business; none of those used here writes to memory.
        unsafe { core::ptr::write_volatile(self.0 as *mut u32, value) }
    }

    pub(crate) fn set(self, bits: u32) {
        self.write(self.read() | bits);
    }

    pub(crate) fn clear(self, bits: u32) {
        self.write(self.read() & !bits);
    }
}
