//! The words about fencing.

use heartline_core::fencing::FenceCause;

use super::*;

#[test]
fn fencing() {
    check(&[
        (
            Notice::FencingDelayed { member: HA2, pause: millis(5000) },
            Level::Info,
            "node ha2 may live and have more to lose: it is fenced after a fence_delay of 5.0 s, unless it is heard or \
             fences this node first",
            r#""fencing_delayed", "member": "ha2", "pause_ms": 5000"#,
        ),
        (
            Notice::Fencing { member: HA2, cause: FenceCause::Takeover, silence: millis(10_250) },
            Level::Info,
            "node ha2 may still run resources: it is fenced before they are taken over (silent for 10.2 s)",
            r#""fencing", "member": "ha2", "cause": "takeover", "silence_ms": 10250"#,
        ),
        (
            Notice::Fencing { member: HA2, cause: FenceCause::Defence, silence: millis(10_000) },
            Level::Info,
            "node ha2 is silent for 10.0 s while resources run here: it is fenced before it fences this node",
            r#""fencing", "member": "ha2", "cause": "defence", "silence_ms": 10000"#,
        ),
        (
            Notice::Fencing { member: HA2, cause: FenceCause::NeverHeard, silence: millis(60_000) },
            Level::Info,
            "node ha2 was never heard in 60.0 s and may run resources: it is fenced before they are started",
            r#""fencing", "member": "ha2", "cause": "never_heard", "silence_ms": 60000"#,
        ),
        (
            Notice::Fenced { member: HA2, cause: FenceCause::Takeover, device: 2, took: millis(2100) },
            Level::Info,
            "node ha2 is fenced with its fencing device 2 within 2.1 s: it can run nothing, its resources are free",
            r#""fenced", "member": "ha2", "cause": "takeover", "device": 2, "took_ms": 2100"#,
        ),
        (
            Notice::FenceBelied(HA2),
            Level::Crit,
            "node ha2 speaks although a fencing device said that it was fenced: the device did nothing. Resources may \
             have run on both nodes; do not trust this device",
            r#""fence_belied", "member": "ha2""#,
        ),
        (
            Notice::WasFenced {
                by: HA2,
                cause: FenceCause::Defence,
                life: 7,
                ago: millis(61_000),
                took: millis(2100),
                silence: millis(10_000),
                device: 1,
            },
            Level::Warn,
            "node ha2 fenced this node 61.0 s ago with its fencing device 1, which took 2.1 s, since it was silent for \
             10.0 s and would fence the node that runs the resources (generation 7)",
            r#""was_fenced", "by": "ha2", "cause": "defence", "generation": 7, "ago_ms": 61000, "took_ms": 2100,
               "silence_ms": 10000, "device": 1"#,
        ),
        (
            Notice::FencingFailed { member: HA2, failure: JobFailure::NotRun, retry_in: millis(5000) },
            Level::Error,
            "STONITH of ha2 failed.  Retrying... (the agent could not be run; the next attempt is in 5 s)",
            r#""fencing_failed", "member": "ha2", "failure": "not_run", "retry_in_ms": 5000"#,
        ),
        (
            Notice::FencingFailed { member: HA2, failure: JobFailure::Cancelled, retry_in: millis(10_000) },
            Level::Error,
            "STONITH of ha2 failed.  Retrying... (it was cancelled; the next attempt is in 10 s)",
            r#""fencing_failed", "member": "ha2", "failure": "cancelled", "retry_in_ms": 10000"#,
        ),
    ]);
}
