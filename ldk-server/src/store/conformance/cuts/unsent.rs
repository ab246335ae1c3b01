//! Payments that the manager of the channels does not know.

use std::time::{Duration, Instant};

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::offers::offer::OfferId;
use ldk_node::payment::PaymentStatus::{Failed, Pending, Succeeded};
use ldk_node::payment::{ConfirmationStatus, PaymentDetails, PaymentDirection, PaymentKind};
use ldk_server_grpc::types;

use super::library::{Library, payment_id, sent, write_payment};
use super::{committed, state};
use crate::store::Store;
use crate::store::conformance::TestDatabase;
use crate::store::model::CUTS_MADE;

const PATIENCE: Duration = Duration::from_secs(30);

fn to_offer(payment: u16) -> PaymentDetails {
    let kind = PaymentKind::Bolt12Offer {
        hash: None,
        preimage: None,
        secret: None,
        offer_id: OfferId([9; 32]),
        payer_note: None,
        quantity: None,
    };
    PaymentDetails { kind, ..sent(payment, Pending) }
}

fn received(payment: u16) -> PaymentDetails {
    PaymentDetails { direction: PaymentDirection::Inbound, ..sent(payment, Pending) }
}

fn onchain(payment: u16) -> PaymentDetails {
    let txid = Txid::from_byte_array(payment_id(payment));
    let kind = PaymentKind::Onchain { txid, status: ConfirmationStatus::Unconfirmed };
    PaymentDetails { kind, ..sent(payment, Pending) }
}

/// A state in which the manager knows payment 1, and whether cuts were made when it was written.
pub(in crate::store) fn prepare(database: &impl TestDatabase, were_cuts_made: bool) {
    let store = database.open();
    let mut library = Library::new(&store, database);
    library.update(0);
    library.payments.insert(1);
    library.manage();
    if were_cuts_made {
        store.put(CUTS_MADE.0, CUTS_MADE.1, Vec::new()).unwrap();
    }
    // As if it had been written behind the back of the cuts.
    for details in [sent(1, Pending), sent(2, Pending), to_offer(3), received(4), onchain(5)] {
        write_payment(&store, &details);
    }
    write_payment(&store, &sent(6, Succeeded));
}

fn payment(store: &Store, payment: u16) -> types::Payment {
    store.payment(PaymentId(payment_id(payment))).unwrap().unwrap()
}

/// The numbers of the payments whose outcome is not known.
pub(in crate::store) fn doubted(store: &Store) -> Vec<u16> {
    (1..=6).filter(|number| payment(store, *number).outcome_unknown).collect()
}

pub(in crate::store) fn failed(database: &impl TestDatabase) -> Vec<u16> {
    let records = state(database).records;
    records.into_iter().filter(|(_, status)| *status == Failed).map(|(number, _)| number).collect()
}

pub(super) fn after_cuts_a_payment_that_nobody_knows_has_failed<D: TestDatabase>() {
    let database = D::new();
    prepare(&database, true);
    let store = database.open();
    assert_eq!(store.payment_counts().pending, 5);
    store.resolve_unsent_payments().unwrap();
    assert_eq!(failed(&database), [2, 3], "in the library's records and in the history");
    let counts = store.payment_counts();
    assert_eq!((counts.begun, counts.pending, counts.succeeded, counts.failed), (6, 3, 1, 2));
    Library::new(&store, &database).begin_cuts();
    assert!(doubted(&store).is_empty());
    drop(store);

    let store = database.open();
    assert_eq!((store.payment_counts().pending, store.payment_counts().failed), (3, 2));
    store.resolve_unsent_payments().unwrap();
    assert_eq!(failed(&database), [2, 3]);
}

pub(super) fn without_cuts_before_it_may_have_left<D: TestDatabase>() {
    let database = D::new();
    prepare(&database, false);
    let store = database.open();
    store.resolve_unsent_payments().unwrap();
    assert_eq!((failed(&database), doubted(&store)), (vec![], vec![]));
    Library::new(&store, &database).begin_cuts();
    assert_eq!((failed(&database), doubted(&store)), (vec![], vec![2, 3]));
    assert_eq!(store.payment_counts().pending, 5);
    drop(store);

    // From now on cuts were made before, but nothing is known of these.
    let store = database.open();
    write_payment(&store, &sent(7, Pending));
    store.resolve_unsent_payments().unwrap();
    assert_eq!((failed(&database), doubted(&store)), (vec![7], vec![2, 3]));
}

pub(super) fn after_a_start_without_cuts_it_may_have_left<D: TestDatabase>() {
    let database = D::new();
    prepare(&database, true);
    let store = database.open();
    store.do_without_cuts().unwrap();
    drop(store);
    let store = database.open();
    store.resolve_unsent_payments().unwrap();
    Library::new(&store, &database).begin_cuts();
    assert_eq!((failed(&database), doubted(&store)), (vec![], vec![2, 3]));
}

/// A cut that was forced, or the work of a version of the server that makes none.
pub(super) fn if_the_last_cut_was_none_it_may_have_left<D: TestDatabase>() {
    let database = D::new();
    prepare(&database, true);
    let store = database.open();
    let mut library = Library::new(&store, &database);
    library.update(0);
    drop(store);
    let store = database.open();
    store.resolve_unsent_payments().unwrap();
    assert_eq!((failed(&database), doubted(&store)), (vec![], vec![]));
    // The library closes the channel.
    store.begin_cuts(&[]).unwrap();
    assert_eq!((failed(&database), doubted(&store)), (vec![], vec![2, 3]));
}

pub(super) fn what_two_managers_do_not_know_has_failed<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = Library::with_channels(&store, 1);
    library.record(1, Pending);
    committed(&store);
    assert!(state(&database).records.is_empty());
    for _ in 0..2 {
        library.manage();
    }
    store.barrier().unwrap();
    let found = state(&database);
    found.is_a_cut();
    assert_eq!(found.records[&1], Failed);
    assert_eq!(payment(&store, 1).status(), types::PaymentStatus::Failed);
    let begun = Instant::now();
    while store.payment_counts().failed == 0 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    let counts = store.payment_counts();
    assert_eq!((counts.begun, counts.pending, counts.failed), (1, 0, 1));
}

/// It was over before it was written down; a moment later it is on disk, and then fails.
pub(super) fn what_a_later_manager_does_not_know_has_failed<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = Library::with_channels(&store, 1);
    library.record(1, Pending);
    library.manage();
    store.barrier().unwrap();
    assert_eq!(state(&database).records[&1], Pending);
    library.manage();
    store.barrier().unwrap();
    assert_eq!(state(&database).records[&1], Failed);
}

pub(super) fn what_the_library_says_after_that_counts<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let mut library = Library::with_channels(&store, 1);
    library.record(1, Pending);
    library.manage();
    library.record(1, Succeeded);
    library.manage();
    store.barrier().unwrap();
    let found = state(&database);
    found.is_a_cut();
    assert_eq!(found.records[&1], Succeeded);
    let begun = Instant::now();
    while store.payment_counts().succeeded == 0 {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    let counts = store.payment_counts();
    assert_eq!((counts.pending, counts.succeeded, counts.failed), (0, 1, 0));
}
