//! Payments that the library's own store holds, or held before.

use ldk_node::io::sqlite_store::{KV_TABLE_NAME, SQLITE_DB_FILE_NAME, SqliteStore};
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_server_grpc::types;
use tempfile::TempDir;

use crate::store::conformance::payments::invoices::making;
use crate::store::conformance::payments::{FAILED, Library, PENDING, SUCCEEDED, key, received};
use crate::store::model::PAYMENTS;
use crate::store::{KvOwner, Store, testing};

#[test]
fn what_the_librarys_own_store_wrote_is_taken_over_at_the_start() {
    let dir = TempDir::new().unwrap();
    let library = Library { store: testing::open(dir.path()) };
    library.write(1, PENDING, 10);
    library.write(2, PENDING, 20);
    drop(library);
    let (file, table) = (SQLITE_DB_FILE_NAME.to_owned(), KV_TABLE_NAME.to_owned());
    let other = SqliteStore::new(dir.path().to_owned(), Some(file), Some(table)).unwrap();
    for details in [received(1, SUCCEEDED, 40), received(3, FAILED, 30)] {
        let key = hex::encode(details.id.0);
        KVStoreSync::write(&other, PAYMENTS.0, PAYMENTS.1, &key, details.encode()).unwrap();
    }
    // This one is forgotten there only.
    KVStoreSync::remove(&other, PAYMENTS.0, PAYMENTS.1, &key(2), false).unwrap();
    drop(other);
    for _ in 0..2 {
        let library = Library { store: testing::open(dir.path()) };
        assert_eq!(library.listed(), [(3, 30), (2, 20), (1, 10)]);
        assert_eq!(library.payment(1).status(), types::PaymentStatus::Succeeded);
        assert_eq!(library.counts(), [3, 1, 1, 1]);
    }
}

#[test]
fn payments_in_the_librarys_own_store_are_written_down_too() {
    let dir = TempDir::new().unwrap();
    let failed = |reason: &str| panic!("{reason}");
    let library = Library { store: Store::open(dir.path(), KvOwner::Library, failed).unwrap() };
    making(60, || library.write(1, PENDING, 10)).unwrap();
    library.write(2, SUCCEEDED, 20);
    library.remove(1);
    assert_eq!(library.listed(), [(2, 20), (1, 10)]);
    assert!(library.payment(1).expired);
    assert_eq!(library.counts(), [2, 0, 1, 1]);
}
