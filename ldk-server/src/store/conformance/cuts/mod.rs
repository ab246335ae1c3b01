//! Consistent cuts, with the library played.

mod begin;
mod failure;
pub(in crate::store) mod library;
pub(in crate::store) mod play;
pub(in crate::store) mod unsent;
mod waits;

use std::sync::mpsc;
use std::thread;

use super::TestDatabase;
use crate::store::Store;
use crate::store::metrics::Metrics as _;
use library::State;

/// What a process finds in the database now.
fn state(database: &impl TestDatabase) -> State {
    State::of(&database.contents())
}

/// Waits until all that can be committed is; on another thread, because this one may have a pin.
fn committed(store: &Store) {
    let look = || {
        let (sender, receiver) = mpsc::channel();
        store.writer.between_commits().run(Box::new(move || sender.send(()).unwrap()));
        receiver.recv().unwrap();
    };
    thread::scope(|scope| scope.spawn(look).join().unwrap());
}

/// That no cut was made because the right manager did not come for long.
pub(in crate::store) fn none_was_forced(store: &Store) {
    let collectors = store.writer.metrics().collectors();
    let mut families = collectors.iter().flat_map(|collector| collector.collect());
    let forced = families.find(|family| family.name() == "ldk_server_cut_forced_total").unwrap();
    assert_eq!(forced.get_metric()[0].get_counter().get_value(), 0.0);
}

on_each!({
    begin {
        a_manager_of_another_version_is_refused,
        a_channel_without_its_state_is_refused,
        a_manager_that_is_behind_is_refused,
        updates_beside_the_monitor_count,
        a_monitor_of_another_format_is_refused,
        what_a_node_may_have_is_accepted,
        monitors_have_either_form_of_name,
    }
    failure {
        what_is_left_is_a_cut,
    }
    unsent {
        after_cuts_a_payment_that_nobody_knows_has_failed,
        without_cuts_before_it_may_have_left,
        after_a_start_without_cuts_it_may_have_left,
        if_the_last_cut_was_none_it_may_have_left,
        what_two_managers_do_not_know_has_failed,
        what_a_later_manager_does_not_know_has_failed,
        what_the_library_says_after_that_counts,
    }
    waits {
        the_library_reads_what_is_not_on_disk_yet,
        what_is_not_waited_for_comes_to_the_disk_by_itself,
        an_own_record_is_on_disk_when_it_is_answered,
        a_monitor_is_not_on_disk_before_its_manager,
        the_next_process_goes_on_from_the_last_cut,
        a_stop_leaves_behind_what_no_manager_covers,
        a_pin_holds_managers_back,
        without_cuts_nothing_is_held_back,
        #[cfg(debug_assertions)]
        #[should_panic(expected = "a manager that is held back may be what this waits for")]
        nothing_is_written_under_a_pin_that_is_waited_for,
        #[cfg(debug_assertions)]
        #[should_panic(expected = "a manager that is held back may be what this waits for")]
        nobody_waits_for_the_disk_under_a_pin,
        once_a_monitor_is_not_understood_everything_is_as_without_cuts,
        a_pin_from_before_holds_nothing_back_after_the_end_of_cuts,
    }
});
