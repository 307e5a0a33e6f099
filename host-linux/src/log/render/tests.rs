//! The golden table: every notice, its level, its line and its JSON.

mod fencing;
mod witness;

use heartline_core::frame::FrameError;
use heartline_core::ids::{Epoch, Generation, GroupIndex, JobId, LinkIndex, MemberIndex, NodeId, PingIndex};
use heartline_core::input::JobFailure;
use heartline_core::message::{GroupState, Phase};
use heartline_core::notice::{ClaimCause, Notice, ReleaseCause};
use heartline_core::refusal::Refusal;
use heartline_core::seal::SealError;
use heartline_core::time::Duration;
use serde_json::Value;

use super::testing::{group, two_nodes};
use super::{Level, Names, json, render};

const HA2: MemberIndex = MemberIndex(1);
const SERIAL: LinkIndex = LinkIndex(0);
const ETH0: LinkIndex = LinkIndex(1);
/// The group that prefers this node.
const WEB: GroupIndex = GroupIndex(0);
/// The group that prefers the other node.
const FTP: GroupIndex = GroupIndex(1);
const PING: PingIndex = PingIndex(0);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn names() -> Names {
    Names::new(&two_nodes("ha1"))
}

type Row = (Notice, Level, &'static str, &'static str);

/// Checks the rows. The expected JSON is written without its outer braces and the kind's key.
fn check(rows: &[Row]) {
    let names = names();
    for (notice, level, line, fields) in rows {
        assert_eq!(render(notice, &names), (*level, (*line).to_owned()), "{notice:?}");
        let expected: Value = serde_json::from_str(&format!("{{\"notice\": {fields}}}")).unwrap();
        assert_eq!(json(notice, &names), expected, "{notice:?}");
    }
}

#[test]
fn own_life() {
    check(&[
        (
            Notice::Phase(Phase::Starting),
            Level::Info,
            "Local status now set to: 'up'",
            r#""phase", "phase": "starting""#,
        ),
        (
            Notice::Phase(Phase::Active),
            Level::Info,
            "Local status now set to: 'active'",
            r#""phase", "phase": "active""#,
        ),
        (
            Notice::Phase(Phase::Leaving),
            Level::Info,
            "Heartbeat shutdown in progress. Giving up all HA resources.",
            r#""phase", "phase": "leaving""#,
        ),
        (
            Notice::Phase(Phase::Left),
            Level::Info,
            "All HA resources relinquished.",
            r#""phase", "phase": "left""#,
        ),
        (
            Notice::Stalled(millis(1800)),
            Level::Crit,
            "Late heartbeat: Node ha1: interval 1800 ms (> deadtime). This node itself did nothing for so long; it \
             listens before it judges anybody.",
            r#""stalled", "gap_ms": 1800"#,
        ),
        (
            Notice::Dropped(3),
            Level::Warn,
            "3 notices were left out: too much happened at once",
            r#""dropped", "count": 3"#,
        ),
    ]);
}

#[test]
fn links_and_frames() {
    check(&[
        (
            Notice::LinkUp { member: HA2, link: ETH0 },
            Level::Info,
            "Link ha2:eth0 up.",
            r#""link_up", "member": "ha2", "link": "eth0""#,
        ),
        (
            Notice::LinkDead { member: HA2, link: SERIAL, silence: millis(1003) },
            Level::Info,
            "Link ha2:/dev/ttyS0 dead. No heartbeat came over it for 1003 ms.",
            r#""link_dead", "member": "ha2", "link": "/dev/ttyS0", "silence_ms": 1003"#,
        ),
        (
            Notice::OnePathLeft { member: HA2, link: ETH0 },
            Level::Warn,
            "One path is left to node ha2: eth0. If it fails too, ha2 looks dead.",
            r#""one_path_left", "member": "ha2", "link": "eth0""#,
        ),
        (
            Notice::DuplicateName(ETH0),
            Level::Error,
            "Another machine on link eth0 sends under this node's name ha1: every node needs its own",
            r#""duplicate_name", "link": "eth0""#,
        ),
    ]);
}

