//! The directives about the witness in the null-modem cable, and what they must agree with. Opens nothing.

use std::time::Duration;

use heartline_core::ids::NodeId;
use heartline_core::witness::{HOSTS, LONGEST_WATCH};

use super::cross_checks::show;
use super::directives::Outcome;
use super::ha_cf::{self, HaCf};
use super::media;
use super::model::{FenceDevice, FenceParameters, Quorum, Times, Witness};
use super::source::{Span, Word, is_blank, words};

/// The fencing type that stands for the witness.
pub(super) const DONGLE: &str = "dongle";

/// Also opens the serial link, since the witness sits in its cable; a `serial` line for the same device says nothing more.
pub(super) fn witness(ha_cf: &mut HaCf<'_>, line: Word<'_>) -> Outcome {
    const USAGE: &str = "write `witness NAME serial DEVICE`";
    let found = words(line.text, line.span.line, line.span.column, is_blank);
    let (name, device) = match found.as_slice() {
        [name, medium, device] if medium.text == "serial" => (*name, *device),
        [_, medium, _] => {
            let message = format!("a witness is not reached over `{}`", medium.text);
            return Err(medium.finding(message, USAGE));
        }
        [_, _, _, surplus, ..] => {
            return Err(surplus.finding(format!("`{}` means nothing here", surplus.text), USAGE));
        }
        _ => return Err(line.finding("a witness is given by its name and its serial device", USAGE)),
    };
    if let Some((known, first)) = &ha_cf.witness {
        let message = format!("witness `{}` is given already in line {}", known.name, first.line);
        return Err(name.finding(message, "keep one of the two lines: a cluster has one witness"));
    }
    let witness = Witness { name: ha_cf::node_name(name)?, device: device.text.into() };
    ha_cf.witness = Some((witness, name.span));
    media::serial(ha_cf, device)
}

pub(super) fn witness_watchdog(ha_cf: &mut HaCf<'_>, word: Word<'_>) -> Outcome {
    ha_cf.witness_watchdog = Some(ha_cf::positive_time(word)?);
    Ok(())
}

/// `stonith_host HOST dongle NAME`.
pub(super) fn fence_device(ha_cf: &mut HaCf<'_>, parameters: &[Word<'_>]) -> Outcome {
    let [name, rest @ ..] = parameters else { return Ok(()) };
    if let Some(surplus) = rest.first() {
        let message = format!("`{}` means nothing to a witness", surplus.text);
        return Err(surplus.finding(message, "write `stonith_host HOST dongle NAME`"));
    }
    let witness = name.text.to_lowercase();
    ha_cf.witness_fences.push((witness.clone(), name.span));
    ha_cf
        .fencing
        .push(FenceDevice { kind: DONGLE.to_owned(), parameters: FenceParameters::Witness(witness) });
    Ok(())
}

/// What can be said once the whole file is read.
pub(super) fn check(ha_cf: &mut HaCf<'_>, times: &Times) {
    check_who(ha_cf);
    if ha_cf.any_refused(&["witness"]) {
        return;
    }
    check_uses(ha_cf);
    check_watchdog(ha_cf, times);
}

fn check_who(ha_cf: &mut HaCf<'_>) {
    let Some((Witness { name, .. }, place)) = ha_cf.witness.clone() else { return };
    if ha_cf.nodes.iter().any(|(node, _)| *node == name) {
        let message = format!("`{name}` cannot be a node and the witness");
        error(
            ha_cf,
            place,
            message,
            "take it out of the `node` lines, or give the witness a name of its own",
        );
    } else if let Some((node, _)) = ha_cf.nodes.iter().find(|(node, _)| NodeId::of(node) == NodeId::of(&name))
    {
        let message = format!("witness `{name}` and node `{node}` have the same 16-bit identity on the wire");
        error(ha_cf, place, message, "give the witness another name");
    }
    let nodes = ha_cf.nodes.len();
    if nodes != HOSTS && nodes != 0 {
        let message = format!("a witness in a null-modem cable is for two nodes, and there are {nodes}");
        let remedy = match nodes {
            1 => "list the other node with `node`, or remove the line",
            _ => "remove the line, and write `quorum majority` and configure fencing",
        };
        error(ha_cf, place, message, remedy);
    }
}

fn check_uses(ha_cf: &mut HaCf<'_>) {
    const REMEDY: &str = "add `witness NAME serial DEVICE`";
    let named = ha_cf.witness.as_ref().map(|(witness, _)| witness.name.clone());
    if named.is_none() && ha_cf.quorum == Quorum::Witness {
        let place = ha_cf.place("quorum");
        let message = "`quorum witness` needs a witness, and there is none".to_owned();
        error(ha_cf, place, message, "add `witness NAME serial DEVICE`, or write `quorum off`");
    }
    if named.is_none() && ha_cf.witness_watchdog.is_some() {
        let place = ha_cf.place("witness_watchdog");
        error(ha_cf, place, "there is no witness that could be a watchdog".to_owned(), REMEDY);
    }
    for (name, place) in ha_cf.witness_fences.clone() {
        match &named {
            None => error(ha_cf, place, format!("there is no witness `{name}`"), REMEDY),
            Some(known) if *known != name => {
                let remedy = format!("write `{known}`");
                error(ha_cf, place, format!("there is no witness `{name}`"), &remedy);
            }
            Some(_) => {}
        }
    }
}

/// Whoever is reset before the others hold it for dead is reset while it is waited for.
fn check_watchdog(ha_cf: &mut HaCf<'_>, times: &Times) {
    let Some(time) = ha_cf.witness_watchdog else { return };
    let place = ha_cf.place("witness_watchdog");
    let longest = Duration::from_micros(LONGEST_WATCH.micros());
    if ha_cf.any_refused(&["witness_watchdog", "keepalive", "deadtime"]) {
        return;
    }
    if time < times.deadtime {
        let message = format!(
            "the witness would reset this host after a silence of {}, before it is dead ({})",
            show(time),
            show(times.deadtime)
        );
        error(ha_cf, place, message, "make witness_watchdog at least deadtime");
    } else if time > longest {
        let message = format!("a witness waits {} at most before it resets a host", show(longest));
        error(ha_cf, place, message, "make witness_watchdog about as long as deadtime");
    }
}

fn error(ha_cf: &mut HaCf<'_>, place: Span, message: String, remedy: &str) {
    ha_cf.diagnostics.error(ha_cf.file, place.finding(message, remedy));
}
