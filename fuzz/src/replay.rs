//! A recorded list of (time, input): postcard after postcard, fed into a node. Two nodes with the same past have the
//! same future, also where one of them is put away and taken up again; and all that they notice can be put into words.

use std::path::Path;
use std::sync::LazyLock;

use heartline::config;
use heartline::log::render::{Names, json, render};
use heartline_core::effect::{Effect, Effects};
use heartline_core::ids::Generation;
use heartline_core::time::{Duration, Instant};
use heartline_core::{Input, Node};

use crate::bytes::Choices;
use crate::machine::{DIRECTORY, Machine};
use crate::setting::Setting;
use crate::without_allocation;

/// One record: microseconds since the one before, and what happened then.
pub type Record<'a> = (u64, Input<'a>);

/// Bytes of a setting before the records.
pub const HEAD: usize = 7;

/// The names of a cluster that need not be the one in the record: right after a change of the files, the numbers of one
/// are looked up in the other.
static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let machine = Machine { name: "", contents: &[] };
    let good = config::load(Path::new(DIRECTORY), &machine).configuration;
    Names::new(&good.expect("the machine's own files are good"))
});

/// Any bytes as a setting and a record of one node's life.
pub fn run(data: &[u8]) {
    let Some((head, mut rest)) = data.split_at_checked(HEAD) else { return };
    let setting = Setting::choose(&mut Choices::new(head));
    let mut now = Instant::from_micros(1);
    let mut node = Node::new(setting.config(0, 0), setting.keys(false), Generation(100), now);
    let mut twin = node.clone();
    while let Ok(((later, input), after)) = postcard::take_from_bytes::<Record<'_>>(rest) {
        rest = after;
        now = now + Duration::from_micros(later.min(1 << 40));
        let (mut effects, mut same) = (Effects::new(), Effects::new());
        without_allocation(|| node.step(now, input, &mut effects));
        twin.step(now, input, &mut same);
        assert!(effects.iter().eq(same.iter()), "the same input had other effects");
        assert_eq!(effects.frame(), same.frame());
        assert_eq!(node.next_deadline(), twin.next_deadline());
        if effects.iter().any(|effect| effect == Effect::Leave) {
            return;
        }
        effects.iter().for_each(|effect| can_be_told(&effect, &NAMES));
        twin = node.clone();
    }
}

/// Every notice is one line of a log, and JSON.
fn can_be_told(effect: &Effect, names: &Names) {
    if let Effect::Notice(notice) = effect {
        let (_, text) = render(notice, names);
        assert!(!text.is_empty() && !text.contains('\n'), "{notice:?}: {text:?}");
        assert!(json(notice, names)["notice"].is_string(), "{notice:?}");
    }
}
