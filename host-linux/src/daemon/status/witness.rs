//! The witness in the null-modem cable: what it said, under the names of the configuration, and what of it deserves
//! attention.

use heartline_core::ids::{LinkIndex, NodeId};
use heartline_core::member::{Member, Presence};
use heartline_core::message;
use heartline_core::node::WitnessView;
use heartline_core::time::Duration;
use heartline_core::witness::{Deed, HostWord, PastDeed, Power, Side, WatchState, Word};

use super::{View, member_status};
use crate::config::{FenceParameters, Quorum};
use crate::control::snapshot::{
    FencingDevice, Witness, WitnessCounters, WitnessDeed, WitnessHost, WitnessReset, WitnessVote,
    WitnessWatch,
};
use crate::log::render::{deed_words, reset_reason};

impl View<'_> {
    /// The witness; nothing if none is configured.
    pub(super) fn witness(&self) -> Option<Witness> {
        let configured = self.configuration.witness.as_ref()?;
        let WitnessView { member, word, known, vote_is_ours } = self.node.witness()?;
        let member = self.node.member(member)?;
        let heard = member.last_heard();
        let word = word.map(|(_, word)| word);
        let counters = Side::ALL.into_iter().zip(known.counters);
        Some(Witness {
            name: configured.name.clone(),
            device: configured.device.display().to_string(),
            status: member_status(member),
            heard_ms_ago: heard.map(|at| self.millis_since(at)),
            hears_us: member.hears_us(),
            uptime_ms: word.map(|word| word.uptime.millis()),
            firmware: known.firmware.map(|firmware| firmware.version.map(|part| part.to_string()).join(".")),
            provision: known.firmware.map(|firmware| firmware.provision),
            vote: word.and_then(|word| self.vote(word, vote_is_ours)),
            hosts: word
                .map(|word| word.hosts.iter().map(|host| self.host(host)).collect())
                .unwrap_or_default(),
            counters: counters.filter_map(|(side, told)| Some(counters_of(side, &told?))).collect(),
            deeds: known
                .deeds
                .iter()
                .map(|(told_at, deed)| self.deed(deed, deed.ago.millis() + self.millis_since(*told_at)))
                .collect(),
        })
    }

    fn vote(&self, word: &Word, ours: bool) -> Option<WitnessVote> {
        let to = self.member_name(word.vote.to?);
        Some(WitnessVote { epoch: word.vote.epoch.0, to, ours })
    }

    fn host(&self, word: &HostWord) -> WitnessHost {
        let name = self.member_name(word.host);
        let (watchdog, time) = match word.watch {
            WatchState::Off => (WitnessWatch::Off, None),
            WatchState::Armed(time) => (WitnessWatch::Armed, Some(time)),
            WatchState::Withheld(time) => (WitnessWatch::Withheld, Some(time)),
        };
        WitnessHost {
            heard: self.is_heard_by_witness(&name),
            side: word.side.map(side_word),
            power: match word.power {
                Power::NotSensed => "not_sensed",
                Power::On => "on",
                Power::Off => "off",
            }
            .to_owned(),
            watchdog,
            watchdog_ms: time.map(Duration::millis),
            reset: word.reset.map(|reset| WitnessReset {
                generation: reset.generation.0,
                reason: reset_reason(reset.cause),
                ms_ago: reset.ago.millis(),
            }),
            name,
        }
    }

    /// There are two nodes, so whoever hears the other one elsewhere is the witness.
    fn is_heard_by_witness(&self, name: &str) -> bool {
        let witness = self.node.witness().and_then(|view| self.node.member(view.member));
        if name == self.configuration.this_node {
            return witness.is_some_and(Member::hears_us);
        }
        self.names.member_index(name).is_some_and(|at| self.node.is_heard_elsewhere(at))
    }

    fn deed(&self, told: &PastDeed, ms_ago: u64) -> WitnessDeed {
        let (kind, text) = deed_words(&told.deed, |member| self.member_name(member));
        let acted = matches!(
            told.deed,
            Deed::Reset(..)
                | Deed::StayedOn(..)
                | Deed::LineBelied(_)
                | Deed::Withheld(_)
                | Deed::Refused(..)
        );
        WitnessDeed { number: told.number, ms_ago, kind: kind.to_owned(), text, acted }
    }

    /// The name of a member as it calls itself on the wire.
    fn member_name(&self, id: NodeId) -> String {
        let known = self.configuration.members().find(|name| NodeId::of(name) == id);
        let [high, low] = id.0;
        known.map_or_else(|| format!("(unknown, {high:02x}{low:02x})"), str::to_owned)
    }

    /// Whether nothing is taken over before the witness has voted for this node.
    pub(super) fn lacks_vote(&self) -> bool {
        self.configuration.quorum == Quorum::Witness
            && self.node.witness().is_some_and(|view| !view.vote_is_ours)
    }

    /// Whether the witness says that it has reset a host, in any of its lives.
    pub(super) fn was_reset_by_witness(&self, name: &str) -> bool {
        let word = self.node.witness().and_then(|view| view.word);
        word.and_then(|(_, word)| word.host(NodeId::of(name))).is_some_and(|host| host.reset.is_some())
    }

    /// The witness as a fencing device: it tells without being asked.
    pub(super) fn fencing_devices(&self) -> Vec<FencingDevice> {
        let mut devices = self.extra.fencing.devices.clone();
        for (device, configured) in devices.iter_mut().zip(&self.configuration.fencing) {
            let FenceParameters::Witness(_) = configured.parameters else { continue };
            let member = self.node.witness().and_then(|view| self.node.member(view.member));
            let heard = member.and_then(Member::last_heard);
            device.checked_s_ago = heard.map(|at| self.millis_since(at) / 1_000);
            if member.is_none_or(|member| member.presence() != Presence::Alive) {
                device.problem = Some("the witness is not heard".to_owned());
            }
        }
        devices
    }
}

