//! The supervisor with shell scripts in the place of `heartline client`, and a clock that may be put forward.

use std::fs;
use std::time::{Duration, Instant};

use mio::Token;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Clients, Remark};
use crate::config::RespawnClient;
use crate::resources::Environment;
use crate::resources::testing::{Driven, FIRST_TOKEN, Loop, Scripts};

impl Driven for Clients {
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

fn line(command: &str) -> RespawnClient {
    RespawnClient {
        user: "nobody".to_owned(),
        uid: 65534,
        gid: 65533,
        command: command.to_owned(),
        failfast: false,
    }
}

fn failfast(command: &str) -> RespawnClient {
    RespawnClient { failfast: true, ..line(command) }
}

/// Clients whose commands are run by a stand-in that notes each start in `calls`; there, `@` is the directory of the
/// scripts, also in commands.
struct Bench {
    main: Loop,
    scripts: Scripts,
    clients: Clients,
    said: Vec<Remark>,
}

impl Bench {
    fn new(lines: Vec<RespawnClient>) -> Self {
        let (main, scripts) = (Loop::new(), Scripts::new());
        scripts.install("heartline", "echo \"$*\" >> @/calls; eval \"exec $3\"");
        let mut environment = Environment::default();
        environment.set("PATH", "/usr/bin:/bin".to_owned());
        let clients = Clients::new(
            lines.into_iter().map(|line| placed(&scripts, line)).collect(),
            environment,
            scripts.path("heartline"),
            &scripts.path("run"),
            main.registry(),
            FIRST_TOKEN,
        );
        Self { main, scripts, clients, said: Vec::new() }
    }

    fn begin(lines: Vec<RespawnClient>) -> Self {
        let mut bench = Self::new(lines);
        bench.clients.begin(bench.main.now());
        bench
    }

    fn configure(&mut self, lines: Vec<RespawnClient>) {
        let lines = lines.into_iter().map(|line| placed(&self.scripts, line)).collect();
        let mut environment = Environment::default();
        environment.set("PATH", "/usr/bin:/bin".to_owned());
        self.clients.configure(lines, environment, self.main.now());
    }

    /// Drives until this was said so often; gives all that was said.
    fn until_said(&mut self, part: &str, times: usize) -> Vec<String> {
        let part = part.replace("@/", &self.scripts.path("").display().to_string());
        let said = &mut self.said;
        self.main.until(&mut self.clients, |clients| {
            said.extend(clients.remarks());
            (said.iter().filter(|remark| remark.to_string().contains(&part)).count() >= times).then_some(())
        });
        self.texts()
    }

    fn until_gone(&mut self) -> Vec<String> {
        self.main.until(&mut self.clients, |clients| clients.are_gone().then_some(()));
        self.said.extend(self.clients.remarks());
        self.texts()
    }

    fn texts(&self) -> Vec<String> {
        let here = self.scripts.path("").display().to_string();
        self.said.iter().map(|remark| remark.to_string().replace(&here, "@/")).collect()
    }

