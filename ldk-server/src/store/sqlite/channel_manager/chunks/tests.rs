//! Chunks of managers that change in all sorts of ways.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

use super::*;

/// What a channel takes in a manager, about.
const CHANNEL_BYTES: usize = 3_700;

/// Bytes without any pattern.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// The chunks of one manager after the other, as a table has them.
struct Table {
    rows: BTreeMap<i64, Vec<u8>>,
    chunks: Chunks,
}

impl Table {
    fn of(manager: Vec<u8>) -> Self {
        let (chunks, difference) = Chunks::first(&Arc::new(manager));
        let mut table = Self { rows: BTreeMap::new(), chunks };
        table.change(&difference);
        table
    }

    /// Returns how many rows were written, and how many removed.
    fn follow(&mut self, manager: Vec<u8>) -> Option<[usize; 2]> {
        let manager = Arc::new(manager);
        let (chunks, difference) = self.chunks.next(&manager)?;
        self.chunks = chunks;
        self.change(&difference);
        Some([difference.put.len(), difference.removed.len()])
    }

    fn change(&mut self, difference: &Difference) {
        for place in &difference.removed {
            assert!(self.rows.remove(place).is_some(), "{place} was empty");
        }
        for (place, range) in &difference.put {
            self.rows.insert(*place, self.chunks.manager()[range.clone()].to_vec());
        }
        let all: Vec<u8> = self.rows.values().flatten().copied().collect();
        assert!(all == self.chunks.manager(), "the rows are another manager");
        assert_eq!(self.rows.len(), self.chunks.chunks.len());
        assert!(self.rows.values().all(|chunk| chunk.len() <= MAX_BYTES));
    }
}

/// How a manager changes.
#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, usize),
    Remove(usize, usize),
    Replace(usize, usize),
    /// Channels change their places, as they do when the process starts.
    Rotate(usize),
    All(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let (at, length) = (0..200_000_usize, 1..6_000_usize);
    prop_oneof![
        4 => (at.clone(), length.clone()).prop_map(|(at, length)| Edit::Insert(at, length)),
        4 => (at.clone(), length.clone()).prop_map(|(at, length)| Edit::Remove(at, length)),
        8 => (at.clone(), 1..500_usize).prop_map(|(at, length)| Edit::Replace(at, length)),
        1 => at.clone().prop_map(Edit::Rotate),
        1 => at.prop_map(Edit::All),
    ]
}

fn apply(manager: &mut Vec<u8>, edit: &Edit, seed: u64) {
    let place = |at: usize| at % (manager.len() + 1);
    match *edit {
        Edit::Insert(at, length) => {
            let at = place(at);
            manager.splice(at..at, bytes(seed, length));
        },
        Edit::Remove(at, length) => {
            let at = place(at);
            let end = manager.len().min(at + length);
            manager.drain(at..end);
        },
        Edit::Replace(at, length) => {
            let at = place(at);
            let end = manager.len().min(at + length);
            manager[at..end].copy_from_slice(&bytes(seed, end - at));
        },
        Edit::Rotate(at) => {
            let at = place(at);
            manager.rotate_left(at);
        },
        Edit::All(length) => *manager = bytes(seed, length),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_rows_are_always_the_manager(
        first in 0..100_000_usize,
        edits in prop::collection::vec(edit(), 0..30),
    ) {
        let mut manager = bytes(0, first);
        let mut table = Table::of(manager.clone());
        for (edit, seed) in edits.iter().zip(1..) {
            apply(&mut manager, edit, seed);
            if table.follow(manager.clone()).is_none() {
                table = Table::of(manager.clone());
            }
        }
    }

    /// As a manager mostly is not.
    #[test]
    fn bytes_that_repeat_are_no_harm(
        lengths in prop::collection::vec((0..4_u8, 0..9_000_usize), 0..12),
    ) {
        let mut table = Table::of(Vec::new());
        for end in 0..=lengths.len() {
            let runs = lengths[..end].iter().flat_map(|(byte, length)| vec![*byte; *length]);
            let manager: Vec<u8> = runs.collect();
            if table.follow(manager.clone()).is_none() {
                table = Table::of(manager);
            }
        }
    }
}

#[test]
fn what_is_equal_is_not_written() {
    let manager = bytes(1, 300_000);
    let mut table = Table::of(manager.clone());
    assert_eq!(table.follow(manager), Some([0, 0]));
}

#[test]
fn what_is_written_is_what_has_changed_however_large_the_manager_is() {
    for channels in [10, 400, 1_000] {
        let mut manager = bytes(channels, CHANNEL_BYTES * usize::try_from(channels).unwrap());
        let mut table = Table::of(manager.clone());
        let middle = manager.len() / 2;
        for (number, at) in [100, middle, manager.len() - 100].into_iter().enumerate() {
            manager[at..at + 8].fill(u8::try_from(number).unwrap());
            let [put, removed] = table.follow(manager.clone()).unwrap();
            assert!(put <= 4 && removed <= 2, "{put} and {removed} of {channels} channels");
        }
        manager.splice(middle..middle, bytes(7, 90));
        let [put, removed] = table.follow(manager.clone()).unwrap();
        assert!(put <= 4 && removed <= 2, "{put} and {removed} of {channels} channels");
        manager.drain(middle..middle + 90);
        let [put, removed] = table.follow(manager.clone()).unwrap();
        assert!(put <= 4 && removed <= 4, "{put} and {removed} of {channels} channels");
    }
}

#[test]
fn a_channel_that_comes_or_goes_moves_nothing() {
    let mut manager = bytes(1, 100 * CHANNEL_BYTES);
    let mut table = Table::of(manager.clone());
    for number in 0..50 {
        let at = CHANNEL_BYTES * (usize::try_from(number).unwrap() * 7 % 90);
        manager.splice(at..at, bytes(100 + number, CHANNEL_BYTES));
        let [put, _] = table.follow(manager.clone()).unwrap();
        assert!(put <= 14, "{put} for a channel that came");
        manager.drain(at + CHANNEL_BYTES..at + 2 * CHANNEL_BYTES);
        let [put, removed] = table.follow(manager.clone()).unwrap();
        assert!(put + removed <= 14, "{put} and {removed} for a channel that went");
    }
}

#[test]
fn room_runs_out_only_where_much_is_added_at_one_place() {
    let mut manager = bytes(1, 20_000);
    let mut table = Table::of(manager.clone());
    let mut followed = 0;
    for seed in 2.. {
        manager.splice(8_000..8_000, bytes(seed, 6_000));
        if table.follow(manager.clone()).is_none() {
            break;
        }
        followed += 1;
    }
    assert!(followed >= 10, "after {followed}");
}
