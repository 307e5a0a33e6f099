//! From the three files to what the core must know.

use heartline_core::config::{Config, ConfigError, Intervals, Parts, Policy, Quorum, Recovery, StopFailure};
use heartline_core::seal::{Key, KeyError, KeyRing, Method};
use heartline_core::time::Duration;

use crate::config::{self, AuthMethod, Configuration, KeyFile, Monitoring};

/// Why a configuration that reads well cannot be lived by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// `ha.cf` or `haresources`.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// `authkeys`.
    #[error("authkeys: {0}")]
    Key(#[from] KeyError),
}

/// The core's view of a configuration.
///
/// # Errors
/// [`Unfit`] where the core has a rule that the readers do not know.
pub fn core_config(configuration: &Configuration) -> Result<(Config, KeyRing), Unfit> {
    let members: Vec<&str> = configuration.members().collect();
    let texts: Vec<String> = configuration.groups.iter().map(resources_text).collect();
    let groups: Vec<(&str, &str)> = configuration
        .groups
        .iter()
        .zip(&texts)
        .map(|(group, text)| (group.preferred.as_str(), text.as_str()))
        .collect();
    let Monitoring { monitors, restarts, window } = &configuration.monitoring;
    let monitors: Vec<Duration> = configuration
        .groups
        .iter()
        .map(|group| monitors.of_group(group).map_or(Duration::ZERO, span))
        .collect();
    let times = &configuration.times;
    let config = Config::new(&Parts {
        cluster: &configuration.cluster,
        nodes: &members,
        this: &configuration.this_node,
        groups: &groups,
        monitors: &monitors,
        intervals: Intervals {
            keepalive: span(times.keepalive),
            deadtime: span(times.deadtime),
            warntime: span(times.warntime),
            initdead: span(times.initdead),
            deadping: span(times.deadping),
        },
        policy: Policy {
            auto_failback: configuration.auto_failback,
            stop_failure: match configuration.stop_failure {
                config::StopFailure::Reboot => StopFailure::Reboot,
                config::StopFailure::Block => StopFailure::Block,
            },
            fencing: !configuration.fencing.is_empty(),
            fence_delay: span(configuration.fence_delay),
            quorum: match configuration.quorum {
                config::Quorum::Off => Quorum::Off,
                config::Quorum::Majority => Quorum::Majority,
                config::Quorum::Witness => Quorum::Witness,
            },
            ping_decides: configuration.ipfail,
            witness_watchdog: configuration.witness_watchdog.map(span),
            recovery: Recovery { restarts: *restarts, window: span(*window) },
        },
        links: configuration.media.len(),
        pings: configuration.pings.len(),
    })?;
    let config = match &configuration.witness {
        Some(witness) => config.with_witness(&witness.name)?,
        None => config,
    };
    Ok((config, key_ring(&configuration.keys)?))
}

/// The keys of an `authkeys`.
///
/// # Errors
/// [`KeyError`] where the core has a rule that the reader does not know.
pub(crate) fn key_ring(file: &KeyFile) -> Result<KeyRing, KeyError> {
    let mut keys = Vec::new();
    for key in &file.keys {
        let method = match key.method {
            AuthMethod::Crc => Method::Crc,
            AuthMethod::Md5 => Method::Md5,
            AuthMethod::Sha1 => Method::Sha1,
            AuthMethod::Sha256 => Method::Sha256,
        };
        keys.push(Key::new(key.number, method, &key.secret)?);
    }
    KeyRing::new(file.signing, &keys)
}

/// The words of a group, one blank between them, whatever stood there in the file.
fn resources_text(group: &config::Group) -> String {
    let words: Vec<&str> = group.resources.iter().map(|resource| resource.text.as_str()).collect();
    words.join(" ")
}

fn span(time: std::time::Duration) -> Duration {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}
