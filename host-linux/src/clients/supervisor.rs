//! Which clients run, which are started again and when, in which order they go.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::remark::Remark;
use crate::config::RespawnClient;
use crate::resources::{
    Children, Destination, End, Ended, Environment, Input, Invocation, Ledger, LineText, own_program,
};

/// A client that lived shorter than this has lived too short a life ...
const SHORT_LIFE: Duration = Duration::from_secs(30);
/// ... and is started again after this pause only ...
const PAUSE: Duration = Duration::from_secs(1);
/// ... and not at all after so many short lives in a row.
const SHORT_LIVES_MAX: u32 = 11;
/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// The exit status that says: do not start me again.
const DO_NOT_RESPAWN: i32 = 100;

/// The clients of this host.
///
/// Nothing here blocks and nothing reads a clock. After any call with a time, what came of it is to be fetched with
/// `remarks` and `take_reboot`.
#[derive(Debug)]
pub struct Clients {
    own_executable: PathBuf,
    environment: Environment,
    children: Children,
    /// In the order of `ha.cf`; those that no line asks for any more stay until they have ended.
    clients: Vec<Client>,
    phase: Phase,
    last_number: u32,
    remarks: Vec<Remark>,
    reboot: Option<String>,
}

#[derive(Debug)]
struct Client {
    number: u32,
    line: RespawnClient,
    state: State,
    short_lives: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Started as soon as clients may run.
    Due,
    Running {
        since: Instant,
    },
    Pausing {
        until: Instant,
    },
    /// It wanted no other life.
    Finished,
    TooFast,
    Stopping {
        since: Instant,
    },
    /// It ended while nothing is started any more, or no line asks for it.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before communication is up.
    Waiting,
    /// Clients are kept running.
    Keeping,
    /// This node gives up its groups: no client is started any more.
    Holding,
    /// They are ended, the last one first.
    Leaving,
}

impl Clients {
    /// The number of tokens that are used, beginning with the first.
    pub const TOKENS: usize = Children::TOKENS;

    /// `lines` are those of `ha.cf` in their order. `own_executable` is this program, which the clients begin as;
    /// they are written down in `run_dir`, for the case that this daemon is killed. The tokens from `first_token` on,
    /// [`Self::TOKENS`] of them, must not be used by anybody else.
    #[must_use]
    pub fn new(
        lines: Vec<RespawnClient>,
        environment: Environment,
        own_executable: PathBuf,
        run_dir: &Path,
        registry: Registry,
        first_token: usize,
    ) -> Self {
        let mut clients = Self {
            own_executable,
            environment,
            children: Children::new(registry, first_token, Some(Ledger::in_run_dir(run_dir))),
            clients: Vec::new(),
            phase: Phase::Waiting,
            last_number: 0,
            remarks: Vec::new(),
            reboot: None,
        };
        clients.clients = lines.into_iter().map(|line| clients.client(line)).collect();
        clients
    }

    /// Communication is up: they are started in the order of `ha.cf`.
    pub fn begin(&mut self, now: Instant) {
        if self.phase == Phase::Waiting {
            self.phase = Phase::Keeping;
            self.start_due(now);
        }
    }

    /// Takes over a changed configuration. Clients whose line stays go on; clients whose line is gone are ended, and
    /// those of other lines started.
    pub fn configure(&mut self, lines: Vec<RespawnClient>, environment: Environment, now: Instant) {
        self.environment = environment;
        let mut before = std::mem::take(&mut self.clients);
        for line in lines {
            let stays = |client: &Client| client.line == line && client.is_wanted();
            let client = match before.iter().position(stays) {
                Some(at) => before.remove(at),
                None => self.client(line),
            };
            self.clients.push(client);
        }
        for mut client in before.into_iter().rev() {
            self.end(&mut client, now);
            if client.lives() {
                self.clients.push(client);
            }
        }
        self.retry(now);
    }

