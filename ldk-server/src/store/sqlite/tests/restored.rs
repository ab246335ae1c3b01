//! What a copy that is restored does not rely on.

use crate::store::conformance::TestDatabase as _;
use crate::store::conformance::cuts::library::Library;
use crate::store::conformance::cuts::unsent::{doubted, failed, prepare};
use crate::store::conformance::journal;
use crate::store::sqlite::testing::Directory;
use crate::store::{Epoch, OfflineDatabase};

#[test]
fn a_copy_that_is_restored_has_nothing_to_broadcast() {
    let database = Directory::new();
    let journal = journal::open(&database);
    let number = journal.add(vec![journal::payment(1)]).unwrap();
    journal.is_durable(number);
    drop(journal);
    assert_eq!(journal::left(&database), [journal::payment(1)]);
    let closed = OfflineDatabase::open(database.path()).unwrap();
    closed.restored(Epoch::default()).unwrap();
    closed.close().unwrap();
    assert_eq!(journal::left(&database), []);
}

#[test]
fn after_the_copy_was_made_a_payment_may_have_left() {
    let database = Directory::new();
    prepare(&database, true);
    let closed = OfflineDatabase::open(database.path()).unwrap();
    let (_, epoch) = closed.epoch().unwrap();
    closed.restored(epoch).unwrap();
    closed.close().unwrap();
    let store = database.open();
    store.resolve_unsent_payments().unwrap();
    Library::new(&store, &database).begin_cuts();
    assert_eq!((failed(&database), doubted(&store)), (vec![], vec![2, 3]));
}
