//! Snapshots of real nodes, in good order and in trouble.

use heartline_core::Input;
use heartline_core::ids::{LinkIndex, PingIndex};
use heartline_core::input::{Command, Scope};

use super::pair::{Pair, extra};
use super::{LastError, MediumCondition};
use crate::config::{self, Configuration, FenceDevice, FenceParameters, Monitors};
use crate::control::Snapshot;
use crate::control::snapshot::{self, Ailment, GroupState, Holdings, NodeKind, NodeStatus, Phase};
use crate::log::render::testing::{group, two_nodes};
use crate::media::LinkCounters;

fn one_group(configuration: &mut Configuration) {
    configuration.groups = vec![group("ha1", &["10.0.0.46/24", "httpd"], 1)];
}

fn no_groups(configuration: &mut Configuration) {
    configuration.groups.clear();
}

fn node<'a>(snapshot: &'a Snapshot, name: &str) -> &'a snapshot::Node {
    snapshot.nodes.iter().find(|node| node.name == name).expect("the node is shown")
}

#[test]
fn a_cluster_in_good_order() {
    let mut pair = Pair::started(|_| {});
    pair.run(110);
    let shown = pair.snapshot(0);
    assert_eq!((shown.this_node.as_str(), shown.pid, shown.version.as_str()), ("ha1", 61, "0.1.0"));
    assert_eq!((shown.times.keepalive_ms, shown.times.deadping_ms), (200, 1500));
    assert_eq!(shown.parameters["udpport"], "694");
    assert_eq!(shown.warnings, Vec::<String>::new());

    let names: Vec<&str> = shown.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["ha2", "ha1"], "the order of ha.cf");
    let own = node(&shown, "ha1");
    assert_eq!((own.status, own.phase, own.generation), (NodeStatus::Active, Some(Phase::Active), Some(100)));
    assert!(own.hears_us && own.heard_ms_ago.is_none() && own.links.iter().all(|link| link.up));
    let peer = node(&shown, "ha2");
    assert_eq!(
        (peer.status, peer.phase, peer.generation),
        (NodeStatus::Active, Some(Phase::Active), Some(100))
    );
    assert!(peer.hears_us && peer.configuration_agrees);
    assert!(peer.heard_ms_ago.is_some_and(|millis| millis <= 200), "{peer:?}");
    let links: Vec<_> =
        peer.links.iter().map(|link| (link.name.as_str(), link.kind.as_str(), link.up)).collect();
    assert_eq!(links, [("/dev/ttyS0", "serial", true), ("eth0", "bcast", true)]);

    let [web, ftp] = shown.groups.as_slice() else { panic!("{:?}", shown.groups) };
    assert_eq!((web.name.as_str(), web.preferred.as_str()), ("10.0.0.46/24", "ha1"));
    assert_eq!(web.resources, ["10.0.0.46/24", "httpd"]);
    assert_eq!((web.owner.as_deref(), web.state), (Some("ha1"), GroupState::Running));
    assert_eq!((ftp.owner.as_deref(), ftp.state), (Some("ha2"), GroupState::Idle));
    assert!(web.epoch > 0 && web.reason.is_none());
    let elsewhere = |group: &snapshot::Group| {
        group.elsewhere.iter().map(|other| (other.node.clone(), other.state)).collect::<Vec<_>>()
    };
    assert_eq!(elsewhere(web), [("ha2".to_owned(), GroupState::Idle)]);
    assert_eq!(elsewhere(ftp), [("ha2".to_owned(), GroupState::Running)]);
}

#[test]
fn what_went_through_a_medium_is_shown_with_its_refusals() {
    let mut pair = Pair::started(|_| {});
    pair.step(0, Input::Frame { link: LinkIndex(1), bytes: b"garbage" });
    let mut known = extra();
    known.media[1].counters =
        LinkCounters { frames_in: 12, bytes_out: 700, malformed: 3, ..LinkCounters::default() };
    let shown = pair.snapshot_with(0, &known);
    assert_eq!((shown.media[1].name.as_str(), shown.media[1].kind.as_str()), ("eth0", "bcast"));
    assert_eq!((shown.media[1].frames_in, shown.media[1].bytes_out, shown.media[1].garbage), (12, 700, 3));
    assert_eq!((shown.media[0].refused.malformed, shown.media[1].refused.malformed), (0, 1));
    assert!(shown.media[1].accepted > 5);
}

