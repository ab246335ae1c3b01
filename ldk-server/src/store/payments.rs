//! The order of the payments and how many there are. The library has them all, but in no order and
//! without the time at which each began, so every write of a payment is watched on its way to the
//! disk.
//!
//! That time is a record of its own beside the payment: the library changes its only timestamp with
//! every update. It is written before the payment, so that a crash leaves at most a record without
//! a payment, which the next start removes. A payment without a record is from before there were
//! any: its time is that of its last update, and becomes a record before it is updated again, so
//! that its place in the list does not change.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Readable as _;
use ldk_node::payment::{PaymentDetails, PaymentStatus};

use super::{Page, Store, invalid_data};

/// The library's namespace for payments, whose keys are ids in hexadecimal.
pub(super) const PRIMARY: &str = "payments";
pub(super) const SECONDARY: &str = "";

/// The kind of our own records: when the payment with this id was created.
const CREATED: &str = "payment_created";

/// Where a payment stands in the list: the newest first, and by id among those of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentPlace {
    created_at: Reverse<i64>,
    id: [u8; PaymentId::LENGTH],
}

impl PaymentPlace {
    /// The place of a payment with this id that was created at this time, in Unix seconds.
    pub fn new(created_at: i64, id: PaymentId) -> Self {
        Self { created_at: Reverse(created_at), id: id.0 }
    }

    /// When the payment was created, in Unix seconds.
    pub fn created_at(&self) -> i64 {
        self.created_at.0
    }

    /// Its id.
    pub fn id(&self) -> PaymentId {
        PaymentId(self.id)
    }
}

/// How many payments there are, of all kinds and in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaymentCounts {
    /// Those at the start, and each one that began since. One that is removed still counts.
    pub begun: u64,
    /// Those that are pending now.
    pub pending: u64,
    /// Those that had succeeded at the start, and each success since. Never goes down.
    pub succeeded: u64,
    /// Those that had failed at the start, and each that failed since; one that is under way again
    /// and then fails again counts twice. Never goes down.
    pub failed: u64,
}

/// The payments in their order.
#[derive(Default)]
pub struct PaymentIndex {
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    by_id: HashMap<[u8; PaymentId::LENGTH], Row>,
    in_order: BTreeSet<PaymentPlace>,
    counts: PaymentCounts,
}

#[derive(Clone, Copy)]
struct Row {
    created_at: i64,
    /// Whether that time is on disk.
    is_recorded: bool,
    status: PaymentStatus,
}