#[test]
fn refused_frames() {
    let refused = |refusal, count| Notice::Refused { link: ETH0, refusal, count };
    check(&[
        (
            refused(Refusal::Seal(SealError::Frame(FrameError::Version(2))), 1),
            Level::Warn,
            "frame refused on link eth0: version 2 of the frame format (1 so far)",
            r#""refused", "link": "eth0", "refusal": "not_a_frame", "detail": "version 2 of the frame format", "count": 1"#,
        ),
        (
            refused(Refusal::Seal(SealError::UnknownKey(4)), 10),
            Level::Warn,
            "frame refused on link eth0: signed with key 4, which authkeys does not have (10 so far)",
            r#""refused", "link": "eth0", "refusal": "unknown_key",
                "detail": "signed with key 4, which authkeys does not have", "count": 10"#,
        ),
        (
            refused(Refusal::Seal(SealError::WrongTag(1)), 100),
            Level::Warn,
            "frame refused on link eth0: failed authentication with key 1 (100 so far)",
            r#""refused", "link": "eth0", "refusal": "wrong_tag", "detail": "failed authentication with key 1", "count": 100"#,
        ),
        (
            refused(Refusal::Body, 1),
            Level::Warn,
            "frame refused on link eth0: authentic, but its contents are malformed (1 so far)",
            r#""refused", "link": "eth0", "refusal": "malformed",
                "detail": "authentic, but its contents are malformed", "count": 1"#,
        ),
        (
            refused(Refusal::UnknownMember(NodeId([0x0a, 0xff])), 1),
            Level::Error,
            "bad node in message: frame refused on link eth0: from a node (identity 0aff) that ha.cf does not name (1 \
             so far)",
            r#""refused", "link": "eth0", "refusal": "unknown_member",
                "detail": "from a node (identity 0aff) that ha.cf does not name", "count": 1"#,
        ),
        (
            refused(Refusal::OldGeneration, 1),
            Level::Error,
            "attempted replay attack? frame refused on link eth0: of an earlier life of its sender: a replay, or the \
             sender lost its generation file (1 so far)",
            r#""refused", "link": "eth0", "refusal": "old_generation",
                "detail": "of an earlier life of its sender: a replay, or the sender lost its generation file", "count": 1"#,
        ),
        (
            refused(Refusal::TooOld, 1),
            Level::Warn,
            "frame refused on link eth0: too old (1 so far)",
            r#""refused", "link": "eth0", "refusal": "too_old", "detail": "too old", "count": 1"#,
        ),
        (
            refused(Refusal::Replay, 1),
            Level::Warn,
            "frame refused on link eth0: seen before on this link (1 so far)",
            r#""refused", "link": "eth0", "refusal": "replay", "detail": "seen before on this link", "count": 1"#,
        ),
        (
            refused(Refusal::Flood, 1_000),
            Level::Warn,
            "frame refused on link eth0: more frames than are opened: a flood, or another program on this port (1000 so \
             far)",
            r#""refused", "link": "eth0", "refusal": "flood",
                "detail": "more frames than are opened: a flood, or another program on this port", "count": 1000"#,
        ),
    ]);
}

