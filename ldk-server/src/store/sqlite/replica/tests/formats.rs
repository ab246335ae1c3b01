//! What SQLite wrote is read as SQLite reads it, and what is damaged is noticed.

use std::fs;

use proptest::prelude::*;
use rusqlite::Connection;

use super::super::wal::{Frames, HEADER_BYTES, Outcome};
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
}