impl PaymentIndex {
    /// The payments after this place, or from the newest on.
    pub fn page(&self, after: Option<PaymentPlace>) -> Page<PaymentPlace> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        Page::of(self.rows().in_order.range((from, Bound::Unbounded)).copied())
    }

    /// How many there are.
    pub fn counts(&self) -> PaymentCounts {
        self.rows().counts
    }

    fn row(&self, id: PaymentId) -> Option<Row> {
        self.rows().by_id.get(&id.0).copied()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows {
    fn put(&mut self, id: PaymentId, row: Row) {
        let before = self.by_id.insert(id.0, row).map(|row| row.status);
        if before.is_none() {
            self.in_order.insert(PaymentPlace::new(row.created_at, id));
            self.counts.begun += 1;
        }
        if before == Some(row.status) {
            return;
        }
        if before == Some(PaymentStatus::Pending) {
            self.counts.pending -= 1;
        }
        match row.status {
            PaymentStatus::Pending => self.counts.pending += 1,
            PaymentStatus::Succeeded => self.counts.succeeded += 1,
            PaymentStatus::Failed => self.counts.failed += 1,
        }
    }

    fn remove(&mut self, id: PaymentId) {
        let Some(row) = self.by_id.remove(&id.0) else { return };
        self.in_order.remove(&PaymentPlace::new(row.created_at, id));
        if row.status == PaymentStatus::Pending {
            self.counts.pending -= 1;
        }
    }
}

/// Reads the payments that the store has.
pub(super) fn load(store: &Store) -> io::Result<()> {
    let mut recorded: HashSet<String> = store.keys(CREATED)?.into_iter().collect();
    for key in KVStoreSync::list(&store.kv, PRIMARY, SECONDARY)? {
        let value = KVStoreSync::read(&store.kv, PRIMARY, SECONDARY, &key)?;
        let details = read(&value)?;
        let is_recorded = recorded.remove(&key);
        let created_at =
            if is_recorded { recorded_time(store, &key)? } else { last_update(&details) };
        let row = Row { created_at, is_recorded, status: details.status };
        store.payments.rows().put(details.id, row);
    }
    for key in recorded {
        store.delete(CREATED, &key)?;
    }
    Ok(())
}

/// Writes a payment for the library. This runs under a lock of the library's, so it must not ask
/// the node for anything.
pub(super) fn write(store: &Store, key: &str, value: Vec<u8>) -> io::Result<()> {
    let details = read(&value)?;
    let known = store.payments.row(details.id);
    let created_at = known.map_or_else(|| last_update(&details), |row| row.created_at);
    if !known.is_some_and(|row| row.is_recorded) {
        store.put(CREATED, key, created_at.to_be_bytes().to_vec())?;
    }
    KVStoreSync::write(&store.kv, PRIMARY, SECONDARY, key, value)?;
    let row = Row { created_at, is_recorded: true, status: details.status };
    store.payments.rows().put(details.id, row);
    Ok(())
}

/// Removes a payment for the library, under its lock as well.
pub(super) fn remove(store: &Store, key: &str, lazy: bool) -> io::Result<()> {
    KVStoreSync::remove(&store.kv, PRIMARY, SECONDARY, key, lazy)?;
    let mut id = [0; PaymentId::LENGTH];
    if hex::decode_to_slice(key, &mut id).is_ok() {
        store.payments.rows().remove(PaymentId(id));
    }
    // The payment is gone whether this works or not; what stays goes at the next start.
    if let Err(error) = store.delete(CREATED, key) {
        tracing::warn!("cannot remove the creation time of a removed payment: {error}");
    }
    Ok(())
}

fn read(value: &[u8]) -> io::Result<PaymentDetails> {
    let mut bytes = value;
    PaymentDetails::read(&mut bytes)
        .map_err(|error| invalid_data(&format!("a payment cannot be read: {error}")))
}

fn recorded_time(store: &Store, key: &str) -> io::Result<i64> {
    let bytes = store.get(CREATED, key)?.try_into();
    bytes.map(i64::from_be_bytes).map_err(|_| invalid_data("a creation time is not 8 bytes long"))
}

/// In a payment that is written for the first time, the time of its creation.
fn last_update(details: &PaymentDetails) -> i64 {
    i64::try_from(details.latest_update_timestamp).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ldk_node::lightning::util::ser::Writeable as _;
    use ldk_node::lightning_types::payment::PaymentHash;
    use ldk_node::payment::{PaymentDirection, PaymentKind};
    use tempfile::TempDir;

    use super::*;

    /// A store as the library uses it.
    struct Library {
        store: Store,
    }

    impl Library {
        fn open(dir: &Path) -> Self {
            Self { store: Store::open(dir).unwrap() }
        }

        fn write(&self, id: u8, status: PaymentStatus, at: u64) {
            let details = details(id, status, at);
            KVStoreSync::write(&self.store, PRIMARY, SECONDARY, &key(id), details.encode())
                .unwrap();
        }

        fn remove(&self, id: u8) {
            KVStoreSync::remove(&self.store, PRIMARY, SECONDARY, &key(id), false).unwrap();
        }

        /// The payments in their order, each with its time.
        fn listed(&self) -> Vec<(u8, i64)> {
            let rows = self.store.payments().page(None).rows;
            rows.iter().map(|place| (place.id().0[0], place.created_at())).collect()
        }

        /// Begun, pending, succeeded, failed.
        fn counts(&self) -> [u64; 4] {
            let PaymentCounts { begun, pending, succeeded, failed } =
                self.store.payments().counts();
            [begun, pending, succeeded, failed]
        }
    }

    fn key(id: u8) -> String {
        hex::encode([id; 32])
    }

    fn details(id: u8, status: PaymentStatus, at: u64) -> PaymentDetails {
        PaymentDetails {
            id: PaymentId([id; 32]),
            kind: PaymentKind::Spontaneous { hash: PaymentHash([id; 32]), preimage: None },
            amount_msat: Some(1),
            fee_paid_msat: None,
            direction: PaymentDirection::Inbound,
            status,
            latest_update_timestamp: at,
        }
    }

    const PENDING: PaymentStatus = PaymentStatus::Pending;
    const SUCCEEDED: PaymentStatus = PaymentStatus::Succeeded;
    const FAILED: PaymentStatus = PaymentStatus::Failed;

    #[test]
    fn the_newest_is_first_and_the_smallest_id_in_a_second() {
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        for (id, at) in [(5, 10), (2, 20), (9, 10), (1, 10), (7, 30)] {
            library.write(id, PENDING, at);
        }
        assert_eq!(library.listed(), [(7, 30), (2, 20), (1, 10), (5, 10), (9, 10)]);
    }

    #[test]
    fn the_order_survives_updates_and_restarts() {
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        library.write(1, PENDING, 10);
        library.write(2, PENDING, 20);
        library.write(1, SUCCEEDED, 30);
        assert_eq!(library.listed(), [(2, 20), (1, 10)]);
        drop(library);
        assert_eq!(Library::open(dir.path()).listed(), [(2, 20), (1, 10)]);
    }

    #[test]
    fn payments_from_before_keep_the_place_they_are_given() {
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        for (id, at) in [(1, 10), (2, 20)] {
            let value = details(id, PENDING, at).encode();
            KVStoreSync::write(&library.store.kv, PRIMARY, SECONDARY, &key(id), value).unwrap();
        }
        drop(library);
        let library = Library::open(dir.path());
        assert_eq!(library.listed(), [(2, 20), (1, 10)]);
        library.write(1, SUCCEEDED, 30);
        assert_eq!(library.listed(), [(2, 20), (1, 10)]);
        drop(library);
        assert_eq!(Library::open(dir.path()).listed(), [(2, 20), (1, 10)]);
    }

    #[test]
    fn removed_payments_leave_nothing_behind() {
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        library.write(1, PENDING, 10);
        library.write(2, SUCCEEDED, 20);
        library.remove(1);
        library.remove(3);
        assert_eq!(library.listed(), [(2, 20)]);
        assert_eq!(library.counts(), [2, 0, 1, 0]);
        assert_eq!(library.store.keys(CREATED).unwrap(), [key(2)]);
        // It may come again, as a new one.
        library.write(1, PENDING, 40);
        assert_eq!(library.listed(), [(1, 40), (2, 20)]);
    }

    #[test]
    fn a_time_without_its_payment_is_removed_at_the_next_start() {
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        library.store.put(CREATED, &key(1), 10_i64.to_be_bytes().to_vec()).unwrap();
        drop(library);
        let library = Library::open(dir.path());
        assert_eq!(library.listed(), []);
        assert!(library.store.keys(CREATED).unwrap().is_empty());
    }

    #[test]
    fn every_change_of_state_is_counted_once() {
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        library.write(1, PENDING, 10);
        library.write(2, PENDING, 10);
        assert_eq!(library.counts(), [2, 2, 0, 0]);
        library.write(1, SUCCEEDED, 11);
        library.write(1, SUCCEEDED, 12);
        assert_eq!(library.counts(), [2, 1, 1, 0]);
        // It fails, is tried again, and succeeds.
        library.write(2, FAILED, 12);
        library.write(2, PENDING, 13);
        assert_eq!(library.counts(), [2, 1, 1, 1]);
        library.write(2, SUCCEEDED, 14);
        assert_eq!(library.counts(), [2, 0, 2, 1]);
        drop(library);
        // What is stored has no memory of the failure.
        assert_eq!(Library::open(dir.path()).counts(), [2, 0, 2, 0]);
    }

    #[test]
    fn pages_follow_one_another_without_gap_or_repetition() {
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        // Some in each second.
        (0..=249).for_each(|id| library.write(id, PENDING, u64::from(id / 7)));
        let first = library.store.payments().page(None);
        let mut seen = first.rows.clone();
        // One that is new, and one that is removed after its place was given out.
        library.write(250, PENDING, 1_000);
        library.remove(seen[99].id().0[0]);
        let second = library.store.payments().page(seen.last().copied());
        assert!(first.has_more && second.has_more);
        seen.extend(second.rows);
        let third = library.store.payments().page(seen.last().copied());
        assert!(!third.has_more);
        seen.extend(third.rows);
        assert_eq!(seen.len(), 250);
        assert!(seen.is_sorted_by(|one, next| one < next));
    }

    #[tokio::test]
    async fn both_ways_to_write_are_watched() {
        use ldk_node::lightning::util::persist::KVStore;

        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        let value = details(1, PENDING, 10).encode();
        KVStore::write(&library.store, PRIMARY, SECONDARY, &key(1), value).await.unwrap();
        assert_eq!(library.listed(), [(1, 10)]);
        KVStore::remove(&library.store, PRIMARY, SECONDARY, &key(1), false).await.unwrap();
        assert_eq!(library.listed(), []);
    }

    #[test]
    fn what_the_library_would_not_read_is_not_written() {
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path());
        let refused =
            KVStoreSync::write(&library.store, PRIMARY, SECONDARY, &key(1), vec![1, 2, 3]);
        assert!(refused.is_err());
        assert!(KVStoreSync::list(&library.store, PRIMARY, SECONDARY).unwrap().is_empty());
    }
}
