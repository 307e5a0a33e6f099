//! The daemon: one process, one loop. This file wakes up, reads the clock once, hands everything that happened to the
//! core as inputs, and sleeps until the next deadline; `effects` carries out what the core orders.

mod addresses;
mod answers;
mod core_config;
mod descriptors;
mod effects;
mod fences;
mod inherited;
mod memory;
mod options;
mod programs;
mod real_time;
mod reload;
mod requests;
mod restart;
mod startup;
mod status;
mod watchdog;
mod witness;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heartline_core::ids::{LinkIndex, PingIndex};
use heartline_core::{Effects, Input, Node};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook_mio::v1_0::Signals;

pub(crate) use core_config::key_ring;
pub use core_config::{Unfit, core_config};
pub use options::Options;

use crate::addresses::guarded;
use crate::clock::{self, Moment};
use crate::config::Configuration;
use crate::control::Server;
use crate::durable::PidFile;
use crate::fence::Fencer;
use crate::fence::history::History;
use crate::flight::Recorder;
use crate::log::render::Names;
use crate::log::{Level, Log};
use crate::media::{Media, Received, Reception};
use crate::resources::{Directories, Environment, Instructions, Runner};
use crate::watchdog::{Health, Watchdog};

const SIGNALS: Token = Token(0);
const CONTROL: usize = 1;
const FILES_READ: Token = Token(900);
const ADDRESSES: Token = Token(901);
const RESOURCES: usize = 1_000;
const FENCING: usize = 2_000;
const CLIENTS: usize = 4_000;
const HOOKS: usize = 5_000;
/// Each opening of the media gets tokens of its own, so that late events of a former one mean nothing.
const MEDIA: usize = 10_000;
const MEDIA_STEP: usize = 100;

/// Runs the daemon until it is told to stop.
#[must_use]
pub fn run(mut options: Options) -> ExitCode {
    inherited::clean_up();
    match startup::start(&options) {
        Ok(mut daemon) => {
            daemon.settle_in(&mut options);
            daemon.run()
        }
        Err(code) => code,
    }
}

/// All that a running daemon has.
struct Daemon {
    poll: Poll,
    signals: Signals,
    node: Node,
    effects: Effects,
    outbox: effects::Outbox,
    configuration: Configuration,
    config_dir: PathBuf,
    state_dir: PathBuf,
    foreground: bool,
    names: Names,
    media: Media,
    media_token: usize,
    next_ping: Instant,
    runner: Runner,
    fencer: Fencer,
    programs: programs::Programs,
    addresses: addresses::Addresses,
    watchdog: Watchdog,
    health: Health,
    fences: fences::Fences,
    server: Server,
    log: Log,
    /// Who waits for the answer to which order.
    waiting: HashMap<u32, requests::Waiting>,
    next_order: u32,
    /// Wakes the loop when the files have been read. A poll has one at most.
    waker: Arc<Waker>,
    reading: Option<reload::Reading>,
    pending: Option<reload::Pending>,
    repeats: effects::Repeats,
    extra: status::Extra,
    flight: Recorder,
    leaving: bool,
    next_life: restart::NextLife,
    // Held until the end: its lock says that we run.
    _pid_file: PidFile,
}

