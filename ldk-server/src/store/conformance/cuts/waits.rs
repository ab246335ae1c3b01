//! What is answered at once, and what waits.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};
use ldk_node::payment::PaymentStatus;

use super::library::{Library, monitor, sent, write_payment};
use super::{committed, none_was_forced, state};
use crate::store::Store;
use crate::store::conformance::TestDatabase;
use crate::store::model::SERVER;

const PATIENCE: Duration = Duration::from_secs(30);

fn is_durable(store: &Store) -> bool {
    let durability = store.durability();
    durability.is_reached(durability.accepted())
}

/// Two channels at their first update, with cuts begun.
fn with_channels(store: &Store) -> Library<'_> {
    Library::with_channels(store, 2)
}

pub(super) fn the_library_reads_what_is_not_on_disk_yet<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    KVStoreSync::write(&store, "", "", "old", vec![1]).unwrap();
    let mut library = with_channels(&store);
    library.update(0);
    let update = KVStoreSync::read(&store, "monitor_updates", &monitor(0), "1").unwrap();
    assert_eq!(update, [5; 500]);
    assert_eq!(KVStoreSync::list(&store, "monitor_updates", &monitor(0)).unwrap(), ["1"]);
    KVStoreSync::remove(&store, "", "", "old", false).unwrap();
    assert!(KVStoreSync::read(&store, "", "", "old").is_err());
    assert_eq!(KVStoreSync::list(&store, "", "").unwrap(), ["manager"]);
    let written = KVStore::write(&store, "", "", "new", vec![2]).now_or_never();
    assert!(written.unwrap().is_ok(), "it is answered at once");
    assert_eq!(KVStoreSync::read(&store, "", "", "new").unwrap(), [2]);
    assert_eq!(KVStoreSync::list(&store, "", "").unwrap(), ["manager", "new"]);

    committed(&store);
    assert!(!is_durable(&store));
    assert_eq!(database.contents().keys("", ""), ["manager", "old"]);
    assert_eq!(state(&database).monitors, [(0, 0), (1, 0)].into());

    library.manage();
    store.barrier().unwrap();
    assert!(is_durable(&store));
    assert_eq!(database.contents().keys("", ""), ["manager", "new"]);
    assert_eq!(state(&database).monitors, [(0, 1), (1, 0)].into());
    assert_eq!(KVStoreSync::read(&store, "", "", "new").unwrap(), [2]);
}

pub(super) fn what_is_not_waited_for_comes_to_the_disk_by_itself<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = with_channels(&store);
    KVStoreSync::write(&store, "", "", "scorer", vec![1]).unwrap();
    library.write_whole(1);
    library.manage();
    let begun = Instant::now();
    while !is_durable(&store) {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    assert!(store.barrier().is_ok());
    assert_eq!(store.all_durable().now_or_never(), Some(Ok(())));
}

pub(super) fn an_own_record_is_on_disk_when_it_is_answered<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = with_channels(&store);
    let on_disk = |key: &str| database.contents().keys(SERVER, "trial").contains(&key);
    store.put("trial", "first", vec![1]).unwrap();
    assert!(on_disk("first"));
    library.update(0);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| store.put("trial", "second", vec![1]));
        let begun = Instant::now();
        while store.writer.queued() < 2 {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
        committed(&store);
        assert!(!on_disk("second"), "it rests on what is not on disk");
        assert!(!second.is_finished());
        library.manage();
        second.join().unwrap().unwrap();
    });
    assert!(on_disk("second"));
}

pub(super) fn a_monitor_is_not_on_disk_before_its_manager<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = with_channels(&store);
    for _ in 0..12 {
        library.serialize();
        // A new one and an old one.
        library.update(0);
        library.update(1);
        let next = u8::try_from(library.channels.len()).unwrap();
        library.update(next);
        // It knows of none of them.
        library.write_manager();
        committed(&store);
        let found = state(&database);
        found.is_a_cut();
        assert_eq!(found.monitors.get(&next), None);
        assert!(!is_durable(&store));
        library.manage();
        committed(&store);
        let found = state(&database);
        found.is_a_cut();
        assert_eq!(found.monitors, library.channels);
    }
    assert!(store.waits().manager.is_zero());
    none_was_forced(&store);
}

