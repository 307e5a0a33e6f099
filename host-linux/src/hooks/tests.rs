//! The hooks with real scripts.

use std::time::{Duration, Instant, UNIX_EPOCH};

use heartline_core::ids::{GroupIndex, LinkIndex, MemberIndex};
use heartline_core::message::Phase;
use heartline_core::notice::Notice;
use heartline_core::time::Duration as CoreDuration;
use mio::Token;
use serde_json::Value;

use super::{Hooks, Remark};
use crate::config::{Configuration, Notify, NotifyLevel};
use crate::log::render::testing::two_nodes;
use crate::log::render::{self, Names};
use crate::resources::Environment;
use crate::resources::testing::{Driven, FIRST_TOKEN, Loop, Scripts};

impl Driven for Hooks {
    fn ready(&mut self, token: Token, now: Instant) -> bool {
        Self::ready(self, token, UNIX_EPOCH, now)
    }
    fn child_exited(&mut self, now: Instant) {
        Self::child_exited(self, UNIX_EPOCH, now);
    }
    fn tick(&mut self, now: Instant) {
        Self::tick(self, UNIX_EPOCH, now);
    }
    fn next_deadline(&self) -> Option<Instant> {
        Self::next_deadline(self)
    }
}

const LINK_UP: Notice = Notice::LinkUp { member: MemberIndex(1), link: LinkIndex(0) };
const DEAD: Notice = Notice::MemberDead {
    member: MemberIndex(1),
    silence: CoreDuration::from_millis(1001),
    limit: CoreDuration::from_millis(1000),
};
const NOBODY: Notice = Notice::NobodyFit(GroupIndex(0));

struct Bench {
    main: Loop,
    scripts: Scripts,
    configuration: Configuration,
    hooks: Hooks,
    said: Vec<Remark>,
}

