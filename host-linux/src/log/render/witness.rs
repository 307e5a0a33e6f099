//! The words about the witness in the null-modem cable.

use heartline_core::effect::FenceAnswer;
use heartline_core::ids::NodeId;
use heartline_core::notice::Notice;
use heartline_core::time::Duration;
use heartline_core::witness::{Deed, ReadBack, ResetCause, StartCause};
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
            "node {} was reset by witness {} {} s ago, since {}: it can run nothing, its resources are free",
            node(member),
            node(witness),
            seconds(ago),
            reset_reason(cause)
        ),
        Notice::WasResetByWitness { witness, cause, life, ago } => format!(
            "witness {} reset this node {} s ago, since {} (generation {life})",
            node(witness),
            seconds(ago),
            reset_reason(cause)
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

/// What the witness did when it was asked to reset a node, or why it did not.
///
/// # Errors
/// A sentence without a capital and a full stop.
pub fn fence_answer(answer: FenceAnswer) -> Result<ReadBack, String> {
    match answer {
        FenceAnswer::Done(read_back) => Ok(read_back),
        FenceAnswer::Refused(refusal) => Err(format!("it refuses: {refusal}")),
        FenceAnswer::Withdrawn => Err("another request took the place of this one".to_owned()),
        FenceAnswer::NoWitness => Err("no witness is configured".to_owned()),
    }
}

/// Why the witness reset a node, to follow "since".
#[must_use]
pub fn reset_reason(cause: ResetCause) -> String {
    match cause {
        ResetCause::Watchdog(after) => {
            format!("its watchdog was armed and it was silent for {} s", seconds(after))
        }
        ResetCause::PowerLost => "its watchdog was armed and its power gone".to_owned(),
        ResetCause::Fence(_) => "the other node asked for it".to_owned(),
    }
}

/// The kind of a deed of the witness in snake case, and what it was as a sentence without its full stop. `name` knows
/// members by their names on the wire.
pub fn deed_words(deed: &Deed, name: impl Fn(NodeId) -> String) -> (&'static str, String) {
    match *deed {
        Deed::Started(cause) => ("started", format!("it started: {}", start_words(cause))),
        Deed::Provisioned => ("provisioned", "it was given keys and settings".to_owned()),
        Deed::Armed(host, after) => {
            ("armed", format!("it armed the watchdog over {}, {} s", name(host), seconds(after)))
        }
        Deed::Released(host) => {
            ("released", format!("it disarmed the watchdog over {}, which ended in good order", name(host)))
        }
        Deed::Reset(host, cause, read_back) => {
            let seen = match read_back {
                ReadBack::NotSensed => "",
                ReadBack::WentOff => "; its power went, as was read back",
            };
            ("reset", format!("it reset {}, since {}{seen}", name(host), reset_reason(cause)))
        }
        Deed::StayedOn(host, cause) => (
            "stayed_on",
            format!(
                "it pulled the reset line of {}, since {}, and the power stayed on",
                name(host),
                reset_reason(cause)
            ),
        ),
        Deed::LineBelied(host) => {
            ("line_belied", format!("{} went on speaking although its reset line was pulled", name(host)))
        }
        Deed::Withheld(host) => (
            "withheld",
            format!(
                "it did not reset {} although it was silent, since both hosts fell silent at once",
                name(host)
            ),
        ),
        Deed::Refused(host, refusal) => {
            ("refused", format!("it did not reset the other host for {}: {refusal}", name(host)))
        }
        Deed::PowerLost(host) => ("power_lost", format!("the power of {} went", name(host))),
        Deed::PowerBack(host) => ("power_back", format!("the power of {} came back", name(host))),
        Deed::Voted(host, epoch) => {
            ("voted", format!("it gave its vote of epoch {} to {}", epoch.0, name(host)))
        }
    }
}

fn start_words(cause: StartCause) -> &'static str {
    match cause {
        StartCause::PowerOn => "its power came",
        StartCause::Pin => "its reset pin was pulled",
        StartCause::OwnWatchdog => "its own watchdog reset it",
        StartCause::BrownOut => "its supply had dropped",
        StartCause::Software => "its software asked for it",
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
