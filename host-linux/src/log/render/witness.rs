//! The words about the witness in the null-modem cable.

use heartline_core::notice::Notice;
use heartline_core::time::Duration;
use heartline_core::witness::ResetCause;
use serde_json::{Value, json};

use super::Names;

/// The text for a notice about the witness; nothing for any other.
pub(super) fn text(notice: &Notice, names: &Names) -> Option<String> {
    let node = |member| names.member(member);
    Some(match *notice {
        Notice::WitnessWatches { witness, after } => format!(
            "Witness {} watches over this node from here on: it resets it after a silence of {} s",
            node(witness),
            seconds(after)
        ),
        Notice::WitnessWatchesNot(witness) => {
            format!("Witness {} does not watch over this node any more", node(witness))
        }
        Notice::WitnessVoted { witness, epoch } => format!(
            "Witness {} votes for this node (epoch {}): it may take what a dead node ran",
            node(witness),
            epoch.0
        ),
        Notice::PowerLost(member) => format!(
            "node {}: its power is gone, as the witness says, and it was silent for two heartbeats",
            node(member)
        ),
        Notice::ResetByWitness { member, witness, cause, ago } => format!(
            "node {} was reset by witness {} {} s ago, {}: it can run nothing, its resources are free",
            node(member),
            node(witness),
            seconds(ago),
            why(cause)
        ),
        Notice::WasResetByWitness { witness, cause, life, ago } => format!(
            "witness {} reset this node {} s ago, {} (generation {life})",
            node(witness),
            seconds(ago),
            why(cause)
        ),
        _ => return None,
    })
}

/// The object for a notice about the witness; nothing for any other.
pub(super) fn object(notice: &Notice, names: &Names) -> Option<Value> {
    let node = |member| names.member(member);
    Some(match *notice {
        Notice::WitnessWatches { witness, after } => json!({
            "notice": "witness_watches", "witness": node(witness), "after_ms": after.millis(),
        }),
        Notice::WitnessWatchesNot(witness) => {
            json!({ "notice": "witness_watches_not", "witness": node(witness) })
        }
        Notice::WitnessVoted { witness, epoch } => json!({
            "notice": "witness_voted", "witness": node(witness), "epoch": epoch.0,
        }),
        Notice::PowerLost(member) => json!({ "notice": "power_lost", "member": node(member) }),
        Notice::ResetByWitness { member, witness, cause, ago } => json!({
            "notice": "reset_by_witness", "member": node(member), "witness": node(witness),
            "cause": cause_word(cause), "ago_ms": ago.millis(),
        }),
        Notice::WasResetByWitness { witness, cause, life, ago } => json!({
            "notice": "was_reset_by_witness", "witness": node(witness), "cause": cause_word(cause),
            "generation": life, "ago_ms": ago.millis(),
        }),
        _ => return None,
    })
}

/// Why the witness reset a node, to follow what it did.
fn why(cause: ResetCause) -> String {
    match cause {
        ResetCause::Watchdog(after) => {
            format!("since its watchdog was armed and it was silent for {} s", seconds(after))
        }
        ResetCause::PowerLost => "since its watchdog was armed and its power gone".to_owned(),
        ResetCause::Fence(_) => "since the other node asked for it".to_owned(),
    }
}

fn cause_word(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::Watchdog(_) => "watchdog",
        ResetCause::PowerLost => "power_lost",
        ResetCause::Fence(_) => "fence",
    }
}

/// Seconds with one decimal.
fn seconds(span: Duration) -> String {
    format!("{}.{}", span.millis() / 1_000, span.millis() / 100 % 10)
}
