//! A new configuration for a running node: what it keeps, what it refuses.

use super::world::{self, DEADTIME, Setting, World};
use super::{GROUP, mutual};
use crate::effect::Answer;
use crate::group::Activity;
use crate::input::{Command, Scope};
use crate::member::Presence;
use crate::node::ReconfigureError;
use crate::notice::Notice;

#[test]
fn a_new_configuration_keeps_what_runs_and_refuses_to_drop_it() {
    let mut world = World::started(&mutual());
    let now = world.now;
    let fewer = Setting { groups: std::vec![("ha2", "10.0.0.2 mysql")], ..mutual() };
    let first = world.hosts[0].node.as_mut().unwrap();
    assert!(first.reconfigure(fewer.config("ha1"), world::keys(), now).is_err());
    assert_eq!(first.group_here(GROUP).unwrap().activity(), Activity::Running);
    let turned =
        Setting { groups: std::vec![("ha2", "10.0.0.2 mysql"), ("ha1", "10.0.0.1 httpd")], ..mutual() };
    for (host, name) in [(0, "ha1"), (1, "ha2")] {
        let config = turned.config(name);
        world.hosts[host].node.as_mut().unwrap().reconfigure(config, world::keys(), now).unwrap();
        world.hosts[host].runs.reverse();
    }
    world.run(3 * DEADTIME);
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![1], std::vec![0]));
    assert!(!world.notices.iter().any(|(_, notice)| matches!(notice, Notice::Releasing { .. })));
}

#[test]
fn the_last_word_of_the_dead_outlives_a_new_configuration() {
    let mut world = World::started(&Setting::default());
    world.hosts[0].stop_fails = true;
    world.order(0, 1, Command::Leave);
    world.run(3 * DEADTIME);
    let more =
        Setting { groups: std::vec![("ha2", "10.0.0.2 mysql"), ("ha1", "10.0.0.46 httpd")], ..mutual() };
    let now = world.now;
    world.hosts[1].node.as_mut().unwrap().reconfigure(more.config("ha2"), world::keys(), now).unwrap();
    world.hosts.iter_mut().for_each(|host| host.runs.insert(0, false));
    world.run(3 * DEADTIME);
    assert_eq!(
        (world.owners(0), world.owners(1)),
        (std::vec![1], std::vec![0]),
        "what it could not stop is blocked"
    );
}

#[test]
fn an_order_that_a_new_configuration_ends_moves_nothing_later() {
    let mut world = World::started(&Setting { auto_failback: false, ..Setting::default() });
    world.hosts[1].start_fails = true;
    world.order(1, 1, Command::Takeover(Scope::All));
    let (config, now) = (world.hosts[1].config.clone(), world.now);
    world.hosts[1].node.as_mut().unwrap().reconfigure(config, world::keys(), now).unwrap();
    world.run(3 * DEADTIME);
    world.hosts[1].start_fails = false;
    world.order(1, 2, Command::Cleanup(None));
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

#[test]
fn other_words_with_the_same_short_digest_are_another_group() {
    let config =
        |text: &'static str| Setting { groups: std::vec![("ha1", text)], ..Setting::default() }.config("ha1");
    let old = Setting::default();
    let short = |text: &'static str| config(text).groups[0].digest;
    let wanted = old.config("ha1").groups[0].digest;
    let text = (0..1_000_000).map(|n| &*std::format!("10.0.0.{n}").leak()).find(|text| short(text) == wanted);
    let mut world = World::started(&old);
    let (config, now) = (config(text.expect("16 bits are few")), world.now);
    assert!(world.hosts[0].node.as_mut().unwrap().reconfigure(config, world::keys(), now).is_err());
}

#[test]
fn a_node_that_is_reconfigured_first_makes_nobody_let_go() {
    let three = Setting { nodes: std::vec!["ha1", "ha2", "ha3"], ..mutual() };
    let mut world = World::started(&three);
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![1]));
    let (config, now) = (mutual().config("ha1"), world.now);
    world.hosts[0].node.as_mut().unwrap().reconfigure(config, world::keys(), now).unwrap();
    world.run(3 * DEADTIME);
    assert_eq!((world.owners(0), world.owners(1)), (std::vec![0], std::vec![1]));
    assert!(!world.notices.iter().any(|(_, notice)| matches!(notice, Notice::Releasing { .. })));
}

#[test]
fn a_line_that_is_gone_from_both_files_is_stopped_on_both_nodes() {
    let mut world = World::started(&mutual());
    let fewer = Setting { groups: std::vec![("ha2", "10.0.0.2 mysql")], ..mutual() };
    for (host, name) in [(0, "ha1"), (1, "ha2")] {
        let config = fewer.config(name);
        let in_the_way = world.node(host).groups_in_the_way(&config);
        let order = u32::try_from(host).unwrap();
        world.order(host, order, Command::Retire(in_the_way));
        world.run_for(DEADTIME, |world| world.answers.contains_key(&order)).expect("an answer");
        assert_eq!(world.answers[&order], Answer::Done);
        let now = world.now;
        world.hosts[host]
            .node
            .as_mut()
            .unwrap()
            .reconfigure(config, world::keys(), now)
            .expect("nothing is in use");
        let stays = world.hosts[host].runs.pop().expect("two groups");
        assert!(!world.hosts[host].runs[0], "what is gone was stopped");
        world.hosts[host].runs = std::vec![stays, false];
        world.run(2 * DEADTIME);
    }
    assert_eq!(world.owners(0), [1], "what stays never stopped");
}

#[test]
fn a_node_that_runs_groups_cannot_be_dropped() {
    let three = Setting { nodes: std::vec!["ha1", "ha2", "ha3"], ..mutual() };
    let mut world = World::started(&three);
    world.order(2, 1, Command::Takeover(Scope::All));
    world.run(2 * DEADTIME);
    assert_eq!(world.owners(0), [2]);
    let now = world.now;
    let first = world.hosts[0].node.as_mut().unwrap();
    let refused = first.reconfigure(mutual().config("ha1"), world::keys(), now);
    assert_eq!(refused, Err(ReconfigureError::MemberInUse(World::member(2))));
}

/// What was stopped for new files that were not taken after all belongs here as before.
#[test]
fn a_group_that_was_retired_for_nothing_comes_back() {
    let mut world = World::started(&Setting::default());
    world.order(0, 1, Command::Retire(1));
    world.run_for(DEADTIME, |world| world.answers.contains_key(&1)).expect("an answer");
    assert_eq!(world.answers[&1], Answer::Done);
    world.run(3 * DEADTIME);
    assert_eq!(world.owners(0), [0]);
}

/// It runs nothing, whatever it does not say.
#[test]
fn a_witness_that_is_alive_may_be_dropped() {
    let nodes = std::vec!["ha1", "ha2", "witness"];
    let mut world = World::started(&Setting { nodes, witness: Some("witness"), ..Setting::default() });
    let (config, now) = (Setting::default().config("ha1"), world.now);
    let node = world.hosts[0].node.as_mut().unwrap();
    assert_eq!(node.member(World::member(2)).unwrap().presence(), Presence::Alive);
    assert_eq!(node.reconfigure(config, world::keys(), now), Ok(()));
}
