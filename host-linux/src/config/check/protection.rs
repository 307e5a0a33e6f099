//! Advice on what keeps a group from running on two nodes: quorum and watchdog. Fencing is looked at in `check`.

use std::path::Path;
use std::time::Duration;

use super::super::cross_checks::show;
use super::super::model::Quorum;
use super::super::system::FileKind;
use super::Advice;

impl Advice<'_> {
    pub(super) fn on_quorum(&mut self) {
        let configuration = self.configuration();
        let (nodes, times) = (configuration.nodes.len(), configuration.times);
        let fencing = !configuration.fencing.is_empty();
        let watchdog = configuration.watchdog.is_some() || configuration.witness_watchdog.is_some();
        let has_witness = configuration.witness.is_some();
        if configuration.quorum == Quorum::Off {
            if nodes >= 3 {
                let message = format!(
                    "{nodes} nodes without quorum: when they lose each other, every part runs the services"
                );
                let remedy = "add `quorum majority`, with a `watchdog` or a fencing device on every node";
                self.warn_of_directive("node", message, remedy);
            }
            return;
        }
        if has_witness {
            // It is the third.
        } else if nodes == 2 {
            let message = "a majority of two nodes is both: when one dies, the other stops everything";
            let remedy = "write `quorum off` and configure fencing, or add a third node";
            self.warn_of_directive("quorum", message, remedy);
        } else if nodes.is_multiple_of(2) {
            let message =
                format!("an even number of nodes, {nodes}, can split into halves that both stop everything");
            self.warn_of_directive("node", message, "add or remove a node");
        }
        if !fencing && !watchdog {
            let message =
                "the groups of a dead node are not taken over: nothing makes sure that they ended with it";
            let remedy = match has_witness {
                true => "add `witness_watchdog`, a `watchdog` or a fencing device on every node",
                false => "add a `watchdog` or a fencing device on every node",
            };
            self.warn_of_directive("quorum", message, remedy);
        }
        // A vote lasts almost for a dead time, and is renewed by a heartbeat and its answer.
        if times.deadtime < times.keepalive * 4 {
            let message = format!(
                "dead time {} is less than four keepalives of {}: one lost heartbeat can cost the majority",
                show(times.deadtime),
                show(times.keepalive)
            );
            self.warn_of_directive("deadtime", message, "make keepalive smaller or deadtime larger");
        }
    }

    pub(super) fn on_watchdog(&mut self) {
        let configuration = self.configuration();
        let Some(device) = configuration.watchdog.clone() else { return };
        let (quorum, limits, times) = (configuration.quorum, configuration.limits, configuration.times);
        let path = device.display();
        match self.system.file_info(&device) {
            Err(_) => {
                let remedy =
                    "load its kernel module (`softdog` where there is no hardware), or remove the line";
                self.warn_of_directive("watchdog", format!("there is no device `{path}`"), remedy);
                return;
            }
            Ok(info) if info.kind != FileKind::CharacterDevice => {
                let message = format!("`{path}` is no watchdog: not even a character device");
                self.warn_of_directive(
                    "watchdog",
                    message,
                    "write `/dev/watchdog`, or another device of /dev",
                );
                return;
            }
            Ok(_) => {}
        }
        if let Some((pid, name)) = self.system.holder(&device).filter(|(_, name)| !is_ours(name)) {
            let remedy = match pid {
                1 => "set `RuntimeWatchdogSec=off` in /etc/systemd/system.conf, or remove the line",
                _ => "stop that program: one alone can feed the watchdog",
            };
            self.warn_of_directive(
                "watchdog",
                format!("`{path}` is in use by `{name}`, process {pid}"),
                remedy,
            );
        }
        let timeout = times.watchdog_timeout();
        let attribute = |name| self.kernel_says(&device, name);
        let longest =
            attribute("max_timeout").and_then(|text| text.parse().ok()).filter(|longest| *longest > 0);
        let stays = attribute("nowayout").is_some_and(|text| text == "1");
        if let Some(longest) = longest.map(Duration::from_secs).filter(|longest| *longest < timeout) {
            let message = format!(
                "`{path}` resets after {} at the latest, before a node without heartbeat is dead ({})",
                show(longest),
                show(times.deadtime)
            );
            self.warn_of_directive("watchdog", message, "make deadtime smaller");
        }
        if stays {
            let message = format!(
                "`{path}` cannot be disarmed: this host is reset {} after the daemon ends",
                show(timeout)
            );
            self.warn_of_directive("watchdog", message, "load its kernel module with `nowayout=0`");
        }
        if quorum != Quorum::Off && limits.stop > timeout {
            let message = format!(
                "a node that loses the majority is reset when its groups are not stopped within {}; stop_timeout is {}",
                show(timeout),
                show(limits.stop)
            );
            let finding = self
                .whole
                .directives
                .get("watchdog")
                .map(|place| place.finding(message, "if stops take that long, make deadtime larger"));
            if let Some(finding) = finding {
                self.diagnostics.info(&self.whole.ha_cf, finding);
            }
        }
    }

    /// What the kernel tells of a watchdog without opening it; `/dev/watchdog` is the first one.
    fn kernel_says(&self, device: &Path, attribute: &str) -> Option<String> {
        let name = device.file_name()?.to_str()?;
        let name = if name == "watchdog" { "watchdog0" } else { name };
        let path = Path::new("/sys/class/watchdog").join(name).join(attribute);
        let (text, _) = self.system.read_file(&path).ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }
}

/// A daemon that runs while its files are checked.
fn is_ours(program: &str) -> bool {
    ["heartline", "heartbeat"].contains(&program)
}
