//! The runner with real scripts.

mod agents;
mod monitoring;

use std::time::Duration;

use mio::Token;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Instant;

use super::testing::{Driven, FIRST_TOKEN, Loop, Scripts, open_fifo, wait_for_end};
use super::{Action, Directories, Environment, Instructions, Operation, Outcome, Remark, Runner};
use crate::config::{Group, Monitors, OperationLimits, Resource};

const HOUR: Duration = Duration::from_secs(3600);
const LIMITS: OperationLimits = OperationLimits { start: HOUR, stop: HOUR, status: HOUR };
/// Notes its call; runs or not as a file says.
const SERVICE: &str = r#"
for action; do :; done
echo "$(basename $0) $*" >> @/calls
state=@/$(basename $0).running
case $action in
status) if [ -e $state ]; then echo running; else echo stopped; fi;;
start) touch $state;;
stop) rm -f $state;;
esac"#;

impl Driven for Runner {
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

struct World {
    scripts: Scripts,
    main: Loop,
    runner: Runner,
    remarks: Vec<Remark>,
}

/// A group of this host, from words as in haresources.
fn group(words: &str) -> Group {
    let resource = |word: &str| {
        let mut parts = word.split("::").map(str::to_owned);
        Resource {
            text: word.to_owned(),
            agent: parts.next().unwrap(),
            arguments: parts.collect(),
            limits: None,
        }
    };
    Group { preferred: "wna".into(), resources: words.split(' ').map(resource).collect(), line: 1 }
}

fn instructions(groups: Vec<Group>, limits: OperationLimits, environment: Environment) -> Instructions {
    Instructions { groups, limits, monitors: Monitors::every(HOUR), environment }
}

fn environment(scripts: &Scripts) -> Environment {
    let mut environment = Environment::default();
    environment.set("PATH", "/usr/bin:/bin".into());
    environment.set("OCF_ROOT", scripts.path("ocf").display().to_string());
    environment
}

impl World {
    fn new(groups: &[&str], limits: OperationLimits) -> Self {
        Self::with_environment(groups, limits, &[])
    }

    fn with_environment(groups: &[&str], limits: OperationLimits, variables: &[(&str, &str)]) -> Self {
        let scripts = Scripts::new();
        let main = Loop::new();
        let mut environment = environment(&scripts);
        for (name, value) in variables {
            environment.set(name, (*value).to_owned());
        }
        let runner = Runner::new(
            instructions(groups.iter().map(|words| group(words)).collect(), limits, environment),
            Directories {
                config_dir: scripts.path("ha.d"),
                init_d: scripts.path("init.d"),
                run_dir: scripts.path("run"),
            },
            scripts.path("heartline"),
            main.registry(),
            FIRST_TOKEN,
        );
        Self { scripts, main, runner, remarks: Vec::new() }
    }

    fn install(&self, name: &str, text: &str) {
        self.scripts.install(&format!("ha.d/resource.d/{name}"), text);
    }

    fn begin(&mut self, job: u32, group: usize, operation: Operation) {
        let now = self.main.now();
        self.runner.run(job, group, operation, now);
    }

    /// Waits for the end of some job.
    fn end(&mut self) -> (u32, Outcome) {
        let remarks = &mut self.remarks;
        self.main.until(&mut self.runner, |runner| {
            remarks.extend(runner.remarks());
            let mut completed = runner.completed();
            let first = completed.next();
            assert_eq!(completed.next(), None);
            first
        })
    }

    fn wait_for_words(&mut self, words: &str) {
        self.main
            .until(&mut self.runner, |runner| runner.remarks().find(|remark| remark.to_string() == words));
    }

    fn run(&mut self, operation: Operation) -> Outcome {
        self.begin(1, 0, operation);
        let (job, outcome) = self.end();
        assert_eq!(job, 1);
        assert!(self.runner.idle());
        assert_eq!(self.runner.next_deadline(), None);
        outcome
    }

    fn calls(&self) -> Vec<String> {
        self.scripts.lines("calls")
    }

    fn said(&self) -> Vec<String> {
        self.remarks.iter().map(ToString::to_string).collect()
    }

