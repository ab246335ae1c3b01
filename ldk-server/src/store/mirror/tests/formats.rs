//! What SQLite wrote is read as SQLite reads it, and what is damaged is noticed.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;

use super::super::epoch_of;
use super::super::frames::{Frames, HEADER_BYTES, Outcome};
use super::{database_in, log_of, open, write};

/// A database in use, with a log: their bytes.
fn files() -> (Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (0..40).for_each(|number| write(&store, "key", number));
    let database = database_in(dir.path());
    (fs::read(&database).unwrap(), fs::read(log_of(&database)).unwrap())
}

/// Where the commits of a log end.
fn ends(log: &[u8]) -> Vec<u64> {
    let mut frames = Frames::begin(log.first_chunk().unwrap()).unwrap();
    let mut ends = Vec::new();
    for frame in log[HEADER_BYTES..].chunks(frames.frame_bytes()) {
        match frames.take(frame) {
            Some(frame) if frame.database_pages > 0 => ends.push(frames.committed_bytes()),
            Some(_) => {},
            None => break,
        }
    }
    ends
}

/// How many frames of this log SQLite takes for its own.
fn frames_by_sqlite(database: &[u8], log: &[u8]) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    fs::write(database_in(dir.path()), database).unwrap();
    fs::write(log_of(&database_in(dir.path())), log).unwrap();
    let database = Connection::open(database_in(dir.path())).unwrap();
    let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
    database.query_row(checkpoint, [], |row| row.get(1)).unwrap_or(0)
}

#[test]
fn a_log_counts_up_to_where_sqlite_says() {
    let (database, log) = files();
    let ends = ends(&log);
    assert!(ends.len() > 3, "{ends:?}");
    let frame_bytes = Frames::begin(log.first_chunk().unwrap()).unwrap().frame_bytes() as u64;
    for cut in [0, 31, 32, 100, ends[0], ends[1] - 1, ends[1], ends[1] + 5_000, ends[3]] {
        let counts = ends.iter().rfind(|end| **end <= cut);
        let frames = counts.map_or(0, |end| (end - HEADER_BYTES as u64) / frame_bytes);
        let cut = &log[..usize::try_from(cut).unwrap()];
        assert_eq!(frames_by_sqlite(&database, cut), frames);
        let outcome = Outcome::read(&mut &*cut).unwrap();
        assert_eq!(outcome.is_some(), frames > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..Default::default() })]

    #[test]
    fn a_damaged_log_counts_up_to_the_damage(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (_, mut log) = files();
        let ends = ends(&log);
        let at = at.index(usize::try_from(*ends.last().unwrap()).unwrap());
        log[at] ^= 1_u8 << bit;
        let counts = ends.iter().rfind(|end| **end <= at as u64);
        let outcome = Outcome::read(&mut &*log).unwrap();
        prop_assert_eq!(outcome.is_some(), counts.is_some());
        if let Some(outcome) = outcome {
            prop_assert!(outcome.pages.values().all(|page| *page < *counts.unwrap()));
        }
    }

    #[test]
    fn garbage_is_no_log(log in prop::collection::vec(any::<u8>(), 0..10_000)) {
        prop_assert!(Outcome::read(&mut &*log).unwrap().is_none());
    }

    #[test]
    fn a_damaged_database_is_read_without_harm(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200)
    ) {
        let (mut database, _) = files();
        let end = database.len().min(20 << 10);
        for (at, byte) in damage {
            database[at.index(end)] = byte;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(database_in(dir.path()), database).unwrap();
        let _ = epoch_of(&database_in(dir.path()));
    }
}

fn epoch_in(path: &Path) -> Option<(u64, u64)> {
    let (_, epoch) = epoch_of(path).unwrap()?;
    Some((epoch.restores, epoch.commits))
}

#[test]
fn the_epoch_is_found_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("database");
    assert_eq!(epoch_in(&path), None);
    let database = Connection::open(&path).unwrap();
    assert_eq!(epoch_in(&path), None);
    for number in 0..300 {
        let columns = "a_column_with_a_long_name INTEGER, ".repeat(number % 40);
        database.execute(&format!("CREATE TABLE t{number} ({columns} x)"), []).ok();
    }
    assert_eq!(epoch_in(&path), None);
    database
        .execute_batch(
            "CREATE TABLE ldk_server_epoch (lineage BLOB, restores INTEGER, commits INTEGER) STRICT;
             INSERT INTO ldk_server_epoch VALUES (randomblob(16), 0, 1);",
        )
        .unwrap();
    let numbers =
        [0_i64, 1, 2, 127, 128, 255, 32_768, 1 << 23, 1 << 31, 1 << 47, 1 << 48, i64::MAX];
    for journal in ["delete", "wal"] {
        database.pragma_update(None, "journal_mode", journal).unwrap();
        for number in numbers {
            let update = "UPDATE ldk_server_epoch SET restores = ?1, commits = ?1";
            database.execute(update, [number]).unwrap();
            let number = u64::try_from(number).unwrap();
            assert_eq!(epoch_in(&path), Some((number, number)), "{journal}");
        }
    }
}
