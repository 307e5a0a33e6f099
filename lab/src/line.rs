//! The line inside a null-modem cable: two pseudo-terminals, and the pump that carries bytes between them.

use crate::clock;
use crate::error::Error;
use crate::processes;
use nix::fcntl::{FlockArg, OFlag};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;
use serialport::{ClearBuffer, SerialPort, TTYPort};
use std::collections::VecDeque;
use std::fs;
use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many bytes wait on their way out, as in the kernel's buffer of a real serial port.
const BUFFER: usize = 4096;
/// Start bit, eight data bits, stop bit.
const BITS_PER_BYTE: u32 = 10;
/// The pump does not wake more often than this.
const LEAST_WAIT: Duration = Duration::from_micros(500);

/// What the cable's owner wants of the line.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Which wires are cut: that on which the first end sends, that of the second.
    Cut([bool; 2]),
    Noise {
        bytes_per_second: u32,
        seed: u64,
    },
    FlipBits {
        one_in: u32,
        seed: u64,
    },
    /// The second end hears this as if the first had sent it.
    Forge(Vec<u8>),
    /// What the first end sends is written down here.
    Tap(Recording),
}

/// What was sent, as far as there was room.
pub(crate) type Recording = Arc<Mutex<Vec<u8>>>;

/// Room in a recording: minutes at the usual rate.
const RECORDING_MAX: usize = 1 << 20;

/// One end of the line: what a host sees as a serial port.
#[derive(Debug)]
pub(crate) struct End {
    master: PtyMaster,
    /// Held open, so that the master survives when a host closes its side.
    slave: TTYPort,
    terminal: PathBuf,
    openings: Inotify,
    /// Whether the port is open on the host.
    is_open: bool,
    /// It is the world itself that reads here, and always does.
    is_the_worlds: bool,
    /// It was closed, but somebody seemed to hold it still: a child between its fork and its exec holds for a moment
    /// whatever its parent does, and no event tells when it lets go. So often it is looked at again.
    looks: u8,
}

impl End {
    pub(crate) fn open() -> Result<Self, Error> {
        let what = || Error::io("make a pseudo-terminal");
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).map_err(what())?;
        grantpt(&master).and_then(|()| unlockpt(&master)).map_err(what())?;
        let terminal = PathBuf::from(ptsname_r(&master).map_err(what())?);
        let slave = TTYPort::open(&serialport::new(terminal.to_string_lossy(), 9600).exclusive(false))
            .map_err(Error::io(format!("open {}", terminal.display())))?;
        unlock(&slave).map_err(what())?;
        let watch = || Error::io(format!("watch {}", terminal.display()));
        let openings = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).map_err(watch())?;
        let events = AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE;
        openings.add_watch(&terminal, events).map_err(watch())?;
        Ok(Self { master, slave, terminal, openings, is_open: false, is_the_worlds: false, looks: 0 })
    }

    /// The same for a reader in the world.
    pub(crate) fn of_the_world(self) -> Self {
        Self { is_open: true, is_the_worlds: true, ..self }
    }

    /// The path of the host's side, in the world.
    pub(crate) fn terminal(&self) -> &Path {
        &self.terminal
    }

    /// Learns whether the port is open on the host. After the last closing, a real port is as new: what was not
    /// read is gone, and it is nobody's, even if its holder was killed.
    fn look_for_readers(&mut self) {
        // Events only tell when to look: several closings may come as one.
        let events = self.openings.read_events().unwrap_or_default();
        if self.is_the_worlds {
            return;
        }
        if events.iter().any(|event| event.mask.intersects(AddWatchFlags::IN_CLOSE)) {
            self.looks = LOOKS;
        } else if events.is_empty() && self.looks == 0 {
            return;
        }
        let closed = self.looks > 0;
        self.looks = self.looks.saturating_sub(1);
        self.is_open = is_held_by_others(&self.terminal);
        if closed && !self.is_open {
            self.looks = 0;
            // Closing a copy takes the port's exclusive mode away. Neither can fail on a terminal held open.
            drop(self.slave.try_clone_native());
            let _ = self.slave.clear(ClearBuffer::Input);
        }
    }

    /// Gives bytes to the host; they are lost when it does not read.
    fn deliver(&self, bytes: &[u8]) {
        if self.is_open && !bytes.is_empty() {
            let _ = nix::unistd::write(&self.master, bytes);
        }
    }
}

/// Whether any process but this one has a terminal open.
fn is_held_by_others(terminal: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|data| (data.dev(), data.ino())).ok();
    let Some(wanted) = identity(terminal) else { return false };
    let others = processes::all(Path::new("/proc")).unwrap_or_default().into_iter();
    others.filter(|&pid| pid != Pid::this()).any(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.into_iter().any(|file| identity(&file.path()) == Some(wanted))
    })
}

