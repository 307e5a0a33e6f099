//! What `heartline status` shows, whole.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::cli::fake_daemon::recorded_cluster;
use crate::control::snapshot::{
    Elsewhere, Fencing, FencingDevice, NodeKind, Quorum, Watchdog, Witness, WitnessCounters, WitnessDeed,
    WitnessHost, WitnessReset, WitnessVote, WitnessWatch,
};
use crate::fence::history::{Entry, Result as FenceResult};

#[test]
fn a_cluster_in_good_order() {
    let expected = "\
wna: heartline 0.1.0 [pid 61], runs 1 of 2 resource groups, keepalive 200 ms, deadtime 1.2 s

NODE  STATUS  HEARD       LINK        KIND    STATE  HEARD
wna   active  this node   /dev/ttyS0  serial  dead   never
                          eth0        bcast   up     120 ms ago
wnb   active  110 ms ago  /dev/ttyS0  serial  up     110 ms ago
                          eth0        bcast   up     115 ms ago

GROUP           RUNS ON  PREFERS  HERE     ELSEWHERE
svcA::one::two  wna      wna      running  wnb idle
svcB            wnb      wnb      idle     wnb running
  svcC::x
";
    let mut cluster = recorded_cluster();
    cluster.version = "0.1.0".to_owned();
    assert_eq!(render_status(&cluster, Palette::Plain), expected);
}

#[test]
fn quorum_and_watchdog_have_a_line() {
    let mut cluster = recorded_cluster();
    cluster.quorum = Some(Quorum { nodes: 3, needed: 2, held: true, lost_within_ms: 1200 });
    let device = "/dev/watchdog".to_owned();
    cluster.watchdog = Some(Watchdog { device, armed_ms: Some(3000), problem: None });
    let second_line =
        |cluster: &Snapshot| render_status(cluster, Palette::Plain).lines().nth(1).map(str::to_owned);
    let expected = "quorum held (2 of 3 nodes); watchdog /dev/watchdog armed, 3.0 s";
    assert_eq!(second_line(&cluster).as_deref(), Some(expected));
    cluster.quorum = cluster.quorum.map(|quorum| Quorum { held: false, ..quorum });
    cluster.watchdog = cluster.watchdog.map(|watchdog| Watchdog { armed_ms: None, ..watchdog });
    let expected = "quorum lost (2 of 3 nodes); watchdog /dev/watchdog not armed";
    assert_eq!(second_line(&cluster).as_deref(), Some(expected));
}

#[test]
fn a_cluster_in_trouble() {
    let mut cluster = recorded_cluster();
    cluster.version = "0.1.0".to_owned();
    cluster.rscstatus = Holdings::Transition;
    cluster.warnings = vec!["One way is left to wnb: eth0.".to_owned()];
    let peer = &mut cluster.nodes[1];
    peer.hears_us = false;
    peer.configuration_agrees = false;
    peer.heard_ms_ago = Some(61_400);
    peer.links[0].up = false;
    peer.links[0].heard_ms_ago = Some(7_500_000);
    let mut ping = cluster.nodes[1].clone();
    ping.name = "10.96.0.254".to_owned();
    ping.kind = NodeKind::Ping;
    ping.status = NodeStatus::Dead;
    ping.configuration_agrees = true;
    ping.heard_ms_ago = None;
    ping.links.clear();
    cluster.nodes.push(ping);
    cluster.groups[0].owner = None;
    cluster.groups[0].state = GroupState::Failed;
    cluster.groups[0].reason = Some("svcA start: exit 1\nforged".to_owned());
    let expected = "\
! One way is left to wnb: eth0.

wna: heartline 0.1.0 [pid 61], runs 0 of 2 resource groups, resources are moving, keepalive 200 ms, deadtime 1.2 s

NODE         STATUS  HEARD       LINK        KIND    STATE  HEARD
wna          active  this node   /dev/ttyS0  serial  dead   never
                                 eth0        bcast   up     120 ms ago
wnb          active  61.4 s ago  /dev/ttyS0  serial  dead   2 h ago
                                 eth0        bcast   up     115 ms ago
  ! it does not hear this node
  ! its resource configuration differs from this node's
10.96.0.254  dead    never

GROUP           RUNS ON  PREFERS  HERE    ELSEWHERE
svcA::one::two  nobody   wna      failed  wnb idle
  ! svcA start: exit 1\\nforged
svcB            wnb      wnb      idle    wnb running
  svcC::x
";
    assert_eq!(render_status(&cluster, Palette::Plain), expected);
}

#[test]
fn what_a_dead_node_said_last_is_not_shown_as_the_present() {
    let mut cluster = recorded_cluster();
    cluster.nodes[1].status = NodeStatus::Dead;
    cluster.groups[1].state = GroupState::Running;
    let text = render_status(&cluster, Palette::Plain);
    assert!(text.contains("svcB            wnb      wnb      running  wnb dead\n"), "{text}");
}

#[test]
fn of_several_others_only_those_that_matter_are_shown() {
    let mut group = recorded_cluster().groups[0].clone();
    let nodes = recorded_cluster().nodes;
    let other = |node: &str, state| Elsewhere { node: node.to_owned(), state };
    group.elsewhere = vec![other("wnb", GroupState::Idle), other("wnc", GroupState::Idle)];
    assert_eq!(elsewhere(&group, &nodes), "idle");
    group.elsewhere[1].state = GroupState::Failed;
    assert_eq!(elsewhere(&group, &nodes), "wnc failed");
}

