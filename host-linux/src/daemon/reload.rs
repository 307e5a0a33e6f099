//! SIGHUP: the files are read anew. A bad file is refused and everything stays as it was; a good one is taken without
//! stopping anything that both configurations have.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use heartline_core::Input;
use heartline_core::effect::Answer;
use heartline_core::ids::OrderId;
use heartline_core::input::Command;
use heartline_core::node::ReconfigureError;
use mio::Waker;

use super::core_config::core_config;
use super::requests::Asked;
use super::startup::report;
use super::status::Extra;
use super::{Daemon, MEDIA_STEP};
use crate::addresses::guarded;
use crate::clock;
use crate::config::{self, Configuration, Loaded, RealSystem};
use crate::control::{ClientId, Outcome, Reply};
use crate::log::Level;
use crate::log::render::Names;
use crate::media::Media;
use crate::resources::{Environment, Instructions};

/// A good configuration that waits until what it does not have any more is stopped.
pub(super) struct Pending {
    order: u32,
    configuration: Configuration,
    client: Option<ClientId>,
}

/// The files being read, on a thread of its own: names in them are resolved, and a name server may take its time.
pub(super) struct Reading {
    files: Receiver<Loaded>,
    client: Option<ClientId>,
}

impl Reading {
    fn begin(directory: &Path, wake: Arc<Waker>, client: Option<ClientId>) -> io::Result<Self> {
        let (sender, files) = mpsc::channel();
        let directory = directory.to_owned();
        thread::Builder::new().name("reload".into()).spawn(move || {
            // If the daemon is gone meanwhile, nobody wants to know.
            let _ = sender.send(config::load(&directory, &RealSystem));
            let _ = wake.wake();
        })?;
        Ok(Self { files, client })
    }
}

impl Daemon {
    /// Reads the configuration again and takes it if it is good. Log files are re-opened in any case. The outcome is
    /// logged, and told to `client`.
    pub(super) fn reload(&mut self, client: Option<ClientId>) {
        for problem in self.log.reopen() {
            self.log.write(Level::Warn, &problem.to_string());
        }
        if self.reading.is_some() || self.pending.is_some() {
            self.reloaded(client, refused("A reload is already under way"));
            return;
        }
        match Reading::begin(&self.config_dir, Arc::clone(&self.waker), client) {
            Ok(reading) => self.reading = Some(reading),
            Err(error) => self.reloaded(client, refused(&format!("Cannot read the files: {error}"))),
        }
    }

    /// The files have been read.
    pub(super) fn files_read(&mut self) {
        let Some(reading) = self.reading.take() else { return };
        let client = reading.client;
        let read = reading.files.recv().ok().and_then(|loaded| report(loaded, &mut self.log));
        let Some(new) = read else {
            self.reloaded(client, refused("The new configuration has errors, see the log"));
            return;
        };
        if new == self.configuration {
            self.programs.clients.retry(clock::monotonic());
            self.reloaded(client, Outcome::done("Configuration unchanged."));
            return;
        }
        let in_the_way = match core_config(&new) {
            Ok((config, _)) => self.node.groups_in_the_way(&config),
            Err(unfit) => {
                self.reloaded(client, refused(&format!("The new configuration is not taken: {unfit}")));
                return;
            }
        };
        if in_the_way == 0 {
            let outcome = self.apply(new);
            self.reloaded(client, outcome);
            return;
        }
        let text =
            "Resources that run here are changed or gone in the new configuration: they are stopped first";
        self.log.write(Level::Info, text);
        let order = self.new_order();
        self.pending = Some(Pending { order, configuration: new, client });
        self.step(Input::Order { id: OrderId(order), command: Command::Retire(in_the_way) });
    }

    /// Takes the configuration that waited for this order, if one did. False if the order was none of ours.
    pub(super) fn retired(&mut self, order: u32, answer: Answer) -> bool {
        let Some(pending) = self.pending.take_if(|pending| pending.order == order) else { return false };
        let outcome = match answer {
            Answer::Done => self.apply(pending.configuration),
            Answer::Maintenance => refused(
                "Resources that run here are changed or gone in the new configuration, and maintenance is on",
            ),
            _ => refused("What the new configuration does not have could not be stopped, see the log"),
        };
        self.reloaded(pending.client, outcome);
        true
    }

    fn reloaded(&mut self, client: Option<ClientId>, outcome: Outcome) {
        self.log.write(if outcome.ok { Level::Info } else { Level::Error }, &outcome.message);
        if let Some(client) = client {
            self.server.reply(client, &Reply::Result(outcome));
        }
    }

    fn apply(&mut self, new: Configuration) -> Outcome {
        let (config, keys) = match core_config(&new) {
            Ok(parts) => parts,
            Err(unfit) => return refused(&format!("The new configuration is not taken: {unfit}")),
        };
        if let Some(objection) = self.watchdog.objects(&new).or_else(|| self.witness_objects(&new)) {
            return refused(&format!("The new configuration is not taken: {objection}"));
        }
        let media = match self.reopened_media(&new) {
            Ok(media) => media,
            Err(error) => return refused(&format!("Cannot set up the media: {error}")),
        };
        if let Err(error) = self.node.reconfigure(config, keys, clock::core_now()) {
            let who = match error {
                ReconfigureError::MemberInUse(member) => format!(" ({})", self.names.member(member)),
                ReconfigureError::OtherNode | ReconfigureError::GroupsInUse => String::new(),
            };
            return refused(&format!("The new configuration is not taken: {error}{who}"));
        }
        if let Some(media) = media {
            self.media_token += MEDIA_STEP;
            self.media = media;
        }
        self.media.live_by(new.times.keepalive);
        self.take_over(new);
        self.flight.reconfigured(&self.names, &self.node, clock::core_now(), clock::wall());
        self.step(Input::Tick);
        Outcome::done("Configuration reread.")
    }

    /// Media for the new configuration, if they differ from those in use. The old ones are still open then: a serial
    /// device that both have opens at the first retry after the old ones are closed.
    fn reopened_media(&self, new: &Configuration) -> std::io::Result<Option<Media>> {
        if new.media == self.configuration.media && new.pings == self.configuration.pings {
            return Ok(None);
        }
        let registry = self.poll.registry().try_clone()?;
        let token = self.media_token + MEDIA_STEP;
        Ok(Some(Media::open(&new.media, &new.pings, registry, token, clock::monotonic())))
    }

    fn take_over(&mut self, new: Configuration) {
        let forgotten = self.waiting.extract_if(|_, waiting| !matches!(waiting.asked, Asked::Restart));
        for (_, waiting) in forgotten {
            let outcome = Outcome::failed(1, "the configuration changed meanwhile; see `heartline status`");
            self.server.reply(waiting.client, &Reply::Result(outcome));
        }
        if new.logging != self.configuration.logging {
            for problem in self.log.configure(&new.logging, self.foreground) {
                self.log.write(Level::Warn, &problem.to_string());
            }
        }
        let environment = Environment::of(&new);
        self.runner.configure(Instructions::of(&new));
        self.fencer.configure(new.fencing.clone(), new.others(), environment.clone(), clock::monotonic());
        self.watchdog.configure(&new);
        self.programs.configure(&new, environment, clock::monotonic());
        self.addresses.guard(guarded(&new.groups));
        self.names = Names::new(&new);
        self.extra = Extra::new(&new);
        self.configuration = new;
    }
}

fn refused(why: &str) -> Outcome {
    Outcome::failed(1, format!("{why}. The old configuration stays in force."))
}
