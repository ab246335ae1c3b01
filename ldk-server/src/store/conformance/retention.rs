//! Removing old events.

use super::Place;
use crate::store::testing::record;
use crate::store::{EventBounds, EventCounts, Removed};

pub(in crate::store) const DISTANT_FUTURE: u64 = 1 << 40;

pub(in crate::store) fn removed(events: u64, unacknowledged: &[(&str, u64)]) -> Removed {
    let unacknowledged = unacknowledged.iter().map(|(name, lost)| ((*name).to_owned(), *lost));
    Removed { events, unacknowledged: unacknowledged.collect() }
}

pub(super) fn the_newest_are_kept_and_the_numbers_go_on<P: Place>() {
    let place = P::new();
    let store = place.open();
    assert_eq!(store.remove_old_events(0, 3).unwrap(), removed(0, &[]));
    record(&store, 3);
    assert_eq!(store.remove_old_events(0, 3).unwrap(), removed(0, &[]));
    record(&store, 2);
    assert_eq!(store.remove_old_events(0, 3).unwrap(), removed(2, &[]));
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 3, head_index: 5 });
    drop(store);
    let store = place.open();
    record(&store, 1);
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 3, head_index: 6 });
}

pub(super) fn the_newest_event_stays_whatever_its_age<P: Place>() {
    let place = P::new();
    let store = place.open();
    assert_eq!(store.remove_old_events(DISTANT_FUTURE, 1).unwrap(), removed(0, &[]));
    record(&store, 4);
    assert_eq!(store.remove_old_events(DISTANT_FUTURE, 100).unwrap(), removed(3, &[]));
    assert_eq!(store.remove_old_events(DISTANT_FUTURE, 1).unwrap(), removed(0, &[]));
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 4, head_index: 4 });
    record(&store, 1);
    assert_eq!(store.event_bounds().unwrap().head_index, 5);
}

pub(super) fn what_a_consumer_loses_is_told_and_counted<P: Place>() {
    let place = P::new();
    let store = place.open();
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
