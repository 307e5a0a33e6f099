//! A host without services or other media: a real node of the core behind one serial line.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use heartline_core::Node;
use heartline_core::config::{Config, ConfigError, Intervals, Parts, Policy, Quorum};
use heartline_core::effect::{Effect, Effects, Work};
use heartline_core::framing::{self, Deframer, FRAME_BYTES_MAX};
use heartline_core::ids::{Generation, LinkIndex, NodeId};
use heartline_core::input::{Input, Outcome};
use heartline_core::notice::Notice;
use heartline_core::provision::{Provision, Sense, Wiring};
use heartline_core::seal::{KeyRing, Method};
use heartline_core::time::Duration;
use heartline_core::witness::Word;

use crate::clock;
use crate::forge::{CLUSTER, ring};

/// The hosts' names.
pub const NAMES: [&str; 2] = ["ha1", "ha2"];
pub(crate) const WITNESS: &str = "dongle";
pub(crate) const KEEPALIVE: Duration = Duration::from_millis(250);
pub(crate) const DEADTIME: Duration = Duration::from_millis(4_000);
const WATCHDOG: Duration = Duration::from_millis(5_000);

/// The keys of the cluster.
#[must_use]
pub fn keys() -> KeyRing {
    ring(Method::Sha256, b"a secret")
}

/// What the witness between the hosts is given.
#[must_use]
pub fn provision() -> Provision {
    let wiring = Wiring { pull: Duration::from_millis(1_000), sense: Sense::Power };
    Provision {
        count: 1,
        cluster: CLUSTER.try_into().unwrap_or_default(),
        witness: NodeId::of(WITNESS),
        hosts: NAMES.map(NodeId::of),
        keepalive: KEEPALIVE,
        deadtime: DEADTIME,
        baud: 115_200,
        wiring: [wiring, wiring],
    }
}

fn config(host: usize) -> Result<Config, ConfigError> {
    Config::new(&Parts {
        cluster: CLUSTER,
        nodes: &[NAMES[0], NAMES[1], WITNESS],
        this: NAMES[host],
        groups: &[(NAMES[0], "10.0.0.1 httpd")],
        monitors: &[],
        intervals: Intervals {
            keepalive: KEEPALIVE,
            deadtime: DEADTIME,
            warntime: DEADTIME,
            initdead: DEADTIME.times(5),
            deadping: DEADTIME,
        },
        policy: Policy { quorum: Quorum::Witness, witness_watchdog: Some(WATCHDOG), ..Policy::default() },
        links: 1,
        pings: 0,
    })?
    .with_witness(WITNESS)
}

/// A host that runs, as long as it is asked to.
#[derive(Debug)]
pub struct Host {
    /// What it knows.
    pub node: Node,
    /// Whether the group runs here.
    pub runs: bool,
    /// It says nothing and hears nothing, but what it runs goes on.
    pub is_stalled: bool,
    /// What it has said to people.
    pub notices: Vec<Notice>,
    line: UnixStream,
    deframer: Deframer<FRAME_BYTES_MAX>,
}

impl Host {
    /// Boots one in this life, on one end of the cable.
    ///
    /// # Errors
    /// If the line cannot be shared.
    ///
    /// # Panics
    /// Never: its configuration is one.
    pub fn boot(host: usize, life: u32, line: &UnixStream) -> std::io::Result<Self> {
        let config = config(host).unwrap_or_else(|error| panic!("{error}"));
        let node = Node::new(config, keys(), Generation(life), clock::now());
        let line = line.try_clone()?;
        Ok(Self {
            node,
            runs: false,
            is_stalled: false,
            notices: Vec::new(),
            line,
            deframer: Deframer::new(),
        })
    }

    /// Hears what came, and does what is due. To be called for a stalled host as well: QEMU stands still when nobody takes
    /// what comes out of a serial line, where a wire would lose it.
    ///
    /// # Errors
    /// If the line is gone.
    pub fn turn(&mut self) -> std::io::Result<()> {
        let mut bytes = [0; 512];
        let length = match self.line.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if self.is_stalled {
            return Ok(());
        }
        let mut frames = Vec::new();
        self.deframer.feed(&bytes[..length], |frame| frames.extend(frame.map(<[u8]>::to_vec)));
        for bytes in &frames {
            self.step(Input::Frame { link: LinkIndex(0), bytes })?;
        }
        if clock::now() >= self.node.next_deadline() {
            self.step(Input::Tick)?;
        }
        Ok(())
    }

    fn step(&mut self, input: Input<'_>) -> std::io::Result<()> {
        let mut effects = Effects::new();
        self.node.step(clock::now(), input, &mut effects);
        let mut ended = Vec::new();
        for effect in effects.iter() {
            match effect {
                Effect::Transmit => self.transmit(effects.frame())?,
                Effect::Notice(notice) => self.notices.push(notice),
                Effect::Run { job, work } => {
                    let outcome = match work {
                        Work::Probe(_) | Work::Monitor(_) if !self.runs => Outcome::NotRunning,
                        _ => Outcome::Done,
                    };
                    self.runs = match work {
                        Work::Start(_) => true,
                        Work::Stop(_) => false,
                        _ => self.runs,
                    };
                    ended.push((job, outcome));
                }
                _ => {}
            }
        }
        ended.into_iter().try_for_each(|(job, outcome)| self.step(Input::JobEnded { job, outcome }))
    }

    fn transmit(&mut self, frame: &[u8]) -> std::io::Result<()> {
        let mut line = [0; framing::encoded_bytes_max(FRAME_BYTES_MAX)];
        let length = framing::encode(frame, &mut line).map_err(std::io::Error::other)?;
        self.line.write_all(&line[..length])
    }

    /// What the witness last said.
    #[must_use]
    pub fn word(&self) -> Option<Word> {
        self.node.witness().and_then(|view| view.word).map(|(_, word)| word.clone())
    }
}