#[test]
fn holdings_of_one_group_are_told_as_the_original_does() {
    let mut pair = Pair::off(one_group);
    pair.boot(0);
    assert_eq!(pair.snapshot(0).rscstatus, Holdings::Transition);
    pair.boot(1);
    pair.run(2000);
    assert_eq!(pair.holdings(), [Holdings::Local, Holdings::Local]);

    pair.order(0, Command::Standby(Scope::All));
    pair.run(1000);
    assert_eq!(pair.holdings(), [Holdings::None, Holdings::All]);
    pair.order(0, Command::Takeover(Scope::Local));
    pair.run(1000);
    assert_eq!(pair.holdings(), [Holdings::Local, Holdings::Local]);

    pair.power_cut(0);
    pair.run(3000);
    assert_eq!(pair.snapshot(1).rscstatus, Holdings::All);
    pair.boot(0);
    pair.run(3000);
    assert_eq!(pair.holdings(), [Holdings::Local, Holdings::Local]);
    pair.power_cut(1);
    pair.run(3000);
    assert_eq!(pair.snapshot(0).rscstatus, Holdings::All);
}

#[test]
fn holdings_of_two_groups_follow_what_runs() {
    let mut pair = Pair::started(|_| {});
    assert_eq!(pair.holdings(), [Holdings::Local, Holdings::Local]);
    pair.order(0, Command::Takeover(Scope::Foreign));
    pair.run(1000);
    assert_eq!(pair.holdings(), [Holdings::All, Holdings::None]);
    pair.order(1, Command::Takeover(Scope::All));
    pair.run(1000);
    assert_eq!(pair.holdings(), [Holdings::None, Holdings::All]);
}

#[test]
fn one_half_each_way_round_is_foreign_on_both() {
    let mut pair = Pair::started(|_| {});
    pair.order(0, Command::Standby(Scope::Local));
    pair.run(1000);
    pair.order(1, Command::Standby(Scope::Local));
    pair.run(1000);
    assert_eq!(pair.holdings(), [Holdings::Foreign, Holdings::Foreign]);
}

#[test]
fn without_groups_each_holds_its_own_and_a_survivor_all() {
    let mut pair = Pair::started(no_groups);
    assert_eq!(pair.holdings(), [Holdings::Local, Holdings::Local]);
    assert!(pair.snapshot(0).remarks.is_empty());
    pair.power_cut(1);
    pair.run(3000);
    assert_eq!(pair.snapshot(0).rscstatus, Holdings::All);
}

#[test]
fn a_start_under_way_is_a_transition() {
    let mut pair = Pair::off(one_group);
    pair.hangs[0] = true;
    pair.boot(0);
    pair.boot(1);
    pair.run(1000);
    assert_eq!(pair.holdings(), [Holdings::Transition, Holdings::Transition]);
    let shown = pair.snapshot(1);
    assert_eq!((shown.groups[0].owner.as_deref(), shown.groups[0].state), (Some("ha1"), GroupState::Idle));
    assert_eq!(shown.groups[0].elsewhere[0].state, GroupState::Starting);
}

#[test]
fn a_node_is_init_then_dead_then_active_then_left() {
    let mut pair = Pair::off(|_| {});
    pair.boot(0);
    let shown = pair.snapshot(0);
    assert_eq!(node(&shown, "ha1").status, NodeStatus::Up);
    let peer = node(&shown, "ha2");
    assert_eq!((peer.status, peer.phase, peer.generation), (NodeStatus::Init, None, None));
    assert_eq!((peer.heard_ms_ago, peer.hears_us), (None, false));
    pair.run(3100);
    assert_eq!(node(&pair.snapshot(0), "ha2").status, NodeStatus::Dead);
    pair.boot(1);
    pair.run(2000);
    assert_eq!(node(&pair.snapshot(0), "ha2").status, NodeStatus::Active);
    pair.order(1, Command::Leave);
    pair.run(100);
    let shown = pair.snapshot(0);
    assert_eq!(
        (node(&shown, "ha2").status, node(&shown, "ha2").phase),
        (NodeStatus::Left, Some(Phase::Left))
    );
    assert_eq!(node(&shown, "ha2").status.original_word(), "dead");
}

#[test]
fn a_dead_node_shows_since_when() {
    let mut pair = Pair::started(|_| {});
    pair.power_cut(1);
    pair.run(5000);
    let shown = pair.snapshot(0);
    let peer = node(&shown, "ha2");
    assert_eq!((peer.status, peer.hears_us), (NodeStatus::Dead, false));
    assert!(peer.heard_ms_ago.is_some_and(|millis| (4800..=5200).contains(&millis)), "{peer:?}");
    assert!(peer.links.iter().all(|link| !link.up && link.heard_ms_ago.is_some()));
    assert_eq!(shown.groups[1].owner.as_deref(), Some("ha1"));
}