    fn said_something_with(&self, words: &str) -> bool {
        self.said().iter().any(|line| line.contains(words))
    }
}

#[test]
fn starts_go_from_left_to_right_and_stops_from_right_to_left() {
    let mut world = World::new(&["svcA::one::two svcB svcC::a/b"], LIMITS);
    for name in ["svcA", "svcB", "svcC"] {
        world.install(name, SERVICE);
    }
    assert_eq!(world.run(Operation::Probe), Outcome::NotRunning);
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.run(Operation::Probe), Outcome::Running);
    assert_eq!(world.run(Operation::Stop), Outcome::Succeeded);
    assert_eq!(
        world.calls(),
        [
            "svcA one two status",
            "svcB status",
            "svcC a/b status",
            "svcA one two status",
            "svcA one two start",
            "svcB status",
            "svcB start",
            "svcC a/b status",
            "svcC a/b start",
            "svcA one two status",
            "svcB status",
            "svcC a/b status",
            "svcC a/b stop",
            "svcB stop",
            "svcA one two stop",
        ]
    );
    let said = world.said();
    let place = world.scripts.path("ha.d/resource.d").display().to_string();
    assert_eq!(said[0], "Acquiring resource group: wna svcA::one::two svcB svcC::a/b");
    assert_eq!(said[1], format!("Running {place}/svcA one two start"));
    assert_eq!(said[2], format!("Running {place}/svcB  start"));
    assert_eq!(said[4], "Releasing resource group: wna svcA::one::two svcB svcC::a/b");
}

#[test]
fn what_runs_already_is_not_started_and_half_a_group_is_partial() {
    let mut world = World::new(&["svcA svcB"], LIMITS);
    world.install("svcA", SERVICE);
    world.install("svcB", SERVICE);
    std::fs::write(world.scripts.path("svcA.running"), "").unwrap();
    assert_eq!(world.run(Operation::Probe), Outcome::Partial);
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.calls()[2..], ["svcA status", "svcB status", "svcB start"]);
}

#[test]
fn a_failing_start_ends_the_job_with_the_last_word_of_the_script() {
    let mut world = World::new(&["svcA svcD svcB"], LIMITS);
    world.install("svcA", SERVICE);
    world.install("svcB", SERVICE);
    world.install("svcD", "[ $1 = status ] || { echo first >&2; echo 'no disk' >&2; exit 4; }");
    let outcome = world.run(Operation::Start);
    let script = world.scripts.path("ha.d/resource.d/svcD").display().to_string();
    assert_eq!(
        outcome,
        Outcome::Failed { resource: "svcD".into(), reason: format!("{script} returned 4: no disk") }
    );
    assert_eq!(world.calls(), ["svcA status", "svcA start"]);
    assert!(world.said_something_with(&format!("Return code 4 from {script}")));
}

#[test]
fn a_stop_that_fails_for_a_stopped_resource_is_tried_three_times_and_forgiven() {
    let mut world = World::new(&["svcA svcE"], LIMITS);
    world.main.skip = Duration::from_secs(1);
    world.install("svcA", SERVICE);
    world.install("svcE", "echo svcE $1 >> @/calls; [ $1 = status ] && echo stopped || exit 1");
    assert_eq!(world.run(Operation::Stop), Outcome::Succeeded);
    assert_eq!(world.calls(), ["svcE stop", "svcE stop", "svcE stop", "svcE status", "svcA stop"]);
    assert_eq!(
        world.said().iter().filter(|said| *said == "Retrying failed stop operation [svcE]").count(),
        2
    );
    assert!(world.said_something_with("it (svcE) MUST succeed on a stop when already stopped"));
}

