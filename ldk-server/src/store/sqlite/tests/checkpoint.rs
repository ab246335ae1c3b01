//! The log of the database, which readers keep from beginning anew.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
use ldk_node::lightning::util::persist::KVStoreSync;

use crate::store::sqlite::log::LIMIT_BYTES;
use crate::store::{Store, testing};

const READERS: usize = 4;
const WRITERS: usize = 4;
/// So many values of this size are several times what the log may have.
const WRITES: u8 = 200;
const VALUE_BYTES: usize = 128 << 10;
/// Where there is little time for many threads, it may take a second and a third try.
const LARGEST_BYTES: u64 = 3 * LIMIT_BYTES + (1 << 20);

#[test]
fn it_does_not_grow_however_much_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = testing::open(dir.path());
    KVStoreSync::write(&store, "read", "", "key", vec![1; VALUE_BYTES]).unwrap();
    let is_over = AtomicBool::new(false);
    let largest = thread::scope(|scope| {
        let read = || {
            while !is_over.load(Ordering::Relaxed) {
                KVStoreSync::read(&store, "read", "", "key").unwrap();
            }
        };
        (0..READERS).for_each(|_| drop(scope.spawn(read)));
        let writers = (0..WRITERS).map(|writer| {
            let (store, dir) = (&store, dir.path());
            scope.spawn(move || write(store, dir, writer))
        });
        let writers: Vec<_> = writers.collect();
        let largest = writers.into_iter().map(|writer| writer.join().unwrap()).max();
        is_over.store(true, Ordering::Relaxed);
        largest.unwrap()
    });
    assert!(largest < LARGEST_BYTES, "it had {largest} bytes");
}

/// Returns how large the log was at most.
fn write(store: &Store, dir: &Path, writer: usize) -> u64 {
    let log = dir.join(format!("{SQLITE_DB_FILE_NAME}-wal"));
    let mut largest = 0;
    for number in 0..WRITES {
        let value = vec![number; VALUE_BYTES];
        KVStoreSync::write(store, "written", "", &writer.to_string(), value).unwrap();
        largest = largest.max(fs::metadata(&log).unwrap().len());
    }
    largest
}
