//! What an experienced administrator would say of a configuration that is right by the letter.
//! Looks at the machine as well; a daemon starts whatever is said here.

mod fencing;
mod monitoring;
mod protection;
mod witness;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::agents;
use super::cross_checks::show;
use super::diagnostics::{Diagnostic, Diagnostics, Severity};
use super::event_scripts::{self, Fate};
use super::model::{AuthMethod, Configuration, FenceParameters, Medium};
use super::reading::{self, Whole};
use super::resource_words::floating_address;
use super::source::Span;
use super::system::System;

/// Everything that `load` says, and everything that is worth saying although it is accepted.
#[must_use]
pub fn check(directory: &Path, environment: &dyn System) -> Vec<Diagnostic> {
    let reading = reading::read(directory, environment);
    let mut diagnostics = reading.diagnostics;
    if let Some(mut whole) = reading.whole {
        agents::consult(&mut whole, environment, &mut diagnostics);
        let mut advice = Advice { whole: &whole, system: environment, diagnostics: &mut diagnostics };
        advice.on_times();
        advice.on_members();
        advice.on_media();
        advice.on_serial_lines();
        advice.on_unicast_peers();
        advice.on_pings();
        advice.on_keys();
        advice.on_fencing();
        advice.on_quorum();
        advice.on_watchdog();
        advice.on_witness();
        advice.on_resources();
        advice.on_event_scripts();
        advice.on_monitoring();
        advice.on_access();
        advice.on_logs();
    }
    diagnostics.0
}

struct Advice<'a> {
    whole: &'a Whole,
    system: &'a dyn System,
    diagnostics: &'a mut Diagnostics,
}