#[test]
fn members() {
    check(&[
        (
            Notice::MemberHeard { member: HA2, generation: Generation(17) },
            Level::Info,
            "Status update for node ha2: status up (first heard, generation 17)",
            r#""member_heard", "member": "ha2", "generation": 17"#,
        ),
        (
            Notice::MemberHearsUs(HA2),
            Level::Info,
            "node ha2 hears this node: it is alive in both directions",
            r#""member_hears_us", "member": "ha2""#,
        ),
        (
            Notice::MemberDeaf(HA2),
            Level::Warn,
            "node ha2 does not hear this node, which hears it: one direction is cut",
            r#""member_deaf", "member": "ha2""#,
        ),
        (
            Notice::MemberRestarted { member: HA2, generation: Generation(18) },
            Level::Info,
            "Heartbeat restart on node ha2 (generation 18)",
            r#""member_restarted", "member": "ha2", "generation": 18"#,
        ),
        (
            Notice::MemberPhase { member: HA2, phase: Phase::Starting },
            Level::Info,
            "Status update for node ha2: status up",
            r#""member_phase", "member": "ha2", "phase": "starting""#,
        ),
        (
            Notice::MemberPhase { member: HA2, phase: Phase::Active },
            Level::Info,
            "Status update for node ha2: status active",
            r#""member_phase", "member": "ha2", "phase": "active""#,
        ),
        (
            Notice::MemberPhase { member: HA2, phase: Phase::Leaving },
            Level::Info,
            "node ha2 shuts down: it gives up its resources",
            r#""member_phase", "member": "ha2", "phase": "leaving""#,
        ),
        (
            Notice::MemberPhase { member: HA2, phase: Phase::Left },
            Level::Info,
            "Received shutdown notice from 'ha2'. It runs nothing any more.",
            r#""member_phase", "member": "ha2", "phase": "left""#,
        ),
        (
            Notice::MemberDead { member: HA2, silence: millis(1204), limit: millis(1000) },
            Level::Warn,
            "node ha2: is dead (no heartbeat for 1204 ms, dead time 1000 ms)",
            r#""member_dead", "member": "ha2", "silence_ms": 1204, "limit_ms": 1000"#,
        ),
        (
            Notice::MemberReturned(HA2),
            Level::Crit,
            "Cluster node ha2 returning after partition. It went on in the same life: links were cut, or it was \
             stalled.",
            r#""member_returned", "member": "ha2""#,
        ),
        (
            Notice::LateHeartbeat { member: HA2, interval: millis(700) },
            Level::Warn,
            "Late heartbeat: Node ha2: interval 700 ms",
            r#""late_heartbeat", "member": "ha2", "interval_ms": 700"#,
        ),
    ]);
}

