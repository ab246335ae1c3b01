//! A mirror that cannot be written, and one that must not be.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::lightning::util::persist::KVStoreSync;
use rusqlite::Connection;

use super::super::queue::Queue;
use super::super::wal_reader::WalReader;
use super::{PATIENCE, Store, between_commits, commits, database_in, find, level, open, write};

/// Waits until the mirror fails.
fn failing(store: &Store) {
    let begun = Instant::now();
    let mut state = store.mirror_state().unwrap();
    while !state.is_failing {
        assert!(begun.elapsed() < PATIENCE, "it does not fail");
        std::thread::yield_now();
        state = store.mirror_state().unwrap();
    }
    assert!(state.behind > Duration::ZERO);
}

fn refusal(store: &Store, mirror: &Path) -> String {
    store.mirror_to(mirror).unwrap_err().to_string()
}

#[test]
fn what_is_of_another_node_is_refused_and_stays() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let place = tempfile::tempdir().unwrap();
    let mirror = place.path().join("regtest");
    let [one, other] = dirs.each_ref().map(|dir| open(dir.path()));
    one.mirror_to(&mirror).unwrap();
    level(&one);
    let reason = refusal(&other, &mirror);
    assert!(reason.contains("the mirror of another node"), "{reason}");
    assert_eq!(find(&mirror).unwrap().lineage, one.epoch().unwrap().0);

    drop(other);
    let other = open(dirs[1].path());
    let reason = refusal(&other, dirs[1].path());
    assert!(reason.contains("where the database is"), "{reason}");
    write(&other, "key", 1);
    assert_eq!(find(dirs[1].path()).unwrap().numbers, 1);
}

#[test]
fn a_place_that_cannot_be_used_stops_nothing_and_is_tried_again() {
    let (dir, above) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = above.path().join("disk");
    let mirror = place.join("regtest");
    let store = open(dir.path());
    // The disk is not mounted.
    store.mirror_to(&mirror).unwrap();
    failing(&store);
    write(&store, "key", 1);
    assert!(!place.exists());
    fs::create_dir(&place).unwrap();
    level(&store);
    assert_eq!(find(&mirror).unwrap().numbers, 1);

    // It is taken away, and something else is in its place.
    fs::rename(&place, above.path().join("elsewhere")).unwrap();
    fs::write(&place, "").unwrap();
    write(&store, "key", 2);
    failing(&store);
    write(&store, "key", 3);
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    level(&store);
    assert!(!store.mirror_state().unwrap().is_failing);
    assert_eq!(find(&mirror).unwrap().numbers, 3);
}

#[test]
fn what_is_no_mirror_is_not_written_over() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let database = database_in(place.path());
    for (number, text) in [(1, "not a database"), (2, "SQLite format 3\0 or what begins like one")]
    {
        fs::write(&database, text).unwrap();
        let store = open(dir.path());
        store.mirror_to(place.path()).unwrap();
        failing(&store);
        write(&store, "key", number);
        assert_eq!(fs::read_to_string(&database).unwrap(), text);
        fs::remove_file(&database).unwrap();
        level(&store);
        assert_eq!(find(place.path()).unwrap().numbers, number);
        drop(store);
    }
}

#[test]
fn what_another_program_does_is_noticed() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    store.mirror_to(place.path()).unwrap();
    level(&store);

    let other = Connection::open(database_in(dir.path())).unwrap();
    other.execute("UPDATE ldk_server_epoch SET restores = 7", []).unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    write(&store, "key", 1);
    failing(&store);
    level(&store);
    assert_eq!(find(place.path()).unwrap().epoch.restores, 7);

    // Whoever opens the mirror itself moves its log into it, and removes the log.
    let other = Connection::open(database_in(place.path())).unwrap();
    other.execute_batch("CREATE TABLE another (a); DROP TABLE another; VACUUM;").unwrap();
    drop(other);
    write(&store, "key", 2);
    failing(&store);
    level(&store);
    assert_eq!(find(place.path()).unwrap().numbers, 2);
}

#[test]
fn a_mirror_that_hangs_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (store, queue) = (open(dir.path()), Arc::new(Queue::new("nowhere".to_owned())));
    let for_writer = Arc::clone(&queue);
    let follow = move |database: &Connection, wal_reader: &mut WalReader| {
        wal_reader.follow(database, for_writer);
    };
    between_commits(&store, follow);
    for number in 0..70 {
        KVStoreSync::write(&store, "large", "", "key", vec![number; 1 << 20]).unwrap();
    }
    let error = queue.next(None).err().unwrap().to_string();
    assert!(error.contains("it is slow"), "{error}");
    assert!(queue.mirror_state().is_failing);
    let before = commits(&store);
    write(&store, "key", 1);
    assert_eq!(commits(&store), before + 1);
    drop(store);
}
