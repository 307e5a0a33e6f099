//! The console: a line for each deed, for whoever looks: its number, what it was, and the name on the wire of the host that
//! it was about. It never waits for anybody. Numbers are hexadecimal, since `core::fmt` is four kilobytes of flash.

use embedded_io::Write as _;
use heartline_bridge::Bridge;
use heartline_bridge::store::Pages;
use heartline_core::ids::NodeId;
use heartline_core::time::Instant;
use heartline_core::witness::{Deed, PastDeed, ResetCause};

use crate::uart::Uart;

const LINE: usize = 64;

/// The console and what is on its way there.
pub(crate) struct Console {
    port: Uart,
    line: [u8; LINE],
    length: usize,
    sent: usize,
    /// The number of the newest deed that was told.
    told: Option<u32>,
}

impl Console {
    pub(crate) const fn new(port: Uart) -> Self {
        Self { port, line: [0; LINE], length: 0, sent: 0, told: None }
    }

    /// Sends what there is room for, and has the next line ready.
    pub(crate) fn turn<P: Pages>(&mut self, now: Instant, bridge: &Bridge<'_, P>) {
        if self.sent < self.length {
            self.send();
            return;
        }
        let journal = bridge.journal();
        let Some(newest) = journal.newest().filter(|newest| Some(*newest) != self.told) else { return };
        let next = self.told.map_or(newest, |told| told.wrapping_add(1));
        // One that was overwritten meanwhile cannot be told any more.
        let deed = journal.deed(now, next).or_else(|| journal.deed(now, newest));
        if let Some(deed) = deed {
            self.told = Some(deed.number);
            self.tell(&deed);
        }
    }

    /// Sends the rest of a line, for a bounded time.
    pub(crate) fn finish(&mut self) {
        for _ in 0..1_000_000 {
            self.send();
            if self.sent >= self.length {
                return;
            }
        }
    }

    fn send(&mut self) {
        let waiting = self.line.get(self.sent..self.length).unwrap_or_default();
        self.sent += self.port.write(waiting).unwrap_or(0);
    }

    fn tell(&mut self, deed: &PastDeed) {
        let (what, host) = words(&deed.deed);
        (self.length, self.sent) = (0, 0);
        self.hexadecimal(&deed.number.to_be_bytes());
        self.text(b" ");
        self.text(what);
        if let Some(NodeId(name)) = host {
            self.text(b" ");
            self.hexadecimal(&name);
        }
        self.text(b"\r\n");
    }

    /// What finds no room is left out.
    fn text(&mut self, text: &[u8]) {
        for byte in text {
            if let Some(slot) = self.line.get_mut(self.length) {
                *slot = *byte;
                self.length += 1;
            }
        }
    }

    fn hexadecimal(&mut self, bytes: &[u8]) {
        for byte in bytes {
            for digit in [byte >> 4, byte & 0xf] {
                self.text(&[if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }]);
            }
        }
    }
}

fn words(deed: &Deed) -> (&'static [u8], Option<NodeId>) {
    match *deed {
        Deed::Started(_) => (b"started", None),
        Deed::Provisioned => (b"provisioned", None),
        Deed::Armed(host, _) => (b"armed", Some(host)),
        Deed::Released(host) => (b"released", Some(host)),
        Deed::Reset(host, ResetCause::Watchdog(_), _) => (b"reset: silent", Some(host)),
        Deed::Reset(host, ResetCause::PowerLost, _) => (b"reset: power lost", Some(host)),
        Deed::Reset(host, ResetCause::Fence(_), _) => (b"reset: fenced", Some(host)),
        Deed::StayedOn(host, _) => (b"power stayed on", Some(host)),
        Deed::LineBelied(host) => (b"reset line does nothing", Some(host)),
        Deed::Withheld(host) => (b"withheld", Some(host)),
        Deed::Refused(host, _) => (b"refused", Some(host)),
        Deed::PowerLost(host) => (b"power lost", Some(host)),
        Deed::PowerBack(host) => (b"power back", Some(host)),
        Deed::Voted(host, _) => (b"voted", Some(host)),
    }
}
