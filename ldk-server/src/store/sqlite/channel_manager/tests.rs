//! The manager in its table.

use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::store::sqlite::SyncMode;
use crate::store::sqlite::schema;
use crate::store::sqlite::sole_writer::SoleWriter;

const MANAGERS: usize = 10_000;
const MAX_MANAGER_BYTES: usize = 60_000;

struct Database {
    connection: Connection,
    _sole_writer: SoleWriter,
    _dir: TempDir,
}

impl Database {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (connection, sole_writer) = schema::open(dir.path(), SyncMode::Off).unwrap();
        Self { connection, _sole_writer: sole_writer, _dir: dir }
    }

    fn number(&self, sql: &str) -> usize {
        self.connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn chunks(&self) -> usize {
        self.number("SELECT count(*) FROM ldk_server_manager_chunks")
    }

    fn pages(&self) -> usize {
        self.number("PRAGMA page_count")
    }

    fn write(&mut self, writer: &mut ManagerWriter, manager: Option<&Vec<u8>>) {
        let batch = self.connection.transaction().unwrap();
        let manager = manager.cloned().map(Arc::new);
        writer.put(&batch, &Name::of_manager(), &manager).unwrap();
        batch.commit().unwrap();
        assert!(read(&self.connection).unwrap() == manager.as_deref().cloned());
    }

    fn record(&self) -> Option<Vec<u8>> {
        records::get(&self.connection, &Name::of_manager()).unwrap()
    }
}

fn bytes(random: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill_bytes(&mut bytes);
    bytes
}

/// Changes, adds and removes a little, and now and then much.
fn change(manager: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..manager.len());
    let length = if random.random_range(0..20) == 0 { 3_700 } else { 120 };
    match random.random_range(0..4) {
        0 if manager.len() < MAX_MANAGER_BYTES => {
            let added = bytes(random, length);
            manager.splice(at..at, added);
        },
        1 if manager.len() > WHOLE_BYTES / 2 + length => {
            let end = manager.len().min(at + length);
            manager.drain(at..end);
        },
        _ => {
            let end = manager.len().min(at + 8);
            random.fill_bytes(&mut manager[at..end]);
        },
    }
}

#[test]
fn what_is_stored_does_not_grow_with_the_number_of_managers() {
    let mut random = StdRng::seed_from_u64(5);
    let (mut database, mut writer) = (Database::new(), ManagerWriter::new());
    let mut manager = bytes(&mut random, 20_000);
    let mut pages = 0;
    for number in 0..MANAGERS {
        change(&mut manager, &mut random);
        database.write(&mut writer, Some(&manager));
        if number % 1_000 == 0 {
            assert!(database.chunks() <= MAX_MANAGER_BYTES / 512 + 10, "{}", database.chunks());
        }
        if number == MANAGERS / 4 {
            pages = database.pages();
        }
    }
    assert!(database.pages() <= pages + 20, "{} after {pages}", database.pages());
}

#[test]
fn a_small_manager_is_the_record_and_a_large_one_is_not() {
    let mut random = StdRng::seed_from_u64(6);
    let (mut database, mut writer) = (Database::new(), ManagerWriter::new());
    for length in [0, 100, WHOLE_BYTES, WHOLE_BYTES + 1, 50, 300_000, 2, 300_000, 300_001] {
        let manager = bytes(&mut random, length);
        database.write(&mut writer, Some(&manager));
        let is_whole = length <= WHOLE_BYTES;
        assert_eq!(database.chunks() == 0, is_whole, "{length}");
        assert_eq!(database.record() == Some(manager), is_whole, "{length}");
    }
    assert!(database.record().unwrap().starts_with(&UNREADABLE_VERSION));
    database.write(&mut writer, None);
    assert_eq!((database.chunks(), database.record()), (0, None));
}

#[test]
fn another_writer_and_a_complete_record_change_nothing_for_who_reads() {
    let mut random = StdRng::seed_from_u64(7);
    let (mut database, mut writer) = (Database::new(), ManagerWriter::new());
    let mut manager = bytes(&mut random, 30_000);
    for number in 0..100 {
        change(&mut manager, &mut random);
        database.write(&mut writer, Some(&manager));
        match number % 10 {
            3 => writer = ManagerWriter::new(),
            5 => {
                writer.complete(&database.connection).unwrap();
                assert!(database.record().as_ref() == Some(&manager));
                assert_eq!(database.chunks(), 0);
            },
            _ => {},
        }
        assert!(read(&database.connection).unwrap().as_ref() == Some(&manager));
    }
}

#[test]
fn what_a_program_has_written_that_knows_no_chunks_is_newer() {
    let mut random = StdRng::seed_from_u64(8);
    let (mut database, mut writer) = (Database::new(), ManagerWriter::new());
    database.write(&mut writer, Some(&bytes(&mut random, 30_000)));
    let later = bytes(&mut random, 20_000);
    records::put(&database.connection, &Name::of_manager(), &later).unwrap();
    assert!(read(&database.connection).unwrap().as_ref() == Some(&later));
    complete(&database.connection).unwrap();
    assert!(database.record().as_ref() == Some(&later));
    let next = bytes(&mut random, 25_000);
    database.write(&mut ManagerWriter::new(), Some(&next));
    complete(&database.connection).unwrap();
    assert!(database.record() == Some(next));
    assert_eq!(database.chunks(), 0);
}

#[test]
fn without_its_chunks_it_is_refused_rather_than_not_there() {
    let mut random = StdRng::seed_from_u64(9);
    let (mut database, mut writer) = (Database::new(), ManagerWriter::new());
    database.write(&mut writer, Some(&bytes(&mut random, 30_000)));
    remove_all(&database.connection).unwrap();
    let found = read(&database.connection).unwrap().unwrap();
    assert!(found.starts_with(&UNREADABLE_VERSION));
    complete(&database.connection).unwrap();
    assert_eq!(database.record(), Some(found));
}
