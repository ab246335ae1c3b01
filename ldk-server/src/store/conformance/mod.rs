//! What every backend has to keep: tests of the store that know nothing of its tables and files, run
//! on each.

mod audit;
mod budgets;
mod consumers;
mod events;
mod names;
pub(super) mod payments;
pub(super) mod retention;

use super::{Store, testing};

/// Where a store is kept that is closed and opened again.
pub(super) trait Place {
    /// One that is empty.
    fn new() -> Self;

    /// The store that is kept here.
    fn open(&self) -> Store;
}

/// A directory with an SQLite database.
struct Sqlite(tempfile::TempDir);

impl Place for Sqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Store {
        testing::open(self.0.path())
    }
}

/// Has each of these tests run on each of these backends. A test that is not listed is dead code,
/// which the linter refuses.
macro_rules! on_each {
    ([$($backend:ident as $name:ident),*] $tests:tt) => {
        $(on_each!(@ $backend $name $tests);)*
    };
    (@ $backend:ident $name:ident { $($room:ident { $($test:ident,)* })* }) => {
        mod $name {
            $(mod $room {
                $(#[test]
                fn $test() {
                    crate::store::conformance::$room::$test::<crate::store::conformance::$backend>();
                })*
            })*
        }
    };
}

on_each!([Sqlite as sqlite] {
    audit {
        an_entry_is_read_as_it_was_recorded,
        what_a_crash_has_left_has_a_result_that_nobody_knows,
        pages_of_the_audit_follow_one_another_with_any_filter,
        old_entries_go_some_at_a_time_and_pages_go_on,
        an_entry_comes_to_the_disk_before_what_its_call_changes,
        an_entry_comes_to_the_disk_by_itself,
        a_record_that_is_dropped_leaves_nothing,
    }
    budgets {
        what_is_reserved_is_left_for_nobody_else,
        what_was_not_sent_is_given_back,
        the_outcome_of_a_payment_corrects_what_was_reserved,
        a_payment_that_failed_has_cost_nothing,
        a_crash_leaks_nothing_and_gives_nothing_back_that_may_have_left,
        what_was_drawn_long_ago_counts_no_more,
    }
    consumers {
        a_consumer_begins_where_it_is_told_and_goes_on_over_a_restart,
        acknowledgements_only_go_forward_and_not_beyond_what_there_is,
        consumers_are_listed_by_name_until_they_are_deleted,
        there_are_so_many_consumers_and_no_more,
    }
    events {
        events_are_numbered_from_1_without_gap_also_over_a_restart,
        what_is_listened_to_is_what_is_stored,
        an_event_that_was_recorded_before_a_crash_is_known_when_it_is_delivered_again,
        an_acknowledgement_that_failed_leaves_the_event_known,
        only_the_write_that_takes_the_event_out_of_the_queue_acknowledges_it,
        an_event_leaves_the_queue_unless_the_queue_grows,
        what_can_happen_only_once_is_recorded_once,
        equal_forwards_are_as_many_as_happened,
        an_event_is_read_as_it_was_recorded,
    }
    names {
        names_that_cannot_be_are_refused,
        names_that_can_be_are_taken,
        what_is_not_there,
    }
    payments {
        the_newest_is_first_and_the_smallest_id_in_a_second,
        the_order_survives_updates_and_restarts,
        every_change_of_status_is_counted_once,
        pages_follow_one_another_without_gap_or_repetition,
        a_page_that_begins_after_no_payment_is_refused,
        every_filter_and_pair_of_filters_leaves_what_passes,
        a_place_is_good_with_any_filter,
        a_payment_that_arrived_is_not_said_to_be_under_way_again,
        both_ways_to_write_are_written_down,
        what_the_library_would_not_read_is_not_written,
        an_invoice_that_is_put_away_stays_in_the_history_as_failed,
        an_invoice_that_is_not_made_is_not_missed,
        an_invoice_expires_as_long_after_its_making_as_it_says,
        expired_invoices_are_found_in_bounded_steps,
        an_invoice_that_is_paid_after_all_has_succeeded,
        an_outdated_state_is_noticed_while_another_event_is_acknowledged,
        a_failure_after_an_outdated_state_is_not_believed,
        an_invoice_of_no_use_does_not_come_into_the_history,
    }
    retention {
        the_newest_are_kept_and_the_numbers_go_on,
        the_newest_event_stays_whatever_its_age,
        what_a_consumer_loses_is_told_and_counted,
    }
});
