//! Runs the hooks: those of each lane one at a time and in order, each with a time limit.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use heartline_core::message::Phase;
use heartline_core::notice::Notice;
use mio::{Registry, Token};

use super::event::Event;
use super::lane::{Item, Lane};
use super::notification;
use super::remark::Remark;
use crate::config::{Configuration, Notify};
use crate::log::Level;
use crate::log::render::Names;
use crate::resources::{Children, Destination, End, Environment, Input, Invocation, LineText, failure};

/// How long an event script may take.
const SCRIPT_LIMIT: Duration = Duration::from_secs(30);
/// How long the command of a `notify` line may take for one notice.
const NOTIFY_LIMIT: Duration = Duration::from_secs(10);

/// The hooks of this host.
///
/// Nothing here blocks and nothing reads a clock. After any call with a time, what came of it is to be fetched with
/// `remarks`.
#[derive(Debug)]
pub struct Hooks {
    environment: Environment,
    /// `rc.d`.
    scripts: PathBuf,
    events: Vec<&'static str>,
    this_node: String,
    own_status: &'static str,
    children: Children,
    /// The first is that of the event scripts, the others those of the `notify` lines.
    hooks: Vec<Hook>,
    /// Since when something waits to be started: whoever tells of a notice has more urgent things to do first.
    due: Option<Instant>,
    last_number: u32,
    remarks: Vec<Remark>,
}

/// All event scripts, or the command of a `notify` line.
#[derive(Debug)]
struct Hook {
    number: u32,
    /// None for the event scripts.
    notify: Option<Notify>,
    lane: Lane<Call>,
    running: Option<Call>,
    /// No line asks for it any more; it goes when its last call has ended.
    retired: bool,
}

#[derive(Debug)]
struct Call {
    /// What its output is logged under.
    name: String,
    invocation: Invocation,
    event: Option<&'static str>,
}

impl Hooks {
    /// The number of tokens that are used, beginning with the first.
    pub const TOKENS: usize = Children::TOKENS;

    /// The tokens from `first_token` on, [`Self::TOKENS`] of them, must not be used by anybody else.
    #[must_use]
    pub fn new(
        configuration: &Configuration,
        environment: Environment,
        registry: Registry,
        first_token: usize,
    ) -> Self {
        let mut hooks = Self {
            environment: Environment::default(),
            scripts: PathBuf::new(),
            events: Vec::new(),
            this_node: String::new(),
            own_status: "up",
            children: Children::new(registry, first_token, None),
            hooks: vec![Hook::new(0, None)],
            due: None,
            last_number: 0,
            remarks: Vec::new(),
        };
        hooks.configure(configuration, environment);
        hooks
    }

    /// Takes over a changed configuration. What waits for a hook that stays is still done.
    pub fn configure(&mut self, configuration: &Configuration, environment: Environment) {
        self.environment = environment;
        self.scripts = configuration.directory.join("rc.d");
        self.events.clone_from(&configuration.event_scripts);
        self.this_node.clone_from(&configuration.this_node);
        let mut before: Vec<Hook> = self.hooks.drain(1..).collect();
        for line in &configuration.notify {
            let stays = |hook: &Hook| hook.notify.as_ref() == Some(line) && !hook.retired;
            let hook = match before.iter().position(stays) {
                Some(at) => before.remove(at),
                None => {
                    self.last_number += 1;
                    Hook::new(self.last_number, Some(line.clone()))
                }
            };
            self.hooks.push(hook);
        }
        for mut hook in before.into_iter().filter(|hook| hook.running.is_some()) {
            hook.retired = true;
            hook.lane.clear();
            self.hooks.push(hook);
        }
    }

    /// Notes a notice for the hooks, whose line in the log is `text`. They are told with the next `tick`.
    pub fn notice(
        &mut self,
        notice: &Notice,
        (level, text): (Level, &str),
        names: &Names,
        when: SystemTime,
        now: Instant,
    ) {
        if let Notice::Phase(phase) = notice {
            self.own_status = if *phase == Phase::Starting { "up" } else { "active" };
        }
        if let Some(event) = Event::of(notice, names).filter(|event| self.events.contains(&event.name)) {
            let variables = event.variables(self.own_status, when);
            let invocation = script(self.scripts.join(event.name), event.name, variables);
            self.push(0, Call { name: event.name.to_owned(), invocation, event: Some(event.name) });
        }
        let mut rendered = None;
        for at in 1..self.hooks.len() {
            let hook = &self.hooks[at];
            // Levels grow from the gravest.
            let Some(line) = hook.notify.as_ref().filter(|line| level <= notification::least(line.level))
            else {
                continue;
            };
            if hook.retired {
                continue;
            }
            let json = rendered
                .get_or_insert_with(|| notification::of_notice(notice, level, text, names, when))
                .clone();
            let call = notify(&line.command, json);
            self.push(at, call);
        }
        if self.hooks.iter().any(|hook| hook.running.is_none() && !hook.lane.is_empty()) {
            self.due.get_or_insert(now);
        }
    }

    /// Whether nothing waits and nothing runs.
    #[must_use]
    pub fn are_idle(&self) -> bool {
        self.hooks.iter().all(|hook| hook.running.is_none() && hook.lane.is_empty())
    }

    /// Ends what runs and forgets what waits.
    pub fn cancel(&mut self, now: Instant) {
        for hook in &mut self.hooks {
            hook.lane.clear();
            self.children.cancel(hook.number, now);
        }
    }

