//! What is answered at once, and what waits.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};
use ldk_node::payment::PaymentStatus;
use tempfile::TempDir;

use super::library::{Library, State, monitor, sent, write_payment};
use super::{committed, none_was_forced};
use crate::store::{Store, testing};

const PATIENCE: Duration = Duration::from_secs(30);

fn is_durable(store: &Store) -> bool {
    let durability = store.durability();
    durability.is_reached(durability.accepted())
}

/// Two channels at their first update, with cuts begun.
fn with_channels<'a>(store: &'a Store, dir: &Path) -> Library<'a> {
    Library::with_channels(store, dir, 2)
}

#[test]
fn the_library_reads_what_is_not_on_disk_yet() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    KVStoreSync::write(&store, "", "", "old", vec![1]).unwrap();
    let mut library = with_channels(&store, dir.path());
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
    let keys = |database: &rusqlite::Connection| {
        let sql = "SELECT group_concat(key) FROM (SELECT key FROM ldk_node_data
                   WHERE primary_namespace = '' ORDER BY key)";
        database.query_row(sql, [], |row| row.get::<_, String>(0))
    };
    assert_eq!(testing::read(&store, keys).unwrap(), "manager,old");
    assert_eq!(State::in_dir(dir.path()).monitors, [(0, 0), (1, 0)].into());

    library.manage();
    store.barrier().unwrap();
    assert!(is_durable(&store));
    assert_eq!(testing::read(&store, keys).unwrap(), "manager,new");
    assert_eq!(State::in_dir(dir.path()).monitors, [(0, 1), (1, 0)].into());
    assert_eq!(KVStoreSync::read(&store, "", "", "new").unwrap(), [2]);
}

#[test]
fn what_is_not_waited_for_comes_to_the_disk_by_itself() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = with_channels(&store, dir.path());
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

#[test]
fn an_own_record_is_on_disk_when_it_is_answered() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = with_channels(&store, dir.path());
    let on_disk = |key: &str| {
        let sql =
            "SELECT count(*) FROM ldk_node_data WHERE secondary_namespace = 'trial' AND key = ?1";
        let count = |database: &rusqlite::Connection| {
            database.query_row(sql, [key], |row| row.get::<_, u64>(0))
        };
        testing::read(&store, count).unwrap()
    };
    store.put("trial", "first", vec![1]).unwrap();
    assert_eq!(on_disk("first"), 1);
    library.update(0);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| store.put("trial", "second", vec![1]));
        let begun = Instant::now();
        while store.writer.queued() < 2 {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
        committed(&store);
        assert_eq!(on_disk("second"), 0, "it rests on what is not on disk");
        assert!(!second.is_finished());
        library.manage();
        second.join().unwrap().unwrap();
    });
    assert_eq!(on_disk("second"), 1);
}

#[test]
fn a_monitor_is_not_on_disk_before_its_manager() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = with_channels(&store, dir.path());
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
        let state = State::in_dir(dir.path());
        state.is_a_cut();
        assert_eq!(state.monitors.get(&next), None);
        assert!(!is_durable(&store));
        library.manage();
        committed(&store);
        let state = State::in_dir(dir.path());
        state.is_a_cut();
        assert_eq!(state.monitors, library.channels);
    }
    assert!(store.waits().manager.is_zero());
    none_was_forced(&store);
}

#[test]
fn the_next_process_goes_on_from_the_last_cut() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = with_channels(&store, dir.path());
    library.update(0);
    library.manage();
    store.barrier().unwrap();
    library.update(0);
    library.update(2);
    committed(&store);
    let killed = TempDir::new().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
    }
    let next = testing::open(killed.path());
    let library = Library::new(&next, killed.path());
    assert_eq!(library.channels, [(0, 1), (1, 0)].into());
    library.begin_cuts();
    State::in_dir(killed.path()).is_a_cut();
}

#[test]
fn a_stop_leaves_behind_what_no_manager_covers() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = with_channels(&store, dir.path());
    let channels = library.channels.clone();
    library.update(0);
    drop(store);
    let state = State::in_dir(dir.path());
    assert_eq!(state.monitors, channels);
    state.is_a_cut();
}

#[test]
fn a_pin_holds_managers_back() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = with_channels(&store, dir.path());
    let pin = library.begin_payment(7, 0);
    assert!(pin.is_some());
    // It knows the payment, of which there is no record yet.
    library.manage();
    committed(&store);
    let state = State::in_dir(dir.path());
    assert!(state.known_payments.is_empty(), "{state:?}");
    assert_eq!(state.monitors[&0], 0);
    library.record(7, PaymentStatus::Pending);
    committed(&store);
    assert!(State::in_dir(dir.path()).records.is_empty());
    drop(pin);
    store.barrier().unwrap();
    let state = State::in_dir(dir.path());
    state.is_a_cut();
    assert_eq!((state.known_payments.len(), state.records.len()), (1, 1));
}

#[test]
fn without_cuts_nothing_is_held_back() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = Library::new(&store, dir.path());
    assert!(library.begin_payment(7, 0).is_none());
    assert_eq!(State::in_dir(dir.path()).monitors, [(0, 0)].into());
    assert!(store.barrier().is_ok());
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "a manager that is held back may be what this waits for")]
fn nothing_is_written_under_a_pin_that_is_waited_for() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let _library = with_channels(&store, dir.path());
    let _pin = store.pin_send();
    let _ = store.put("trial", "key", vec![1]);
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "a manager that is held back may be what this waits for")]
fn nobody_waits_for_the_disk_under_a_pin() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let _library = with_channels(&store, dir.path());
    let _pin = store.pin_send();
    let _ = store.barrier();
}

#[test]
fn once_a_monitor_is_not_understood_everything_is_as_without_cuts() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = with_channels(&store, dir.path());
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
    let monitors = |database: &rusqlite::Connection| {
        let sql = "SELECT max(key) FROM ldk_node_data WHERE primary_namespace = 'monitor_updates'";
        database.query_row(sql, [], |row| row.get::<_, String>(0))
    };
    assert_eq!(testing::read(&store, monitors).unwrap(), "1");
    KVStoreSync::remove(&store, "monitors", "", &other, false).unwrap();

    library.update(0);
    assert!(is_durable(&store));
    assert_eq!(State::in_dir(dir.path()).monitors, library.channels);
    library.manage();
    assert!(is_durable(&store));
    write_payment(&store, &sent(2, PaymentStatus::Pending));
    assert!(is_durable(&store));
    assert!(store.pin_send().is_none());
    store.put("trial", "key", vec![1]).unwrap();
    assert_eq!(store.all_durable().now_or_never(), Some(Ok(())));
    none_was_forced(&store);
}

#[test]
fn a_pin_from_before_holds_nothing_back_after_the_end_of_cuts() {
    let dir = TempDir::new().unwrap();
    let store = testing::open(dir.path());
    let mut library = with_channels(&store, dir.path());
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
