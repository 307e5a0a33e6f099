//! The fencer with scripts in the place of the real programs.

use std::time::{Duration, Instant};

use heartline_core::witness::ReadBack;
use mio::Token;

use super::{Fencer, ForWitness, Outcome};
use crate::config::{FenceDevice, FenceParameters};
use crate::resources::Environment;
use crate::resources::testing::{Driven, FIRST_TOKEN, Loop, Scripts, open_fifo, wait_for_end};

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

fn device((kind, parameters): &(&str, &str)) -> FenceDevice {
    FenceDevice { kind: (*kind).to_owned(), parameters: FenceParameters::Inline((*parameters).to_owned()) }
}

/// A fencer with these devices, given as kind and parameters, for the one other host `ha2`.
fn fencer(main: &Loop, scripts: &Scripts, devices: &[(&str, &str)]) -> Fencer {
    let mut environment = Environment::default();
    environment.set("PATH", format!("{}:/usr/bin:/bin", scripts.path("bin").display()));
    let devices = devices.iter().map(device).collect();
    let registries = [main.registry(), main.registry()];
    Fencer::new(devices, vec!["ha2".to_owned()], environment, registries, FIRST_TOKEN, main.now())
}

fn said(fencer: &mut Fencer) -> Vec<String> {
    fencer.remarks().map(|remark| remark.to_string()).collect()
}

/// Fences `ha2` with these devices, and tells the outcome and what was said.
fn fence(main: &mut Loop, scripts: &Scripts, devices: &[(&str, &str)]) -> (Outcome, Vec<String>) {
    let mut fencer = fencer(main, scripts, devices);
    fencer.fence(3, "ha2", main.now());
    let (job, outcome) = main.until(&mut fencer, |fencer| fencer.completed().next());
    assert_eq!(job, 3);
    main.until(&mut fencer, |fencer| fencer.idle().then_some(()));
    (outcome, said(&mut fencer))
}

fn done(device: u8, kind: &str) -> Outcome {
    Outcome::Succeeded { device, kind: kind.to_owned() }
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed { reason } => reason,
        other => panic!("{other:?}"),
    }
}

/// An agent whose host is off while there is a file `off`, and which keeps what it was asked for.
fn install_agent(scripts: &Scripts, name: &str, off: &str) {
    scripts.install(
        &format!("bin/{name}"),
        &format!(
            "while read -r line; do case $line in action=*) action=${{line#*=}} ;; esac; done\n\
             echo $action >> @/actions\n\
             case $action in\n\
             off) {off} ;;\n\
             on) rm -f @/off ;;\n\
             status) [ -e @/off ] && exit 2 || exit 0 ;;\n\
             esac"
        ),
    );
}

#[test]
fn the_next_device_is_tried_when_one_fails() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    scripts.install(
        "bin/stonith",
        "echo stonith $* $hostlist >> @/calls; [ $2 = good ] || { cat >> @/input; echo 'no route' >&2; exit 1; }",
    );
    let devices = [("bad", "10.0.0.9 secret"), ("fence_nosuch", ""), ("good", "hostlist=ha2"), ("never", "")];
    let (outcome, said) = fence(&mut main, &scripts, &devices);
    assert_eq!(outcome, done(3, "good"));
    assert_eq!(
        scripts.lines("calls"),
        ["stonith -t bad -F /dev/stdin -T reset ha2", "stonith -t good -E -T reset ha2 ha2"]
    );
    assert_eq!(scripts.lines("input"), ["10.0.0.9 secret"]);
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
    let program = scripts.path("bin/stonith").display().to_string();
    assert_eq!(
        reason(outcome),
        format!("a: {program} returned 2: no route; fence_b: there is no program fence_b in PATH")
    );
    assert!(!said.join("\n").contains("secret"));
}

#[test]
fn an_agent_takes_the_power_and_is_asked_whether_it_is_gone_before_it_gives_it_back() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    install_agent(&scripts, "fence_x", ": > @/off");
    let (outcome, said) = fence(&mut main, &scripts, &[("fence_x", "ip=10.0.0.9")]);
    assert_eq!(outcome, done(1, "fence_x"));
    assert_eq!(scripts.lines("actions"), ["off", "status", "on"]);
    assert_eq!(
        said,
        ["Resetting node ha2 with [fence_x]", "node ha2 now reset.", "node ha2 has its power again."]
    );
}

#[test]
fn an_agent_that_says_yes_and_does_nothing_is_found_out() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    main.skip = Duration::from_secs(1);
    install_agent(&scripts, "fence_x", "true");
    let (outcome, _) = fence(&mut main, &scripts, &[("fence_x", "")]);
    assert!(reason(outcome).ends_with("the host still reads as on"));
    assert_eq!(scripts.lines("actions"), ["off", "status", "status", "status", "status", "status"]);
}