    /// The operator had the files read again: clients that were given up get another chance.
    pub fn retry(&mut self, now: Instant) {
        for client in self.clients.iter_mut().filter(|client| client.state == State::TooFast) {
            client.state = State::Due;
            client.short_lives = 0;
        }
        self.start_due(now);
    }

    /// This node begins to give up its groups: from now on nothing is started, and no end is a reason to reboot.
    pub fn hold(&mut self) {
        self.phase = Phase::Holding;
        for client in self.clients.iter_mut().filter(|client| !client.lives()) {
            client.state = State::Gone;
        }
    }

    /// Ends them one after the other, the last one first: SIGTERM, and SIGKILL ten seconds later.
    pub fn leave(&mut self, now: Instant) {
        self.phase = Phase::Leaving;
        self.end_next(now);
    }

    /// The end did not come: those that were ended for it are started again.
    pub fn come_back(&mut self, now: Instant) {
        self.phase = Phase::Keeping;
        for at in 0..self.clients.len() {
            if !self.clients[at].lives() {
                self.clients[at] = self.client(self.clients[at].line.clone());
            }
        }
        self.start_due(now);
    }

    /// Whether none is left.
    #[must_use]
    pub fn are_gone(&self) -> bool {
        !self.clients.iter().any(Client::lives)
    }

    /// The commands of those that were given up because they ended too soon too often.
    pub fn given_up(&self) -> impl Iterator<Item = &str> {
        let given_up = self.clients.iter().filter(|client| client.state == State::TooFast);
        given_up.map(|client| client.line.command.as_str())
    }

    /// To be called on SIGCHLD. Reaps only the children that were started here.
    pub fn child_exited(&mut self, now: Instant) {
        self.children.reap(now);
        self.settle(now);
    }

    /// To be called for an event of the main loop. False if the token is none of these clients'.
    pub fn ready(&mut self, token: Token, now: Instant) -> bool {
        let ours = self.children.ready(token, now);
        self.settle(now);
        ours
    }

    /// To be called when time has passed, at the latest at [`Self::next_deadline`].
    pub fn tick(&mut self, now: Instant) {
        self.children.tick(now);
        self.settle(now);
        for client in &mut self.clients {
            if matches!(client.state, State::Pausing { until } if until <= now) {
                client.state = State::Due;
            }
        }
        self.start_due(now);
    }

