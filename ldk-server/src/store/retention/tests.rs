use rusqlite::Connection;

use super::*;
use crate::store::conformance::retention::{DISTANT_FUTURE, removed};
use crate::store::model::MAX_REMOVED_AT_ONCE;
use crate::store::sqlite::replica::WalReader;
use crate::store::testing::{self, record};

#[test]
fn what_is_young_and_not_too_many_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = testing::open(dir.path());
    record(&store, 4);
    let age = |event_index: u64| {
        let make = move |database: &Connection, _: &mut WalReader| {
            let sql = "UPDATE ldk_server_events SET created_at = 1000 WHERE event_index <= ?1";
            database.execute(sql, [event_index])
        };
        store.sqlite.maintenance.run(make).unwrap().unwrap();
    };
    age(2);
    assert_eq!(store.remove_old_events(1000, 4).unwrap(), removed(0, &[]));
    assert_eq!(store.remove_old_events(1001, 4).unwrap(), removed(2, &[]));
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 3, head_index: 4 });
}

#[test]
fn a_clock_that_was_wrong_keeps_more_but_not_too_many() {
    const NOW: u64 = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let store = testing::open(dir.path());
    record(&store, 6);
    // It was years ahead for a while, and set right.
    let make = move |database: &Connection, _: &mut WalReader| {
        let sql = "UPDATE ldk_server_events
                   SET created_at = CASE WHEN event_index IN (3, 4) THEN ?1 ELSE 1000 END";
        database.execute(sql, [DISTANT_FUTURE])
    };
    store.sqlite.maintenance.run(make).unwrap().unwrap();
    assert_eq!(store.remove_old_events(NOW, 6).unwrap(), removed(2, &[]));
    assert_eq!(store.remove_old_events(NOW, 6).unwrap(), removed(0, &[]));
    assert_eq!(store.remove_old_events(NOW, 3).unwrap(), removed(1, &[]));
    // One that is before 1970 makes nothing old.
    assert_eq!(store.remove_old_events(0, 6).unwrap(), removed(0, &[]));
    assert_eq!(store.event_bounds().unwrap(), EventBounds { oldest_index: 4, head_index: 6 });
}

#[test]
fn many_are_removed_in_steps() {
    let dir = tempfile::tempdir().unwrap();
    let store = testing::open(dir.path());
    let events = 2 * MAX_REMOVED_AT_ONCE + 10;
    let make = move |database: &Connection, _: &mut WalReader| {
        let sql = "WITH RECURSIVE numbers (n) AS
                       (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
                   INSERT INTO ldk_server_events SELECT n, 1000, NULL, x'' FROM numbers";
        database.execute(sql, [events])
    };
    store.sqlite.maintenance.run(make).unwrap().unwrap();
    for step in [MAX_REMOVED_AT_ONCE, MAX_REMOVED_AT_ONCE, 9, 0] {
        assert_eq!(store.remove_old_events(0, 1).unwrap().events, step);
    }
}
