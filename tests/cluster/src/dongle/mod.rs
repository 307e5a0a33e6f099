//! The witness in the cable: its firmware as it is, run by this program or by an emulated board.

mod library;

use crate::Result;
use crate::error::Error;
use crate::plan::Witness;
use heartline_core::witness::Side;
use heartline_lab::{CableBoard, NullModem, PowerSwitch, World, board};
use library::Library;
use std::path::Path;

/// Has the emulated board be the witness of every plan with one, in place of the library.
const EMULATED_VARIABLE: &str = "HEARTLINE_EMULATED_WITNESS";

/// The witness, and the second host's end of the cable that it is in. Losing this ends it.
#[derive(Debug)]
pub struct Dongle {
    /// The end of the cable at the second host.
    pub far_cable: NullModem,
    runs_on: RunsOn,
}

#[derive(Debug)]
enum RunsOn {
    Library(Library),
    Board(CableBoard),
}

impl Dongle {
    /// Puts it between two cables, and gives it power. Gives the first cable back.
    pub(crate) fn build(
        world: &mut World,
        witness: Witness,
        ends: [NullModem; 2],
        hosts: [&str; 2],
        power: &PowerSwitch,
    ) -> Result<(NullModem, Self)> {
        let is_emulated = witness == Witness::Board || std::env::var_os(EMULATED_VARIABLE).is_some();
        let runs_on = if is_emulated {
            RunsOn::Board(world.cable_board(&board::firmware()?, ends.each_ref(), power)?)
        } else {
            let nowhere = || Error::Wrong("a cable leads nowhere".to_owned());
            let terminal = |end: &NullModem| end.world_end().map(Path::to_owned).ok_or_else(nowhere);
            let terminals = [terminal(&ends[0])?, terminal(&ends[1])?];
            RunsOn::Library(Library::begin(terminals, hosts.map(|host| power.reset_button(host)))?)
        };
        let [first, far_cable] = ends;
        Ok((first, Self { far_cable, runs_on }))
    }

    /// Takes its power, and with it what it had in memory.
    pub fn power_off(&self) {
        match &self.runs_on {
            RunsOn::Library(library) => library.power(false),
            RunsOn::Board(board) => board.power_off(),
        }
    }

    /// Gives it power again.
    ///
    /// # Errors
    /// The emulator cannot be started.
    pub fn power_on(&self) -> Result<()> {
        match &self.runs_on {
            RunsOn::Library(library) => library.power(true),
            RunsOn::Board(board) => board.power_on()?,
        }
        Ok(())
    }

    /// Pulls its reset pin for a moment.
    ///
    /// # Errors
    /// The emulator does not answer.
    pub fn reset(&self) -> Result<()> {
        match &self.runs_on {
            RunsOn::Library(library) => library.reset(),
            RunsOn::Board(board) => board.press_reset()?,
        }
        Ok(())
    }

    /// Has the power sense of the first or the second host say whether its power is there.
    pub fn sense(&self, side: Side, is_on: bool) {
        match &self.runs_on {
            RunsOn::Library(library) => library.sense(side, is_on),
            RunsOn::Board(board) => board.sense(side.index(), is_on),
        }
    }

    /// How many lives it has had.
    #[must_use]
    pub fn lives(&self) -> usize {
        match &self.runs_on {
            RunsOn::Library(library) => library.lives(),
            RunsOn::Board(board) => board.console().matches("started").count(),
        }
    }

    /// The emulated board.
    ///
    /// # Errors
    /// There is none.
    pub fn board(&self) -> Result<&CableBoard> {
        match &self.runs_on {
            RunsOn::Board(board) => Ok(board),
            RunsOn::Library(_) => Err(Error::Wrong("the witness is not emulated".to_owned())),
        }
    }
}