    /// To be called on SIGCHLD. Reaps only the children that were started here.
    pub fn child_exited(&mut self, when: SystemTime, now: Instant) {
        self.children.reap(now);
        self.settle(when, now);
    }

    /// To be called for an event of the main loop. False if the token is none of these hooks'.
    pub fn ready(&mut self, token: Token, when: SystemTime, now: Instant) -> bool {
        let ours = self.children.ready(token, now);
        self.settle(when, now);
        ours
    }

    /// To be called when time has passed, at the latest at [`Self::next_deadline`].
    pub fn tick(&mut self, when: SystemTime, now: Instant) {
        self.children.tick(now);
        self.settle(when, now);
    }

    /// When `tick` is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.children.next_deadline().into_iter().chain(self.due).min()
    }

    /// What is worth saying since the last question.
    pub fn remarks(&mut self) -> impl Iterator<Item = Remark> + use<> {
        std::mem::take(&mut self.remarks).into_iter()
    }

    fn push(&mut self, at: usize, call: Call) {
        if self.hooks[at].lane.push(call) {
            let hook = self.hooks[at].label();
            self.remarks.push(Remark::TooSlow { hook });
        }
    }

    fn settle(&mut self, when: SystemTime, now: Instant) {
        for line in self.children.take_lines() {
            let running = self.hooks.iter().find(|hook| hook.number == line.owner);
            if let (Some(call), LineText::Written(_, text)) =
                (running.and_then(|hook| hook.running.as_ref()), line.text)
            {
                self.remarks.push(Remark::Output { hook: call.name.clone(), pid: line.pid, line: text });
            }
        }
        for ended in self.children.take_ended() {
            let Some(hook) = self.hooks.iter_mut().find(|hook| hook.number == ended.owner) else { continue };
            let Some(call) = hook.running.take() else { continue };
            if ended.end == End::Exited(0) {
                hook.lane.succeeded();
            } else if ended.end != End::Cancelled {
                let reason = failure(&call.invocation, &ended);
                note_failure(hook, &mut self.remarks, reason);
            }
        }
        self.hooks.retain(|hook| !hook.retired || hook.running.is_some());
        self.start_next(when, now);
    }

    /// Starts what waits for every hook that does not run.
    fn start_next(&mut self, when: SystemTime, now: Instant) {
        self.due = None;
        for at in 0..self.hooks.len() {
            while self.hooks[at].running.is_none() {
                let Some(item) = self.hooks[at].lane.pop() else { break };
                if let Some(call) = self.call(at, item, when) {
                    self.start(at, call, now);
                }
            }
        }
    }

    fn call(&mut self, at: usize, item: Item<Call>, when: SystemTime) -> Option<Call> {
        let count = match item {
            Item::Call(call) => return Some(call),
            Item::LeftOut(count) => count,
        };
        let hook = &self.hooks[at];
        self.remarks.push(Remark::LeftOut { hook: hook.label(), count });
        let line = hook.notify.as_ref()?;
        Some(notify(&line.command, notification::of_left_out(count, &self.this_node, when)))
    }

    fn start(&mut self, at: usize, call: Call, now: Instant) {
        let hook = &mut self.hooks[at];
        if let Some(event) = call.event {
            self.remarks.push(Remark::Running { script: call.invocation.program.clone(), event });
        }
        match self.children.spawn(hook.number, &call.invocation, &self.environment, now) {
            Ok(()) => hook.running = Some(call),
            Err(error) => {
                let reason = format!("{} cannot be run: {error}", call.invocation.program.display());
                note_failure(hook, &mut self.remarks, reason);
            }
        }
    }
}

impl Hook {
    fn new(number: u32, notify: Option<Notify>) -> Self {
        Self { number, notify, lane: Lane::default(), running: None, retired: false }
    }

    fn label(&self) -> String {
        self.notify.as_ref().map_or("rc.d".to_owned(), |line| line.command.clone())
    }
}

fn note_failure(hook: &mut Hook, remarks: &mut Vec<Remark>, reason: String) {
    let Some(count) = hook.lane.failed() else { return };
    // The shell that runs a command is nobody's concern.
    let reason = match &hook.notify {
        Some(line) => reason.replacen("/bin/sh", &format!("notify {}", line.command), 1),
        None => reason,
    };
    remarks.push(Remark::Failed { reason, count });
}

/// An event script gets the name of its event as its one argument.
fn script(program: PathBuf, event: &str, variables: Vec<(String, String)>) -> Invocation {
    Invocation {
        program,
        name: None,
        arguments: vec![event.to_owned()],
        variables,
        input: Input::Nothing,
        stdout: Destination::Lines,
        limit: SCRIPT_LIMIT,
    }
}

fn notify(command: &str, json: String) -> Call {
    let program = command.split_whitespace().next().unwrap_or_default();
    let name = Path::new(program).file_name().map(|name| name.to_string_lossy().into_owned());
    let invocation = Invocation {
        program: PathBuf::from("/bin/sh"),
        name: None,
        arguments: vec!["-c".to_owned(), format!("exec {command}")],
        variables: Vec::new(),
        input: Input::Text(json),
        stdout: Destination::Lines,
        limit: NOTIFY_LIMIT,
    };
    Call { name: name.unwrap_or_default(), invocation, event: None }
}
