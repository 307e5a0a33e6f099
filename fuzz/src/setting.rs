//! Configurations and keys out of choices: small clusters as they are, and at the edges of what is allowed.

use heartline_core::config::{Config, Intervals, Parts, Policy, Quorum, Recovery, StopFailure};
use heartline_core::limits::{MAX_LINKS, MAX_PINGS};
use heartline_core::seal::{Key, KeyRing, Method};
use heartline_core::time::Duration;

use crate::bytes::Choices;

/// The name of every cluster here.
pub const CLUSTER: &str = "linux-ha";
/// The names of the nodes, of which the first ones take part. Where there is a witness it is the last.
pub const NODES: [&str; 3] = ["ha1", "ha2", "ha3"];
/// Intervals in milliseconds: keepalive, deadtime, initdead.
const PACES: [[u64; 3]; 6] = [
    [200, 1_000, 3_000],
    [1_000, 10_000, 20_000],
    [1, 3, 3],
    [10, 30, 60],
    [2_000, 60_000, 120_000],
    [1_000_000, 3_600_000, 86_400_000],
];

const LONGEST_DEADTIME: Duration = Duration::from_millis(3_600_000);

/// What all nodes of a cluster have in common.
#[derive(Debug, Clone)]
pub struct Setting {
    nodes: usize,
    /// Whether there is a witness beside two nodes.
    witness: bool,
    groups: usize,
    pace: [u64; 3],
    links: usize,
    pings: usize,
    policy: Policy,
    /// How often every group is asked how it is.
    monitor: Duration,
    method: Method,
}

impl Setting {
    /// A cluster of two or three nodes.
    pub fn choose(choices: &mut Choices<'_>) -> Self {
        let policy = choices.byte();
        let witness = Choices::flag(policy, 7);
        let nodes = 2 + choices.index(2);
        let stop_failure = if Choices::flag(policy, 1) { StopFailure::Reboot } else { StopFailure::Block };
        Self {
            nodes: if witness { 2 } else { nodes },
            witness,
            groups: choices.one_of(&[1, 2, 0, 3, 8, 32]),
            pace: choices.one_of(&PACES),
            links: choices.one_of(&[2, 1, 3, MAX_LINKS]),
            pings: choices.one_of(&[0, 1, 2, MAX_PINGS]),
            policy: Policy {
                auto_failback: !Choices::flag(policy, 0),
                stop_failure,
                fencing: Choices::flag(policy, 2),
                quorum: match Choices::flag(policy, 4) {
                    true if witness => Quorum::Witness,
                    true => Quorum::Majority,
                    false => Quorum::Off,
                },
                witness_watchdog: (witness && nodes == 2).then(|| Duration::from_millis(2_000)),
                ping_decides: Choices::flag(policy, 3),
                recovery: Recovery {
                    restarts: if Choices::flag(policy, 6) { 0 } else { 2 },
                    window: Duration::from_millis(60_000),
                },
                ..Policy::default()
            },
            monitor: if Choices::flag(policy, 5) { Duration::from_millis(500) } else { Duration::ZERO },
            method: choices.one_of(&[Method::Crc, Method::Md5, Method::Sha1, Method::Sha256]),
        }
    }

    /// How many nodes take part.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.nodes
    }

    /// Whether there is a witness besides.
    #[must_use]
    pub const fn has_witness(&self) -> bool {
        self.witness
    }

    /// How many groups there are.
    #[must_use]
    pub const fn groups(&self) -> usize {
        self.groups
    }

    /// The configuration of node `this`. `change` has a bit for each part that is not as the others have it.
    #[must_use]
    pub fn config(&self, this: usize, change: u8) -> Config {
        let changed = |bit| Choices::flag(change, bit);
        let mut nodes = NODES[..self.nodes].to_vec();
        if changed(7) && self.nodes == 3 && this != 2 {
            nodes.pop();
        }
        let hosts = nodes.len();
        let witness = (self.witness && !changed(7)).then(|| NODES[NODES.len() - 1]);
        nodes.extend(witness);
        let mut texts: Vec<String> = (0..self.groups).map(|group| format!("group{group}")).collect();
        if changed(1) {
            texts.pop();
        }
        if changed(2) && texts.len() < self.groups.max(3) {
            texts.push("another".to_owned());
        }
        if changed(6) {
            texts.reverse();
        }
        let groups: Vec<(&str, &str)> =
            texts.iter().enumerate().map(|(at, text)| (nodes[at % hosts], text.as_str())).collect();
        let longer = if changed(0) { Duration::from_micros(1) } else { Duration::ZERO };
        let [keepalive, deadtime, initdead] = self.pace.map(Duration::from_millis);
        let deadtime = Duration::from_micros(deadtime.micros() + longer.micros()).min(LONGEST_DEADTIME);
        let policy = Policy { auto_failback: self.policy.auto_failback ^ changed(5), ..self.policy };
        let config = Config::new(&Parts {
            cluster: CLUSTER,
            nodes: &nodes,
            this: NODES[this],
            groups: &groups,
            monitors: &vec![self.monitor; groups.len()],
            intervals: Intervals {
                keepalive,
                deadtime,
                warntime: keepalive.times(2),
                initdead,
                deadping: deadtime,
            },
            policy,
            links: if changed(4) { 1 } else { self.links },
            pings: if changed(3) { 1 } else { self.pings },
        });
        let config = config.expect("the parts are within their limits");
        match witness {
            Some(name) => config.with_witness(name).expect("it is a member and has no groups"),
            None => config,
        }
    }

    /// The keys of all nodes; the second pair is for a change of keys.
    #[must_use]
    pub fn keys(&self, second: bool) -> KeyRing {
        if second { ring(2, self.method, b"the next secret") } else { ring(1, self.method, b"a secret") }
    }
}

/// A ring of one key.
#[must_use]
pub fn ring(number: u8, method: Method, secret: &[u8]) -> KeyRing {
    Key::new(number, method, secret).and_then(|key| KeyRing::new(number, &[key])).expect("a good key")
}
