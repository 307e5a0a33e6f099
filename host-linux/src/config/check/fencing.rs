//! What is to be said about the fencing devices.

use std::path::Path;

use super::Advice;
use crate::config::diagnostics::Severity;
use crate::config::model::{FenceDevice, FenceParameters, Quorum};

impl Advice<'_> {
    pub(super) fn on_fencing(&mut self) {
        let whole = self.whole;
        let configuration = &whole.configuration;
        let unprotected = configuration.fencing.is_empty() && configuration.quorum == Quorum::Off;
        if unprotected && configuration.nodes.len() > 1 {
            let mounts =
                configuration.groups.iter().flat_map(|group| &group.resources).any(|resource| {
                    resource.agent == "Filesystem" || resource.agent.ends_with(":Filesystem")
                });
            let message = if mounts {
                "no fencing: a file system can be mounted on two nodes when they lose each other, and be destroyed"
            } else {
                "no fencing: a node that cannot be heard is taken for dead, and both run the services"
            };
            let remedy = "configure a fencing device with `stonith` or `stonith_host`";
            self.diagnostics.about_file(Severity::Warning, &whole.ha_cf.path, message, remedy);
        }
        let missing: Vec<String> = configuration
            .fencing
            .iter()
            .filter(|it| !self.is_installed(it))
            .map(|it| it.kind.clone())
            .collect();
        for kind in missing {
            let message = format!("no fencing agent `{kind}` is installed");
            self.diagnostics.about_file(
                Severity::Warning,
                &whole.ha_cf.path,
                message,
                "install the package it comes with (`cluster-glue`, `fence-agents`)",
            );
        }
        self.on_devices();
        if configuration.fencing.len() > 1 {
            let message =
                "several fencing devices: heartbeat used the last one, Heartline tries all in order";
            self.diagnostics.about_file(Severity::Info, &whole.ha_cf.path, message, "");
        }
    }

    /// Plugins in shared libraries are only known to the `stonith` command.
    fn is_installed(&self, device: &FenceDevice) -> bool {
        let programs: &[&str] = match device.kind.as_str() {
            kind if kind.starts_with("external/") => {
                &["/usr/lib/stonith/plugins", "/usr/lib64/stonith/plugins"]
            }
            kind if kind.starts_with("fence_") => &["/usr/sbin", "/usr/bin"],
            _ => return true,
        };
        programs.iter().any(|directory| self.is_program(&Path::new(directory).join(&device.kind)))
    }

    /// What a device can be seen not to do by its parameters alone.
    fn on_devices(&mut self) {
        let whole = self.whole;
        for device in &whole.configuration.fencing {
            let FenceParameters::Inline(parameters) = &device.parameters else { continue };
            let kind = &device.kind;
            let others = whole.configuration.others();
            let is_other = |name: &&str| others.iter().any(|other| other.eq_ignore_ascii_case(name));
            if let Some(hosts) = hosts(kind, parameters)
                && !hosts.is_empty()
                && !hosts.iter().any(|host| is_other(&host.as_str()))
            {
                let message = format!("fencing device `{kind}` is for no other node than this one");
                let remedy = "name the other nodes among its hosts: a node does not fence itself";
                self.warn_of_directive("stonith_host", message, remedy);
            }
            let action = named(parameters, &["action", "option"]);
            if let Some(action) = action.filter(|it| kind.starts_with("fence_") && !fences(it)) {
                let message = format!("fencing device `{kind}`: action={action} fences nobody");
                self.warn_of_directive("stonith_host", message, "write `off` or `reboot`, or leave it out");
            }
        }
        let without: Vec<&String> =
            whole.configuration.nodes.iter().filter(|node| !self.has_device(node)).collect();
        if self.is_any_device_given() {
            for node in without {
                let message =
                    format!("no fencing device is for `{node}` to use: it takes over without fencing");
                let remedy = "the first word after `stonith_host` is the node that uses the device, or `*`";
                self.warn_of_directive("stonith_host", message, remedy);
            }
        }
        let delay = whole.configuration.fence_delay;
        // A witness serves the first that asks, and no other.
        let arbitrates = |device: &FenceDevice| matches!(device.parameters, FenceParameters::Witness(_));
        let pair =
            whole.configuration.nodes.len() == 2 && !whole.configuration.fencing.iter().all(arbitrates);
        if pair && delay.is_zero() {
            let message =
                "without fence_delay two nodes that lose each other may fence each other, and both go down";
            let remedy =
                "write a fence_delay that is longer than the device takes, for example `fence_delay 5`";
            self.warn_of_directive("fence_delay", message, remedy);
        }
    }
}

impl Advice<'_> {
    /// Whether some line of `ha.cf` gives this node a device.
    fn has_device(&self, node: &str) -> bool {
        self.device_users().any(|user| user.is_none_or(|user| user == "*" || user.eq_ignore_ascii_case(node)))
    }

    fn is_any_device_given(&self) -> bool {
        self.device_users().next().is_some()
    }

    /// For each line with a device, the node that uses it; nothing for a line that is for all.
    fn device_users(&self) -> impl Iterator<Item = Option<String>> + '_ {
        self.whole.ha_cf.lines.iter().filter_map(|line| {
            let text = String::from_utf8_lossy(&line.bytes);
            let mut words = text.split_whitespace();
            match (words.next()?, words.next()) {
                ("stonith", _) => Some(None),
                ("stonith_host", Some(user)) => Some(Some(user.to_owned())),
                _ => None,
            }
        })
    }
}

fn fences(action: &str) -> bool {
    matches!(action, "off" | "reboot" | "cycle")
}

/// The hosts that a device is for, where its parameters are known to say so.
fn hosts(kind: &str, parameters: &str) -> Option<Vec<String>> {
    let list = named(parameters, &["hostlist", "pcmk_host_list"]);
    let list = match kind {
        "null" | "ssh" | "external/ssh" | "meatware" if !parameters.contains('=') => Some(parameters),
        _ => list,
    };
    let separators = [',', ' ', '\t'];
    list.map(|list| list.split(separators).filter(|host| !host.is_empty()).map(str::to_owned).collect())
}

fn named<'a>(parameters: &'a str, names: &[&str]) -> Option<&'a str> {
    let pairs = parameters.split_whitespace().filter_map(|parameter| parameter.split_once('='));
    pairs.filter(|(name, _)| names.contains(name)).map(|(_, value)| value).next_back()
}
