//! `hb_standby` and `hb_takeover` under their original names, words and usage texts; they wait for the outcome.

use std::process::ExitCode;

use super::Output;
use super::places::Places;
use super::transfer::{Patience, carry_out, show_step};
use crate::clock;
use crate::control::{Request, Scope};
use crate::log;

/// `hb_standby [all|foreign|local|failback] [--no-wait]`.
pub(super) fn standby(invoked: &str, words: &[String], places: &Places) -> ExitCode {
    run(invoked, words, places, standby_scope, |scope| Request::Standby { scope })
}

/// `hb_takeover [all|foreign|local|failback] [--no-wait]`.
pub(super) fn takeover(invoked: &str, words: &[String], places: &Places) -> ExitCode {
    run(invoked, words, places, takeover_scope, |scope| Request::Takeover { scope })
}

/// To fail back by giving up is to give up what belongs to the other node.
pub(super) fn standby_scope(word: &str) -> Option<Scope> {
    if word == "failback" { Some(Scope::Foreign) } else { scope(word) }
}

/// To fail back by taking is to take what belongs to this node.
pub(super) fn takeover_scope(word: &str) -> Option<Scope> {
    if word == "failback" { Some(Scope::Local) } else { scope(word) }
}

fn scope(word: &str) -> Option<Scope> {
    [Scope::All, Scope::Local, Scope::Foreign].into_iter().find(|scope| scope.word() == word)
}

fn run(
    invoked: &str,
    words: &[String],
    places: &Places,
    scope_of: fn(&str) -> Option<Scope>,
    request_for: fn(Scope) -> Request,
) -> ExitCode {
    let (scope, patience) = match understand(invoked, words, scope_of) {
        Ok(understood) => understood,
        Err(usage) => return usage.print(),
    };
    let request = request_for(scope);
    if matches!(request, Request::Standby { .. }) {
        let stamp = log::time_stamp(clock::wall());
        show_step(&format!("{stamp} Going standby [{}].", scope.word()));
    }
    carry_out(&places.control_socket(), &request, patience, show_step).print()
}

fn understand(
    invoked: &str,
    words: &[String],
    scope_of: fn(&str) -> Option<Scope>,
) -> Result<(Scope, Patience), Output> {
    let usage = |complaint: String| {
        Output::bad(1, format!("{complaint}usage:\n{invoked} [all|foreign|local|failback]\n"))
    };
    let (hasty, words): (Vec<_>, Vec<_>) = words.iter().partition(|word| *word == "--no-wait");
    let patience = if hasty.is_empty() { Patience::Wait } else { Patience::NoWait };
    match words.as_slice() {
        [] => Ok((Scope::All, patience)),
        [word] if *word == "--help" || *word == "-h" => Err(usage(String::new())),
        [word] => match scope_of(word) {
            Some(scope) => Ok((scope, patience)),
            None => Err(usage(format!("{invoked}: wrong resources({word}).\n"))),
        },
        _ => Err(usage(format!("{invoked}: too many arguments\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDBY: &str = "/usr/share/heartbeat/hb_standby";

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn usage_texts_are_the_originals() {
        let usage = "usage:\n/usr/share/heartbeat/hb_standby [all|foreign|local|failback]\n";
        for (line, complaint) in [
            ("bogus", "/usr/share/heartbeat/hb_standby: wrong resources(bogus).\n"),
            ("a b", "/usr/share/heartbeat/hb_standby: too many arguments\n"),
            ("--help", ""),
        ] {
            let output = understand(STANDBY, &words(line), standby_scope).unwrap_err();
            assert_eq!(output, Output::bad(1, format!("{complaint}{usage}")));
        }
    }

    #[test]
    fn failback_means_the_same_move_from_either_side() {
        let understood = |line: &str, scope_of| understand(STANDBY, &words(line), scope_of).unwrap();
        assert_eq!(understood("", standby_scope), (Scope::All, Patience::Wait));
        assert_eq!(understood("failback", standby_scope), (Scope::Foreign, Patience::Wait));
        assert_eq!(understood("failback", takeover_scope), (Scope::Local, Patience::Wait));
        assert_eq!(understood("--no-wait local", takeover_scope), (Scope::Local, Patience::NoWait));
    }
}
