//! What the answer of an agent to the question for its status means. Pure; the question is asked elsewhere.

/// The state of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It runs.
    Running,
    /// It does not run.
    NotRunning,
    /// Its agent gave an answer that is neither, for example that the resource is broken.
    Unclear,
}

/// How an agent says whether its resource runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusRule {
    /// Scripts of the original: by words on standard output, whatever the exit status.
    Words,
    /// Built-in agents: exit status 0, or 3 or 7.
    BuiltIn,
    /// Init scripts (LSB): exit status 0, or 1 to 3.
    Lsb,
    /// OCF agents: exit status 0, or 7.
    Ocf,
    /// systemd units: the word that `systemctl is-active` prints.
    Systemd,
}

impl StatusRule {
    /// Judges an answer: the exit status (none after a signal) and what came on standard output.
    pub(super) fn judge(self, exit: Option<i32>, output: &[u8]) -> Status {
        match self {
            Self::Words => words(output),
            Self::BuiltIn => match exit {
                Some(0) => Status::Running,
                Some(3 | 7) => Status::NotRunning,
                _ => Status::Unclear,
            },
            Self::Lsb => match exit {
                Some(0) => Status::Running,
                Some(1..=3) => Status::NotRunning,
                _ => Status::Unclear,
            },
            // 5 is "not installed": what is not there does not run.
            Self::Ocf => match exit {
                Some(0) => Status::Running,
                Some(5 | 7) => Status::NotRunning,
                _ => Status::Unclear,
            },
            Self::Systemd => match output.trim_ascii() {
                b"active" | b"reloading" | b"refreshing" => Status::Running,
                b"inactive" | b"failed" | b"unknown" => Status::NotRunning,
                _ => Status::Unclear,
            },
        }
    }
}

/// The two shell patterns of the original, over the whole output:
/// `*[Nn][Oo][Tt] *[Rr]unning*` is not running, else `*[Rr]unning*` and `*OK*` are running.
fn words(output: &[u8]) -> Status {
    let not = output.windows(4).position(|window| window.eq_ignore_ascii_case(b"not "));
    if not.is_some_and(|at| says_running(&output[at + 4..])) {
        return Status::NotRunning;
    }
    if says_running(output) || output.windows(2).any(|window| window == b"OK") {
        return Status::Running;
    }
    Status::NotRunning
}

fn says_running(output: &[u8]) -> bool {
    output.windows(7).any(|window| window == b"running" || window == b"Running")
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{NotRunning, Running, Unclear};

    #[test]
    fn words_are_judged_as_by_the_original() {
        let table: [(&str, Status); 18] = [
            ("running", Running),
            ("Running", Running),
            ("OK", Running),
            ("notrunning", Running),
            ("is stopped but was running", Running),
            ("httpd (pid 7) is running...\n", Running),
            ("running, not stopped", Running),
            ("RUNNING", NotRunning),
            ("ok", NotRunning),
            ("not running", NotRunning),
            ("Not Running", NotRunning),
            ("nOt here, was Running", NotRunning),
            ("NOT RUNNING", NotRunning),
            ("not a word\nrunning\n", NotRunning),
            ("stopped", NotRunning),
            ("", NotRunning),
            ("is not running, all OK", NotRunning),
            ("not in use, OK", Running),
        ];
        for (output, status) in table {
            for exit in [Some(0), Some(1), Some(3), None] {
                assert_eq!(StatusRule::Words.judge(exit, output.as_bytes()), status, "{output:?} {exit:?}");
            }
        }
    }

    #[test]
    fn exit_statuses_are_judged_by_their_standard() {
        let table = [
            (StatusRule::BuiltIn, Some(0), Running),
            (StatusRule::BuiltIn, Some(3), NotRunning),
            (StatusRule::BuiltIn, Some(7), NotRunning),
            (StatusRule::BuiltIn, Some(1), Unclear),
            (StatusRule::Lsb, Some(0), Running),
            (StatusRule::Lsb, Some(1), NotRunning),
            (StatusRule::Lsb, Some(3), NotRunning),
            (StatusRule::Lsb, Some(4), Unclear),
            (StatusRule::Lsb, None, Unclear),
            (StatusRule::Ocf, Some(0), Running),
            (StatusRule::Ocf, Some(7), NotRunning),
            (StatusRule::Ocf, Some(5), NotRunning),
            (StatusRule::Ocf, Some(1), Unclear),
            (StatusRule::Ocf, None, Unclear),
        ];
        for (rule, exit, status) in table {
            assert_eq!(rule.judge(exit, b"not running"), status, "{rule:?} {exit:?}");
        }
    }

    #[test]
    fn a_unit_that_is_between_two_states_is_unclear() {
        let judge = |word: &str| StatusRule::Systemd.judge(Some(3), word.as_bytes());
        assert_eq!(judge("active\n"), Running);
        assert_eq!(judge("inactive\n"), NotRunning);
        assert_eq!(judge("failed\n"), NotRunning);
        assert_eq!(judge("activating\n"), Unclear);
        assert_eq!(judge("deactivating\n"), Unclear);
    }
}