/// Gives up the lock that `serialport` takes: the host's programs are to have it.
#[expect(deprecated, reason = "the successor wants to own the descriptor, which `serialport` does")]
fn unlock(port: &TTYPort) -> nix::Result<()> {
    nix::fcntl::flock(port.as_raw_fd(), FlockArg::Unlock)
}

/// How long until a port that was closed and seemed held is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// And how often: for a second.
const LOOKS: u8 = 50;

/// The line: two ends, a wire from each to the other.
#[derive(Debug)]
pub(crate) struct Line {
    ends: [End; 2],
    wires: [Wire; 2],
    orders: Receiver<Order>,
    bell: PipeReader,
}

impl Line {
    pub(crate) fn new(ends: [End; 2], baud: u32, orders: Receiver<Order>, bell: PipeReader) -> Self {
        let byte_time = Duration::from_secs(u64::from(BITS_PER_BYTE)) / baud.max(1);
        let now = clock::now();
        Self { ends, wires: [Wire::new(byte_time, now), Wire::new(byte_time, now)], orders, bell }
    }

    /// Carries bytes until the bell's other end is closed.
    pub(crate) fn run(&mut self) {
        while self.wait() {
            let now = clock::now();
            for order in self.orders.try_iter() {
                for (wire, odd) in self.wires.iter_mut().zip([0, 1]) {
                    wire.obey(order.clone(), odd, now);
                }
            }
            self.ends.iter_mut().for_each(End::look_for_readers);
            for from in [0, 1] {
                let (wire, to) = (&mut self.wires[from], &self.ends[1 - from]);
                wire.send_from(&self.ends[from].master, now);
                to.deliver(&wire.arrived(now));
            }
        }
    }

    /// Waits until there is something to do; `false` when the cable is gone.
    fn wait(&mut self) -> bool {
        let now = clock::now();
        let look_again = self.ends.iter().any(|end| end.looks > 0).then(|| now + LOOK_AGAIN);
        let next = self.wires.iter().filter_map(Wire::next_event).chain(look_again).min();
        let wait = next.map(|next| TimeSpec::from(next.saturating_duration_since(now).max(LEAST_WAIT)));
        let readable = PollFlags::POLLIN;
        let mut descriptors = vec![PollFd::new(self.bell.as_fd(), readable)];
        for (end, wire) in self.ends.iter().zip(&self.wires) {
            descriptors.push(PollFd::new(end.openings.as_fd(), readable));
            if wire.room() > 0 {
                descriptors.push(PollFd::new(end.master.as_fd(), readable));
            }
        }
        match ppoll(&mut descriptors, wait, None) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return false,
        }
        if descriptors[0].any() != Some(true) {
            return true;
        }
        drop(descriptors);
        matches!(self.bell.read(&mut [0; 64]), Ok(1..))
    }
}

/// One direction: bytes under way, the time that they take, and what happens to them.
#[derive(Debug)]
struct Wire {
    byte_time: Duration,
    under_way: VecDeque<u8>,
    /// When the first byte under way will have arrived.
    next_arrival: Instant,
    cut: bool,
    noise_interval: Option<Duration>,
    next_noise: Instant,
    noise: Dice,
    flip_one_in: u32,
    flips: Dice,
    tap: Option<Recording>,
}

impl Wire {
    fn new(byte_time: Duration, now: Instant) -> Self {
        Self {
            byte_time,
            under_way: VecDeque::with_capacity(BUFFER),
            next_arrival: now,
            cut: false,
            noise_interval: None,
            next_noise: now,
            noise: Dice::new(0),
            flip_one_in: 0,
            flips: Dice::new(0),
            tap: None,
        }
    }

    /// `index` tells the two wires apart, which share every order but not its dice.
    fn obey(&mut self, order: Order, index: u8, now: Instant) {
        match order {
            Order::Cut(cut) => self.cut = cut[usize::from(index)],
            Order::Noise { bytes_per_second, seed } => {
                self.noise_interval =
                    (bytes_per_second > 0).then(|| Duration::from_secs(1) / bytes_per_second);
                self.next_noise = now;
                self.noise = Dice::new(seed ^ u64::from(index));
            }
            Order::FlipBits { one_in, seed } => {
                self.flip_one_in = one_in;
                self.flips = Dice::new(seed ^ u64::from(index));
            }
            Order::Forge(bytes) if index == 0 => self.take(&bytes, now),
            Order::Tap(recording) if index == 0 => self.tap = Some(recording),
            Order::Forge(_) | Order::Tap(_) => {}
        }
    }

    fn room(&self) -> usize {
        BUFFER.saturating_sub(self.under_way.len())
    }