#[test]
fn a_stop_that_fails_for_a_running_resource_leaves_the_rest_alone() {
    let mut world = World::new(&["svcA svcE"], LIMITS);
    world.main.skip = Duration::from_secs(1);
    world.install("svcA", SERVICE);
    world.install("svcE", "[ $1 = status ] && echo running || { echo busy >&2; exit 1; }");
    let outcome = world.run(Operation::Stop);
    let Outcome::Failed { resource, reason } = outcome else { panic!("{outcome:?}") };
    assert_eq!(resource, "svcE");
    assert!(reason.ends_with("svcE returned 1: busy"), "{reason}");
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_hanging_start_is_killed_with_all_its_children() {
    let mut world = World::new(&["svcH"], LIMITS);
    let pipe = open_fifo(&world.scripts.fifo("held"));
    world.install(
        "svcH",
        "[ $1 = start ] || exit
        trap '' TERM; exec 3> @/held; sleep 1000 & echo here; wait",
    );
    world.begin(1, 0, Operation::Start);
    world.wait_for_words("svcH: here");
    world.main.skip = HOUR;
    let outcome = Outcome::TimedOut { resource: "svcH".into(), operation: Action::Start };
    assert_eq!(world.end(), (1, outcome));
    wait_for_end(&pipe);
}

#[test]
fn a_hanging_stop_is_not_repeated_and_its_resource_is_asked() {
    for (state, outcome) in [
        ("running", Outcome::TimedOut { resource: "svcH".into(), operation: Action::Stop }),
        ("stopped", Outcome::Succeeded),
    ] {
        let mut world = World::new(&["svcH"], LIMITS);
        world.install(
            "svcH",
            &format!("echo $1 >> @/calls; [ $1 = status ] && echo {state} || {{ echo here; sleep 1000; }}"),
        );
        world.begin(1, 0, Operation::Stop);
        world.wait_for_words("svcH: here");
        world.main.put_forward(HOUR);
        assert_eq!(world.end(), (1, outcome));
        assert_eq!(world.calls(), ["stop", "status"]);
    }
}

#[test]
fn a_service_that_keeps_the_pipe_does_not_keep_the_job() {
    let mut world = World::new(&["svcB"], LIMITS);
    world.install(
        "svcB",
        "[ $1 = start ] || exit 0
        sleep 1000 & echo $! > @/pid
        echo started; printf 'no line feed'; echo bad >&2",
    );
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    let pid: i32 = world.scripts.lines("pid")[0].parse().unwrap();
    // It is still there: nobody has killed it.
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    for words in ["svcB: started", "svcB: no line feed", "svcB: bad"] {
        assert!(world.said_something_with(words), "{words}");
    }
}

/// It writes to both streams, and more than a pipe holds, long after its script has ended.
#[test]
fn a_service_in_the_background_may_go_on_writing() {
    let mut world = World::new(&["noisy"], LIMITS);
    let (go, lives) = (world.scripts.fifo("go"), open_fifo(&world.scripts.fifo("lives")));
    world.install(
        "noisy",
        r#"
        case $1 in
        status) if [ -e @/started ]; then echo running; else echo stopped; fi;;
        start)
            touch @/started
            (read go < @/go; echo a word; head -c 200000 /dev/zero; echo another >&2; touch @/alive) 3> @/lives &;;
        esac"#,
    );
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    std::fs::write(go, "go\n").unwrap();
    wait_for_end(&lives);
    assert!(world.scripts.path("alive").exists(), "its first word was its last");
}

#[test]
fn a_flood_is_cut_but_the_job_ends() {
    let mut world = World::new(&["svcF"], LIMITS);
    world.install("svcF", "[ $1 = status ] || seq 1 300000");
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    let written = world.remarks.iter().filter(|remark| matches!(remark, Remark::Output(_))).count();
    let left_out: u64 = world
        .remarks
        .iter()
        .map(|remark| if let Remark::OutputLeftOut { lines, .. } = remark { *lines } else { 0 })
        .sum();
    assert!(left_out > 0);
    assert_eq!(written as u64 + left_out, 300_000);
}

#[test]
fn a_missing_script_fails_the_start_and_not_the_stop() {
    let mut world = World::new(&["svcA nosuch"], LIMITS);
    world.install("svcA", SERVICE);
    let outcome = world.run(Operation::Start);
    let Outcome::Failed { resource, reason } = outcome else { panic!("{outcome:?}") };
    assert_eq!(resource, "nosuch");
    for place in ["ha.d/resource.d/nosuch", "init.d/nosuch"] {
        assert!(reason.contains(&world.scripts.path(place).display().to_string()), "{reason}");
    }
    assert_eq!(world.run(Operation::Stop), Outcome::Succeeded);
    assert!(world.said_something_with("Cannot locate resource script nosuch"));
}

