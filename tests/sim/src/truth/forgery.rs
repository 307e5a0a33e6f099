//! Promise 7 for frames that are not authentic or not fresh: a node that was handed one is afterwards, but for its
//! counters, what it would be had it been handed nothing at that moment, and has said and done the same.

use heartline_core::notice::Notice;
use heartline_core::{Effect, Effects, Node};

/// Compares a node that was handed a forged frame with its twin that was not.
pub(crate) fn differs(node: (&Node, &Effects), twin: (&Node, &Effects)) -> Option<String> {
    let counted =
        |effect: &Effect| matches!(effect, Effect::Notice(Notice::Refused { .. } | Notice::DuplicateName(_)));
    let done = |effects: &Effects| effects.iter().filter(|effect| !counted(effect)).collect::<Vec<Effect>>();
    let (did, would) = (done(node.1), done(twin.1));
    if did != would {
        return Some(format!("a forged frame leads to {did:?} instead of {would:?}"));
    }
    if node.1.frame() != twin.1.frame() {
        return Some("a forged frame changes what is said".to_owned());
    }
    let (is, would_be) = (without_counters(node.0), without_counters(twin.0));
    (is != would_be).then(|| format!("a forged frame changes the node: {}", first_difference(&is, &would_be)))
}

/// All fields of a node but the counters of refused frames, which stand between these two names.
fn without_counters(node: &Node) -> String {
    let mut text = format!("{node:?}");
    if let (Some(begin), Some(end)) = (text.find("counters: ["), text.find("differing: ")) {
        text.replace_range(begin..end, "");
    }
    text
}

fn first_difference(is: &str, would_be: &str) -> String {
    let at = is.bytes().zip(would_be.bytes()).take_while(|(one, other)| one == other).count();
    let part = |text: &str| text.chars().skip(at.saturating_sub(60)).take(140).collect::<String>();
    format!("...{}... instead of ...{}...", part(is), part(would_be))
}