    fn next_event(&self) -> Option<Instant> {
        let arrival = (!self.under_way.is_empty()).then_some(self.next_arrival);
        let noise = self.noise_interval.map(|_| self.next_noise);
        arrival.into_iter().chain(noise).min()
    }

    /// Takes from the sender what there is room for: what does not fit waits at the sender.
    fn send_from(&mut self, master: &PtyMaster, now: Instant) {
        let mut bytes = [0; BUFFER];
        let room = self.room();
        let Ok(count @ 1..) = nix::unistd::read(master, &mut bytes[..room]) else { return };
        if let Some(tap) = &self.tap {
            let mut tap = tap.lock().unwrap_or_else(PoisonError::into_inner);
            let room = RECORDING_MAX.saturating_sub(tap.len());
            tap.extend_from_slice(&bytes[..count.min(room)]);
        }
        self.take(&bytes[..count], now);
    }

    fn take(&mut self, bytes: &[u8], now: Instant) {
        if self.under_way.is_empty() {
            self.next_arrival = self.next_arrival.max(now) + self.byte_time;
        }
        self.under_way.extend(bytes);
    }

    /// What has arrived by now, as it arrived.
    fn arrived(&mut self, now: Instant) -> Vec<u8> {
        let mut arrived = Vec::new();
        while self.next_arrival <= now
            && let Some(byte) = self.under_way.pop_front()
        {
            arrived.push(byte ^ self.flip());
            if !self.under_way.is_empty() {
                self.next_arrival += self.byte_time;
            }
        }
        if let Some(interval) = self.noise_interval {
            while self.next_noise <= now {
                let at = self.noise.below(arrived.len() as u64 + 1);
                let byte = self.noise.byte();
                arrived.insert(usize::try_from(at).unwrap_or_default(), byte);
                self.next_noise += interval;
            }
        }
        if self.cut { Vec::new() } else { arrived }
    }

    /// The bit that noise turns over in the next byte, most often none.
    fn flip(&mut self) -> u8 {
        if self.flip_one_in == 0 || self.flips.below(u64::from(self.flip_one_in)) != 0 {
            return 0;
        }
        1 << (self.flips.byte() % 8)
    }
}

/// Repeatable chance: Marsaglia's xorshift64*.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        // Zero is the one state that it never leaves.
        Self(seed.wrapping_add(0x9e37_79b9_7f4a_7c15).max(1))
    }

    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.throw() >> 11) % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.throw().to_be_bytes()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTE_TIME: Duration = Duration::from_millis(1);

    fn loaded(bytes: &[u8]) -> (Wire, Instant) {
        let start = clock::now();
        let mut wire = Wire::new(BYTE_TIME, start);
        wire.under_way.extend(bytes);
        wire.next_arrival = start + BYTE_TIME;
        (wire, start)
    }

    #[test]
    fn bytes_arrive_no_faster_than_the_line() {
        let (mut wire, start) = loaded(b"abcdef");
        assert_eq!(wire.arrived(start), b"");
        assert_eq!(wire.next_event(), Some(start + BYTE_TIME));
        assert_eq!(wire.arrived(start + BYTE_TIME * 2), b"ab");
        assert_eq!(wire.arrived(start + BYTE_TIME * 6), b"cdef");
        assert_eq!(wire.next_event(), None);
    }

    #[test]
    fn a_cut_wire_still_takes_its_time_and_brings_nothing() {
        let (mut wire, start) = loaded(b"abc");
        wire.obey(Order::Cut([true, false]), 0, start);
        assert_eq!(wire.arrived(start + BYTE_TIME), b"");
        assert_eq!(wire.under_way.len(), 2);
    }

    #[test]
    fn noise_comes_at_its_rate_and_is_repeatable() {
        let noise = |seed| {
            let (mut wire, start) = loaded(b"");
            wire.obey(Order::Noise { bytes_per_second: 1000, seed }, 0, start);
            wire.arrived(start + Duration::from_millis(99))
        };
        assert_eq!(noise(7).len(), 100);
        assert_eq!(noise(7), noise(7));
        assert_ne!(noise(7), noise(8));
    }

    #[test]
    fn what_is_forged_comes_after_what_was_sent() {
        let (mut wire, start) = loaded(b"ab");
        wire.obey(Order::Forge(b"xy".to_vec()), 0, start);
        wire.obey(Order::Forge(b"to the other end".to_vec()), 1, start);
        assert_eq!(wire.arrived(start + BYTE_TIME * 9), b"abxy");
    }

    #[test]
    fn a_flip_turns_over_one_bit() {
        let (mut wire, start) = loaded(&[0; 64]);
        wire.obey(Order::FlipBits { one_in: 1, seed: 1 }, 0, start);
        let arrived = wire.arrived(start + BYTE_TIME * 64);
        assert!(arrived.iter().all(|byte| byte.count_ones() == 1));
    }
}