impl Bench {
    /// With these event scripts, given as name and text, and these `notify` lines; in both, `@` is the directory.
    fn new(events: &[(&'static str, &str)], notify: &[(NotifyLevel, &str)]) -> Self {
        let (main, scripts) = (Loop::new(), Scripts::new());
        let mut configuration = two_nodes("ha1");
        configuration.directory = scripts.path("");
        for (name, text) in events {
            scripts.install(&format!("rc.d/{name}"), text);
            configuration.event_scripts.push(name);
        }
        for (level, text) in notify {
            let name = format!("notify{}", configuration.notify.len());
            scripts.install(&name, text);
            let command = format!("{} 'an argument'", scripts.path(&name).display());
            configuration.notify.push(Notify { level: *level, command });
        }
        let environment = Environment::of(&configuration);
        let hooks = Hooks::new(&configuration, environment, main.registry(), FIRST_TOKEN);
        Self { main, scripts, configuration, hooks, said: Vec::new() }
    }

    fn tell(&mut self, notice: Notice) {
        let names = Names::new(&self.configuration);
        let (level, text) = render::render(&notice, &names);
        self.hooks.notice(&notice, (level, &text), &names, UNIX_EPOCH, self.main.now());
    }

    fn until_idle(&mut self) -> Vec<String> {
        self.main.until(&mut self.hooks, |hooks| hooks.are_idle().then_some(()));
        self.said.extend(self.hooks.remarks());
        let here = self.scripts.path("").display().to_string();
        self.said.iter().map(|remark| remark.to_string().replace(&here, "@/")).collect()
    }

    fn objects(&self, file: &str) -> Vec<Value> {
        self.scripts.lines(file).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn an_event_script_gets_the_variables_of_the_original() {
    let mut bench = Bench::new(&[("status", "env >> @/seen; echo \"$1 $#\" >> @/seen")], &[]);
    bench.tell(Notice::Phase(Phase::Active));
    bench.tell(LINK_UP);
    bench.tell(DEAD);
    let said = bench.until_idle();
    assert_eq!(said, ["Running @/rc.d/status status"]);
    let seen = bench.scripts.lines("seen");
    for line in [
        "HA_t=status",
        "HA_src=ha2",
        "HA_st=dead",
        "HA_OSTATUS=active",
        "HA_CURHOST=ha1",
        "HA_deadtime=1",
        "status 1",
    ] {
        assert!(seen.iter().any(|seen| seen == line), "{line} is not in {seen:?}");
    }
}

#[test]
fn event_scripts_run_one_at_a_time_and_in_order() {
    let text = |name: &str| {
        format!("mkdir @/lock || echo together >> @/seen; echo {name} $HA_st >> @/seen; rmdir @/lock")
    };
    let mut bench = Bench::new(&[("status", &text("status")), ("ifstat", &text("ifstat"))], &[]);
    for notice in [LINK_UP, DEAD, LINK_UP, DEAD] {
        bench.tell(notice);
    }
    bench.until_idle();
    assert_eq!(bench.scripts.lines("seen"), ["ifstat up", "status dead", "ifstat up", "status dead"]);
}

#[test]
fn a_command_gets_each_notice_of_its_level_as_json() {
    let all = (NotifyLevel::Info, "cat >> @/all; echo \"$1\" >> @/arguments");
    let errors = (NotifyLevel::Error, "cat >> @/errors");
    let mut bench = Bench::new(&[], &[all, errors]);
    for notice in [LINK_UP, DEAD, NOBODY] {
        bench.tell(notice);
    }
    assert!(bench.until_idle().is_empty());
    let kinds = |file: &str| -> Vec<String> {
        bench.objects(file).iter().map(|it| it["notice"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds("all"), ["link_up", "member_dead", "nobody_fit"]);
    assert_eq!(kinds("errors"), ["nobody_fit"]);
    assert_eq!(bench.scripts.lines("arguments"), ["an argument"; 3]);
    let dead = &bench.objects("all")[1];
    assert_eq!(
        (&dead["node"], &dead["level"], &dead["member"]),
        (&"ha1".into(), &"warn".into(), &"ha2".into())
    );
    assert_eq!(dead["text"], "node ha2: is dead (no heartbeat for 1001 ms, dead time 1000 ms)");
    let time = dead["time"].as_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok_and(|time| time.timestamp() == 0), "{time}");
}

#[test]
fn a_hook_that_hangs_is_ended_and_the_next_call_comes() {
    let mut bench =
        Bench::new(&[], &[(NotifyLevel::Info, "read line; echo \"$line\" >> @/seen; exec sleep 1000")]);
    bench.tell(LINK_UP);
    bench.tell(DEAD);
    bench.hooks.tick(UNIX_EPOCH, bench.main.now());
    while bench.scripts.lines("seen").is_empty() {
        std::thread::yield_now();
    }
    bench.main.put_forward(Duration::from_secs(10));
    bench.hooks.tick(UNIX_EPOCH, bench.main.now());
    bench.main.until(&mut bench.hooks, |_| (bench.scripts.lines("seen").len() == 2).then_some(()));
    bench.hooks.cancel(bench.main.now());
    let said = bench.until_idle();
    assert_eq!(said, ["notify @/notify0 'an argument' took longer than 10s"]);
}

#[test]
fn failures_are_said_at_a_falling_rate() {
    let mut bench = Bench::new(&[], &[(NotifyLevel::Info, "echo no mail >&2; exit 3")]);
    for _ in 0..12 {
        bench.tell(DEAD);
    }
    let said = bench.until_idle();
    let failures: Vec<&String> = said.iter().filter(|line| line.contains("returned 3")).collect();
    let failure = "notify @/notify0 'an argument' returned 3: no mail";
    assert_eq!(failures, [failure, &format!("{failure} (10 failures in a row)")]);
    assert_eq!(said.iter().filter(|line| *line == "notify0: no mail").count(), 12);
}

#[test]
fn what_a_slow_command_misses_is_counted() {
    let mut bench = Bench::new(&[], &[(NotifyLevel::Info, "cat @/gate > /dev/null; cat >> @/seen")]);
    let gate = bench.scripts.fifo("gate");
    // One runs, a hundred wait.
    bench.tell(DEAD);
    bench.hooks.tick(UNIX_EPOCH, bench.main.now());
    for _ in 1..120 {
        bench.tell(DEAD);
    }
    bench.said.extend(bench.hooks.remarks());
    drop(std::fs::File::options().write(true).open(&gate).unwrap());
    std::fs::remove_file(&gate).unwrap();
    std::fs::write(&gate, "").unwrap();
    let said = bench.until_idle();
    assert_eq!(
        said,
        [
            "@/notify0 'an argument' is too slow: what finds no room is left out",
            "@/notify0 'an argument' was not called for 19 that found no room"
        ]
    );
    let seen = bench.objects("seen");
    assert_eq!(seen.len(), 102);
    assert_eq!((&seen[101]["notice"], &seen[101]["count"]), (&"left_out".into(), &19.into()));
}

#[test]
fn a_reload_keeps_what_waits_for_a_line_that_stays() {
    let (stays, goes) = ((NotifyLevel::Info, "cat >> @/stays"), (NotifyLevel::Info, "cat >> @/goes"));
    let mut bench = Bench::new(&[], &[stays, goes]);
    bench.tell(LINK_UP);
    bench.tell(DEAD);
    bench.hooks.tick(UNIX_EPOCH, bench.main.now());
    bench.configuration.notify.remove(1);
    let environment = Environment::of(&bench.configuration);
    bench.hooks.configure(&bench.configuration, environment);
    bench.tell(NOBODY);
    bench.until_idle();
    assert_eq!(bench.scripts.lines("stays").len(), 3);
    assert_eq!(bench.scripts.lines("goes").len(), 1);
}
