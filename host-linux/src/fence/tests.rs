//! The fencer with scripts in the place of the real programs.

use std::time::{Duration, Instant};

use mio::Token;

use super::{Fencer, Outcome};
use crate::config::{FenceDevice, FenceParameters};
use crate::resources::Environment;
use crate::resources::testing::{Driven, FIRST_TOKEN, Loop, Scripts};

impl Driven for Fencer {
    fn ready(&mut self, token: Token, now: Instant) -> bool {
        Self::ready(self, token, now)
    }
    fn child_exited(&mut self, now: Instant) {
        Self::child_exited(self, now);
    }
    fn tick(&mut self, now: Instant) {
        Self::tick(self, now);
    }
    fn next_deadline(&self) -> Option<Instant> {
        Self::next_deadline(self)
    }
}

/// Fences `ha2` with these devices, given as kind and parameters, and tells the outcome and what was said.
fn fence(main: &mut Loop, scripts: &Scripts, devices: &[(&str, &str)]) -> (Outcome, Vec<String>) {
    let device = |(kind, parameters): &(&str, &str)| FenceDevice {
        kind: (*kind).to_owned(),
        parameters: FenceParameters::Inline((*parameters).to_owned()),
    };
    let mut environment = Environment::default();
    environment.set("PATH", format!("{}:/usr/bin:/bin", scripts.path("bin").display()));
    let devices = devices.iter().map(device).collect();
    let mut fencer = Fencer::new(devices, environment, main.registry(), FIRST_TOKEN);
    fencer.fence(3, "ha2", main.now());
    let (job, outcome) = main.until(&mut fencer, |fencer| fencer.completed().next());
    assert_eq!(job, 3);
    assert!(fencer.idle());
    (outcome, fencer.remarks().map(|remark| remark.to_string()).collect())
}

#[test]
fn the_next_device_is_tried_when_one_fails() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    scripts.install(
        "bin/stonith",
        "echo stonith $* >> @/calls; [ $2 = good ] || { echo 'no route' >&2; exit 1; }",
    );
    let devices = [("bad", "10.0.0.9 secret"), ("fence_nosuch", ""), ("good", "hostlist=ha2"), ("never", "")];
    let (outcome, said) = fence(&mut main, &scripts, &devices);
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(
        scripts.lines("calls"),
        ["stonith -t bad -p 10.0.0.9 secret -T reset ha2", "stonith -t good hostlist=ha2 -T reset ha2"]
    );
    assert_eq!(said.first().unwrap(), "Resetting node ha2 with [bad]");
    assert_eq!(said.last().unwrap(), "node ha2 now reset.");
    assert!(said.iter().any(|line| line.contains("no program fence_nosuch in PATH")), "{said:?}");
}

#[test]
fn when_all_fail_each_has_its_reason_and_no_secret_is_told() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    scripts.install("bin/stonith", "echo 'no route' >&2; exit 2");
    let (outcome, said) =
        fence(&mut main, &scripts, &[("a", "10.0.0.9 secret"), ("fence_b", "password=secret")]);
    let Outcome::Failed { reason } = outcome else { panic!("{outcome:?}") };
    let program = scripts.path("bin/stonith").display().to_string();
    assert_eq!(
        reason,
        format!("a: {program} returned 2: no route; fence_b: there is no program fence_b in PATH")
    );
    assert!(!said.join("\n").contains("secret"));
}

#[test]
fn a_fence_agent_gets_its_parameters_on_standard_input() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    scripts.install("bin/fence_x", "cat > @/input; [ $# = 0 ]");
    assert_eq!(fence(&mut main, &scripts, &[("fence_x", "ip=10.0.0.9")]).0, Outcome::Succeeded);
    assert_eq!(
        scripts.lines("input"),
        ["ip=10.0.0.9", "action=reboot", "plug=ha2", "port=ha2", "nodename=ha2"]
    );
}

#[test]
fn a_device_that_hangs_has_its_minute_and_the_next_is_tried() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    // The clock is put forward at once; the second device answers without being waited for.
    main.skip = Duration::from_secs(60);
    scripts.install("bin/stonith", "sleep 1000");
    let (outcome, _) = fence(&mut main, &scripts, &[("slow", ""), ("fence_nosuch", "")]);
    let Outcome::Failed { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("took longer than 60s; fence_nosuch"), "{reason}");
}

#[test]
fn a_host_without_a_device_is_not_fenced() {
    let (outcome, _) = fence(&mut Loop::new(), &Scripts::new(), &[]);
    assert_eq!(outcome, Outcome::Failed { reason: "no fencing device is configured for ha2".into() });
}