#[test]
fn ping_nodes_come_last_with_a_link_of_their_own_name() {
    let mut pair = Pair::started(|configuration| configuration.pings = two_nodes("ha1").pings);
    let shown = |pair: &Pair| pair.snapshot(0).nodes.pop().unwrap();
    let silent = shown(&pair);
    assert_eq!(
        (silent.name.as_str(), silent.kind, silent.status),
        ("10.0.0.254", NodeKind::Ping, NodeStatus::Dead)
    );
    assert_eq!(silent.heard_ms_ago, None);
    pair.step(0, Input::Pong(PingIndex(0)));
    pair.run(100);
    let answers = shown(&pair);
    assert_eq!((answers.status, answers.heard_ms_ago), (NodeStatus::Ping, Some(100)));
    assert_eq!((answers.links[0].name.as_str(), answers.links[0].up), ("10.0.0.254", true));
    assert_eq!(answers.phase, None);
    pair.run(1500);
    assert_eq!((shown(&pair).status, shown(&pair).heard_ms_ago), (NodeStatus::Dead, Some(1600)));
}

#[test]
fn one_path_left_is_a_warning_until_the_other_is_back() {
    let mut pair = Pair::started(|_| {});
    pair.cuts = vec![(0, 0), (1, 0)];
    pair.run(2000);
    let shown = pair.snapshot(0);
    assert_eq!(shown.warnings, ["One path is left to ha2: eth0. If it fails too, ha2 looks dead."]);
    assert_eq!(node(&shown, "ha2").links.iter().map(|link| link.up).collect::<Vec<_>>(), [false, true]);
    pair.cuts.clear();
    pair.run(500);
    assert!(pair.snapshot(0).warnings.is_empty());
}

#[test]
fn a_path_that_never_worked_is_missed_too() {
    let mut pair = Pair::off(|_| {});
    pair.cuts = vec![(0, 1), (1, 1)];
    pair.boot(0);
    pair.boot(1);
    pair.run(2000);
    assert_eq!(
        pair.snapshot(0).warnings,
        ["One path is left to ha2: /dev/ttyS0. If it fails too, ha2 looks dead."]
    );
}

#[test]
fn a_node_that_does_not_hear_us_is_a_warning() {
    let mut pair = Pair::started(|_| {});
    pair.cuts = vec![(0, 0), (0, 1)];
    pair.run(1500);
    let shown = pair.snapshot(0);
    assert!(!node(&shown, "ha2").hears_us && node(&shown, "ha2").status == NodeStatus::Active);
    assert_eq!(shown.warnings, ["ha2 is heard but does not hear this node: one direction is cut."]);
}

#[test]
fn differing_configurations_are_a_warning() {
    let mut pair = Pair::off(|configuration| {
        if configuration.this_node == "ha2" {
            one_group(configuration);
        }
    });
    pair.boot(0);
    pair.boot(1);
    pair.run(2000);
    let shown = pair.snapshot(0);
    assert!(!node(&shown, "ha2").configuration_agrees);
    assert!(
        shown.warnings[0].starts_with("The resource configuration of ha2 differs"),
        "{:?}",
        shown.warnings
    );
    assert!(shown.warnings.iter().any(|text| text.starts_with("ftpd runs nowhere")), "{:?}", shown.warnings);
    assert_eq!(shown.groups[1].reason.as_deref(), Some("no node that is there may run it"));
}

#[test]
fn a_failed_start_is_told_with_its_error_where_it_happened() {
    let mut pair = Pair::off(one_group);
    pair.start_fails[0] = true;
    pair.boot(0);
    pair.boot(1);
    pair.run(2000);
    let mut known = extra();
    known.last_errors[0] = Some(LastError { resource: "httpd".to_owned(), what: "exit 1".to_owned() });
    let shown = pair.snapshot_with(0, &known);
    assert_eq!(shown.groups[0].reason.as_deref(), Some("its start failed here: httpd: exit 1"));
    assert_eq!(shown.groups[0].owner.as_deref(), Some("ha2"));
    let warning = "10.0.0.46/24 failed to start here and stays away from this node until heartline cleanup.";
    assert_eq!(shown.warnings, [warning]);
    assert_eq!(pair.snapshot(1).groups[0].reason, None);
}

