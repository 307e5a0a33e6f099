//! Promise 8: what runs is known to run, and every reboot and every fence has a reason.
//!
//! A node that runs without a stall and has looked at a group does not call it idle while something of it is present.
//! Excused: what others than the daemon started after the look, and what a probe denied. A reboot is ordered in the same
//! step as the notice of the stop that failed, a fence in the same step as the notice that it begins.
//!
//! And nobody is taken to hear a node whose newest frame was not sent while its sender had heard this life of the node and
//! did not hold it for dead.

use heartline_core::Effect;
use heartline_core::effect::Work;
use heartline_core::ids::{Generation, MemberIndex, Sequence};
use heartline_core::notice::Notice;

use crate::host::Service;
use crate::plan::name;
use crate::world::World;

/// Finds a service that its node does not know of.
pub(crate) fn unknown_service(world: &World, host: usize) -> Option<String> {
    let here = world.host(host);
    if !here.is_awake(world.now()) {
        return None;
    }
    let unknown = |(place, service): &(usize, &Service)| {
        service.is_present() && !service.hidden && here.state(*place).is_some_and(|state| !state.may_run())
    };
    let (place, service) = here.services.iter().enumerate().find(unknown)?;
    let group = place % world.settings().groups.len();
    Some(format!("{} does not know that group {group} is {:?} there", name(host), service.presence))
}

/// Judges what a node makes of another that it has just heard.
pub(crate) fn unheard(world: &World, host: usize, other: usize) -> Option<String> {
    let daemon = world.host(host).daemon.as_ref()?;
    let node = &daemon.node;
    let member = node.member(MemberIndex(u8::try_from(other).unwrap_or(u8::MAX)))?;
    let newest = daemon.heard[other].map(|heard| heard.origin);
    // What noise has left of a frame may have been refused.
    let origin = newest.filter(|origin| {
        let freshness = member.freshness();
        freshness.newest() == Some(Sequence(origin.sequence))
            && freshness.generation() == Some(Generation(origin.generation))
    })?;
    let (believed, said) = (member.hears_us(), origin.hears[host]);
    (believed && said != node.generation().0).then(|| {
        format!("{} takes {} to hear it, which did not say so of this life", name(host), name(other))
    })
}

/// The reasons that one step has given so far.
#[derive(Debug, Default)]
pub(crate) struct Reasons {
    fences: u16,
    stops: u32,
}

impl Reasons {
    /// Takes the step's next effect, and complains if it has no reason.
    pub(crate) fn take(&mut self, effect: &Effect) -> Option<String> {
        match effect {
            Effect::Notice(Notice::Fencing { member, .. }) => self.fences |= 1 << member.0,
            Effect::Notice(Notice::StopFailed { group, .. }) => self.stops |= 1 << group.0,
            Effect::Run { work: Work::Fence(member), .. } if self.fences & 1 << member.0 == 0 => {
                return Some(format!("{} is fenced without a reason", name(usize::from(member.0))));
            }
            Effect::Reboot(group) if self.stops & 1 << group.0 == 0 => {
                return Some(format!("a reboot for group {} without a reason", group.0));
            }
            _ => {}
        }
        None
    }
}