#[test]
fn colours_change_nothing_but_colours() {
    let cluster = recorded_cluster();
    let coloured = render_status(&cluster, Palette::Colour);
    assert!(coloured.contains("\x1b[32mrunning\x1b[0m"));
    let mut plain = coloured;
    for code in ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, render_status(&cluster, Palette::Plain));
}

#[test]
fn fencing_devices_and_the_last_fences() {
    let mut cluster = recorded_cluster();
    cluster.fencing = Fencing {
        devices: vec![
            FencingDevice { kind: "external/ipmi".to_owned(), checked_s_ago: Some(61), problem: None },
            FencingDevice {
                kind: "fence_x".to_owned(),
                checked_s_ago: Some(1),
                problem: Some("there is no program fence_x in PATH".to_owned()),
            },
            FencingDevice { kind: "null".to_owned(), checked_s_ago: None, problem: None },
        ],
        history: (1..=4).map(fence).collect(),
    };
    let text = render_status(&cluster, Palette::Plain);
    let (_, fencing) = text.split_once("\n\nFENCING").unwrap();
    let stamp = |seconds| crate::log::time_stamp(UNIX_EPOCH + Duration::from_secs(seconds));
    let expected = format!(
        " DEVICE  STATE   CHECKED
external/ipmi   works   61.0 s ago
fence_x         failed  1.0 s ago
  ! there is no program fence_x in PATH
null                    not yet

LAST FENCES
{}  wna fenced wnb with external/ipmi in vain: the device said it was done, and wnb went on
{}  wna could not fence wnb, tried 3 times, since it was silent: no route
{}  wna fenced wnb with external/ipmi in 2.1 s, since it was silent
",
        stamp(2),
        stamp(3),
        stamp(4)
    );
    assert_eq!(fencing, expected);
}

fn fence(time: u64) -> Entry {
    let result = match time {
        2 => FenceResult::Belied,
        3 => FenceResult::Failed { attempts: 3, why: "no route".to_owned() },
        _ => FenceResult::Fenced,
    };
    Entry {
        time,
        victim: "wnb".to_owned(),
        by: "wna".to_owned(),
        device: "external/ipmi".to_owned(),
        reason: "it was silent".to_owned(),
        took_ms: 2_100,
        generation: 7,
        result,
    }
}

fn witness() -> Witness {
    let host = |name: &str, side: &str| WitnessHost {
        name: name.to_owned(),
        side: Some(side.to_owned()),
        heard: true,
        power: "on".to_owned(),
        watchdog: WitnessWatch::Armed,
        watchdog_ms: Some(2_000),
        reset: None,
    };
    let counters = |side: &str, frames| WitnessCounters {
        side: side.to_owned(),
        frames,
        bad_frames: 2,
        overruns: 0,
        framing_errors: 1,
        dropped: 0,
        longest_silence_ms: 410,
    };
    let reset =
        WitnessReset { generation: 7, reason: "the other node asked for it".to_owned(), ms_ago: 3_200 };
    let gone = WitnessHost {
        heard: false,
        power: "not_sensed".to_owned(),
        watchdog: WitnessWatch::Off,
        watchdog_ms: None,
        reset: Some(reset),
        ..host("wnb", "b")
    };
    let deed = |number, ms_ago, text: &str, acted| WitnessDeed {
        number,
        ms_ago,
        kind: "reset".to_owned(),
        text: text.to_owned(),
        acted,
    };
    Witness {
        name: "dongle".to_owned(),
        device: "/dev/ttyS0".to_owned(),
        status: NodeStatus::Active,
        heard_ms_ago: Some(90),
        hears_us: true,
        uptime_ms: Some(7_300_000),
        firmware: Some("0.1.0".to_owned()),
        provision: Some(1_795_405_912),
        vote: Some(WitnessVote { epoch: 3, to: "wna".to_owned(), ours: true }),
        hosts: vec![host("wna", "a"), gone],
        counters: vec![counters("a", 12_345), counters("b", 99)],
        deeds: vec![
            deed(8, 3_300, "it reset wnb, since the other node asked for it", true),
            deed(9, 3_000, "it gave its vote of epoch 3 to wna", false),
        ],
    }
}

#[test]
fn the_witness_has_a_table_of_its_own() {
    let expected = "
WITNESS  STATUS  HEARD      DEVICE      FIRMWARE  UP   VOTE
dongle   active  90 ms ago  /dev/ttyS0  0.1.0     2 h  wna (epoch 3)
  HOST  SIDE  IS HEARD  POWER       WATCHDOG
  wna   a     yes       on          armed, 2.0 s
  wnb   b     no        not sensed  off
    ! reset 3.2 s ago, since the other node asked for it
  SIDE  FRAMES  BAD  OVERRUNS  FRAMING  DROPPED  LONGEST SILENCE
  a     12345   2    0         1        0        410 ms
  b     99      2    0         1        0        410 ms
  last act, 3.3 s ago: it reset wnb, since the other node asked for it
";
    let mut cluster = recorded_cluster();
    cluster.witness = Some(witness());
    let shown = render_status(&cluster, Palette::Plain);
    assert!(shown.ends_with(expected), "{shown}");
    let newest_first = "   3.0 s ago  it gave its vote of epoch 3 to wna
   3.3 s ago  it reset wnb, since the other node asked for it
";
    assert_eq!(witness::render_deeds(&witness()), newest_first);
}
