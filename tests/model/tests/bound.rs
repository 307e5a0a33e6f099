//! A small bound of the exploration, for every change: all settings, one fault or order on every path.

use heartline_core::time::Duration;
use heartline_model::explore::{End, Limits, explore};
use heartline_model::setting::Setting;
use heartline_model::timeline;

const FAULTS: u8 = 1;
/// Enough to die, be held for dead, be fenced and be replaced, or to hand over by an order.
const DEPTH: usize = 10;

fn limits(depth: usize, jobs: usize) -> Limits<'static> {
    let is_over = &|| false;
    Limits { depth, faults: FAULTS, states: 2_000_000, jobs, late: Duration::ZERO, is_over }
}

#[test]
fn no_path_within_the_bound_breaks_a_promise() {
    for setting in Setting::all() {
        let report = explore(setting, &limits(DEPTH, 1)).unwrap();
        if let End::Violation(found) = &report.end {
            panic!("{}", timeline::tell(setting, FAULTS, Duration::ZERO, found).unwrap());
        }
        assert_eq!((report.depth, report.end), (DEPTH, End::Depth));
        // An exploration that never gets anywhere keeps every promise.
        let sights = report.sights;
        assert!(sights.starts > 0 && sights.moves > 0 && sights.stops > 0, "{setting}: {sights:?}");
        assert_eq!(sights.fenced > 0, setting.fencing, "{setting}: {sights:?}");
        assert_eq!(sights.overlaps > 0, !setting.fencing, "{setting}: {sights:?}");
    }
}

#[test]
fn as_many_workers_as_you_like_find_the_same_states() {
    let setting = Setting::all().next().unwrap();
    let (one, three) = (explore(setting, &limits(8, 1)).unwrap(), explore(setting, &limits(8, 3)).unwrap());
    assert_eq!((one.states, one.depth), (three.states, three.depth));
    assert_eq!(one.transitions, three.transitions);
}
