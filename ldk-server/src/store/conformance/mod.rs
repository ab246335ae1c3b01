//! What every backend has to keep: tests of the store that know nothing of its tables and files, run
//! on each.

/// Has each of these tests run on each backend, of which each has a line below. A test that is not listed
/// is dead code, which the linter refuses.
macro_rules! on_each {
    ($tests:tt) => {
        on_each!(@ sqlite, crate::store::sqlite::testing::Directory, $tests);
        on_each!(@ postgres, crate::store::postgres::testing::Database, $tests);
    };
    (@ $name:ident, $database:ty, {
        $($room:ident { $($(#[$attribute:meta])* $test:ident,)* })*
    }) => {
        mod $name {
            $(mod $room {
                $($(#[$attribute])*
                #[test]
                fn $test() {
                    super::super::$room::$test::<$database>();
                })*
            })*
        }
    };
}

mod audit;
mod budgets;
mod clock;
mod consumers;
pub(super) mod cuts;
pub(super) mod database;
mod datastore;
mod events;
mod failure;
mod forwards;
mod funding;
mod intents;
mod invoices;
pub(super) mod journal;
mod managers;
mod names;
mod order;
pub(super) mod payments;
mod retention;

pub(super) use clock::Clock;
pub(super) use database::{Contents, Failure, TestDatabase};

on_each!({
    audit {
        an_entry_is_read_as_it_was_recorded,
        what_a_crash_has_left_has_a_result_that_nobody_knows,
        pages_of_the_audit_follow_one_another_with_any_filter,
        old_entries_go_some_at_a_time_and_pages_go_on,
        an_entry_comes_to_the_disk_before_what_its_call_changes,
        an_entry_can_be_on_disk_before_its_call_begins,
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
    datastore {
        what_is_kept_is_there_after_a_crash,
        a_value_is_written_only_as_its_caller_expects_it,
        keys_are_a_tree_with_values_at_its_leaves,
        what_was_said_of_a_payment_is_told_again,
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
        the_end_of_a_channel_is_found_among_its_events,
    }
    failure {
        a_change_that_cannot_be_made,
        a_commit_that_fails,
    }
    forwards {
        the_newest_is_first_and_the_last_one_in_a_second,
        a_page_is_not_disturbed_by_what_is_added,
        a_page_that_begins_after_no_forward_is_refused,
        a_span_of_time_is_listed_from_any_place,
        a_span_of_time_is_read_in_order,
    }
    funding {
        the_wallet_knows_what_the_library_wrote_down,
        a_channel_with_a_monitor_was_funded,
    }
    intents {
        an_answer_is_written_with_the_payment,
        what_is_written_outside_of_a_call_answers_none,
        a_transaction_is_written_with_its_answer,
        without_cuts_a_call_that_was_not_heard_of_again_is_remembered,
        old_keys_are_free_again_some_at_a_time,
    }
    invoices {
        an_invoice_is_read_as_it_was_made,
        a_label_is_given_once_until_its_invoice_is_deleted,
        what_arrives_gets_the_next_index_once,
        what_comes_without_an_invoice_gets_a_receipt,
        a_held_payment_is_paid_or_cancelled,
        only_what_waits_for_a_claim_is_cancelled_by_a_failure,
        pages_of_invoices_follow_one_another_with_any_filter,
        an_invoice_is_deleted_in_the_state_that_is_named_only,
        those_that_expired_are_deleted_and_no_others,
        indices_have_no_gap_whatever_is_killed,
        who_waits_is_told_what_is_on_disk,
    }
    journal {
        what_is_not_answered_is_there_after_a_restart_in_its_order,
        what_rests_on_a_state_that_is_not_on_disk_is_never_sent,
        the_history_tells_what_the_wallet_has_made,
        the_manager_tells_what_it_rests_on,
        a_child_is_kept_until_its_parent_was_taken,
        commitments_are_not_written_down,
        what_is_old_is_forgotten_and_so_is_the_oldest_of_too_many,
        a_damaged_record_stops_the_start,
    }
    managers {
        a_manager_of_any_size_is_read_as_it_was_written,
        a_manager_that_is_removed_is_not_there,
    }
    names {
        names_that_cannot_be_are_refused,
        names_that_can_be_are_taken,
        what_is_not_there,
    }
    order {
        the_order_is_that_of_the_calls,
    }
    retention {
        the_newest_are_kept_and_the_numbers_go_on,
        the_newest_event_stays_whatever_its_age,
        what_a_consumer_loses_is_told_and_counted,
        what_is_young_and_not_too_many_stays,
        a_clock_that_was_wrong_keeps_more_but_not_too_many,
        many_are_removed_in_steps,
    }
});
