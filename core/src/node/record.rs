//! What a flight recorder needs of a node: inputs as they are kept, and back; other intervals for a life that was
//! recorded; and whether a node that was read from a file is one that can be lived on.

use super::{Node, ReconfigureError};
use crate::config::{Config, ConfigError, Intervals};
use crate::frame::Bytes;
use crate::input::Input;
use crate::message::Message;
use crate::record::{Event, Restored};
use crate::time::{Duration, Instant};

impl Node {
    /// An input as it is kept: of a frame, what stood before its tag, or why it is refused.
    #[must_use]
    pub fn recorded<'a>(&self, input: Input<'a>) -> Event<'a> {
        match input {
            Input::Frame { link, bytes } => {
                Event::Frame { link, unsealed: self.keys.unseal(&self.config.cluster, bytes) }
            }
            Input::Tick => Event::Tick,
            Input::Pong(ping) => Event::Pong(ping),
            Input::Watchdog(timeout) => Event::Watchdog(timeout),
            Input::JobEnded { job, outcome } => Event::JobEnded { job, outcome },
            Input::Suspect(group) => Event::Suspect(group),
            Input::FenceByWitness { job, target } => Event::FenceByWitness { job, target },
            Input::FenceWithdrawn(job) => Event::FenceWithdrawn(job),
            Input::Order { id, command } => Event::Order { id, command },
        }
    }

    /// An input for this node, from what was kept of it.
    #[must_use]
    pub fn restored<'a>(&self, event: Event<'a>) -> Restored<'a> {
        Restored::new(event, |frame| self.keys.reseal(&self.config.cluster, frame))
    }

    /// As [`Node::restored`], but a heartbeat in it announces this dead time.
    #[must_use]
    pub fn restored_with_deadtime<'a>(&self, event: Event<'a>, deadtime: Duration) -> Restored<'a> {
        Restored::new(event, |frame| {
            announce(frame, deadtime);
            self.keys.reseal(&self.config.cluster, frame)
        })
    }

    /// Lives by other intervals from now on; where `everybody` does, so do the others, as if they had said so.
    ///
    /// # Errors
    /// [`ConfigError::Intervals`]; nothing was changed then.
    pub fn live_by(&mut self, intervals: Intervals, everybody: bool) -> Result<(), ConfigError> {
        self.config = self.config.with_intervals(intervals)?;
        if everybody {
            self.members.iter_mut().for_each(|member| member.deadtime = intervals.deadtime);
        }
        self.next_heartbeat = self.next_heartbeat.min(self.spoke_at + intervals.keepalive);
        Ok(())
    }

    /// Takes another configuration as [`Node::reconfigure`] does, and the keys of `other`.
    ///
    /// # Errors
    /// As [`Node::reconfigure`].
    pub fn reconfigure_like(
        &mut self,
        other: &Self,
        config: Config,
        now: Instant,
    ) -> Result<(), ReconfigureError> {
        self.reconfigure(config, other.keys.clone(), now)
    }

    /// Whether all parts of this node fit together, as [`Node::new`] and the steps after it make sure: one that was
    /// read from a file may be anything, and would panic.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let groups = self.config.groups().fold(0u32, |mask, group| mask | 1 << group.0);
        self.config.is_consistent()
            && self.members.len() == self.config.members().count()
            && self.groups.len() == self.config.groups().count()
            && self.pings.len() == usize::from(self.config.pings)
            && self.orders.iter().all(|order| order.groups & !groups == 0)
    }
}

/// Changes the dead time that a frame without its tag announces; what is no heartbeat stays as it is.
fn announce(frame: &mut Bytes, deadtime: Duration) {
    let Ok((_, body)) = crate::frame::Header::decode(frame) else { return };
    let Ok(message) = Message::decode(body) else { return };
    let mut changed = Bytes::new();
    let header = frame.len() - body.len();
    let fits = changed.extend_from_slice(&frame[..header]).is_ok()
        && Message { deadtime, ..message }.encode(&mut changed).is_ok();
    if fits {
        *frame = changed;
    }
}
