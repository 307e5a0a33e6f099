//! The words for groups that run: how they are, and what is done for those that failed.

use heartline_core::health::{Ailment, UNCLEAR_ANSWERS};
use heartline_core::input::JobFailure;

use super::failure_words;

pub(super) fn doubtful(group: &str, failure: JobFailure) -> String {
    match failure {
        JobFailure::Refused => format!(
            "The status of resource group {group} is not clear. It is left alone, unless that is said {UNCLEAR_ANSWERS} \
             times in a row."
        ),
        JobFailure::TimedOut | JobFailure::Cancelled | JobFailure::NotRun => format!(
            "Resource group {group} cannot be asked for its status: {}. It is left alone, and nobody knows whether it \
             runs.",
            failure_words(failure)
        ),
    }
}

/// How a group that ran has failed.
const fn ailing(ailment: Ailment) -> &'static str {
    match ailment {
        Ailment::Gone => "it does not run any more",
        Ailment::Hung => "its monitor did not end within its time limit",
        Ailment::Unclear => "its status was not clear again and again",
        Ailment::NotRepaired => "its addresses could not be kept",
    }
}

pub(super) fn healthy(group: &str) -> String {
    format!("Resource group {group} is well, its monitor says so again")
}

pub(super) fn unhealthy(group: &str, ailment: Ailment) -> String {
    format!("Resource group {group} failed: {}", ailing(ailment))
}

pub(super) fn repairing(group: &str) -> String {
    format!("Addresses of resource group {group} are gone: they are put back")
}

pub(super) fn repaired(group: &str) -> String {
    format!("The addresses of resource group {group} are there again")
}

pub(super) fn restarting(group: &str, count: u8, limit: u8) -> String {
    format!("Resource group {group} is restarted in place (restart {count} of {limit} before it moves)")
}
