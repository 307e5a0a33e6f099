//! The witness in the null-modem cable: its firmware as it is, on a board that QEMU emulates. Its serial ports are the ends of
//! the hosts' cables, its reset lines take their power.

use std::path::Path;

use heartline_lab::{CableBoard, Host, NullModem, PowerSwitch, World};

use super::error::DemoError;
use super::files::BAUD;

/// The witness, and the half of the cable that leads to the second host, which is whole as long as this lives.
#[derive(Debug)]
pub(super) struct Dongle {
    _far_cable: NullModem,
    // Before the switch at which it pulls.
    board: CableBoard,
    power: PowerSwitch,
}

impl Dongle {
    /// Puts it between two hosts that are down, and gives it power. Gives the first host's half of the cable as well.
    pub(super) fn build(
        world: &mut World,
        [first, second]: &mut [Host; 2],
        firmware: &Path,
    ) -> Result<(NullModem, Self), DemoError> {
        let cable = world.cable_to_world(first, BAUD)?;
        let far_cable = world.cable_to_world(second, BAUD)?;
        let power = world.power_switch()?;
        let board = world.cable_board(firmware, [&cable, &far_cable], &power)?;
        Ok((cable, Self { _far_cable: far_cable, board, power }))
    }

    /// Has its power sense say whether a host has power.
    pub(super) fn sense(&self, host: usize, is_on: bool) {
        self.board.sense(host, is_on);
    }

    /// The hosts that it has reset, in order.
    pub(super) fn resets(&self) -> Vec<String> {
        let requests = self.power.requests().into_iter();
        requests.filter_map(|request| request.strip_prefix("reset ").map(str::to_owned)).collect()
    }
}