#[test]
fn a_service_that_ends_is_shown_with_its_failures_until_cleanup() {
    let mut pair = Pair::started(|configuration| {
        one_group(configuration);
        configuration.monitoring.monitors = Monitors::every(std::time::Duration::from_secs(2));
        configuration.monitoring.restarts = 1;
    });
    let mut known = extra();
    let what = "does not run any more (returned 3)".to_owned();
    known.last_errors[0] = Some(LastError { resource: "httpd".to_owned(), what });
    pair.ends(0);
    pair.run(3000);
    let shown = pair.snapshot_with(0, &known);
    let failures = shown.groups[0].failures.as_ref().unwrap();
    assert_eq!((failures.count, failures.ailment), (1, Ailment::Gone));
    assert_eq!((failures.restarts, failures.restarts_allowed, failures.window_ms), (1, 1, 3_600_000));
    assert_eq!(failures.resource.as_deref(), Some("httpd"));
    assert_eq!((shown.groups[0].state, shown.groups[0].reason.as_deref()), (GroupState::Running, None));
    let text = crate::cli::render_status(&shown, crate::cli::Palette::Plain);
    assert!(text.contains("failed once, last "), "{text}");
    let rest =
        "ago: httpd: does not run any more (returned 3); restarted in place 1 of 1 times within 60 min";
    assert!(text.contains(rest), "{text}");
    pair.ends(0);
    pair.run(3000);
    let shown = pair.snapshot(0);
    assert_eq!(shown.groups[0].owner.as_deref(), Some("ha2"));
    let reason = "it failed too often here and stays away until heartline cleanup";
    assert_eq!(shown.groups[0].reason.as_deref(), Some(reason));
    let warning = "10.0.0.46/24 failed too often here and stays away from this node until heartline cleanup.";
    assert_eq!(shown.warnings, [warning]);
    pair.order(0, Command::Cleanup(None));
    pair.run(1000);
    let shown = pair.snapshot(0);
    assert_eq!((&shown.groups[0].failures, &shown.groups[0].reason), (&None, &None));
}

#[test]
fn a_failed_stop_is_the_first_thing_to_look_after() {
    let mut pair = Pair::started(one_group);
    pair.stop_fails[0] = true;
    pair.cuts = vec![(0, 0), (1, 0)];
    pair.order(0, Command::Standby(Scope::All));
    pair.run(2000);
    let shown = pair.snapshot(0);
    assert_eq!(shown.groups[0].state, GroupState::Failed);
    assert_eq!(shown.groups[0].reason.as_deref(), Some("it could not be stopped here"));
    assert!(shown.warnings[0].starts_with("10.0.0.46/24 could not be stopped here"), "{:?}", shown.warnings);
    assert!(shown.warnings.last().unwrap().starts_with("One path is left"), "{:?}", shown.warnings);
    assert_eq!(shown.rscstatus, Holdings::None);
    let elsewhere = &pair.snapshot(1).groups[0];
    assert_eq!((elsewhere.owner.as_deref(), elsewhere.elsewhere[0].state), (None, GroupState::Failed));
}

#[test]
fn a_claim_says_what_it_waits_for() {
    let mut pair = Pair::started(|configuration| {
        one_group(configuration);
        let device =
            FenceDevice { kind: "null".to_owned(), parameters: FenceParameters::Inline(String::new()) };
        configuration.fencing = vec![device];
    });
    assert!(pair.snapshot(1).remarks.is_empty());
    pair.power_cut(0);
    pair.run(2000);
    let shown = pair.snapshot(1);
    assert_eq!((shown.groups[0].state, shown.groups[0].owner.as_deref()), (GroupState::Claiming, None));
    assert_eq!(shown.groups[0].reason.as_deref(), Some("it waits until ha1 is fenced"));
    assert!(shown.warnings[0].starts_with("ha1 is dead and could not be fenced"), "{:?}", shown.warnings);
    assert_eq!(shown.rscstatus, Holdings::Transition);
}

#[test]
fn without_fencing_there_is_a_remark_and_no_warning() {
    let shown = Pair::started(one_group).snapshot(0);
    assert!(shown.warnings.is_empty());
    assert!(shown.remarks[0].starts_with("No fencing device is configured"), "{:?}", shown.remarks);
}

