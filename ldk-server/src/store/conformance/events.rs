//! The events, and what is known of the library's.

use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::events::{PaymentForwarded, PaymentReceived};
use ldk_server_grpc::types::ForwardedPayment;

use super::TestDatabase;
use crate::compat::event_queue;
use crate::store::events::EventLog;
use crate::store::testing::{event, record};
use crate::store::{EventBounds, ForwardFilter, NewEvent, Store};

/// The queue of the library with so many events.
fn queue(length: u16) -> Vec<u8> {
    [&length.to_be_bytes()[..], &[7; 9]].concat()
}

fn write_queue(store: &Store, length: u16) {
    let (primary, secondary, key) = event_queue::STORE_KEY;
    KVStoreSync::write(store, primary, secondary, key, queue(length)).unwrap();
}

fn from_library(digest: u8) -> NewEvent {
    NewEvent { source_digest: Some([digest; 32]), ..event() }
}

fn indices(store: &Store, after: u64) -> Vec<u64> {
    let events = store.events_after(after, 100).unwrap();
    events.iter().map(|event| event.event_index).collect()
}

fn head(store: &Store) -> u64 {
    store.event_bounds().unwrap().head_index
}

pub(super) fn events_are_numbered_from_1_without_gap_also_over_a_restart<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 1, head_index: 0 });
    record(&store, 3);
    drop(store);
    let store = database.open();
    record(&store, 2);
    assert_eq!(indices(&store, 0), [1, 2, 3, 4, 5]);
    assert_eq!(indices(&store, 3), [4, 5]);
    assert!(indices(&store, 5).is_empty());
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 1, head_index: 5 });
}

pub(super) fn what_is_listened_to_is_what_is_stored<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut live = store.live_events();
    record(&store, 2);
    for stored in store.events_after(0, 100).unwrap() {
        assert_eq!(*live.try_recv().unwrap(), *stored);
    }
    assert!(live.try_recv().is_err());
}

pub(super) fn an_event_that_was_recorded_before_a_crash_is_known_when_it_is_delivered_again<
    D: TestDatabase,
>() {
    let database = D::new();
    let store = database.open();
    assert!(!store.is_recorded(&[7; 32]));
    store.record_event(from_library(7)).unwrap();
    drop(store);

    let store = database.open();
    assert!(store.is_recorded(&[7; 32]));
    assert!(!store.is_recorded(&[8; 32]));
    write_queue(&store, 1);
    let acknowledge = || {
        write_queue(&store, 0);
        Ok::<_, String>(())
    };
    store.acknowledging(acknowledge).unwrap();
    assert!(!store.is_recorded(&[7; 32]));
    drop(store);
    assert!(!database.open().is_recorded(&[7; 32]));
}

pub(super) fn an_acknowledgement_that_failed_leaves_the_event_known<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    store.record_event(from_library(7)).unwrap();
    assert!(store.acknowledging(|| Err("the disk is full")).is_err());
    assert!(store.is_recorded(&[7; 32]));
}

pub(super) fn only_the_write_that_takes_the_event_out_of_the_queue_acknowledges_it<
    D: TestDatabase,
>() {
    let database = D::new();
    let store = database.open();
    write_queue(&store, 2);
    store.record_event(from_library(7)).unwrap();
    // Nobody acknowledges: the library writes the queue for reasons of its own.
    write_queue(&store, 1);
    assert!(store.is_recorded(&[7; 32]));
    write_queue(&store, 2);
    let acknowledged = store.acknowledging(|| {
        // Another event enters the queue before this one leaves it.
        write_queue(&store, 3);
        assert!(store.is_recorded(&[7; 32]));
        on_disk(&store, true);
        write_queue(&store, 2);
        on_disk(&store, false);
        Ok::<_, String>(())
    });
    acknowledged.unwrap();
    assert!(!store.is_recorded(&[7; 32]));
}

/// Checks whether another process would find the event recorded and not acknowledged.
#[track_caller]
fn on_disk(store: &Store, is_recorded: bool) {
    let log = EventLog::load(&*store.reads).unwrap();
    assert_eq!(log.unacknowledged().is_some(), is_recorded);
}

pub(super) fn an_event_leaves_the_queue_unless_the_queue_grows<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let log = &store.event_log;
    assert!(!log.leaves_queue(&queue(1)));
    store
        .acknowledging(|| {
            assert!(!log.leaves_queue(&queue(2)), "one more");
            // One entered and one left before either was written.
            assert!(log.leaves_queue(&queue(2)), "as many");
            assert!(log.leaves_queue(&queue(1)), "one less");
            Ok::<_, String>(())
        })
        .unwrap();
    assert!(!log.leaves_queue(&queue(0)), "nobody acknowledges");
}

pub(super) fn what_can_happen_only_once_is_recorded_once<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let once = |digest: u8| NewEvent { dedup_key: Some([digest; 32]), ..event() };
    assert!(store.record_event(once(1)).unwrap());
    let mut live = store.live_events();
    assert!(!store.record_event(once(1)).unwrap());
    assert!(live.try_recv().is_err());
    assert!(store.record_event(once(2)).unwrap());
    assert_eq!(head(&store), 2);
    drop(store);
    let store = database.open();
    assert!(!store.record_event(once(1)).unwrap());
    assert_eq!(indices(&store, 0), [1, 2]);
}

pub(super) fn equal_forwards_are_as_many_as_happened<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    for _ in 0..2 {
        let forward = ForwardedPayment { prev_channel_id: "a".to_owned(), ..Default::default() };
        let forwarded = PaymentForwarded { forwarded_payment: Some(forward.clone()) };
        let event = Event::PaymentForwarded(forwarded);
        let forward = Some(forward);
        let new = NewEvent { event, dedup_key: None, source_digest: Some([7; 32]), forward };
        assert!(store.record_event(new).unwrap());
    }
    assert_eq!(head(&store), 2);
    let forwards = store.forwards(&ForwardFilter::default(), None, 10).unwrap();
    assert_eq!(forwards.unwrap().rows.len(), 2);
}

pub(super) fn an_event_is_read_as_it_was_recorded<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let received = PaymentReceived { payment: None, custom_records: Vec::new() };
    store.record_event(event()).unwrap();
    let stored = store.events_after(0, 1).unwrap().remove(0);
    assert_eq!(stored.event, Some(Event::PaymentReceived(received)));
    assert!(stored.created_at > 1_700_000_000);
}
