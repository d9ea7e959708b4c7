//! The store's port: what each database must do, and does alike.

mod events;
mod history;
mod management;
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
    management:
        controllers_are_made_found_and_changed,
        integrations_are_made_found_and_changed,
        an_integration_is_replaced_at_its_version_only,
        deletion_removes_all_that_is_a_controller_s_and_nothing_else;
    events:
        a_batch_reads_back_as_it_was_committed,
        a_batch_out_of_date_is_a_conflict_and_leaves_nothing,
        events_are_filtered_and_paged,
        activities_are_filtered_and_paged_in_both_orders,
        claims_are_read_oldest_first,
        payloads_of_rejected_and_failed_events_are_kept_sealed,
        events_of_a_deleted_controller_leave_nothing,
        a_large_batch_of_many_controllers_goes_in_whole,
        activities_of_two_nodes_are_chained_in_the_order_of_their_commits,
        nodes_have_checkpoints_of_their_own;
    history:
        outcomes_are_counted_by_the_minute_and_hour_of_their_receipt,
        what_is_older_than_it_is_kept_is_removed;
    subjects:
        a_taken_strong_link_is_a_conflict,
        of_two_nodes_with_one_new_link_one_is_first,
        merges_are_followed_to_their_end,
        a_merge_of_what_is_merged_is_a_conflict,
        the_earliest_sight_of_a_link_is_kept,
        weak_links_lead_to_many_within_the_limit,
        subjects_are_paged_and_belong_to_one_controller;
}
