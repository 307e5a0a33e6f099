//! Makes the list of faults of a broken run as short as it gets: parts of it are left out, halves first and single faults
//! last, as long as the same promise is still broken.

use crate::plan::Plan;
use crate::truth::Violation;

/// The shortest plan found that breaks the same promise, and how. `broken` runs a plan.
pub fn shrink(
    plan: Plan,
    violation: Violation,
    broken: impl Fn(&Plan) -> Option<Violation>,
) -> (Plan, Violation) {
    let mut best = (plan, violation);
    let mut size = best.0.faults.len();
    while size > 0 {
        let mut begin = 0;
        let mut shorter = false;
        while begin < best.0.faults.len() {
            let mut candidate = best.0.clone();
            let end = (begin + size).min(candidate.faults.len());
            candidate.faults.drain(begin..end);
            match broken(&candidate).filter(|found| found.promise == best.1.promise) {
                Some(found) => {
                    best = (candidate, found);
                    shorter = true;
                }
                None => begin += size,
            }
        }
        // What could not be left out before may be superfluous now.
        size = if shorter { size.min(best.0.faults.len()) } else { size / 2 };
    }
    best
}