#[test]
fn a_script_without_its_interpreter_fails_the_start_and_neither_the_probe_nor_the_stop() {
    let mut world = World::new(&["svcA"], LIMITS);
    world.scripts.install("ha.d/resource.d/svcA", "");
    let script = world.scripts.path("ha.d/resource.d/svcA");
    // As an editor of another system leaves it.
    std::fs::write(&script, "#!/bin/sh\r\necho running\r\n").unwrap();
    assert_eq!(world.run(Operation::Probe), Outcome::NotRunning);
    let outcome = world.run(Operation::Start);
    let Outcome::Failed { reason, .. } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("interpreter"), "{reason}");
    assert_eq!(world.run(Operation::Stop), Outcome::Succeeded);
    assert!(world.said_something_with("svcA cannot be run"));
}

#[test]
fn a_script_that_is_not_executable_does_not_hide_the_one_in_init_d() {
    let mut world = World::new(&["svcA"], LIMITS);
    std::fs::create_dir_all(world.scripts.path("ha.d/resource.d")).unwrap();
    std::fs::write(world.scripts.path("ha.d/resource.d/svcA"), "exit 1").unwrap();
    world.scripts.install("init.d/svcA", SERVICE);
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.calls(), ["svcA status", "svcA start"]);
}

#[test]
fn a_script_without_an_interpreter_is_run_by_the_shell() {
    let mut world = World::new(&["svcN"], LIMITS);
    world.install("svcN", "");
    let path = world.scripts.path("ha.d/resource.d/svcN");
    let copy = std::process::Command::new("/bin/sh")
        .args(["-c", "printf 'echo $* >> %s' $1 > $2", "sh"])
        .args([world.scripts.path("calls"), path])
        .status();
    assert!(copy.unwrap().success());
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.calls(), ["status", "start"]);
}

#[test]
fn a_cancelled_job_ends_when_its_processes_are_gone() {
    let mut world = World::new(&["svcH"], LIMITS);
    let pipe = open_fifo(&world.scripts.fifo("held"));
    world.install("svcH", "[ $1 = start ] || exit; exec 3> @/held; sleep 1000 & echo here; wait");
    world.begin(7, 0, Operation::Start);
    world
        .main
        .until(&mut world.runner, |runner| runner.remarks().find(|said| said.to_string() == "svcH: here"));
    let now = world.main.now();
    world.runner.cancel(7, now);
    assert!(!world.runner.idle());
    assert_eq!(world.end(), (7, Outcome::Cancelled));
    wait_for_end(&pipe);
    world.runner.cancel(7, now);
    assert!(world.runner.idle());
}

#[test]
fn a_job_that_pauses_can_be_cancelled() {
    let mut world = World::new(&["svcE"], LIMITS);
    world.install("svcE", "exit 1");
    world.begin(7, 0, Operation::Stop);
    let code = |said: &Remark| matches!(said, Remark::ReturnCode { .. });
    world.main.until(&mut world.runner, |runner| runner.remarks().find(code));
    let now = world.main.now();
    world.runner.cancel(7, now);
    assert_eq!(world.end(), (7, Outcome::Cancelled));
}

#[test]
fn jobs_of_two_groups_run_at_the_same_time() {
    // Each waits for the other.
    let mut world = World::new(&["svcX::1::2", "svcX::2::1"], LIMITS);
    world.scripts.fifo("1");
    world.scripts.fifo("2");
    world.install(
        "svcX",
        "[ $3 = start ] || exit 0
        if [ $1 = 1 ]; then echo go > @/1; read word < @/2; else read word < @/1; echo go > @/2; fi",
    );
    world.begin(1, 0, Operation::Start);
    world.begin(2, 1, Operation::Start);
    let mut jobs = Vec::new();
    world.main.until(&mut world.runner, |runner| {
        jobs.extend(runner.completed());
        (jobs.len() == 2).then_some(())
    });
    assert!(jobs.iter().all(|(_, outcome)| *outcome == Outcome::Succeeded), "{jobs:?}");
}

#[test]
fn children_of_others_are_left_to_them() {
    let mut world = World::new(&["svcA"], LIMITS);
    world.install("svcA", SERVICE);
    let mut other = std::process::Command::new("/bin/sh").args(["-c", "exit 5"]).spawn().unwrap();
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(other.wait().unwrap().code(), Some(5));
}

