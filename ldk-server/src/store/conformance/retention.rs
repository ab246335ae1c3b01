//! Removing old events.

use super::{Clock, TestDatabase};
use crate::store::model::MAX_REMOVED_AT_ONCE;
use crate::store::testing::{event, record};
use crate::store::{EventBounds, EventCounts, Removed};

const DISTANT_FUTURE: u64 = 1 << 40;

fn removed(events: u64, unacknowledged: &[(&str, u64)]) -> Removed {
    let unacknowledged = unacknowledged.iter().map(|(name, lost)| ((*name).to_owned(), *lost));
    Removed { events, unacknowledged: unacknowledged.collect() }
}

pub(super) fn the_newest_are_kept_and_the_numbers_go_on<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    assert_eq!(store.remove_old_events(0, 3).unwrap(), removed(0, &[]));
    record(&store, 3);
    assert_eq!(store.remove_old_events(0, 3).unwrap(), removed(0, &[]));
    record(&store, 2);
    assert_eq!(store.remove_old_events(0, 3).unwrap(), removed(2, &[]));
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 3, head_index: 5 });
    drop(store);
    let store = database.open();
    record(&store, 1);
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 3, head_index: 6 });
}

pub(super) fn the_newest_event_stays_whatever_its_age<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    assert_eq!(store.remove_old_events(DISTANT_FUTURE, 1).unwrap(), removed(0, &[]));
    record(&store, 4);
    assert_eq!(store.remove_old_events(DISTANT_FUTURE, 100).unwrap(), removed(3, &[]));
    assert_eq!(store.remove_old_events(DISTANT_FUTURE, 1).unwrap(), removed(0, &[]));
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 4, head_index: 4 });
    record(&store, 1);
    assert_eq!(store.event_bounds().unwrap().head_index, 5);
}

pub(super) fn what_a_consumer_loses_is_told_and_counted<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    record(&store, 6);
    for (name, acknowledged) in [("none", 0), ("some", 2), ("all", 4)] {
        store.add_event_consumer(name.to_owned(), acknowledged).unwrap();
    }
    let lost = removed(4, &[("none", 4), ("some", 2)]);
    assert_eq!(store.remove_old_events(0, 2).unwrap(), lost);
    // What was lost before is not lost again.
    record(&store, 1);
    let lost = removed(1, &[("none", 1), ("some", 1), ("all", 1)]);
    assert_eq!(store.remove_old_events(0, 2).unwrap(), lost);
    let counts = EventCounts {
        head_index: 7,
        oldest_index: 6,
        consumers: 3,
        removed_unacknowledged: 4 + 2 + 3,
    };
    assert_eq!(store.event_counts().unwrap(), counts);
}

pub(super) fn what_is_young_and_not_too_many_stays<D: TestDatabase>() {
    let (database, clock) = (D::new(), Clock::at(1000));
    let store = database.open_at(&clock);
    record(&store, 2);
    clock.set(5000);
    record(&store, 2);
    assert_eq!(store.remove_old_events(1000, 4).unwrap(), removed(0, &[]));
    assert_eq!(store.remove_old_events(1001, 4).unwrap(), removed(2, &[]));
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 3, head_index: 4 });
}

pub(super) fn a_clock_that_was_wrong_keeps_more_but_not_too_many<D: TestDatabase>() {
    const NOW: u64 = 2_000;
    let (database, clock) = (D::new(), Clock::default());
    let store = database.open_at(&clock);
    // It was years ahead for a while, and set right.
    for at in [1000, DISTANT_FUTURE, 1000] {
        clock.set(at);
        record(&store, 2);
    }
    assert_eq!(store.remove_old_events(NOW, 6).unwrap(), removed(2, &[]));
    assert_eq!(store.remove_old_events(NOW, 6).unwrap(), removed(0, &[]));
    assert_eq!(store.remove_old_events(NOW, 3).unwrap(), removed(1, &[]));
    // One that is before 1970 makes nothing old.
    assert_eq!(store.remove_old_events(0, 6).unwrap(), removed(0, &[]));
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 4, head_index: 6 });
}

pub(super) fn many_are_removed_in_steps<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    for _ in 0..2 * MAX_REMOVED_AT_ONCE + 9 {
        store.record_library_event(None, None, |_| Some(event()));
    }
    record(&store, 1);
    for step in [MAX_REMOVED_AT_ONCE, MAX_REMOVED_AT_ONCE, 9, 0] {
        assert_eq!(store.remove_old_events(0, 1).unwrap().events, step);
    }
}
