//! The two pages that outlive a power cut. QEMU emulates this chip without its flash controller, so they are files of
//! the machine that runs QEMU, `page-0` and `page-1` in its working directory, reached by ARM's semihosting
//! (`-semihosting-config enable=on,target=native`). On a chip of silicon without debugger this stops at once.

use core::arch::asm;

use heartline_bridge::store::{PAGE_BYTES, PageError, Pages};

const SYS_OPEN: u32 = 0x01;
const SYS_CLOSE: u32 = 0x02;
const SYS_WRITE: u32 = 0x05;
const SYS_READ: u32 = 0x06;
/// Modes of `fopen`: "rb" and "wb".
const READ: u32 = 1;
const WRITE: u32 = 5;

/// Both pages.
pub(crate) struct Files;

impl Pages for Files {
    fn read(&mut self, page: usize, out: &mut [u8; PAGE_BYTES]) -> Result<(), PageError> {
        out.fill(0xff);
        let file = open(page, READ)?;
        let missing = call(SYS_READ, &[file, address(out), length(out)]);
        close(file);
        if missing < length(out) { Ok(()) } else { Err(PageError) }
    }

    fn rewrite(&mut self, page: usize, bytes: &[u8]) -> Result<(), PageError> {
        let file = open(page, WRITE)?;
        let missing = call(SYS_WRITE, &[file, address(bytes), length(bytes)]);
        close(file);
        if missing == 0 { Ok(()) } else { Err(PageError) }
    }
}

fn open(page: usize, mode: u32) -> Result<u32, PageError> {
    let name: &[u8] = if page == 0 { b"page-0\0" } else { b"page-1\0" };
    let file = call(SYS_OPEN, &[address(name), mode, length(name) - 1]);
    if file == u32::MAX { Err(PageError) } else { Ok(file) }
}

fn close(file: u32) {
    call(SYS_CLOSE, &[file]);
}

fn address(bytes: &[u8]) -> u32 {
    bytes.as_ptr() as u32
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(0)
}

/// One call of the semihosting interface.
fn call(operation: u32, arguments: &[u32]) -> u32 {
    let result;
    // SAFETY: the operation reads `arguments`, and the one that writes does so to the buffer whose address and length
    // are in them, which its caller holds mutably. The other registers and the stack are as before.
    unsafe {
        asm!("bkpt 0xab", inout("r0") operation => result, in("r1") arguments.as_ptr(), options(nostack));
    }
    result
}