fn side_word(side: Side) -> String {
    match side {
        Side::A => "a",
        Side::B => "b",
    }
    .to_owned()
}

fn counters_of(side: Side, told: &heartline_core::witness::Counters) -> WitnessCounters {
    WitnessCounters {
        side: side_word(side),
        frames: told.frames,
        bad_frames: told.bad_frames,
        overruns: told.overruns,
        framing_errors: told.framing_errors,
        dropped: told.dropped,
        longest_silence_ms: told.longest_silence.millis(),
    }
}

/// What somebody should look after about the witness.
pub(super) fn warnings(view: &View<'_>) -> Vec<String> {
    let Some(shown) = view.witness() else { return Vec::new() };
    let Some(WitnessView { member, word, known, .. }) = view.node.witness() else { return Vec::new() };
    let Some(member) = view.node.member(member) else { return Vec::new() };
    let Witness { name, device, .. } = &shown;
    let word = word.map(|(_, word)| word).filter(|_| member.presence() == Presence::Alive);
    let mut warnings = Vec::new();
    match member.presence() {
        Presence::Unheard | Presence::Dead | Presence::Left => {
            let what =
                if member.presence() == Presence::Unheard { "has not been heard yet" } else { "is lost" };
            warnings.push(format!(
                "Witness {name} {what}: it does not vote, watch or fence. Nothing moves for that. {}",
                why_not_heard(view, name, device)
            ));
        }
        Presence::Alive if !member.hears_us() => {
            warnings.push(format!(
                "Witness {name} is heard but does not hear this node: one direction of the cable at {device} is cut, or it was not given the \
                 key that signs here (heartline dongle provision)."
            ));
        }
        Presence::Alive => {}
    }
    let own = word.and_then(|word| word.host(NodeId::of(&view.configuration.this_node)));
    if view.configuration.witness_watchdog.is_some()
        && view.node.phase() == message::Phase::Active
        && let Some(HostWord { watch: WatchState::Off, .. }) = own
    {
        warnings.push(format!(
            "Witness {name} does not watch over this node yet. If that stays so, it was provisioned without a reset line \
             for this side."
        ));
    }
    for host in word.iter().flat_map(|word| &word.hosts) {
        let host_name = view.member_name(host.host);
        if let WatchState::Withheld(_) = host.watch {
            warnings.push(format!(
                "Witness {name} hears neither node and takes itself for unplugged: it does not reset {host_name}."
            ));
        }
        let last = known.deeds.iter().rev().map(|(_, deed)| deed.deed).find(|deed| match deed {
            Deed::Reset(who, ..) | Deed::StayedOn(who, _) | Deed::LineBelied(who) => *who == host.host,
            _ => false,
        });
        if let Some(Deed::StayedOn(..) | Deed::LineBelied(_)) = last {
            warnings.push(format!(
                "The reset line of {host_name} did nothing when witness {name} pulled it: look at its wiring."
            ));
        }
    }
    warnings
}

/// What may be wrong, from what comes in on its line.
fn why_not_heard(view: &View<'_>, name: &str, device: &str) -> String {
    let line = view.configuration.media.iter().position(|medium| medium.link_name() == device);
    let line = line.and_then(|at| u8::try_from(at).ok()).map(LinkIndex);
    let [_, unknown_key, wrong_tag, unknown_member, ..] =
        line.map(|line| view.node.counters(line).refused).unwrap_or_default();
    if unknown_key > 0 || wrong_tag > 0 {
        format!(
            "Frames with other keys come in at {device}: give it those of authkeys (heartline dongle provision)."
        )
    } else if unknown_member > 0 {
        format!(
            "Frames of a member that ha.cf does not name come in at {device}: it was provisioned under another name than \
             {name}."
        )
    } else {
        format!("Is it plugged in at {device}, has it power, and was it provisioned (heartline dongle ask)?")
    }
}
