//! Advice on the witness in the null-modem cable.

use heartline_core::provision::WITNESS_KEYS;

use super::Advice;
use crate::config::model::{AuthMethod, FenceDevice, FenceParameters, Quorum};

/// The longest ordinary heartbeat of a witness on the line, about.
pub(super) const FRAME_BYTES: usize = 120;

impl Advice<'_> {
    pub(super) fn on_witness(&mut self) {
        let configuration = self.configuration();
        if configuration.witness.is_none() {
            return;
        }
        let is_dongle = |device: &FenceDevice| matches!(device.parameters, FenceParameters::Witness(_));
        let fences = configuration.fencing.iter().any(is_dongle);
        let watches = configuration.witness_watchdog.is_some();
        let votes = configuration.quorum == Quorum::Witness;
        let keys = configuration.keys.keys.len();
        let open = configuration.keys.keys.iter().any(|key| key.method == AuthMethod::Crc);
        if !fences && !watches && !votes {
            let message = "the witness only bridges: it neither votes, nor watches, nor fences";
            let remedy = "add `quorum witness`, `witness_watchdog TIME`, or `stonith_host * dongle NAME`";
            self.warn_of_directive("witness", message, remedy);
        } else if (fences || watches) && !votes {
            let message =
                "without `quorum witness` a node may take over although the witness has not voted for it";
            self.warn_of_directive("witness", message, "add `quorum witness`");
        }
        if open {
            let message =
                "a key of authkeys is `crc`: no witness takes it, since anybody could have hosts reset";
            self.warn_of_directive("witness", message, "use `sha256` with a secret");
        }
        if keys > WITNESS_KEYS {
            let message = format!("{keys} keys are in authkeys, and a witness has room for {WITNESS_KEYS}");
            self.warn_of_directive("witness", message, "remove keys from authkeys that no node signs with");
        }
    }
}