#[test]
fn what_reads_as_on_for_a_moment_is_looked_at_again() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    main.skip = Duration::from_secs(1);
    install_agent(&scripts, "fence_x", "mkfifo @/slow; (cat @/slow; : > @/off) > /dev/null 2>&1 &");
    let mut fencer = fencer(&main, &scripts, &[("fence_x", "")]);
    fencer.fence(3, "ha2", main.now());
    // Off only after it was read as on once.
    main.until(&mut fencer, |_| (scripts.lines("actions").len() == 2).then_some(()));
    std::fs::write(scripts.path("slow"), "").unwrap();
    let (_, outcome) = main.until(&mut fencer, |fencer| fencer.completed().next());
    assert_eq!(outcome, done(1, "fence_x"));
}

#[test]
fn an_agent_that_cannot_tell_the_power_is_not_believed_and_the_remedy_is_named() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    main.skip = Duration::from_secs(1);
    scripts.install(
        "bin/fence_x",
        "read -r action; [ $action = action=off ] || { echo 'no such action' >&2; exit 1; }",
    );
    let (outcome, _) = fence(&mut main, &scripts, &[("fence_x", "")]);
    let reason = reason(outcome);
    assert!(reason.contains("no such action") && reason.contains("write action=reboot"), "{reason}");
}

#[test]
fn an_agents_own_reboot_is_trusted() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    install_agent(&scripts, "fence_x", "true");
    assert_eq!(fence(&mut main, &scripts, &[("fence_x", "action=reboot")]).0, done(1, "fence_x"));
    assert_eq!(scripts.lines("actions"), ["reboot"]);
}

#[test]
fn a_host_that_cannot_be_given_its_power_again_is_fenced_all_the_same() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    scripts.install(
        "bin/fence_x",
        "read -r action; case $action in *=status) exit 2 ;; *=on) echo 'fuse blown' >&2; exit 1 ;; esac",
    );
    let (outcome, said) = fence(&mut main, &scripts, &[("fence_x", "")]);
    assert_eq!(outcome, done(1, "fence_x"));
    let last = said.last().unwrap();
    assert!(last.starts_with("node ha2 stays off") && last.contains("fuse blown"), "{said:?}");
}

#[test]
fn a_device_that_hangs_has_its_minute_and_the_next_is_tried() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    // The clock is put forward at once; the second device answers without being waited for.
    main.skip = Duration::from_secs(60);
    scripts.install("bin/stonith", "sleep 1000");
    let (outcome, _) = fence(&mut main, &scripts, &[("slow", ""), ("fence_nosuch", "")]);
    let reason = reason(outcome);
    assert!(reason.contains("took longer than 60s; fence_nosuch"), "{reason}");
}

#[test]
fn a_host_without_a_device_is_not_fenced() {
    let (outcome, _) = fence(&mut Loop::new(), &Scripts::new(), &[]);
    assert_eq!(outcome, Outcome::Failed { reason: "no fencing device is configured for ha2".into() });
}

/// Waits until every device has answered or failed to, and tells what is wrong with each.
fn check(main: &mut Loop, fencer: &mut Fencer) -> Vec<Option<String>> {
    main.until(fencer, |fencer| {
        let all = fencer.conditions().iter().all(|condition| condition.checked.is_some());
        all.then(|| fencer.conditions().iter().map(|condition| condition.problem.clone()).collect())
    })
}

#[test]
fn devices_are_checked_at_the_start_one_after_the_other() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    scripts.install(
        "bin/stonith",
        "echo $* >> @/calls; case $2 in good) echo HA2 ;; other) echo ha3 ;; silent) ;; *) echo 'no route' >&2; exit 8 ;; esac",
    );
    install_agent(&scripts, "fence_x", "true");
    let devices =
        [("good", ""), ("bad", ""), ("other", ""), ("silent", ""), ("fence_x", ""), ("fence_x", "action=on")];
    let mut fencer = fencer(&main, &scripts, &devices);
    fencer.tick(main.now());
    let problems = check(&mut main, &mut fencer);
    let problem = |at: usize| problems[at].clone().unwrap_or_default();
    assert_eq!((problem(0), problem(3), problem(4)), (String::new(), String::new(), String::new()));
    assert!(problem(1).ends_with("returned 8: no route"), "{problems:?}");
    assert!(problem(2).starts_with("it does not control ha2"), "{problems:?}");
    assert!(problem(5).contains("action=on fences nobody"), "{problems:?}");
    assert_eq!(scripts.lines("calls")[0], "-t good -l -S");
    assert_eq!(scripts.lines("actions"), ["status"], "the power that is read back after a fence can be read");
    let said = said(&mut fencer);
    assert_eq!(said[0], "Checking status of STONITH device [good]");
    assert!(said.iter().any(|line| line.starts_with("STONITH device bad not operational! ")), "{said:?}");
}

#[test]
fn a_device_that_was_repaired_is_known_to_be_within_five_minutes() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    scripts.install("bin/stonith", "[ -e @/repaired ]");
    let mut fencer = fencer(&main, &scripts, &[("x", "")]);
    fencer.tick(main.now());
    assert!(check(&mut main, &mut fencer)[0].is_some());
    std::fs::write(scripts.path("repaired"), "").unwrap();
    said(&mut fencer);
    main.put_forward(Duration::from_secs(300));
    fencer.tick(main.now());
    main.until(&mut fencer, |fencer| fencer.conditions()[0].problem.is_none().then_some(()));
    assert_eq!(
        said(&mut fencer),
        ["Checking status of STONITH device [x]", "STONITH device x is operational again."]
    );
}

