//! Those who consume events.

use super::TestDatabase;
use crate::store::testing::record;
use crate::store::{Ack, EventBounds, MAX_EVENT_CONSUMERS};

pub(super) fn a_consumer_begins_where_it_is_told_and_goes_on_over_a_restart<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    record(&store, 5);
    assert_eq!(store.acknowledged_index("shop").unwrap(), None);
    assert_eq!(store.add_event_consumer("shop".to_owned(), 2).unwrap(), Some(2));
    assert_eq!(store.ack_events("shop".to_owned(), 4).unwrap(), Ack::UpTo(4));
    drop(store);
    let store = database.open();
    assert_eq!(store.acknowledged_index("shop").unwrap(), Some(4));
    // Whoever comes later with the same name finds it where it is.
    assert_eq!(store.add_event_consumer("shop".to_owned(), 5).unwrap(), Some(4));
}

pub(super) fn acknowledgements_only_go_forward_and_not_beyond_what_there_is<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    record(&store, 3);
    let ack = |name: &str, event_index| store.ack_events(name.to_owned(), event_index).unwrap();
    assert_eq!(ack("shop", 1), Ack::UnknownConsumer);
    store.add_event_consumer("shop".to_owned(), 0).unwrap();
    let consumer = || store.event_consumers().unwrap().0.remove(0);
    assert_eq!(ack("shop", 0), Ack::UpTo(0));
    assert_eq!(consumer().last_acknowledged_at, None);
    assert_eq!(ack("shop", 2), Ack::UpTo(2));
    assert_eq!(ack("shop", 1), Ack::UpTo(2));
    let bounds = EventBounds { oldest_index: 1, head_index: 3 };
    for index in [4, u64::MAX] {
        assert_eq!(ack("shop", index), Ack::UnknownEvent(bounds));
    }
    let consumer = consumer();
    assert_eq!((consumer.acknowledged_index, consumer.unacknowledged_events), (2, 1));
    assert!(consumer.last_acknowledged_at >= Some(consumer.created_at));
}

pub(super) fn consumers_are_listed_by_name_until_they_are_deleted<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    record(&store, 1);
    for name in ["b", "a", "C"] {
        store.add_event_consumer(name.to_owned(), 1).unwrap();
    }
    let names = || {
        let (consumers, bounds) = store.event_consumers().unwrap();
        assert_eq!(bounds, EventBounds { oldest_index: 1, head_index: 1 });
        consumers.into_iter().map(|consumer| consumer.name).collect::<Vec<_>>()
    };
    assert_eq!(names(), ["C", "a", "b"]);
    assert!(store.delete_event_consumer("a".to_owned()).unwrap());
    assert!(!store.delete_event_consumer("a".to_owned()).unwrap());
    assert_eq!(names(), ["C", "b"]);
    assert_eq!(store.acknowledged_index("a").unwrap(), None);
}

pub(super) fn there_are_so_many_consumers_and_no_more<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    for number in 0..MAX_EVENT_CONSUMERS {
        assert_eq!(store.add_event_consumer(number.to_string(), 0).unwrap(), Some(0));
    }
    assert_eq!(store.add_event_consumer("one more".to_owned(), 0).unwrap(), None);
    assert_eq!(store.add_event_consumer("7".to_owned(), 0).unwrap(), Some(0));
    assert!(store.delete_event_consumer("7".to_owned()).unwrap());
    assert_eq!(store.add_event_consumer("one more".to_owned(), 0).unwrap(), Some(0));
}
