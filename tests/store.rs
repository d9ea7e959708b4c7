//! The store's port: the common duties of each database.

mod activities;
mod attention;
mod credentials;
mod events;
mod former_links;
mod histories;
mod history;
mod kinds;
mod management;
mod many;
mod membership;
mod receipts;
mod replay_jobs;
pub mod replays;
mod retention;
mod retired;
mod settings;
mod subjects;
pub mod world;

use world::{on_postgres, on_sqlite};

/// Runs each test on each database.
macro_rules! conformance {
    ($($module:ident: $($test:ident),* $(,)?;)*) => {
        mod sqlite {
            $($(#[test] fn $test() { super::on_sqlite(super::$module::$test); })*)*
        }
        mod postgresql {
            $($(#[test] fn $test() { super::on_postgres(super::$module::$test); })*)*
        }
    };
}

conformance! {
    activities:
        activities_are_filtered_and_paged_in_both_orders;
    credentials:
        versions_of_credentials_are_issued_used_and_replaced,
        credentials_are_revoked,
        of_two_rotations_of_the_same_version_one_is_refused,
        what_has_ended_is_removed_and_told_once;
    settings:
        limits_are_set_at_their_version_only,
        a_controller_is_renamed,
        a_management_token_is_replaced_by_who_knows_it;
    management:
        controllers_are_made_found_and_changed,
        integrations_are_made_found_and_changed,
        many_are_made_at_once_and_those_that_are_refused_take_nothing_along,
        sizes_of_integrations_are_paged,
        an_integration_is_replaced_at_its_version_only,
        deletion_removes_all_that_is_a_controller_s_and_nothing_else;
    membership:
        a_database_is_named_once_and_remembers_who_was_deleted,
        a_node_has_one_process_at_a_time;
    events:
        a_batch_reads_back_as_it_was_committed,
        a_batch_out_of_date_is_a_conflict_and_leaves_nothing,
        events_are_filtered_and_paged,
        claims_are_read_oldest_first,
        payloads_of_rejected_and_failed_events_are_kept_sealed,
        events_of_a_deleted_controller_leave_nothing,
        a_large_batch_of_many_controllers_goes_in_whole,
        activities_of_two_nodes_are_chained_in_the_order_of_their_commits,
        nodes_have_checkpoints_of_their_own;
    many:
        in_a_batch_of_many_controllers_one_out_of_date_is_a_conflict_for_all,
        links_of_many_controllers_are_found_at_once,
        totals_have_the_checkpoints_of_the_streams_that_are_named;
    attention:
        what_ended_badly_is_counted_by_its_kind;
    kinds:
        events_of_a_kind_are_found_among_all_others,
        activities_of_a_kind_are_found_among_all_others;
    history:
        outcomes_are_counted_by_the_minute_and_hour_of_their_receipt,
        what_is_older_than_it_is_kept_is_removed;
    retention:
        old_payloads_and_events_go_and_the_sums_stay,
        a_chain_loses_its_beginning_and_verifies_from_its_anchor,
        a_chain_verifies_at_every_moment_while_it_is_shortened,
        a_chain_or_an_anchor_that_was_changed_loses_nothing_more,
        what_is_left_of_subjects_says_when_they_were_first_seen,
        a_deleted_controller_takes_its_anchor_along,
        other_people_go_with_the_activities_that_name_them;
    histories:
        histories_go_with_their_events_and_replays_after_their_end,
        a_running_replay_goes_on_while_what_is_old_is_deleted,
        of_an_event_that_goes_while_it_is_replayed_nothing_is_left;
    retired:
        retired_links_stay_and_count_no_more,
        people_who_rest_on_a_placeholder_are_found_with_their_merges,
        a_sweep_is_noted_for_each_controller;
    receipts:
        public_keys_of_receipts_are_kept_as_they_came_first;
    subjects:
        a_taken_strong_link_is_a_conflict,
        a_subject_that_holds_too_much_by_then_is_a_conflict,
        other_people_of_an_event_are_found_by_it,
        of_two_nodes_with_one_new_link_one_is_first,
        merges_are_followed_to_their_end,
        a_merge_of_what_is_merged_is_a_conflict,
        the_earliest_sight_of_a_link_is_kept,
        weak_links_lead_to_many_within_the_limit,
        subjects_are_paged_and_belong_to_one_controller,
        events_are_found_by_their_persons_with_their_repeats;
    replays:
        what_is_to_be_replayed_is_filtered_and_counted,
        a_step_changes_outcomes_sums_and_history_at_once,
        a_step_out_of_date_is_a_conflict_and_changes_nothing,
        steps_are_limited_and_pass_what_cannot_be_replayed;
    replay_jobs:
        replays_are_listed_and_end_once,
        what_was_processed_is_found_by_its_claim_however_long_ago,
        a_deleted_controller_takes_its_replays_along;
}

#[test]
fn a_replay_is_run_by_one_node_at_a_time() {
    on_postgres(replay_jobs::a_replay_is_run_by_one_node_at_a_time);
}

#[test]
fn links_of_a_former_build_are_found_and_moved() {
    on_postgres(former_links::links_of_a_former_build_are_found_and_moved);
}

#[test]
fn former_links_are_retired_and_go_with_their_controller() {
    on_postgres(former_links::former_links_are_retired_and_go_with_their_controller);
}

#[test]
fn a_link_is_found_among_many() {
    on_postgres(former_links::a_link_is_found_among_many);
}
