//! The watchdog device of Linux, as its ioctls have it. It judges nothing. A module with `unsafe`: nix has macros for ioctls,
//! and what they make is unsafe to call.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use nix::libc::c_int;

/// The driver disarms the device only if `V` was written before it is closed.
const MAGIC_CLOSE: u32 = 0x0100;

/// `struct watchdog_info` of `linux/watchdog.h`.
#[repr(C)]
#[derive(Default)]
struct Info {
    options: u32,
    firmware_version: u32,
    identity: [u8; 32],
}

mod ioctl {
    use super::{Info, c_int};

    nix::ioctl_read!(get_support, b'W', 0, Info);
    nix::ioctl_readwrite!(set_timeout, b'W', 6, c_int);
    nix::ioctl_read!(get_timeout, b'W', 7, c_int);
}

/// An open watchdog device: it counts down, and resets the host when it is not fed.
pub(crate) trait Device: Sized {
    /// Opens it, which starts the countdown.
    ///
    /// # Errors
    /// There is no such device, it is in use, or it is no watchdog.
    fn open(path: &Path) -> io::Result<Self>;

    /// Whether it goes on counting when this process dies. (A driver without the magic character takes any end of its
    /// user for a good one.)
    fn outlives_us(&self) -> bool;

    /// Asks for a time-out in whole seconds; what the device made of it is in [`Self::timeout`].
    ///
    /// # Errors
    /// The device cannot be set, or not to this.
    fn set_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// The time-out in force.
    ///
    /// # Errors
    /// The device does not tell.
    fn timeout(&self) -> io::Result<Duration>;

    /// Starts the countdown anew.
    ///
    /// # Errors
    /// The device is gone or broken.
    fn feed(&mut self) -> io::Result<()>;

    /// Closes it such that it stops counting, if the kernel lets it (`nowayout` does not).
    ///
    /// # Errors
    /// The device is gone or broken.
    fn disarm(self) -> io::Result<()>;
}

/// One of the kernel's.
#[derive(Debug)]
pub(crate) struct LinuxDevice {
    file: File,
    options: u32,
}

impl Device for LinuxDevice {
    #[expect(unsafe_code, reason = "an ioctl")]
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        let mut info = Info::default();
        // SAFETY: the descriptor is open, and `info` is a whole `watchdog_info` that lives through the call.
        unsafe { ioctl::get_support(file.as_raw_fd(), &raw mut info) }?;
        Ok(Self { file, options: info.options })
    }

    fn outlives_us(&self) -> bool {
        self.options & MAGIC_CLOSE != 0
    }

    #[expect(unsafe_code, reason = "an ioctl")]
    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        let mut seconds = c_int::try_from(timeout.as_secs()).unwrap_or(c_int::MAX);
        // SAFETY: the descriptor is open, and `seconds` lives through the call.
        unsafe { ioctl::set_timeout(self.file.as_raw_fd(), &raw mut seconds) }?;
        Ok(())
    }

    #[expect(unsafe_code, reason = "an ioctl")]
    fn timeout(&self) -> io::Result<Duration> {
        let mut seconds: c_int = 0;
        // SAFETY: the descriptor is open, and `seconds` lives through the call.
        unsafe { ioctl::get_timeout(self.file.as_raw_fd(), &raw mut seconds) }?;
        Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }

    fn feed(&mut self) -> io::Result<()> {
        self.file.write_all(&[0])
    }

    fn disarm(mut self) -> io::Result<()> {
        self.file.write_all(b"V")
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn what_is_no_watchdog_is_not_used() {
        let error = LinuxDevice::open(Path::new("/dev/null")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::ENOTTY as i32));
        let error = LinuxDevice::open(Path::new("/dev/no such watchdog")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn the_kernel_knows_these_numbers() {
        assert_eq!(size_of::<Info>(), 40);
        assert_eq!(nix::request_code_read!(b'W', 0, 40), 0x8028_5700);
        assert_eq!(nix::request_code_readwrite!(b'W', 6, 4), 0xc004_5706);
    }
}
