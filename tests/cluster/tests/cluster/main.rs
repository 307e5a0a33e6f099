//! Scenarios with whole clusters, each in a world of its own.

mod addresses;
mod administration;
mod agents;
mod commands;
mod database;
mod failures;
mod fencing;
mod files;
mod flood;
mod monitoring;
mod network;
mod ownership;
mod programs;
mod quorum;
mod record;
mod start;
mod story;
mod surroundings;
mod witness;

use heartline_cluster_tests::scenarios::{self, Outcome, Scenario};
use std::process::ExitCode;

macro_rules! scenarios {
    ($($module:ident: $($name:ident)*;)*) => {
        &[$($((concat!(stringify!($module), "::", stringify!($name)), $module::$name as Scenario),)*)*]
    };
}

const SCENARIOS: &[(&str, Scenario)] = scenarios! {
    story:
        the_story;
    start:
        both_start_at_once
        one_starts_alone
        the_other_node_alone_takes_everything
        a_missing_ping_node_delays_nothing
        both_lose_their_power
        both_leave_at_once
        what_runs_whole_is_kept
        what_runs_in_part_is_stopped_first
        what_runs_on_both_is_stopped_on_one
        monotonic_clocks_may_jump;
    ownership:
        groups_fail_back
        groups_stay_without_failback
        legacy_failback_is_read_as_on
        each_node_takes_over_for_the_other
        operators_move_groups
        orders_that_cannot_be_carried_out_fail
        of_two_that_may_start_one_does
        ping_nodes_decide_with_ipfail;
    failures:
        a_group_that_cannot_start_moves
        a_group_that_can_start_nowhere_stays_down
        a_takeover_that_fails_waits_for_the_other
        a_standby_that_fails_comes_back
        a_disk_in_use_is_freed
        a_group_that_cannot_stop_is_blocked
        a_host_that_cannot_stop_a_group_reboots
        a_start_that_hangs_is_ended
        a_stop_that_hangs_is_ended
        a_killed_daemon_adopts_what_runs
        a_daemon_killed_during_a_start_begins_again
        a_killed_daemon_gives_up_what_was_taken
        a_killed_daemon_gets_its_group_back
        a_stalled_holder_gives_up_what_was_taken
        a_stalled_bystander_takes_nothing;
    database:
        no_acknowledged_row_is_lost;
    fencing:
        takeover_waits_for_the_fence
        the_next_device_is_tried
        a_device_that_lies_is_found_out
        of_two_that_lose_each_other_one_survives
        twenty_races_never_take_both_down
        real_plugins_and_agents_are_called
        devices_are_checked_at_the_start;
    monitoring:
        a_killed_service_is_restarted_in_place_and_then_moved
        a_service_that_fails_on_both_nodes_stays_down
        a_status_that_hangs_is_a_failure
        an_address_that_somebody_removes_is_put_back
        what_is_not_monitored_is_left_alone
        an_agent_that_cannot_be_asked_stops_nothing;
    network:
        one_cut_moves_nothing_and_is_told
        an_interface_goes_down_and_up
        a_partition_heals_with_failback
        a_partition_heals_without_failback
        a_holder_that_is_not_heard_lets_go
        a_bystander_that_is_not_heard_takes_nothing
        two_half_links_make_a_whole
        a_noisy_serial_line_alone_is_enough
        many_links_of_all_kinds
        unicast_alone
        multicast_alone
        serial_alone
        ipv6_throughout;
    flood:
        a_flood_delays_no_heartbeat_and_no_takeover
        a_cluster_starts_in_a_flood;
    quorum:
        one_of_three_stops_and_two_go_on
        two_of_five_stop_and_three_go_on
        the_majority_takes_over_what_it_has_fenced
        the_last_of_three_runs_nothing;
    witness:
        it_is_given_its_keys
        the_cable_with_it_is_enough
        of_two_that_lose_each_other_it_keeps_one
        a_host_without_heartbeat_is_reset
        an_orderly_end_disarms
        its_loss_moves_nothing
        it_fences_in_a_takeover
        what_keeps_its_power_was_not_reset
        garbage_on_one_side_stays_there
        a_reset_before_the_start_of_a_daemon_is_no_proof
        without_it_both_start_and_nobody_takes_over
        a_death_notice_is_believed
        a_reload_that_would_end_in_a_reset_is_refused
        a_key_that_it_does_not_have_makes_it_deaf_and_no_more
        its_keys_are_changed_without_a_gap;
    surroundings:
        an_agent_starts_with_clean_surroundings
        the_daemon_is_real_time_and_locked;
    files:
        every_error_of_bad_files_is_named
        keys_that_others_can_read_are_refused
        bad_files_are_refused_by_a_running_daemon
        changed_files_are_taken_by_a_running_daemon
        with_differing_haresources_nobody_takes_anything
        a_difference_stops_nothing
        a_wrong_key_is_refused
        keys_are_changed_without_a_gap;
    programs:
        clients_are_kept_running
        a_client_ends_itself_with_a_hundred
        a_reload_starts_and_ends_clients
        a_failed_failfast_client_reboots_its_host
        event_scripts_hear_what_the_original_told_them
        a_command_is_notified_of_a_failover;
    addresses:
        an_address_taken_by_hand_is_put_back
        it_is_put_back_where_nobody_monitors
        an_interface_goes_down_under_an_address;
    agents:
        real_agents_fail_over
        a_database_fails_over
        a_unit_fails_over
        a_unit_that_is_missing_moves_its_group;
    administration:
        in_maintenance_nothing_is_managed
        both_nodes_at_once_remember_maintenance
        daemons_come_and_go_in_maintenance
        what_is_moved_by_hand_in_maintenance_counts
        a_restart_keeps_the_services
        a_restart_moves_nothing_back
        a_program_that_cannot_be_run_changes_nothing
        a_next_life_that_fails_is_followed_by_a_takeover
        an_operator_vouches_for_a_dead_node;
    record:
        a_failover_is_replayed;
    commands:
        the_daemon_is_started_and_stopped_as_the_original
        cl_status_speaks_as_the_original
        the_status_is_for_people_and_programs;
};

fn main() -> ExitCode {
    // They wait most of the time: more of them than this would only disturb each other's intervals.
    scenarios::main(SCENARIOS, 2)
}