impl Daemon {
    fn new(
        options: &Options,
        configuration: Configuration,
        node: Node,
        mut log: Log,
        mut server: Server,
        pid_file: PidFile,
    ) -> Result<Box<Self>, Box<(Log, io::Error)>> {
        let (poll, signals, waker) = match set_up(&mut server) {
            Ok(parts) => parts,
            Err(error) => return Err(Box::new((log, error))),
        };
        let registry = || poll.registry().try_clone();
        let registries = registry().and_then(|media| Ok((media, registry()?, [registry()?, registry()?])));
        let (media_registry, runner_registry, fencer_registries) = match registries {
            Ok(registries) => registries,
            Err(error) => return Err(Box::new((log, error))),
        };
        let now = clock::monotonic();
        let mut media = Media::open(&configuration.media, &configuration.pings, media_registry, MEDIA, now);
        media.live_by(configuration.times.keepalive);
        let names = Names::new(&configuration);
        let (flight, remark) =
            Recorder::begin(&options.state_dir, &names, &node, clock::core_now(), clock::wall());
        if let Some(remark) = remark {
            log.write(Level::Warn, &remark.to_string());
        }
        let (addresses, unwatched) = match registry() {
            Ok(registry) => addresses::Addresses::watch(registry, ADDRESSES, guarded(&configuration.groups)),
            Err(error) => return Err(Box::new((log, error))),
        };
        if let Some(error) = unwatched {
            let text = format!(
                "The kernel does not tell what happens to addresses ({error}): monitors see it later"
            );
            log.write(Level::Warn, &text);
        }
        let (history, unreadable) = History::open(&options.state_dir);
        if let Some(error) = unreadable {
            log.write(Level::Warn, &format!("Cannot read what was fenced before: {error}"));
        }
        let environment = Environment::of(&configuration);
        let executable = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
        let directories = Directories {
            config_dir: options.config_dir.clone(),
            init_d: PathBuf::from("/etc/init.d"),
            run_dir: options.run_dir.clone(),
        };
        let programs = programs::Programs::new(
            options,
            &configuration,
            &environment,
            executable.clone(),
            poll.registry(),
        );
        let programs = match programs {
            Ok(programs) => programs,
            Err(error) => return Err(Box::new((log, error))),
        };
        Ok(Box::new(Self {
            programs,
            media,
            media_token: MEDIA,
            next_life: restart::NextLife::new(&executable, options),
            next_ping: now,
            runner: Runner::new(
                Instructions::of(&configuration),
                directories,
                executable,
                runner_registry,
                RESOURCES,
            ),
            fencer: Fencer::new(
                configuration.fencing.clone(),
                configuration.others(),
                environment,
                fencer_registries,
                FENCING,
                now,
            ),
            fences: fences::Fences { history, outcome: None },
            addresses,
            watchdog: Watchdog::new(&configuration),
            health: Health::default(),
            names,
            flight,
            extra: status::Extra::new(&configuration),
            config_dir: options.config_dir.clone(),
            state_dir: options.state_dir.clone(),
            foreground: options.foreground,
            configuration,
            poll,
            signals,
            node,
            effects: Effects::new(),
            outbox: effects::Outbox::default(),
            server,
            log,
            waiting: HashMap::new(),
            next_order: 0,
            waker: Arc::new(waker),
            reading: None,
            pending: None,
            repeats: effects::Repeats::default(),
            leaving: false,
            _pid_file: pid_file,
        }))
    }

