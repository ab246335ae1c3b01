//! The manager of the channels, however large it is and however often it is written.

use ldk_node::lightning::util::persist::KVStoreSync;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

use super::TestDatabase;
use crate::store::Store;

/// What happens between two managers.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    /// The process is killed, and another goes on.
    Kill,
    /// It is stopped, and another goes on.
    Stop,
    /// All of the log is moved into the database.
    Checkpoint,
}

/// A manager of so many bytes, of which the middle is of this number.
fn manager(length: usize, number: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(0).fill_bytes(&mut bytes);
    let middle = length / 2..length.min(length / 2 + 300);
    let seed = u64::try_from(number).unwrap();
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes[middle]);
    bytes
}

fn written(store: &Store) -> Vec<u8> {
    KVStoreSync::read(store, "", "", "manager").unwrap()
}

fn write_all<D: TestDatabase>(steps: &[(usize, Between)]) {
    let mut database = D::new();
    let mut store = database.open();
    for (number, (length, between)) in steps.iter().enumerate() {
        let manager = manager(*length, number);
        KVStoreSync::write(&store, "", "", "manager", manager.clone()).unwrap();
        assert!(written(&store) == manager, "{number} of {steps:?}");
        match between {
            Between::Nothing => continue,
            Between::Checkpoint => store.checkpoint().unwrap(),
            Between::Stop => {
                drop(store);
                store = database.open();
            },
            Between::Kill => {
                let left = database.killed();
                drop(store);
                (store, database) = (left.open(), left);
            },
        }
        assert!(written(&store) == manager, "after {number} of {steps:?}");
        assert_eq!(KVStoreSync::list(&store, "", "").unwrap(), ["manager"]);
    }
}

pub(super) fn a_manager_of_any_size_is_read_as_it_was_written<D: TestDatabase>() {
    let between = prop_oneof![
        4 => Just(Between::Nothing),
        1 => Just(Between::Kill),
        1 => Just(Between::Stop),
        1 => Just(Between::Checkpoint),
    ];
    let length = prop_oneof![0..6_000_usize, 0..200_000_usize];
    let steps = prop::collection::vec((length, between), 1..12);
    let config = ProptestConfig { cases: 16, ..ProptestConfig::default() };
    let run = TestRunner::new(config).run(&steps, |steps| {
        write_all::<D>(&steps);
        Ok(())
    });
    run.unwrap();
}

pub(super) fn a_manager_that_is_removed_is_not_there<D: TestDatabase>() {
    for length in [100, 100_000] {
        let database = D::new();
        let store = database.open();
        KVStoreSync::write(&store, "", "", "manager", manager(length, 1)).unwrap();
        KVStoreSync::remove(&store, "", "", "manager", false).unwrap();
        assert!(KVStoreSync::read(&store, "", "", "manager").is_err());
        assert!(database.contents().records.is_empty());
        drop(store);
        assert!(KVStoreSync::list(&database.open(), "", "").unwrap().is_empty());
    }
}