pub(super) fn the_next_process_goes_on_from_the_last_cut<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = with_channels(&store);
    library.update(0);
    library.manage();
    store.barrier().unwrap();
    library.update(0);
    library.update(2);
    committed(&store);
    let killed = database.killed();
    let next = killed.open();
    let library = Library::new(&next, &killed);
    assert_eq!(library.channels, [(0, 1), (1, 0)].into());
    library.begin_cuts();
    state(&killed).is_a_cut();
}

pub(super) fn a_stop_leaves_behind_what_no_manager_covers<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = with_channels(&store);
    let channels = library.channels.clone();
    library.update(0);
    drop(store);
    let found = state(&database);
    assert_eq!(found.monitors, channels);
    found.is_a_cut();
}

pub(super) fn a_pin_holds_managers_back<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = with_channels(&store);
    let pin = library.begin_payment(7, 0);
    assert!(pin.is_some());
    // It knows the payment, of which there is no record yet.
    library.manage();
    committed(&store);
    let found = state(&database);
    assert!(found.known_payments.is_empty(), "{found:?}");
    assert_eq!(found.monitors[&0], 0);
    library.record(7, PaymentStatus::Pending);
    committed(&store);
    assert!(state(&database).records.is_empty());
    drop(pin);
    store.barrier().unwrap();
    let found = state(&database);
    found.is_a_cut();
    assert_eq!((found.known_payments.len(), found.records.len()), (1, 1));
}

pub(super) fn without_cuts_nothing_is_held_back<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = Library::new(&store, &database);
    assert!(library.begin_payment(7, 0).is_none());
    assert_eq!(state(&database).monitors, [(0, 0)].into());
    assert!(store.barrier().is_ok());
}

#[cfg(debug_assertions)]
pub(super) fn nothing_is_written_under_a_pin_that_is_waited_for<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let _library = with_channels(&store);
    let _pin = store.pin_send();
    let _ = store.put("trial", "key", vec![1]);
}

#[cfg(debug_assertions)]
pub(super) fn nobody_waits_for_the_disk_under_a_pin<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let _library = with_channels(&store);
    let _pin = store.pin_send();
    let _ = store.barrier();
}

pub(super) fn once_a_monitor_is_not_understood_everything_is_as_without_cuts<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = with_channels(&store);
    let pin = library.begin_payment(1, 0);
    library.manage();
    library.record(1, PaymentStatus::Pending);
    library.update(1);
    committed(&store);
    assert!(!is_durable(&store));
    drop(pin);
    assert!(store.get("cuts", "made").is_ok());

    let other = hex::encode([0x99; 32]);
    KVStoreSync::write(&store, "monitors", "", &other, vec![2, 1]).unwrap();
    assert!(!store.cuts_begun());
    assert!(is_durable(&store), "what had waited, too");
    assert!(store.get("cuts", "made").is_err(), "the next process does not rely on cuts");
    assert_eq!(database.contents().keys("monitor_updates", &monitor(1)), ["1"]);
    KVStoreSync::remove(&store, "monitors", "", &other, false).unwrap();

    library.update(0);
    assert!(is_durable(&store));
    assert_eq!(state(&database).monitors, library.channels);
    library.manage();
    assert!(is_durable(&store));
    write_payment(&store, &sent(2, PaymentStatus::Pending));
    assert!(is_durable(&store));
    assert!(store.pin_send().is_none());
    store.put("trial", "key", vec![1]).unwrap();
    assert_eq!(store.all_durable().now_or_never(), Some(Ok(())));
    none_was_forced(&store);
}

pub(super) fn a_pin_from_before_holds_nothing_back_after_the_end_of_cuts<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = with_channels(&store);
    let pin = library.begin_payment(1, 0);
    library.manage();
    let other = hex::encode([0x99; 32]);
    let unknown = || KVStoreSync::write(&store, "monitors", "", &other, vec![2, 1]).unwrap();
    std::thread::scope(|scope| scope.spawn(unknown).join().unwrap());
    assert!(is_durable(&store));
    drop(pin);
    library.manage();
    assert!(is_durable(&store));
    none_was_forced(&store);
}