    fn run(mut self: Box<Self>) -> ExitCode {
        let mut events = Events::with_capacity(128);
        self.pass_time(Moment::now());
        while !self.outbox.leave {
            let now = Moment::now();
            let timeout = self.next_deadline(now).saturating_duration_since(now.instant);
            self.write_flight_record(now, timeout);
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
                Err(error) => {
                    self.log.write(Level::Crit, &format!("Cannot wait for events: {error}"));
                    return ExitCode::FAILURE;
                }
            }
            let now = Moment::now();
            for event in &events {
                self.happen(event, now);
            }
            self.pass_time(now);
        }
        self.write_flight_record(Moment::now(), Duration::ZERO);
        self.let_go_of_watchdog();
        self.close(&mut events);
        self.log
            .write(Level::Info, &format!("{} Heartbeat shutdown complete.", self.configuration.this_node));
        ExitCode::SUCCESS
    }

    fn next_deadline(&self, now: Moment) -> Instant {
        let core = now.instant + clock::until(now.core, self.node.next_deadline());
        let others = [
            self.media.next_deadline(),
            self.runner.next_deadline(),
            self.fencer.next_deadline(),
            self.programs.next_deadline(),
            self.repeats.next_deadline(),
            self.next_life.next_deadline(),
            (!self.configuration.pings.is_empty()).then_some(self.next_ping),
        ];
        others.into_iter().flatten().fold(core, Instant::min)
    }

    fn happen(&mut self, event: &Event, moment: Moment) {
        let now = moment.instant;
        match event.token() {
            SIGNALS => self.take_signals(now),
            FILES_READ => self.files_read(),
            ADDRESSES => self.addresses.look_again(),
            token if token.0 >= MEDIA => self.receive(token, moment),
            token if token.0 >= CLIENTS => self.programs.ready(token, now),
            token if token.0 >= FENCING => {
                self.fencer.ready(token, now);
            }
            token if token.0 >= RESOURCES => {
                self.runner.ready(token, now);
            }
            _ => {
                for incoming in self.server.ready(event) {
                    self.take_request(incoming);
                }
            }
        }
    }

    /// Hands every frame that waits on a medium to the core. What the core wants done meanwhile is collected: a frame
    /// is the whole truth, so of several only the newest need be sent.
    fn receive(&mut self, token: Token, moment: Moment) {
        let now = moment.instant;
        let (node, effects, outbox) = (&mut self.node, &mut self.effects, &mut self.outbox);
        let flight = &mut self.flight;
        let mut step = |node: &mut Node, input: Input<'_>| {
            effects.clear();
            node.step(moment.core, input, effects);
            flight.record(moment.core, input, effects, node);
            outbox.collect(effects);
        };
        let mut turned_away = Vec::new();
        self.media.ready(token, now, &mut |received| {
            match received {
                Received::Frame { link, bytes } => {
                    let link = LinkIndex(narrow(link));
                    let before = node.counters(link).accepted;
                    step(node, Input::Frame { link, bytes });
                    if node.counters(link).accepted != before {
                        return Reception::Believed;
                    }
                }
                Received::TurnedAway { link } => turned_away.extend(node.turn_away(LinkIndex(narrow(link)))),
                Received::Pong { ping } => step(node, Input::Pong(PingIndex(narrow(ping)))),
            }
            Reception::Refused
        });
        for notice in turned_away {
            self.say(&notice, now);
        }
        self.carry_out(now);
    }

    /// Everything that was waiting has been handed in: what came of it is settled, and what is due by the clock alone is
    /// done now.
    fn pass_time(&mut self, moment: Moment) {
        let now = moment.instant;
        while let Some(token) = self.media.due(now) {
            self.receive(token, moment);
        }
        self.media.tick(now);
        self.runner.tick(now);
        self.fencer.tick(now);
        self.programs.tick(now);
        if !self.configuration.pings.is_empty() && now >= self.next_ping {
            self.next_ping = now + self.configuration.times.keepalive;
            self.media.ping(now);
        }
        self.repeat_announcements(now);
        self.settle(now);
        if moment.core >= self.node.next_deadline() {
            for link in 0..self.media.link_count() {
                if let Some(token) = self.media.unwatched(link) {
                    self.receive(token, moment);
                }
            }
            self.step_at(moment, Input::Tick);
            self.settle(now);
        }
        self.miss_addresses();
        self.begin_next_life(now);
    }

    fn step(&mut self, input: Input<'_>) {
        self.step_at(Moment::now(), input);
    }

    fn step_at(&mut self, now: Moment, input: Input<'_>) {
        self.effects.clear();
        self.node.step(now.core, input, &mut self.effects);
        self.flight.record(now.core, input, &self.effects, &self.node);
        self.outbox.collect(&self.effects);
        self.carry_out(now.instant);
    }

    /// Writes what of the flight record would be too old after a sleep of this length.
    fn write_flight_record(&mut self, now: Moment, sleep: Duration) {
        let now = now.core;
        let micros = u64::try_from(sleep.as_micros()).unwrap_or(u64::MAX);
        let wake = now + heartline_core::time::Duration::from_micros(micros);
        if let Some(remark) = self.flight.flush(&self.names, &self.node, now, wake, clock::wall) {
            self.log.write(remark.level(), &remark.to_string());
        }
    }

    fn take_signals(&mut self, now: Instant) {
        let pending: Vec<i32> = self.signals.pending().collect();
        for signal in pending {
            match signal {
                SIGCHLD => {
                    self.runner.child_exited(now);
                    self.fencer.child_exited(now);
                    self.programs.child_exited(now);
                }
                SIGTERM | SIGINT => self.begin_to_leave(),
                SIGHUP => self.reload(None),
                SIGUSR1 => self.log.set_debug(self.log.debug().saturating_add(1)),
                SIGUSR2 => self.log.set_debug(self.log.debug().saturating_sub(1)),
                _ => {}
            }
        }
    }

    fn begin_to_leave(&mut self) {
        if !std::mem::replace(&mut self.leaving, true) {
            self.log.write(Level::Info, &format!("Heartbeat shutdown in progress. ({})", std::process::id()));
            self.order(None, heartline_core::input::Command::Leave);
        }
    }
}

fn set_up(server: &mut Server) -> io::Result<(Poll, Signals, Waker)> {
    let poll = Poll::new()?;
    let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2])?;
    poll.registry().register(&mut signals, SIGNALS, Interest::READABLE)?;
    // A careless parent may have left signals blocked, and a former life of ours has: without SIGCHLD no job would ever
    // end. It cannot fail: the arguments are constants.
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
    server.register(poll.registry(), CONTROL)?;
    let waker = Waker::new(poll.registry(), FILES_READ)?;
    Ok((poll, signals, waker))
}

/// Links and ping nodes are at most 16; the core ignores indices that it does not know.
fn narrow(index: usize) -> u8 {
    u8::try_from(index).unwrap_or(u8::MAX)
}