#[test]
fn lost_quorum_is_the_first_warning() {
    let mut pair = Pair::started(|configuration| {
        one_group(configuration);
        configuration.quorum = config::Quorum::Majority;
        configuration.watchdog = Some("/dev/watchdog".into());
    });
    let mut known = extra();
    known.watchdog_armed = Some(std::time::Duration::from_secs(3));
    let shown = pair.snapshot_with(0, &known);
    assert_eq!(shown.quorum.map(|quorum| (quorum.nodes, quorum.needed, quorum.held)), Some((2, 2, true)));
    assert_eq!(shown.watchdog.and_then(|watchdog| watchdog.armed_ms), Some(3000));
    assert_eq!((shown.warnings, shown.remarks), (Vec::<String>::new(), Vec::<String>::new()));
    known.watchdog_armed = None;
    let unarmed = &pair.snapshot_with(0, &known).warnings;
    assert!(unarmed[0].starts_with("No watchdog is armed here. Should this node die"), "{unarmed:?}");
    known.watchdog_problem = Some("Cannot open it".to_owned());
    let unarmed = &pair.snapshot_with(0, &known).warnings;
    assert!(unarmed[0].starts_with("Cannot open it. Should this node die"), "{unarmed:?}");
    pair.power_cut(1);
    pair.run(3000);
    let shown = pair.snapshot(0);
    assert_eq!(
        (shown.quorum.map(|quorum| quorum.held), shown.groups[0].owner.as_deref()),
        (Some(false), None)
    );
    assert!(
        shown.warnings[0].starts_with("No quorum: 2 of 2 nodes must hear each other"),
        "{:?}",
        shown.warnings
    );
}

#[test]
fn media_that_do_not_work_are_warnings() {
    let pair = Pair::started(|_| {});
    let mut known = extra();
    known.media[0] =
        MediumCondition { problem: Some("the device was hung up".to_owned()), ..Default::default() };
    known.media[1].problem = Some("no broadcast address.".to_owned());
    let shown = pair.snapshot_with(0, &known);
    let expected = [
        "Medium serial /dev/ttyS0 does not work: the device was hung up.",
        "Medium bcast eth0: no broadcast address.",
    ];
    assert_eq!(shown.warnings, expected);
    assert_eq!(node(&shown, "ha1").links.iter().map(|link| link.up).collect::<Vec<_>>(), [false, true]);
    assert_eq!((shown.media[0].open, shown.media[1].open), (false, true));
}

#[test]
fn a_client_that_was_given_up_is_a_warning() {
    let pair = Pair::started(|_| {});
    let mut known = extra();
    known.clients_given_up.push("/usr/local/bin/keeper -x".to_owned());
    let warnings = pair.snapshot_with(0, &known).warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("Client /usr/local/bin/keeper -x does not run"), "{warnings:?}");
}

fn with_witness(configuration: &mut Configuration) {
    configuration.witness = Some(config::Witness { name: "dongle".to_owned(), device: "/dev/ttyS0".into() });
    configuration.witness_watchdog = Some(std::time::Duration::from_secs(2));
    configuration.quorum = config::Quorum::Witness;
    let witness = FenceParameters::Witness("dongle".to_owned());
    configuration.fencing = vec![FenceDevice { kind: "dongle".to_owned(), parameters: witness }];
}

#[test]
fn a_witness_that_is_not_heard_is_missed() {
    let mut pair = Pair::started(with_witness);
    pair.run(4000);
    let mut known = extra();
    let device = snapshot::FencingDevice { kind: "dongle".to_owned(), checked_s_ago: None, problem: None };
    known.fencing.devices = vec![device];
    let shown = pair.snapshot_with(0, &known);
    let names: Vec<&str> = shown.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["ha2", "ha1"], "cl_status knows nodes only");
    let witness = shown.witness.as_ref().expect("it is configured");
    assert_eq!(
        (witness.name.as_str(), witness.status, witness.hears_us),
        ("dongle", NodeStatus::Dead, false)
    );
    assert!(witness.hosts.is_empty() && witness.deeds.is_empty() && witness.firmware.is_none());
    assert_eq!(shown.quorum.map(|quorum| (quorum.nodes, quorum.needed, quorum.held)), Some((3, 2, true)));
    assert_eq!(
        shown.warnings,
        [
            "Witness dongle is lost: it does not vote, watch or fence. Nothing moves for that. Is it plugged in at \
             /dev/ttyS0, has it power, and was it provisioned (heartline dongle ask)?",
            "Fencing device dongle does not work: the witness is not heard.",
        ]
    );
    assert_eq!(shown.groups[0].owner.as_deref(), Some("ha1"));
}

#[test]
fn without_the_vote_of_the_witness_nothing_is_taken_over() {
    let mut pair = Pair::started(with_witness);
    pair.run(4000);
    pair.power_cut(0);
    pair.run(3000);
    let shown = pair.snapshot(1);
    assert!(shown.warnings[0].starts_with("No quorum: 2 of 3"), "{:?}", shown.warnings);
    assert_eq!(shown.groups[0].owner, None);
}
