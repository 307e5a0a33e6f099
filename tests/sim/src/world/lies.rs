//! A host that has the key and says what is not so. Its node is as honest as any other; its words are changed on their way out.

use heartline_core::frame::Bytes;
use heartline_core::message::{GroupState, Message, Phase};
use heartline_core::time::Duration;
use heartline_core::witness::Watch;

use super::World;
use crate::plan::{CLUSTER, HOSTS_MAX, Lie};
use crate::wire::Origin;

impl World {
    /// What a host says, and what that is worth, with its lie in it if it tells one.
    pub(super) fn with_lie(&mut self, host: usize, bytes: Bytes, origin: Origin) -> (Bytes, Origin) {
        let lie = self.hosts[host].lie.filter(|(_, until)| self.now < *until);
        let Some((lie, _)) = lie else { return (bytes, origin) };
        let Some((bytes, left)) = self.retold(&bytes, lie) else { return (bytes, origin) };
        if matches!(lie, Lie::HasLeft | Lie::RunsNothing) {
            // Who believes it is not to blame.
            self.hosts[host].spared = true;
        }
        let hears = if lie == Lie::HearsNobody { [0; HOSTS_MAX] } else { origin.hears };
        (bytes, Origin { left, hears, ..origin })
    }

    fn retold(&self, bytes: &Bytes, lie: Lie) -> Option<(Bytes, bool)> {
        let (header, body) = self.keys.open(CLUSTER, bytes).ok()?;
        let mut message = Message::decode(body).ok()?;
        match lie {
            Lie::WantsVote => {
                let vote = self.witness.as_ref().map(|witness| witness.said.vote);
                message.asks.vote = vote.map(|vote| vote.epoch.next());
            }
            Lie::Releases => message.asks.watch = Some(Watch::Release),
            Lie::ArmsTight => message.asks.watch = Some(Watch::Arm(Duration::from_millis(1))),
            Lie::HasLeft => message.phase = Phase::Left,
            Lie::RunsNothing => message.groups.iter_mut().for_each(|group| group.state = GroupState::Idle),
            Lie::HearsNobody => message.heard.clear(),
        }
        let mut retold = Bytes::new();
        header.begin(&mut retold).ok()?;
        message.encode(&mut retold).ok()?;
        self.keys.close(CLUSTER, &mut retold).ok()?;
        Some((retold, message.phase == Phase::Left))
    }
}
