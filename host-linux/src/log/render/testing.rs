//! A configuration made by hand, for tests that need names.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{
    AuthKey, AuthMethod, Configuration, Group, KeyFile, Logging, Medium, OperationLimits, PingNode, Quorum,
    Resource, StopFailure, Times,
};

/// Two nodes, not in the order of their names in `ha.cf`; a serial line and `eth0`; one ping node; one group each.
pub(crate) fn two_nodes(this_node: &str) -> Configuration {
    let millis = Duration::from_millis;
    Configuration {
        directory: PathBuf::from("/etc/ha.d"),
        cluster: "linux-ha".to_owned(),
        this_node: this_node.to_owned(),
        nodes: vec!["ha2".to_owned(), "ha1".to_owned()],
        witness: None,
        witness_watchdog: None,
        times: Times {
            keepalive: millis(200),
            deadtime: millis(1000),
            warntime: millis(500),
            initdead: millis(3000),
            deadping: millis(1500),
        },
        media: vec![
            Medium::Serial { device: PathBuf::from("/dev/ttyS0"), baud: 19_200 },
            Medium::Broadcast { interface: "eth0".to_owned(), port: 694 },
        ],
        pings: vec![PingNode {
            name: "10.0.0.254".to_owned(),
            hosts: vec![Ipv4Addr::new(10, 0, 0, 254).into()],
        }],
        auto_failback: true,
        auto_failback_word: "on".to_owned(),
        stop_failure: StopFailure::Block,
        quorum: Quorum::Off,
        limits: OperationLimits { start: millis(60_000), stop: millis(60_000), status: millis(20_000) },
        monitoring: crate::config::Monitoring::default(),
        logging: Logging::default(),
        fencing: Vec::new(),
        fence_delay: Duration::ZERO,
        ipfail: false,
        respawn: Vec::new(),
        notify: Vec::new(),
        event_scripts: Vec::new(),
        watchdog: None,
        realtime: None,
        environment: Vec::new(),
        parameters: vec![("deadtime".to_owned(), "1".to_owned()), ("udpport".to_owned(), "694".to_owned())],
        keys: KeyFile {
            signing: 1,
            keys: vec![AuthKey { number: 1, method: AuthMethod::Sha1, secret: b"secretkey".to_vec() }],
        },
        groups: vec![group("ha1", &["10.0.0.46/24", "httpd"], 3), group("ha2", &["ftpd"], 7)],
    }
}

/// A line of `haresources`.
pub(crate) fn group(preferred: &str, resources: &[&str], line: u32) -> Group {
    let resource = |text: &&str| Resource {
        text: (*text).to_owned(),
        agent: (*text).to_owned(),
        arguments: Vec::new(),
        limits: None,
    };
    Group { preferred: preferred.to_owned(), resources: resources.iter().map(resource).collect(), line }
}
