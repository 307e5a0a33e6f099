//! How agents of each kind are called and understood.

use super::*;

#[test]
fn ocf_agents_get_their_parameters_in_the_environment() {
    let mut world = World::new(&["ocf:acme:web::config=/etc/web::port=80"], LIMITS);
    world.scripts.install(
        "ocf/resource.d/acme/web",
        "echo $* $OCF_RESKEY_config $OCF_RESKEY_port $OCF_RESOURCE_INSTANCE >> @/calls
        case $1 in monitor) [ -e @/up ] || exit 7;; start) touch @/up;; stop) rm @/up;; esac",
    );
    assert_eq!(world.run(Operation::Probe), Outcome::NotRunning);
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.run(Operation::Probe), Outcome::Running);
    assert_eq!(world.run(Operation::Stop), Outcome::Succeeded);
    let rest = "/etc/web 80 acme_web__config__etc_web__port_80";
    let verbs = ["monitor", "monitor", "start", "monitor", "stop"];
    assert_eq!(world.calls(), verbs.map(|verb| format!("{verb} {rest}")));
}

#[test]
fn an_ocf_agent_that_reports_a_broken_resource_makes_the_group_partial() {
    let mut world = World::new(&["ocf:acme:web"], LIMITS);
    world.scripts.install("ocf/resource.d/acme/web", "exit 1");
    assert_eq!(world.run(Operation::Probe), Outcome::Partial);
}

#[test]
fn units_are_asked_with_systemctl_and_init_scripts_by_their_exit_status() {
    let mut world = World::new(&["systemd:web.service lsb:db"], LIMITS);
    world
        .scripts
        .install("bin/systemctl", "echo systemctl $* >> @/calls; [ $1 != is-active ] || echo inactive");
    world
        .scripts
        .install("init.d/db", "echo db $* >> @/calls; [ $1 != status ] || { echo running; exit 3; }");
    let path = format!("{}:/usr/bin:/bin", world.scripts.path("bin").display());
    let mut environment = Environment::default();
    environment.set("PATH", path);
    world.runner.configure(instructions(vec![group("systemd:web.service lsb:db")], LIMITS, environment));
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(
        world.calls(),
        ["systemctl is-active web.service", "systemctl start web.service", "db status", "db start"]
    );
}

#[test]
fn a_resource_may_have_longer_limits_of_its_own() {
    let mut world = World::new(&[], LIMITS);
    world.scripts.install(
        "ocf/resource.d/acme/web",
        "echo $1 $OCF_RESKEY_CRM_meta_timeout >> @/calls; [ $1 != monitor ] || exit 7",
    );
    let usual = OperationLimits { start: HOUR, stop: HOUR, status: Duration::from_secs(30) };
    let mut pair = group("ocf:acme:web::id=1 ocf:acme:web::id=2");
    pair.resources[1].limits = Some(OperationLimits { start: 2 * HOUR, ..usual });
    let environment = environment(&world.scripts);
    world.runner.configure(instructions(vec![pair], usual, environment));
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.calls(), ["monitor 30000", "start 3600000", "monitor 30000", "start 7200000"]);
}

#[test]
fn a_unit_that_systemd_does_not_know_is_stopped_already_and_cannot_be_started() {
    let mut world = World::new(&[], LIMITS);
    world.scripts.install(
        "bin/systemctl",
        "echo $* >> @/calls
        case $1 in is-active) echo inactive; exit 3;; esac
        echo \"Unit $2.service not found.\" >&2; exit 5",
    );
    let mut environment = environment(&world.scripts);
    environment.set("PATH", format!("{}:/usr/bin:/bin", world.scripts.path("bin").display()));
    world.runner.configure(instructions(vec![group("systemd:web")], LIMITS, environment));
    assert_eq!(world.run(Operation::Stop), Outcome::Succeeded);
    let outcome = world.run(Operation::Start);
    let Outcome::Failed { resource, reason } = outcome else { panic!("{outcome:?}") };
    assert_eq!(resource, "systemd:web");
    assert!(reason.ends_with("returned 5: Unit web.service not found."), "{reason}");
    assert_eq!(world.calls(), ["stop web", "is-active web", "start web"]);
}

#[test]
fn the_reason_that_an_ocf_agent_gives_is_its_last_word() {
    let mut world = World::new(&["ocf:acme:web"], LIMITS);
    world.scripts.install(
        "ocf/resource.d/acme/web",
        "[ $1 != monitor ] || exit 7
        echo first >&2; echo ocf-exit-reason:no license >&2; echo cleaning up >&2; exit 6",
    );
    let outcome = world.run(Operation::Start);
    let Outcome::Failed { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(reason.ends_with("web returned 6: no license"), "{reason}");
}
