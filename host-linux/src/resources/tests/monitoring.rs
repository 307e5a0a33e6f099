//! Groups that run: what their resources say, and addresses that are put back.

use super::*;

#[test]
fn a_monitor_tells_what_ended_what_is_unclear_and_what_cannot_be_asked() {
    let mut world = World::new(&["svcA svcB ocf:heartbeat:unclear"], LIMITS);
    world.install("svcA", SERVICE);
    world.install("svcB", SERVICE);
    let ocf = "ocf/resource.d/heartbeat/unclear";
    world
        .scripts
        .install(ocf, "[ $1 != monitor ] || { [ ! -e @/confused ] || { echo whoops >&2; exit 1; }; }");
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.run(Operation::Monitor), Outcome::Running);
    std::fs::write(world.scripts.path("confused"), "").unwrap();
    world.runner.ask_all(0);
    let path = world.scripts.path(ocf).display().to_string();
    assert_eq!(
        world.run(Operation::Monitor),
        Outcome::Unclear {
            resource: "ocf:heartbeat:unclear".into(),
            reason: format!("{path} returned 1: whoops")
        }
    );
    // Only that one is asked again; what is gone is graver, and so ends the round.
    world.runner.ask_all(0);
    std::fs::remove_file(world.scripts.path("svcA.running")).unwrap();
    let gone = world.run(Operation::Monitor);
    assert!(
        matches!(&gone, Outcome::Lost { resource, repairable: false, .. } if resource == "svcA"),
        "{gone:?}"
    );
    std::fs::write(world.scripts.path("svcA.running"), "").unwrap();
    std::fs::remove_file(world.scripts.path("confused")).unwrap();
    let script = world.scripts.path("ha.d/resource.d/svcB");
    std::fs::remove_file(script).unwrap();
    let unasked = world.run(Operation::Monitor);
    assert!(matches!(&unasked, Outcome::NotRun { resource, .. } if resource == "svcB"), "{unasked:?}");
}

#[test]
fn an_address_that_is_gone_can_be_put_back_and_nothing_else_is_touched() {
    let mut world = World::new(&["IPaddr::10.0.0.46/24 svcA"], LIMITS);
    world.install("svcA", SERVICE);
    world.scripts.install("heartline", SERVICE);
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.run(Operation::Monitor), Outcome::Running);
    world.runner.ask_all(0);
    world.scripts.install("heartline", "[ $4 != status ] || exit 7; echo $4 >> @/agent");
    let gone = world.run(Operation::Monitor);
    assert!(
        matches!(&gone, Outcome::Lost { resource, repairable: true, .. } if resource == "IPaddr::10.0.0.46/24"),
        "{gone:?}"
    );
    assert_eq!(world.run(Operation::Repair), Outcome::Succeeded);
    assert_eq!(world.scripts.lines("agent"), ["start"]);
    let calls = world.calls();
    let of_service: Vec<_> = calls.iter().filter(|call| call.starts_with("svcA")).collect();
    assert_eq!(of_service, ["svcA status", "svcA start", "svcA status", "svcA status"]);
}