impl Advice<'_> {
    fn configuration(&self) -> &Configuration {
        &self.whole.configuration
    }

    fn warn(&mut self, place: Span, message: impl Into<String>, remedy: impl Into<String>) {
        self.diagnostics.warning(&self.whole.ha_cf, place.finding(message, remedy));
    }

    fn warn_of_directive(&mut self, directive: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let place = self.whole.directives.get(directive).copied().unwrap_or(Span::WHOLE_FILE);
        self.warn(place, message, remedy);
    }

    fn on_times(&mut self) {
        let times = self.configuration().times;
        if times.deadtime < times.keepalive * 3 {
            let message = format!(
                "dead time {} is less than three keepalives of {}: two lost heartbeats kill a node",
                show(times.deadtime),
                show(times.keepalive)
            );
            self.warn_of_directive("deadtime", message, "make keepalive smaller or deadtime larger");
        }
        if times.warntime >= times.deadtime {
            let message =
                format!("warntime {} warns of nothing: a node is dead by then", show(times.warntime));
            self.warn_of_directive("warntime", message, "make warntime about half of deadtime");
        } else if times.warntime <= times.keepalive {
            let message = format!("warntime {} warns of heartbeats that are in time", show(times.warntime));
            self.warn_of_directive(
                "warntime",
                message,
                "make warntime larger than keepalive, best half of deadtime",
            );
        }
        if times.deadtime < Duration::from_secs(1) && self.configuration().realtime.is_none() {
            let message = "a dead time below 1 s without real-time priority: load alone can kill a node";
            self.warn_of_directive("deadtime", message, "remove `realtime off`, or make deadtime larger");
        }
    }

    fn on_members(&mut self) {
        let count = self.configuration().nodes.len();
        if count == 1 {
            let message = "there is no other node: nothing can be taken over";
            self.warn_of_directive("node", message, "list the other members with `node`");
        }
    }

    fn on_media(&mut self) {
        let remedy =
            "add an independent one: a null-modem cable (`serial`), or another interface on another switch";
        let media = &self.configuration().media;
        let names: Vec<String> = media.iter().map(Medium::link_name).collect();
        match (names.as_slice(), self.whole.media.first().copied()) {
            ([_], Some(place)) => {
                self.warn(place, "one medium only: when it fails, both nodes believe the other dead", remedy);
            }
            ([first, rest @ ..], Some(place)) if rest.iter().all(|name| name == first) => {
                let message =
                    format!("all media are on `{first}`: when it fails, both nodes believe the other dead");
                self.warn(place, message, remedy);
            }
            _ => {}
        }
        for (index, place) in self.whole.media.iter().copied().enumerate() {
            if let Some(Medium::Multicast { ttl: 0, .. } | Medium::Multicast6 { hops: 0, .. }) =
                self.configuration().media.get(index)
            {
                self.warn(place, "packets with ttl 0 never leave this host", "write `1`");
            }
        }
    }

    fn on_serial_lines(&mut self) {
        let configuration = self.configuration();
        let frame_bytes = 64 + 8 * configuration.nodes.len() + 6 * configuration.groups.len();
        let keepalive = configuration.times.keepalive;
        let consoles = self.system.consoles();
        let whole = self.whole;
        for (medium, place) in whole.configuration.media.iter().zip(&whole.media) {
            let Medium::Serial { device, baud } = medium else { continue };
            if consoles.iter().any(|console| Path::new("/dev").join(console) == *device) {
                let message =
                    format!("`{}` is a console of the kernel, whose messages disturb it", device.display());
                self.warn(
                    *place,
                    message,
                    "remove it from `console=` on the kernel's command line and end its getty",
                );
            }
            let with_witness =
                whole.configuration.witness.as_ref().is_some_and(|witness| witness.device == *device);
            let bytes = frame_bytes + if with_witness { witness::FRAME_BYTES } else { 0 };
            // Heartbeats may fill half of the line; the rest is for those sent at once.
            if 10 * bytes as u128 * 2000 >= u128::from(*baud) * keepalive.as_millis() {
                let what = match with_witness {
                    true => format!("heartbeats of the other node and the witness, {bytes} bytes,"),
                    false => format!("a heartbeat of {bytes} bytes"),
                };
                let fits = if with_witness { "do not fit" } else { "does not fit" };
                let message = format!("{what} every {} {fits} twice into {baud} baud", show(keepalive));
                self.warn(*place, message, "raise `baud` above this line, or keepalive");
            }
        }
    }

    fn on_unicast_peers(&mut self) {
        let own: Vec<IpAddr> =
            self.system.interfaces().unwrap_or_default().into_iter().flat_map(|it| it.addresses).collect();
        let whole = self.whole;
        let unicast =
            whole.configuration.media.iter().zip(&whole.media).filter_map(|(medium, place)| match medium {
                Medium::Unicast { peer, .. } => Some((*peer, *place)),
                _ => None,
            });
        let (to_self, to_others): (Vec<_>, Vec<_>) = unicast.partition(|(peer, _)| own.contains(peer));
        for (peer, place) in to_self {
            if to_others.is_empty() {
                let message =
                    format!("`{peer}` is an address of this host, and no `ucast` line names another");
                self.warn(place, message, "add a line with the address of the other node");
            } else {
                let message =
                    format!("`{peer}` is an address of this host: harmless, for the same file on all nodes");
                self.diagnostics.info(&whole.ha_cf, place.finding(message, ""));
            }
        }
    }

    fn on_pings(&mut self) {
        let configuration = self.configuration();
        match (configuration.ipfail, configuration.pings.is_empty()) {
            (true, true) => {
                let remedy = "add a `ping` line for a router that clients need";
                self.warn_of_directive("ipfail", "ipfail has no ping nodes to go by", remedy);
            }
            (false, false) => {
                let directive =
                    if self.whole.directives.contains_key("ping") { "ping" } else { "ping_group" };
                let message = "ping nodes are watched, but decide nothing without ipfail";
                self.warn_of_directive(
                    directive,
                    message,
                    "add `respawn hacluster /usr/lib/heartbeat/ipfail`",
                );
            }
            _ => {}
        }
    }

    fn on_keys(&mut self) {
        const SECRET_BYTES_ADVISED: usize = 16;
        let network =
            self.configuration().media.iter().any(|medium| !matches!(medium, Medium::Serial { .. }));
        let whole = self.whole;
        for (key, place) in whole.configuration.keys.keys.iter().zip(&whole.keys) {
            let (message, remedy) = match key.method {
                AuthMethod::Crc if network => (
                    "crc is accepted: anybody in the network can forge heartbeats and move the services",
                    "use `sha256` with a secret; crc is for null-modem cables only",
                ),
                AuthMethod::Crc => continue,
                _ if key.secret.len() < SECRET_BYTES_ADVISED => (
                    "the secret is shorter than 16 bytes and may be guessed",
                    "make a new one, for example with `openssl rand -hex 20`",
                ),
                AuthMethod::Md5 => ("md5 is the weakest of the methods with a secret", "use `sha256`"),
                _ => continue,
            };
            self.diagnostics.warning(&whole.authkeys, place.finding(message, remedy));
        }
    }

    fn is_program(&self, path: &Path) -> bool {
        self.system.file_info(path).is_ok_and(|info| info.is_program())
    }

    fn on_resources(&mut self) {
        let whole = self.whole;
        let file = &whole.haresources;
        let interfaces = self.system.interfaces().unwrap_or_default();
        let mut seen: Vec<(&str, Span)> = Vec::new();
        for (group, places) in whole.configuration.groups.iter().zip(&whole.resources) {
            for (resource, place) in group.resources.iter().zip(places) {
                let earlier =
                    seen.iter().find(|(text, first)| *text == resource.text && first.line != place.line);
                if let Some((_, first)) = earlier {
                    let message = format!("`{}` is in the group of line {} too", resource.text, first.line);
                    let remedy = "let one group have it: two would start and stop it against each other";
                    self.diagnostics.warning(file, place.finding(message, remedy));
                }
                seen.push((&resource.text, *place));
                let Some((address, interface)) = floating_address(resource) else { continue };
                if let Some(name) = interface.filter(|name| interfaces.iter().all(|it| it.name != *name)) {
                    let message = format!("interface `{name}` does not exist here");
                    self.diagnostics
                        .warning(file, place.finding(message, "see `ip link` for the interfaces"));
                }
                if self.is_fixed(address) {
                    let message =
                        format!("the floating address `{address}` is also a heartbeat peer or ping node");
                    let remedy = "heartbeats and pings need addresses that stay where they are";
                    self.diagnostics.warning(file, place.finding(message, remedy));
                }
            }
        }
    }

    fn is_fixed(&self, address: IpAddr) -> bool {
        let configuration = self.configuration();
        configuration.pings.iter().any(|ping| ping.hosts.contains(&address))
            || configuration
                .media
                .iter()
                .any(|it| matches!(it, Medium::Unicast { peer, .. } if *peer == address))
    }

    fn on_event_scripts(&mut self) {
        for (path, fate) in event_scripts::fates(&self.configuration().directory, self.system) {
            let (message, remedy) = match fate {
                Fate::Run { occasion, .. } => (format!("this event script is run {occasion}"), ""),
                Fate::NoEvent => {
                    let message = "nothing runs this script: no event has its name".to_owned();
                    (message, "see ha.cf(5) for the events; `notify` gets all that the log says")
                }
                // Said by the reading.
                Fate::Moves(_) | Fate::NotExecutable => continue,
            };
            self.diagnostics.about_file(Severity::Info, &path, message, remedy);
        }
    }

    fn on_access(&mut self) {
        let whole = self.whole;
        let scripts = event_scripts::fates(&whole.configuration.directory, self.system);
        let run =
            scripts.into_iter().filter(|(_, fate)| matches!(fate, Fate::Run { .. })).map(|(path, _)| path);
        for path in [whole.ha_cf.path.clone(), whole.haresources.path.clone()].into_iter().chain(run) {
            let Ok(info) = self.system.file_info(&path) else { continue };
            if info.mode & 0o022 != 0 {
                let message = "group or others may write this file, and with it run programs as root";
                let remedy = format!("chmod go-w {}", path.display());
                self.diagnostics.about_file(Severity::Warning, &path, message, remedy);
            }
        }
        let passwords =
            whole.configuration.fencing.iter().any(|it| matches!(it.parameters, FenceParameters::Inline(_)));
        let readable = self.system.file_info(&whole.ha_cf.path).is_ok_and(|info| info.mode & 0o044 != 0);
        if passwords && readable {
            let remedy = format!("chmod 600 {}, or use `stonith` with a file", whole.ha_cf.path.display());
            self.warn_of_directive(
                "stonith_host",
                "everybody may read the parameters of the fencing device",
                remedy,
            );
        }
    }

    fn on_logs(&mut self) {
        let logging = &self.configuration().logging;
        let files = [("logfile", logging.logfile.clone()), ("debugfile", logging.debugfile.clone())];
        for (directive, path) in files {
            let directory = path.as_deref().and_then(Path::parent).map(PathBuf::from);
            if let Some(missing) = directory.filter(|directory| self.system.file_info(directory).is_err()) {
                let message = format!("the directory `{}` does not exist", missing.display());
                self.warn_of_directive(directive, message, format!("mkdir -p {}", missing.display()));
            }
        }
    }
}
