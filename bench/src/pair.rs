//! Two hosts with one product on them, a switch, and a null-modem cable.

use crate::clock;
use crate::error::Error;
use crate::products::{HOSTS, NETWORK, Product, Tempo};
use heartline_lab::{Host, Job, NullModem, Switch, World, wait_until};
use std::time::Duration;

/// The switch.
pub(crate) const SWITCH: &str = "lan";
/// Long enough for anything that is going to happen on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
const BAUD: u32 = 19_200;

/// A host and the daemon on it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) host: Host,
    /// The daemon; none while it does not run.
    pub(crate) job: Option<Job>,
}

impl Node {
    /// The hardware address of its interface at the switch, while it is up.
    pub(crate) fn hardware(&self) -> Result<[u8; 6], Error> {
        let text = self.host.read("/sys/class/net/eth0/address")?;
        let bytes: Option<Vec<u8>> =
            text.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| Error::Host {
            host: self.host.name().to_owned(),
            what: "the hardware address of eth0".to_owned(),
            said: text,
        })
    }

    /// Starts the daemon.
    pub(crate) fn start(&mut self, product: &dyn Product) -> Result<(), Error> {
        self.job = Some(product.start(&mut self.host)?);
        Ok(())
    }

    /// Cuts the power.
    pub(crate) fn power_cut(&mut self) -> Result<(), Error> {
        self.host.power_cut()?;
        self.job = None;
        Ok(())
    }
}

/// The pair. Which node holds the address is told by `holder`.
pub(crate) struct Pair {
    pub(crate) nodes: [Node; 2],
    pub(crate) product: Box<dyn Product>,
    _switch: Switch,
    _cable: NullModem,
}

impl Pair {
    /// Two hosts with the product installed, both down.
    pub(crate) fn build(world: &mut World, product: Box<dyn Product>, tempo: Tempo) -> Result<Self, Error> {
        let mut switch = world.switch(SWITCH, NETWORK)?;
        let [mut first, mut second] = [world.host(HOSTS[0])?, world.host(HOSTS[1])?];
        let cable = world.null_modem(&mut first, &mut second, BAUD)?;
        for host in [&mut first, &mut second] {
            switch.connect(host)?;
            product.install(host, tempo, Some(&cable))?;
        }
        let nodes = [first, second].map(|host| Node { host, job: None });
        Ok(Self { nodes, product, _switch: switch, _cable: cable })
    }

    /// Switches both hosts on, without daemons.
    pub(crate) fn boot(&mut self) -> Result<(), Error> {
        self.nodes.iter_mut().try_for_each(|node| Ok(node.host.boot()?))
    }

    /// Starts both daemons.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        self.nodes.iter_mut().try_for_each(|node| node.start(self.product.as_ref()))
    }

    /// Cuts the power of both.
    pub(crate) fn power_cut(&mut self) -> Result<(), Error> {
        self.nodes.iter_mut().try_for_each(Node::power_cut)
    }

    /// Waits until one node holds the address and the other stands by, and gives the holder's place.
    pub(crate) fn settle(&self) -> Result<usize, Error> {
        let mut found = Ok(None);
        let settled = wait_until("one node holds the address and the other stands by", LIMIT, || {
            found = self.settled();
            !matches!(found, Ok(None))
        });
        match (found?, settled) {
            (Some(holder), _) => {
                clock::pass(self.product.rest())?;
                Ok(holder)
            }
            (None, Ok(())) => Err(Error::NoClient),
            (None, Err(error)) => Err(error.into()),
        }
    }

    fn settled(&self) -> Result<Option<usize>, Error> {
        let [first, second] = &self.nodes;
        if self.product.settled(first, second)? {
            return Ok(Some(0));
        }
        Ok(self.product.settled(second, first)?.then_some(1))
    }

    /// What the daemons have to say about a failure, for the person who looks into it.
    pub(crate) fn tell_logs(&self) {
        for node in &self.nodes {
            let log = node.host.read("/var/log/ha-log").unwrap_or_default();
            let said = node.job.as_ref().map(Job::said).unwrap_or_default();
            eprintln!("---- {}\n{log}{said}", node.host.name());
        }
    }
}
