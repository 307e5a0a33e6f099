//! SIGHUP: the files are read anew. A bad file is refused and everything stays as it was; a good one is taken without
//! stopping anything that both configurations have.

use heartline_core::Input;

use super::core_config::core_config;
use super::startup::{read, why_not};
use super::status::Extra;
use super::{Daemon, MEDIA_STEP};
use crate::clock;
use crate::config::Configuration;
use crate::control::{Outcome, Reply};
use crate::log::Level;
use crate::log::render::Names;
use crate::media::Media;
use crate::resources::Environment;

impl Daemon {
    /// Reads the configuration again and takes it if it is good. Log files are re-opened in any case.
    pub(super) fn reload(&mut self) -> Outcome {
        for problem in self.log.reopen() {
            self.log.write(Level::Warn, &problem.to_string());
        }
        let refused =
            |why: String| Outcome::failed(1, format!("{why}. The old configuration stays in force."));
        let Some(new) = read(&self.config_dir, &mut self.log) else {
            return refused("The new configuration has errors, see the log".into());
        };
        if new == self.configuration {
            return Outcome::done("Configuration unchanged.");
        }
        let (config, keys) = match core_config(&new) {
            Ok(parts) => parts,
            Err(unfit) => return refused(format!("The new configuration is not taken: {unfit}")),
        };
        let media = match self.reopened_media(&new) {
            Ok(media) => media,
            Err(error) => return refused(format!("Cannot set up the media: {error}")),
        };
        if let Err(error) = self.node.reconfigure(config, keys, clock::core_now()) {
            return refused(format!(
                "The new configuration is not taken: {}",
                why_not(error, &self.configuration)
            ));
        }
        if let Some(media) = media {
            self.media_token += MEDIA_STEP;
            self.media = media;
        }
        self.take_over(new);
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
        for (_, client) in self.waiting.drain() {
            let outcome = Outcome::failed(1, "the configuration changed meanwhile; see `heartline status`");
            self.server.reply(client, &Reply::Result(outcome));
        }
        if new.logging != self.configuration.logging {
            for problem in self.log.configure(&new.logging, false) {
                self.log.write(Level::Warn, &problem.to_string());
            }
        }
        let environment = Environment::of(&new);
        self.runner.configure(new.groups.clone(), new.limits, environment.clone());
        self.fencer.configure(new.fencing.clone(), environment);
        self.names = Names::new(&new);
        self.extra = Extra::new(&new);
        self.configuration = new;
    }
}
