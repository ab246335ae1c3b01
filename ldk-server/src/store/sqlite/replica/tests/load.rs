//! The mirror of a store that is written to.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{Store, commits, find, level, open, write};
use crate::store::testing;

const WRITERS: u64 = 4;
const WRITES: u64 = 300;

/// Writes from several threads; returns the sum of the numbers that the values have at the end.
fn load(store: &Store) -> u64 {
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                (1..=WRITES).for_each(|number| write(store, &writer.to_string(), number));
            });
        }
    });
    WRITERS * WRITES
}

#[test]
fn it_is_level_within_moments_and_one_file_in_the_end() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mirror = place.path().join("regtest");
    for round in 0..3 {
        let store = open(dir.path());
        store.mirror_to(&mirror).unwrap();
        if round == 1 {
            level(&store);
        }
        let numbers = load(&store);
        level(&store);
        let state = store.mirror_state().unwrap();
        assert_eq!((state.behind, state.is_failing), (Duration::ZERO, false));
        let found = find(&mirror).unwrap();
        assert_eq!((found.lineage, found.epoch), store.epoch().unwrap());
        assert_eq!(found.numbers, numbers);
        let newest = commits(&store);
        drop(store);
        assert_eq!(fs::read_dir(&mirror).unwrap().count(), 1, "it is one file");
        assert_eq!(find(&mirror).unwrap().epoch.commits, newest);
    }
}

#[test]
fn the_age_of_what_is_missing_is_bounded() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    store.mirror_to(&place.path().join("regtest")).unwrap();
    level(&store);
    let largest_ms = AtomicU64::new(0);
    thread::scope(|scope| {
        let writers: Vec<_> =
            (0..2).map(|_| scope.spawn(|| (0..3).map(|_| load(&store)).sum::<u64>())).collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let behind = store.mirror_state().unwrap().behind;
            largest_ms.fetch_max(behind.as_millis().try_into().unwrap(), Ordering::Relaxed);
            thread::yield_now();
        }
    });
    // A second, and what a machine with other work to do may add to it.
    let largest_ms = largest_ms.into_inner();
    assert!(largest_ms < 10_000, "{largest_ms} ms");
}

#[test]
fn it_goes_on_after_the_database_was_done() {
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mirror = place.path().join("regtest");
    let store = open(dir.path());
    store.mirror_to(&mirror).unwrap();
    level(&store);
    let database = super::database_in(&mirror);
    let copied = fs::metadata(&database).unwrap().created().ok();
    for _ in 0..3 {
        testing::record(&store, 2);
        store.checkpoint().unwrap();
        assert_eq!(find(&mirror).unwrap().epoch.commits, commits(&store));
    }
    assert_eq!(fs::metadata(&database).unwrap().created().ok(), copied, "it was not copied again");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mirror = place.path().join("regtest");
    let store = open(dir.path());
    store.mirror_to(&mirror).unwrap();
    level(&store);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&mirror), 0o700);
    for file in fs::read_dir(&mirror).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}
