//! Promise 10: in maintenance nothing is started, stopped or fenced, from the moment at which a host was told until it is
//! told otherwise: also by a daemon that started again meanwhile, for what it was told is on its disk. A later word is never
//! taken back for an earlier one.

use heartline_core::effect::Work;
use heartline_core::maintenance::Maintenance;

use crate::plan::name;
use crate::world::World;

/// Judges a job that begins on a host.
pub(crate) fn meddles(world: &World, host: usize, work: Work) -> Option<String> {
    let meddles = match work {
        Work::Start(_) | Work::Stop(_) | Work::Repair(_) | Work::Fence(_) => true,
        Work::Probe(_) | Work::Monitor(_) | Work::NextLife => false,
    };
    (meddles && world.host(host).kept.is_on())
        .then(|| format!("{} does not keep its hands off in maintenance: {work:?}", name(host)))
}

/// Judges a word on maintenance that a host is about to keep.
pub(crate) fn goes_back(world: &World, host: usize, maintenance: Maintenance) -> Option<String> {
    let kept = world.host(host).kept;
    (maintenance < kept).then(|| format!("{} takes {maintenance:?} for newer than {kept:?}", name(host)))
}