    /// When `tick` is due at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let pauses = self.clients.iter().filter_map(|client| match client.state {
            State::Pausing { until } => Some(until),
            _ => None,
        });
        pauses.chain(self.children.next_deadline()).min()
    }

    /// What is worth saying since the last question.
    pub fn remarks(&mut self) -> impl Iterator<Item = Remark> + use<> {
        std::mem::take(&mut self.remarks).into_iter()
    }

    /// The command of a `failfast` client that has failed since the last question: this host must reboot.
    pub fn take_reboot(&mut self) -> Option<String> {
        self.reboot.take()
    }

    fn client(&mut self, line: RespawnClient) -> Client {
        self.last_number += 1;
        Client { number: self.last_number, line, state: State::Due, short_lives: 0 }
    }

    fn start_due(&mut self, now: Instant) {
        if self.phase != Phase::Keeping {
            return;
        }
        for at in 0..self.clients.len() {
            if self.clients[at].state == State::Due {
                self.start(at, now);
            }
        }
    }

    fn start(&mut self, at: usize, now: Instant) {
        let client = &mut self.clients[at];
        let RespawnClient { user, uid, gid, command, .. } = client.line.clone();
        self.remarks.push(Remark::Starting { command: command.clone(), uid, gid });
        let invocation = Invocation {
            program: own_program(&self.own_executable),
            name: Some("heartline"),
            arguments: vec!["client".to_owned(), user, command.clone()],
            variables: Vec::new(),
            input: Input::Nothing,
            stdout: Destination::Lines,
            limit: Invocation::UNLIMITED,
        };
        client.state = State::Running { since: now };
        match self.children.spawn(client.number, &invocation, &self.environment, now) {
            Ok(()) => {
                let pid = self.children.pid(client.number).unwrap_or_default();
                self.remarks.push(Remark::Started { command, uid, gid, pid });
            }
            Err(error) => {
                self.remarks.push(Remark::NotStarted { command, reason: error.to_string() });
                self.start_again(at, Duration::ZERO, now);
            }
        }
    }

    /// What the children wrote, then what becomes of those that have ended.
    fn settle(&mut self, now: Instant) {
        for line in self.children.take_lines() {
            let client = self.clients.iter().find(|client| client.number == line.owner);
            if let (Some(client), LineText::Written(_, line)) = (client, line.text) {
                self.remarks.push(Remark::Said { command: client.line.command.clone(), line });
            }
        }
        for ended in self.children.take_ended() {
            self.ended(&ended, now);
        }
    }

    fn ended(&mut self, ended: &Ended, now: Instant) {
        let Some(at) = self.clients.iter().position(|client| client.number == ended.owner) else { return };
        let client = &mut self.clients[at];
        let command = client.line.command.clone();
        match client.state {
            State::Stopping { since } => {
                client.state = State::Gone;
                self.remarks.push(Remark::Stopped { command, took: now.saturating_duration_since(since) });
            }
            State::Running { since } => {
                self.remarks.push(match ended.end {
                    End::Exited(code) => Remark::Exited { command, code },
                    End::Signalled(signal) => Remark::Killed { command, signal },
                    // Nobody limits its time, and who was told to go is stopping.
                    End::TimedOut | End::Cancelled => Remark::Killed { command, signal: 0 },
                });
                self.decide(at, ended.end, now.saturating_duration_since(since), now);
            }
            State::Due | State::Pausing { .. } | State::Finished | State::TooFast | State::Gone => {}
        }
        if self.phase == Phase::Leaving {
            self.end_next(now);
        }
    }

    /// What follows from an end that nobody ordered.
    fn decide(&mut self, at: usize, end: End, lived: Duration, now: Instant) {
        let client = &mut self.clients[at];
        let command = client.line.command.clone();
        if self.phase != Phase::Keeping {
            client.state = State::Gone;
            return;
        }
        if client.line.failfast && end != End::Exited(0) {
            self.reboot = Some(command.clone());
        }
        if end == End::Exited(DO_NOT_RESPAWN) {
            client.state = State::Finished;
            self.remarks.push(Remark::Finished { command });
        } else {
            self.start_again(at, lived, now);
        }
    }

    fn start_again(&mut self, at: usize, lived: Duration, now: Instant) {
        let client = &mut self.clients[at];
        let command = client.line.command.clone();
        let short = lived < SHORT_LIFE;
        client.short_lives = if short { client.short_lives + 1 } else { 0 };
        if client.short_lives >= SHORT_LIVES_MAX {
            client.state = State::TooFast;
            self.remarks.push(Remark::TooFast { command });
        } else {
            client.state = State::Pausing { until: if short { now + PAUSE } else { now } };
            self.remarks.push(Remark::Respawning { command });
        }
    }

    fn end(&mut self, client: &mut Client, now: Instant) {
        if matches!(client.state, State::Running { .. })
            && self.children.cancel_within(client.number, GRACE, now)
        {
            client.state = State::Stopping { since: now };
        } else if client.is_wanted() {
            client.state = State::Gone;
        }
    }

    /// Ends the last one that still runs, unless one is on its way.
    fn end_next(&mut self, now: Instant) {
        if self.clients.iter().any(|client| matches!(client.state, State::Stopping { .. })) {
            return;
        }
        let mut clients = std::mem::take(&mut self.clients);
        for client in clients.iter_mut().rev() {
            self.end(client, now);
            if client.lives() {
                break;
            }
        }
        self.clients = clients;
    }
}

impl Client {
    /// Whether there is a process of it.
    fn lives(&self) -> bool {
        matches!(self.state, State::Running { .. } | State::Stopping { .. })
    }

    fn is_wanted(&self) -> bool {
        !matches!(self.state, State::Stopping { .. } | State::Gone)
    }
}