#[test]
fn a_check_makes_room_for_a_fence() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    let pipe = open_fifo(&scripts.fifo("pipe"));
    // A check holds the pipe for ever; the fence does not need it.
    let hangs = "case $* in *-S*) exec > @/pipe; : > @/begun; exec sleep 1000 ;; esac";
    scripts.install("bin/stonith", hangs);
    let mut fencer = fencer(&main, &scripts, &[("x", "")]);
    fencer.tick(main.now());
    while !scripts.path("begun").exists() {
        std::thread::yield_now();
    }
    fencer.fence(3, "ha2", main.now());
    let (_, outcome) = main.until(&mut fencer, |fencer| fencer.completed().next());
    assert_eq!(outcome, done(1, "x"));
    wait_for_end(&pipe);
}

#[test]
fn a_cancelled_fence_is_no_fence() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    scripts.install("bin/stonith", "exec sleep 1000");
    let mut fencer = fencer(&main, &scripts, &[("x", ""), ("y", "")]);
    fencer.fence(3, "ha2", main.now());
    fencer.cancel(3, main.now());
    let (_, outcome) = main.until(&mut fencer, |fencer| fencer.completed().next());
    assert_eq!(outcome, Outcome::Cancelled);
}

const WITNESS: &str = "dongle";

/// A fencer that has the witness and then a device that works.
fn fencer_with_witness(main: &Loop, scripts: &Scripts) -> Fencer {
    scripts.install("bin/stonith", "exit 0");
    let mut fencer = fencer(main, scripts, &[]);
    let witness =
        FenceDevice { kind: WITNESS.to_owned(), parameters: FenceParameters::Witness("cable".to_owned()) };
    let mut environment = Environment::default();
    environment.set("PATH", format!("{}:/usr/bin:/bin", scripts.path("bin").display()));
    let devices = vec![witness, device(&("null", "ha2"))];
    fencer.configure(devices, vec!["ha2".to_owned()], environment, main.now());
    fencer
}

fn asked(fencer: &mut Fencer) -> Vec<ForWitness> {
    fencer.for_witness().collect()
}

fn reset(job: u32) -> ForWitness {
    ForWitness::Reset { job, host: "ha2".to_owned() }
}

#[test]
fn the_witness_is_asked_and_its_answer_counts() {
    let (main, scripts) = (Loop::new(), Scripts::new());
    let mut fencer = fencer_with_witness(&main, &scripts);
    fencer.fence(3, "ha2", main.now());
    assert_eq!(asked(&mut fencer), [reset(3)]);
    assert_eq!(fencer.completed().next(), None);
    fencer.witness_answered(4, Ok(ReadBack::WentOff), main.now());
    assert_eq!(fencer.completed().next(), None, "of another job");
    fencer.witness_answered(3, Ok(ReadBack::WentOff), main.now());
    assert_eq!(fencer.completed().next(), Some((3, done(1, WITNESS))));
    let lines = said(&mut fencer);
    assert!(lines.iter().any(|line| line == "the power of node ha2 went, as it was read back."), "{lines:?}");
    assert!(fencer.idle());
}

#[test]
fn when_the_witness_refuses_the_next_device_does_it() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    let mut fencer = fencer_with_witness(&main, &scripts);
    fencer.fence(3, "ha2", main.now());
    fencer.witness_answered(3, Err("it refuses: the other host asked first".to_owned()), main.now());
    let (_, outcome) = main.until(&mut fencer, |fencer| fencer.completed().next());
    assert_eq!(outcome, done(2, "null"));
    let lines = said(&mut fencer);
    let refusal = "Host ha2 not reset by [dongle]: it refuses: the other host asked first";
    assert!(lines.iter().any(|line| line == refusal), "{lines:?}");
}

#[test]
fn a_witness_that_does_not_answer_is_not_waited_for_without_end() {
    let (mut main, scripts) = (Loop::new(), Scripts::new());
    let mut fencer = fencer_with_witness(&main, &scripts);
    let begin = main.now();
    fencer.fence(3, "ha2", begin);
    fencer.tick(begin + Duration::from_secs(29));
    assert_eq!(asked(&mut fencer), [reset(3)]);
    fencer.tick(begin + Duration::from_secs(31));
    assert_eq!(asked(&mut fencer), [ForWitness::Withdraw { job: 3 }]);
    let (_, outcome) = main.until(&mut fencer, |fencer| fencer.completed().next());
    assert_eq!(outcome, done(2, "null"));
}

#[test]
fn a_request_to_the_witness_can_be_cancelled() {
    let (main, scripts) = (Loop::new(), Scripts::new());
    let mut fencer = fencer_with_witness(&main, &scripts);
    fencer.fence(3, "ha2", main.now());
    fencer.cancel(3, main.now());
    assert_eq!(asked(&mut fencer), [reset(3), ForWitness::Withdraw { job: 3 }]);
    assert_eq!(fencer.completed().next(), Some((3, Outcome::Cancelled)));
}
