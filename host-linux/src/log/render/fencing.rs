//! The words about fencing, shared with the record of fences.

use heartline_core::fencing::FenceCause;
use heartline_core::notice::Notice;
use heartline_core::time::Duration;
use serde_json::{Value, json};

use super::Names;

/// Why a node is fenced, to follow "since".
#[must_use]
pub fn why(cause: FenceCause, silence: Duration) -> String {
    let silence = seconds(silence);
    match cause {
        FenceCause::Takeover => format!("it was silent for {silence} s and may still run resources"),
        FenceCause::Defence => {
            format!("it was silent for {silence} s and would fence the node that runs the resources")
        }
        FenceCause::NeverHeard => format!("it was not heard in the {silence} s since the other's start"),
    }
}

/// The text for a notice about fencing; nothing for any other.
pub(super) fn text(notice: &Notice, names: &Names) -> Option<String> {
    Some(match notice {
        Notice::FencingDelayed { member, pause } => format!(
            "node {} may live and have more to lose: it is fenced after a fence_delay of {} s, unless it is heard or \
             fences this node first",
            names.member(*member),
            seconds(*pause)
        ),
        Notice::Fencing { member, cause, silence } => {
            let name = names.member(*member);
            match cause {
                FenceCause::Takeover => format!(
                    "node {name} may still run resources: it is fenced before they are taken over (silent for {} s)",
                    seconds(*silence)
                ),
                FenceCause::Defence => format!(
                    "node {name} is silent for {} s while resources run here: it is fenced before it fences this node",
                    seconds(*silence)
                ),
                FenceCause::NeverHeard => format!(
                    "node {name} was never heard in {} s and may run resources: it is fenced before they are started",
                    seconds(*silence)
                ),
            }
        }
        Notice::Fenced { member, device, took, .. } => format!(
            "node {} is fenced{} within {} s: it can run nothing, its resources are free",
            names.member(*member),
            with(*device),
            seconds(*took)
        ),
        Notice::FenceBelied(member) => format!(
            "node {} speaks although a fencing device said that it was fenced: the device did nothing. Resources may \
             have run on both nodes; do not trust this device",
            names.member(*member)
        ),
        Notice::WasFenced { by, cause, life, ago, took, silence, device } => format!(
            "node {} fenced this node {} s ago{}, which took {} s, since {} (generation {life})",
            names.member(*by),
            seconds(*ago),
            with(*device),
            seconds(*took),
            why(*cause, *silence)
        ),
        _ => return None,
    })
}

/// The object for a notice about fencing; nothing for any other.
pub(super) fn object(notice: &Notice, names: &Names) -> Option<Value> {
    let node = |member| names.member(member);
    Some(match *notice {
        Notice::FencingDelayed { member, pause } => {
            json!({ "notice": "fencing_delayed", "member": node(member), "pause_ms": pause.millis() })
        }
        Notice::Fencing { member, cause, silence } => json!({
            "notice": "fencing", "member": node(member), "cause": cause_word(cause), "silence_ms": silence.millis(),
        }),
        Notice::Fenced { member, cause, device, took } => json!({
            "notice": "fenced", "member": node(member), "cause": cause_word(cause), "device": device,
            "took_ms": took.millis(),
        }),
        Notice::FenceBelied(member) => json!({ "notice": "fence_belied", "member": node(member) }),
        Notice::WasFenced { by, cause, life, ago, took, silence, device } => json!({
            "notice": "was_fenced", "by": node(by), "cause": cause_word(cause), "generation": life,
            "ago_ms": ago.millis(), "took_ms": took.millis(), "silence_ms": silence.millis(), "device": device,
        }),
        _ => return None,
    })
}

fn cause_word(cause: FenceCause) -> &'static str {
    match cause {
        FenceCause::Takeover => "takeover",
        FenceCause::Defence => "defence",
        FenceCause::NeverHeard => "never_heard",
    }
}

fn with(device: u8) -> String {
    if device == 0 { String::new() } else { format!(" with its fencing device {device}") }
}

/// Seconds with one decimal.
fn seconds(span: Duration) -> String {
    format!("{}.{}", span.millis() / 1_000, span.millis() / 100 % 10)
}