#[test]
fn ping_nodes() {
    check(&[
        (
            Notice::PingUp(PING),
            Level::Info,
            "Status update for node 10.0.0.254: status ping",
            r#""ping_up", "ping": "10.0.0.254""#,
        ),
        (
            Notice::PingDead(PING),
            Level::Warn,
            "node 10.0.0.254: is dead (it answers no pings)",
            r#""ping_dead", "ping": "10.0.0.254""#,
        ),
        (Notice::PingsCount(1), Level::Info, "Ping node count is 1 of 1 now", r#""pings_count", "count": 1"#),
    ]);
}

#[test]
fn configurations() {
    let differs = |ours, theirs| Notice::ConfigurationDiffers { member: HA2, ours, theirs };
    check(&[
        (
            differs(0b11, 2),
            Level::Error,
            "haresources of node ha2 differs from this node's: nobody takes anything over. Only this node's file has \
             line 3 (10.0.0.46/24), line 7 (ftpd); only its file has 2 lines.",
            r#""configuration_differs", "member": "ha2", "ours": ["10.0.0.46/24", "ftpd"], "theirs": 2"#,
        ),
        (
            differs(0b10, 0),
            Level::Error,
            "haresources of node ha2 differs from this node's: nobody takes anything over. Only this node's file has \
             line 7 (ftpd).",
            r#""configuration_differs", "member": "ha2", "ours": ["ftpd"], "theirs": 0"#,
        ),
        (
            differs(0, 1),
            Level::Error,
            "haresources of node ha2 differs from this node's: nobody takes anything over. Its file has 1 line that \
             this node's has not.",
            r#""configuration_differs", "member": "ha2", "ours": [], "theirs": 1"#,
        ),
        (
            differs(0, 0),
            Level::Error,
            "haresources of node ha2 differs from this node's: nobody takes anything over. The lines are the same, but \
             not their order, or the nodes of ha.cf differ.",
            r#""configuration_differs", "member": "ha2", "ours": [], "theirs": 0"#,
        ),
        (
            Notice::ConfigurationAgrees(HA2),
            Level::Info,
            "The resource configuration of node ha2 agrees with this node's again",
            r#""configuration_agrees", "member": "ha2""#,
        ),
    ]);
}

#[test]
fn first_looks() {
    let states = [
        (GroupState::Idle, "it does not run here", "idle"),
        (GroupState::Claiming, "it does not run here and is claimed", "claiming"),
        (GroupState::Starting, "it is being started here", "starting"),
        (GroupState::Running, "it runs here already", "running"),
        (GroupState::Stopping, "it is being stopped here", "stopping"),
        (GroupState::Unknown, "whether it runs here cannot be told", "unknown"),
        (GroupState::Failed, "it could not be stopped here", "failed"),
    ];
    for (state, words, word) in states {
        let notice = Notice::Probed { group: WEB, state };
        let line = format!("Resource group 10.0.0.46/24 at the first look: {words}");
        assert_eq!(render(&notice, &names()), (Level::Info, line));
        let object = json(&notice, &names());
        assert_eq!(object, serde_json::json!({ "notice": "probed", "group": "10.0.0.46/24", "state": word }));
    }
}

#[test]
fn acquiring() {
    let claiming = |cause| Notice::Claiming { group: WEB, epoch: Epoch(5), cause };
    check(&[
        (
            Notice::Adopted { group: WEB, epoch: Epoch(4) },
            Level::Info,
            "Resource group 10.0.0.46/24 is kept: it ran here before this start, and nobody else has it (epoch 4)",
            r#""adopted", "group": "10.0.0.46/24", "epoch": 4"#,
        ),
        (
            claiming(ClaimCause::NobodyRunsIt),
            Level::Info,
            "Nobody runs resource group 10.0.0.46/24: this node claims it under epoch 5",
            r#""claiming", "group": "10.0.0.46/24", "epoch": 5, "cause": "nobody_runs_it", "member": null"#,
        ),
        (
            claiming(ClaimCause::HolderDied(HA2)),
            Level::Info,
            "Resources being acquired from ha2. It died with resource group 10.0.0.46/24: this node claims it under \
             epoch 5.",
            r#""claiming", "group": "10.0.0.46/24", "epoch": 5, "cause": "holder_died", "member": "ha2""#,
        ),
        (
            claiming(ClaimCause::HolderReleased(HA2)),
            Level::Info,
            "Resources being acquired from ha2. It let resource group 10.0.0.46/24 go: this node claims it under \
             epoch 5.",
            r#""claiming", "group": "10.0.0.46/24", "epoch": 5, "cause": "holder_released", "member": "ha2""#,
        ),
        (
            Notice::ClaimWithdrawn { group: FTP, winner: Some(HA2) },
            Level::Info,
            "Claim to resource group ftpd withdrawn in favour of ha2",
            r#""claim_withdrawn", "group": "ftpd", "winner": "ha2""#,
        ),
        (
            Notice::ClaimWithdrawn { group: FTP, winner: None },
            Level::Info,
            "Claim to resource group ftpd withdrawn: this node may not run it now",
            r#""claim_withdrawn", "group": "ftpd", "winner": null"#,
        ),
        (
            Notice::Unprotected { group: FTP, member: HA2 },
            Level::Warn,
            "No STONITH device configured. Shared disks are not protected: resource group ftpd is taken from dead \
             node ha2, which may still run it.",
            r#""unprotected", "group": "ftpd", "member": "ha2""#,
        ),
        (
            Notice::WatchdogFired { group: FTP, member: HA2 },
            Level::Warn,
            "Resource group ftpd is taken from dead node ha2, whose watchdog must have reset it by now",
            r#""watchdog_fired", "group": "ftpd", "member": "ha2""#,
        ),
        (
            Notice::QuorumGained,
            Level::Info,
            "Quorum gained: more than half of all nodes hear each other",
            r#""quorum_gained""#,
        ),
        (
            Notice::QuorumLost,
            Level::Error,
            "Quorum lost: this node and those that hear it are not more than half of all nodes. Nothing may run here \
             until they are.",
            r#""quorum_lost""#,
        ),
        (
            Notice::Releasing { group: FTP, cause: ReleaseCause::QuorumLost },
            Level::Error,
            "Giving up resource group ftpd: quorum is lost",
            r#""releasing", "group": "ftpd", "cause": "quorum_lost""#,
        ),
        (
            Notice::Starting { group: FTP, epoch: Epoch(5) },
            Level::Info,
            "Taking over resource group ftpd (epoch 5)",
            r#""starting", "group": "ftpd", "epoch": 5"#,
        ),
        (
            Notice::Started { group: FTP, took: millis(41) },
            Level::Info,
            "Resource group ftpd runs here. Its start took 41 ms.",
            r#""started", "group": "ftpd", "took_ms": 41"#,
        ),
        (
            Notice::StartFailed { group: WEB, job: JobId(9), failure: JobFailure::Refused },
            Level::Crit,
            "Giving up resources due to failure of 10.0.0.46/24. Its start failed: the agent reported a failure. It \
             stays away from this node until it is cleaned up or ordered here.",
            r#""start_failed", "group": "10.0.0.46/24", "job": 9, "failure": "refused""#,
        ),
        (
            Notice::RunsElsewhere { group: FTP, member: HA2, epoch: Epoch(3) },
            Level::Info,
            "Resource group ftpd runs on ha2 (epoch 3)",
            r#""runs_elsewhere", "group": "ftpd", "member": "ha2", "epoch": 3"#,
        ),
        (
            Notice::NobodyFit(WEB),
            Level::Error,
            "No one owns our local resources! Resource group 10.0.0.46/24 can run nowhere: no node that is there may \
             take it.",
            r#""nobody_fit", "group": "10.0.0.46/24""#,
        ),
        (
            Notice::NobodyFit(FTP),
            Level::Error,
            "No one owns foreign resources! Resource group ftpd can run nowhere: no node that is there may take it.",
            r#""nobody_fit", "group": "ftpd""#,
        ),
    ]);
}

#[test]
fn giving_up() {
    let releasing = |cause| Notice::Releasing { group: WEB, cause };
    check(&[
        (
            releasing(ReleaseCause::HigherBid(HA2)),
            Level::Info,
            "Giving up resource group 10.0.0.46/24: ha2 has the higher bid for it",
            r#""releasing", "group": "10.0.0.46/24", "cause": "higher_bid", "member": "ha2""#,
        ),
        (
            releasing(ReleaseCause::Leaving),
            Level::Info,
            "Giving up resource group 10.0.0.46/24: this node leaves",
            r#""releasing", "group": "10.0.0.46/24", "cause": "leaving""#,
        ),
        (
            releasing(ReleaseCause::Retired),
            Level::Info,
            "Giving up resource group 10.0.0.46/24: the new configuration does not have it in these words",
            r#""releasing", "group": "10.0.0.46/24", "cause": "retired""#,
        ),
        (
            releasing(ReleaseCause::NewerHolder { member: HA2, ours: Epoch(7), theirs: Epoch(8) }),
            Level::Error,
            "Both machines own our resources! Giving up resource group 10.0.0.46/24: it runs on ha2 too, its epoch 8 \
             is newer than 7 here.",
            r#""releasing", "group": "10.0.0.46/24", "cause": "newer_holder", "member": "ha2",
                "our_epoch": 7, "their_epoch": 8"#,
        ),
        (
            releasing(ReleaseCause::NewerHolder { member: HA2, ours: Epoch(7), theirs: Epoch(7) }),
            Level::Error,
            "Both machines own our resources! Giving up resource group 10.0.0.46/24: it runs on ha2 too, both under \
             epoch 7, and its bid is higher.",
            r#""releasing", "group": "10.0.0.46/24", "cause": "newer_holder", "member": "ha2",
                "our_epoch": 7, "their_epoch": 7"#,
        ),
        (
            releasing(ReleaseCause::FailedStart),
            Level::Info,
            "Giving up resource group 10.0.0.46/24: what was started of it is stopped again",
            r#""releasing", "group": "10.0.0.46/24", "cause": "failed_start""#,
        ),
        (
            releasing(ReleaseCause::NotWhole),
            Level::Warn,
            "Giving up resource group 10.0.0.46/24: at the first look only parts of it ran, or its state could not be \
             told",
            r#""releasing", "group": "10.0.0.46/24", "cause": "not_whole""#,
        ),
        (
            Notice::Stopped { group: WEB, took: millis(30) },
            Level::Info,
            "Resource group 10.0.0.46/24 is stopped here. Its stop took 30 ms.",
            r#""stopped", "group": "10.0.0.46/24", "took_ms": 30"#,
        ),
        (
            Notice::StopFailed { group: WEB, job: JobId(12), failure: JobFailure::TimedOut },
            Level::Crit,
            "Resource STOP failure. Resource group 10.0.0.46/24 may still run in part: the agent did not end within \
             its time limit.",
            r#""stop_failed", "group": "10.0.0.46/24", "job": 12, "failure": "timed_out""#,
        ),
        (
            Notice::ConflictWon { group: FTP, member: HA2, ours: Epoch(8), theirs: Epoch(7) },
            Level::Error,
            "Both machines own foreign resources! Resource group ftpd runs on ha2 too: this node's epoch 8 is newer \
             than 7, so ha2 must stop it.",
            r#""conflict_won", "group": "ftpd", "member": "ha2", "our_epoch": 8, "their_epoch": 7"#,
        ),
        (
            Notice::ConflictWon { group: WEB, member: HA2, ours: Epoch(8), theirs: Epoch(8) },
            Level::Error,
            "Both machines own our resources! Resource group 10.0.0.46/24 runs on ha2 too: both under epoch 8, and \
             this node's bid is higher, so ha2 must stop it.",
            r#""conflict_won", "group": "10.0.0.46/24", "member": "ha2", "our_epoch": 8, "their_epoch": 8"#,
        ),
    ]);
}

#[test]
fn members_are_numbered_as_the_core_does_and_the_rest_as_in_the_files() {
    let names = names();
    assert_eq!([0, 1].map(|at| names.member(MemberIndex(at))), ["ha1", "ha2"]);
    assert_eq!(names.member_index("ha2"), Some(HA2));
    assert_eq!([0, 1].map(|at| names.link(LinkIndex(at))), ["/dev/ttyS0", "eth0"]);
    assert!(names.is_local(WEB) && !names.is_local(FTP));
}

#[test]
fn a_number_without_a_name_is_still_said() {
    let names = names();
    let notice = Notice::LinkUp { member: MemberIndex(9), link: LinkIndex(200) };
    assert_eq!(render(&notice, &names).1, "Link (unknown):(unknown) up.");
    let everything = Notice::ConfigurationDiffers { member: HA2, ours: u32::MAX, theirs: 0 };
    assert_eq!(json(&everything, &names)["ours"], serde_json::json!(["10.0.0.46/24", "ftpd"]));
}

#[test]
fn all_groups_that_fit_into_a_mask_are_named() {
    let mut configuration = two_nodes("ha1");
    configuration.groups = (0..32).map(|line| group("ha1", &["svc"], line + 1)).collect();
    let names = Names::new(&configuration);
    let last = Notice::ConfigurationDiffers { member: HA2, ours: 1 << 31, theirs: 0 };
    assert!(render(&last, &names).1.ends_with("Only this node's file has line 32 (svc)."));
}
