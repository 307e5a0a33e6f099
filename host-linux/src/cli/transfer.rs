//! Asks the daemon for something that takes time, shows the steps, and exits with the outcome.

use std::path::Path;

use super::Output;
use crate::control::{Client, ClientError, Request};

/// Whether a command stays until the outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Shows the steps, and exits with the outcome. However long it takes: the daemon limits every step.
    Wait,
    /// Leaves when the request is handed over, as the original's commands do.
    NoWait,
}

/// Carries one request out. `progress` gets each step when it happens.
pub(super) fn carry_out(
    socket: &Path,
    request: &Request,
    patience: Patience,
    mut progress: impl FnMut(&str),
) -> Output {
    let mut attempt = || {
        let mut client = Client::connect(socket, None)?;
        match patience {
            Patience::Wait => client.ask(request, &mut progress).map(|answer| Some(answer.outcome)),
            Patience::NoWait => client.send(request).map(|()| None),
        }
    };
    let sentence = |text: &str| if text.is_empty() { String::new() } else { format!("{text}\n") };
    match attempt() {
        Ok(None) => Output::default(),
        Ok(Some(outcome)) if outcome.ok => Output::good(sentence(&outcome.message)),
        Ok(Some(outcome)) => Output::bad(outcome.exit_code.max(1), sentence(&outcome.message)),
        Err(error) => unanswered(&error),
    }
}

/// What people read when there was no answer.
pub(super) fn unanswered(error: &ClientError) -> Output {
    Output::bad(1, format!("{error}\n"))
}

/// Shows a step on standard error, so that standard output has the outcome alone.
pub(super) fn show_step(step: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{step}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake_daemon::{FakeDaemon, recorded_cluster};
    use crate::control::{Outcome, Scope};

    const REQUEST: Request = Request::Standby { scope: Scope::All };

    #[test]
    fn the_outcome_is_the_exit() {
        for (outcome, expected) in [
            (Outcome::done("wnb has everything."), Output::good("wnb has everything.\n")),
            (Outcome::failed(3, "wnb is dead."), Output::bad(3, "wnb is dead.\n")),
        ] {
            let daemon = FakeDaemon::start(recorded_cluster(), outcome);
            let mut steps = Vec::new();
            let output = carry_out(&daemon.socket(), &REQUEST, Patience::Wait, |step| {
                steps.push(step.to_owned());
            });
            assert_eq!(output, expected);
            assert_eq!(steps, ["Stopping svcA on wna."]);
            assert_eq!(daemon.commands.recv().unwrap(), REQUEST);
        }
    }

    #[test]
    fn the_hasty_leave_before_the_outcome() {
        let daemon = FakeDaemon::start(recorded_cluster(), Outcome::failed(3, "wnb is dead."));
        let output = carry_out(&daemon.socket(), &REQUEST, Patience::NoWait, |_| {});
        assert_eq!(output, Output::default());
        assert_eq!(daemon.commands.recv().unwrap(), REQUEST);
    }

    #[test]
    fn without_a_daemon_nothing_hangs() {
        let output = carry_out(Path::new("/nonexistent"), &REQUEST, Patience::Wait, |_| {});
        assert_eq!(output, Output::bad(1, "heartline does not run on this machine.\n"));
    }
}
