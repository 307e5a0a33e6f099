//! A few seeds as an ordinary test: they keep all promises, and one of them run twice is the same to the bit. Many more
//! are run by `cargo xtask sim`.

use heartline_sim::plan::{Fault, MILLISECOND, Plan, Planned, SECOND};
use heartline_sim::{Promise, Violation, run, run_seed, shrink, trace};

#[test]
fn a_seed_twice_is_the_same_to_the_bit() {
    for seed in [3, 5, 8] {
        let plan = Plan::of_seed(seed);
        let ((one, first), (other, second)) = (trace(&plan), trace(&plan));
        assert!(!first.is_empty());
        assert_eq!(first.to_string(), second.to_string());
        assert_eq!((one.digest, &one.statistics), (other.digest, &other.statistics));
        assert_eq!(one.digest, run_seed(seed).digest, "writing it down changes nothing");
    }
}

#[test]
fn the_first_seeds_keep_all_promises() {
    for seed in 0..60 {
        let report = run_seed(seed);
        assert_eq!(report.violation, None, "seed {seed}");
        assert!(report.statistics.steps > 0);
    }
}

#[test]
fn a_plan_without_faults_moves_nothing() {
    for seed in 0..20 {
        let mut plan = Plan { faults: Vec::new(), ..Plan::of_seed(seed) };
        // All come at about the same time: who comes later than the initial dead time is fenced, and rightly so.
        plan.settings.times.boot = SECOND;
        plan.settings.hosts.iter_mut().for_each(|host| host.first_boot = 0);
        let report = run(&plan);
        assert_eq!(report.violation, None, "seed {seed}");
        assert_eq!(report.statistics.fences, 0, "seed {seed}");
        assert_eq!(report.statistics.starts, plan.settings.groups.len() as u64, "seed {seed}");
    }
}

#[test]
fn shrinking_leaves_what_matters() {
    let mut plan = Plan::of_seed(1);
    let at = |number: u64| number * SECOND;
    plan.faults = (0..40).map(|number| Planned { at: at(number), fault: loss(number) }).collect();
    // Stands for a run: broken while both of these are there.
    let broken = |plan: &Plan| {
        let has = |wanted: u64| plan.faults.iter().any(|planned| planned.at == at(wanted));
        let what = || Violation { promise: Promise::Rest, at: 0, what: String::new() };
        (has(7) && has(31)).then(what)
    };
    let violation = broken(&plan).unwrap();
    let (short, _) = shrink(plan, violation, broken);
    assert_eq!(short.faults.iter().map(|planned| planned.at).collect::<Vec<_>>(), [at(7), at(31)]);
}

fn loss(number: u64) -> Fault {
    Fault::PowerLoss { host: 0, off: number * MILLISECOND }
}