#[test]
fn a_script_finds_its_environment_and_nothing_else() {
    // Descriptors that this process was itself started with are not its own to close.
    let inherited = std::process::Command::new("/bin/ls").arg("/proc/self/fd").output().unwrap();
    let inherited = String::from_utf8(inherited.stdout).unwrap();
    let variables = [("HA_CURHOST", "wna"), ("HA_deadtime", "10s")];
    let mut world = World::with_environment(&["svcV"], LIMITS, &variables);
    world.install(
        "svcV",
        "[ $1 = start ] || exit 0
        env | grep -v -e ^_= -e ^SHLVL= | sort > @/env
        pwd > @/cwd
        ls /proc/self/fd > @/fds
        grep -e ^SigBlk -e ^SigIgn /proc/self/status > @/signals
        readlink /proc/$$/fd/0 > @/stdin
        cut -d' ' -f1,5 /proc/$$/stat > @/group",
    );
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    let ocf_root = format!("OCF_ROOT={}", world.scripts.path("ocf").display());
    assert_eq!(
        world.scripts.lines("env"),
        ["HA_CURHOST=wna", "HA_deadtime=10s", &ocf_root, "PATH=/usr/bin:/bin", "PWD=/"]
    );
    assert_eq!(world.scripts.lines("cwd"), ["/"]);
    assert_eq!(world.scripts.lines("fds"), inherited.lines().collect::<Vec<_>>());
    let signals = world.scripts.lines("signals");
    let mask = |name: &str| {
        let line = signals.iter().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk:"), 0);
    assert_eq!(mask("SigIgn:") & 1 << (Signal::SIGPIPE as i32 - 1), 0, "ignored here, but not there");
    assert_eq!(world.scripts.lines("stdin"), ["/dev/null"]);
    let group = world.scripts.lines("group")[0].clone();
    let (pid, process_group) = group.split_once(' ').unwrap();
    assert_eq!(pid, process_group);
}

#[test]
fn built_in_agents_win_over_scripts_and_are_started_without_a_question() {
    let mut world = World::new(&["IPaddr::10.0.0.1/24 Filesystem::/dev/x::/mnt svcA"], LIMITS);
    world.scripts.install(
        "heartline",
        "echo $* >> @/calls; for verb; do :; done; [ $verb = status ] && exit 3; exit 0",
    );
    world.install("IPaddr", SERVICE);
    world.install("svcA", SERVICE);
    assert_eq!(world.run(Operation::Probe), Outcome::NotRunning);
    assert_eq!(world.run(Operation::Start), Outcome::Succeeded);
    assert_eq!(world.run(Operation::Announce), Outcome::Succeeded);
    assert_eq!(
        world.calls(),
        [
            "agent IPaddr 10.0.0.1/24 status",
            "agent Filesystem /dev/x /mnt status",
            "svcA status",
            "agent IPaddr 10.0.0.1/24 start",
            "agent Filesystem /dev/x /mnt start",
            "svcA status",
            "svcA start",
            "agent IPaddr 10.0.0.1/24 announce",
        ]
    );
}

#[test]
fn every_address_is_announced_even_after_one_that_fails() {
    let mut world = World::new(&["IPaddr::10.0.0.1 IPv6addr::2001:db8::1", "svcA"], LIMITS);
    world.scripts.install("heartline", "echo $* >> @/calls; exit 1");
    let outcome = world.run(Operation::Announce);
    assert!(
        matches!(&outcome, Outcome::Failed { resource, .. } if resource == "IPaddr::10.0.0.1"),
        "{outcome:?}"
    );
    assert_eq!(world.calls().len(), 2);
    world.begin(2, 1, Operation::Announce);
    assert_eq!(world.end(), (2, Outcome::Succeeded));
}

#[test]
fn a_job_for_a_group_that_does_not_exist_fails_at_once() {
    let mut world = World::new(&["svcA"], LIMITS);
    world.begin(9, 5, Operation::Start);
    let (job, outcome) = world.end();
    assert_eq!(job, 9);
    assert!(matches!(outcome, Outcome::Failed { reason, .. } if reason.contains("no group number 5")));
}