    /// Waits until a script has written this line to a file.
    fn until_line(&mut self, file: &str, line: &str) {
        while !self.scripts.lines(file).iter().any(|written| written == line) {
            std::thread::yield_now();
        }
    }
}

fn placed(scripts: &Scripts, line: RespawnClient) -> RespawnClient {
    let here = scripts.path("").display().to_string();
    RespawnClient { command: line.command.replace("@/", &here), ..line }
}

#[test]
fn clients_start_in_their_order_when_communication_is_up() {
    let mut bench = Bench::new(vec![line("sleep 1001"), line("sleep 1002")]);
    bench.clients.tick(bench.main.now());
    assert!(bench.clients.remarks().next().is_none());
    bench.clients.begin(bench.main.now());
    let said = bench.until_said("(pid ", 2);
    assert_eq!(said[0], "Starting child client \"sleep 1001\" (65534,65533)");
    assert!(said[1].starts_with("Starting \"sleep 1001\" as uid 65534  gid 65533 (pid "), "{said:?}");
    assert_eq!(said[2], "Starting child client \"sleep 1002\" (65534,65533)");
    bench.until_line("calls", "client nobody sleep 1002");
    bench.clients.leave(bench.main.now());
    bench.until_gone();
}

#[test]
fn eleven_short_lives_in_a_row_are_enough() {
    let mut bench = Bench::begin(vec![line("false")]);
    bench.main.skip = Duration::from_secs(1);
    let begun = bench.main.now();
    let said = bench.until_said("respawning too fast", 1);
    assert_eq!(bench.scripts.lines("calls").len(), 11);
    assert!(bench.main.now() >= begun + Duration::from_secs(10), "between two short lives is a second");
    assert_eq!(said.iter().filter(|line| *line == "Client false exited with return code 1.").count(), 11);
    assert_eq!(said.iter().filter(|line| *line == "Respawning client \"false\":").count(), 10);
    assert_eq!(bench.clients.given_up().collect::<Vec<_>>(), ["false"]);
    assert!(bench.clients.are_gone() && bench.clients.next_deadline().is_none());
    // An operator who has the files read again gives it another chance.
    bench.clients.retry(bench.main.now());
    bench.until_said("respawning too fast", 2);
    assert_eq!(bench.scripts.lines("calls").len(), 22);
}

#[test]
fn a_long_life_is_followed_at_once_and_forgives_short_ones() {
    let mut bench = Bench::new(vec![line("cat @/pipe")]);
    let pipe = bench.scripts.fifo("pipe");
    bench.clients.begin(bench.main.now());
    for life in 1..=30 {
        // Waits for the reader, whose life is over when we close.
        let writer = fs::File::options().write(true).open(&pipe).unwrap();
        bench.main.put_forward(Duration::from_secs(30));
        let before = bench.said.len();
        drop(writer);
        bench.until_said("exited with return code 0", life);
        bench.clients.tick(bench.main.now());
        bench.said.extend(bench.clients.remarks());
        let said = bench.texts()[before..].concat();
        assert!(said.contains("Starting child client"), "it is not started at once: {said}");
    }
    let writer = fs::File::options().write(true).open(&pipe).unwrap();
    bench.clients.leave(bench.main.now());
    bench.until_gone();
    drop(writer);
}

#[test]
fn a_hundred_ends_it() {
    let mut bench = Bench::begin(vec![line("sh -c 'exit 100'")]);
    let said = bench.until_said("not started again", 1);
    assert!(said.iter().any(|line| line.contains("exited with return code 100.")), "{said:?}");
    bench.main.put_forward(Duration::from_secs(3600));
    bench.clients.tick(bench.main.now());
    assert_eq!(bench.scripts.lines("calls").len(), 1);
    assert!(bench.clients.take_reboot().is_none());
}

#[test]
fn they_go_one_by_one_the_last_one_first() {
    let obeys = |name: &str| {
        format!("trap \"echo {name} >> @/ends; exit\" TERM; echo {name} >> @/up; sleep 1000 & wait")
    };
    let mut bench = Bench::new(vec![line("@/first"), line("@/stubborn"), line("@/last")]);
    bench.scripts.install("first", &obeys("first"));
    bench.scripts.install("last", &obeys("last"));
    bench.scripts.install("stubborn", "trap '' TERM; echo stubborn >> @/up; sleep 1000 & wait; sleep 1000");
    bench.clients.begin(bench.main.now());
    for name in ["first", "stubborn", "last"] {
        bench.until_line("up", name);
    }
    bench.clients.leave(bench.main.now());
    bench.until_said("@/last is stopped", 1);
    assert_eq!(bench.scripts.lines("ends"), ["last"]);
    // It does not go when it is asked to.
    bench.main.put_forward(Duration::from_secs(10));
    bench.until_said("@/stubborn is stopped", 1);
    bench.until_gone();
    assert_eq!(bench.scripts.lines("ends"), ["last", "first"]);
    assert_eq!(bench.scripts.lines("calls").len(), 3);
}

#[test]
fn a_reload_touches_only_what_it_changes() {
    let mut bench = Bench::begin(vec![line("sleep 1001"), line("sleep 1002"), line("sleep 1001")]);
    bench.until_said("(pid ", 3);
    bench.configure(vec![line("sleep 1003"), line("sleep 1001"), line("sleep 1001")]);
    let said = bench.until_said("Client sleep 1002 is stopped", 1);
    let started: Vec<&String> = said.iter().filter(|line| line.contains("Starting child client")).collect();
    assert_eq!(started.len(), 4, "{said:?}");
    // A line that comes back is a client anew.
    bench.configure(vec![line("sleep 1002")]);
    bench.until_said("Client sleep 1001 is stopped", 2);
    let said = bench.until_said("Client sleep 1003 is stopped", 1);
    assert_eq!(said.iter().filter(|line| line.contains("Starting child client \"sleep 1002\"")).count(), 2);
    bench.clients.leave(bench.main.now());
    bench.until_gone();
}

#[test]
fn a_failfast_client_that_fails_is_a_reason_to_reboot() {
    for (command, reboots) in
        [("true", false), ("false", true), ("sh -c 'kill -9 $$'", true), ("sh -c 'exit 100'", true)]
    {
        let mut bench = Bench::begin(vec![failfast(command)]);
        let said = bench.until_said("Client", 1);
        assert_eq!(bench.clients.take_reboot().is_some(), reboots, "{command}: {said:?}");
        assert!(bench.clients.take_reboot().is_none(), "it is said once");
    }
    let mut bench = Bench::begin(vec![line("false")]);
    bench.until_said("exited", 1);
    assert!(bench.clients.take_reboot().is_none());
}

#[test]
fn while_the_node_leaves_nothing_is_started_and_no_end_is_a_failure() {
    let mut bench = Bench::begin(vec![failfast("sleep 1001"), line("false")]);
    bench.until_said("Respawning client \"false\"", 1);
    bench.until_line("calls", "client nobody sleep 1001");
    bench.clients.hold();
    let pid = bench.said.iter().find_map(|remark| match remark {
        Remark::Started { pid, .. } => i32::try_from(*pid).ok(),
        _ => None,
    });
    kill(Pid::from_raw(pid.unwrap()), Signal::SIGKILL).unwrap();
    bench.until_said("Client sleep 1001 killed by signal 9.", 1);
    assert!(bench.clients.take_reboot().is_none());
    bench.main.put_forward(Duration::from_secs(60));
    bench.clients.tick(bench.main.now());
    assert!(bench.clients.are_gone() && bench.clients.next_deadline().is_none());
    assert_eq!(bench.scripts.lines("calls").len(), 2);
}

#[test]
fn what_cannot_be_started_is_tried_again_at_the_same_rate() {
    let mut bench = Bench::new(vec![line("true")]);
    fs::remove_file(bench.scripts.path("heartline")).unwrap();
    fs::write(bench.scripts.path("heartline"), "").unwrap();
    bench.main.skip = Duration::from_secs(1);
    bench.clients.begin(bench.main.now());
    let said = bench.until_said("respawning too fast", 1);
    assert_eq!(
        said.iter().filter(|line| line.starts_with("Cannot start client true: ")).count(),
        11,
        "{said:?}"
    );
}
