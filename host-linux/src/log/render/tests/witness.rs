//! The words about the witness.

use heartline_core::ids::Epoch;
use heartline_core::witness::ResetCause;

use super::*;

/// No member of the two is a witness; which one is called so does not matter here.
const WITNESS: MemberIndex = HA2;

#[test]
fn the_witness() {
    check(&[
        (
            Notice::WitnessWatches { witness: WITNESS, after: millis(2000) },
            Level::Info,
            "Witness ha2 watches over this node from here on: it resets it after a silence of 2.0 s",
            r#""witness_watches", "witness": "ha2", "after_ms": 2000"#,
        ),
        (
            Notice::WitnessWatchesNot(WITNESS),
            Level::Warn,
            "Witness ha2 does not watch over this node any more",
            r#""witness_watches_not", "witness": "ha2""#,
        ),
        (
            Notice::WitnessVoted { witness: WITNESS, epoch: Epoch(3) },
            Level::Info,
            "Witness ha2 votes for this node (epoch 3): it may take what a dead node ran",
            r#""witness_voted", "witness": "ha2", "epoch": 3"#,
        ),
        (
            Notice::PowerLost(HA2),
            Level::Warn,
            "node ha2: its power is gone, as the witness says, and it was silent for two heartbeats",
            r#""power_lost", "member": "ha2""#,
        ),
        (
            Notice::ResetByWitness {
                member: HA2,
                witness: WITNESS,
                cause: ResetCause::Watchdog(millis(2000)),
                ago: millis(310),
            },
            Level::Warn,
            "node ha2 was reset by witness ha2 0.3 s ago, since its watchdog was armed and it was silent for 2.0 s: it can \
             run nothing, its resources are free",
            r#""reset_by_witness", "member": "ha2", "witness": "ha2", "cause": "watchdog", "ago_ms": 310"#,
        ),
        (
            Notice::WasResetByWitness {
                witness: WITNESS,
                cause: ResetCause::PowerLost,
                life: 7,
                ago: millis(61_000),
            },
            Level::Warn,
            "witness ha2 reset this node 61.0 s ago, since its watchdog was armed and its power gone (generation 7)",
            r#""was_reset_by_witness", "witness": "ha2", "cause": "power_lost", "generation": 7, "ago_ms": 61000"#,
        ),
    ]);
}
