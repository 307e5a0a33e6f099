//! What is going to happen, earliest first; of what happens at one moment, what was planned first.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::plan::Micros;
use crate::wire::FrameId;

/// One thing that is going to happen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// A fault of the plan strikes.
    Fault(usize),
    /// A datagram, or what is left of a frame on a line, reaches a host; on the cable, the numbers behind the hosts' are the
    /// sides of the witness.
    Arrival { link: u8, to: u8, frame: FrameId },
    /// The line from this host is free again.
    LineFree { link: u8, from: u8 },
    /// An agent ends.
    ChildEnds { host: u8, child: u32 },
    /// A fencing device cuts a host's power, as this host asked.
    Shot { victim: u8, by: u8 },
    /// Power comes.
    PowerOn { host: u8, power: u32 },
    /// The system is up.
    BootDone { host: u8, power: u32 },
    /// Power goes, once more.
    PowerOff { host: u8, power: u32 },
    /// Somebody starts the daemon, unless one runs.
    StartDaemon { host: u8, power: u32 },
    /// The generation is on disk: the daemon begins.
    DaemonUp { host: u8, power: u32 },
    /// A stall may be over.
    Awake { host: u8 },
    /// A daemon learns that its watchdog is armed.
    WatchdogOpen { host: u8, life: u32 },
    /// A watchdog was not fed in time, unless it was fed meanwhile.
    WatchdogEnds { host: u8, power: u32 },
    /// The ping nodes are asked.
    Pings { host: u8, life: u32 },
    /// An operator ends the maintenance that began at this host.
    EndMaintenance { host: u8 },
    /// The files are read again.
    Reload { host: u8 },
    /// The files say what they usually say.
    Restore { host: u8 },
    /// What is true for a while is compared with what is promised.
    Audit,
    /// After one crash: everything must run elsewhere by now.
    CrashOver { host: u8, power: u32 },
    /// Operators see to what is left to do; the number of their visit.
    Visit(u8),
    /// The witness gets power.
    WitnessPower,
    /// The firmware of the witness begins.
    WitnessUp { lives: u32 },
    /// The witness's own watchdog ends its hanging.
    OwnWatchdog { lives: u32 },
    /// The line from the witness to this host is free again.
    PortFree { side: u8, lives: u32 },
    /// A reset line has been pulled for as long as it takes.
    LineWorks { host: u8, number: u32 },
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Micros,
    number: u64,
    event: Event,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    number: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Micros, event: Event) {
        self.number += 1;
        self.heap.push(Reverse(Entry { at, number: self.number, event }));
    }

    pub(super) fn next(&self) -> Option<Micros> {
        self.heap.peek().map(|entry| entry.0.at)
    }

    pub(super) fn pop(&mut self) -> Option<(Micros, Event)> {
        self.heap.pop().map(|entry| (entry.0.at, entry.0.event))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
