//! Invoices, which expire, are pruned, and may be paid all the same.

use std::thread;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::payment::PaymentDetails;
use ldk_server_grpc::types::{self, PaymentStatus};

use super::super::TestDatabase;
use super::{Library, PENDING, SUCCEEDED, key, sent};
use crate::store::model::PaymentFilter;
use crate::store::payments::{NotWritten, making_invoice, making_wanted_invoice};

pub(super) fn an_invoice_that_is_put_away_stays_in_the_history_as_failed<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    library.write(1, PENDING, 10);
    library.write(2, SUCCEEDED, 20);
    library.put(&sent(3, PENDING, 30));
    let before = library.payment(1);
    assert!(!before.expired);
    (1..=4).for_each(|id| library.remove(id));
    let stays = |library: &Library| {
        assert_eq!(library.listed(), [(3, 30), (2, 20), (1, 10)]);
        let status = types::PaymentStatus::Failed.into();
        assert_eq!(library.payment(1), types::Payment { status, expired: true, ..before.clone() });
        // What was paid, or is sent, has not expired.
        assert_eq!(library.payment(2).status(), types::PaymentStatus::Succeeded);
        assert_eq!(library.payment(3).status(), types::PaymentStatus::Pending);
        assert_eq!(library.counts(), [3, 1, 1, 1]);
        let failed =
            PaymentFilter { status: Some(PaymentStatus::Failed), ..PaymentFilter::default() };
        assert_eq!(library.read(&failed, 10), [library.payment(1)]);
    };
    stays(&library);
    library.remove(1);
    stays(&library);
    drop(library);
    stays(&Library::open(&database));
}

/// Has the library make an invoice, by what it writes meanwhile.
pub(in crate::store) fn making(expiry_secs: u32, write: impl FnOnce()) -> Result<(), NotWritten> {
    let made = making_invoice(expiry_secs, || {
        write();
        Ok::<_, ()>(())
    })?;
    made.unwrap();
    Ok(())
}

pub(super) fn an_invoice_that_is_not_made_is_not_missed<D: TestDatabase>() {
    let refused = making_invoice(60, || Err::<(), _>("refused"));
    assert_eq!(refused.unwrap(), Err("refused"));
    assert!(making_invoice(60, || Ok::<_, ()>(())).is_err());
}

pub(super) fn an_invoice_expires_as_long_after_its_making_as_it_says<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    making(60, || library.write(1, PENDING, 1_000)).unwrap();
    // By the clock of now it expired long ago, and is told to have, though not put away yet.
    let expired = library.payment(1);
    assert_eq!((expired.expired, expired.status()), (true, types::PaymentStatus::Pending));
    assert_eq!(library.read(&PaymentFilter::default(), 10), [expired]);
    making(u32::MAX, || library.write(2, PENDING, 1_000)).unwrap();
    // Neither what is written beside it, nor what is sent meanwhile, nor what comes after.
    let not_written = making(60, || {
        thread::scope(|scope| {
            scope.spawn(|| library.write(3, PENDING, 1_000));
        });
        library.put(&sent(4, PENDING, 1_000));
    });
    assert!(not_written.is_err());
    library.write(5, PENDING, 1_000);
    let expired = |before| {
        let invoices = library.store.expired_invoices(before, None, 10).unwrap();
        invoices.iter().map(|invoice| invoice.id.0[0]).collect::<Vec<_>>()
    };
    assert!(expired(1_060).is_empty());
    assert_eq!(expired(1_061), [1]);
    assert_eq!(expired(u64::MAX), [1, 2]);
    // A change leaves it as it is, and one that is paid does not expire.
    library.write(1, PENDING, 1_010);
    assert_eq!(expired(1_061), [1]);
    library.write(1, SUCCEEDED, 1_020);
    library.remove(2);
    assert!(expired(u64::MAX).is_empty());
}

pub(super) fn expired_invoices_are_found_in_bounded_steps<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    making(60, || (0..=9).for_each(|id| library.write(id, PENDING, 1_000))).unwrap();
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let step = library.store.expired_invoices(2_000, last, 4).unwrap();
        if step.is_empty() {
            break;
        }
        last = step.last().copied();
        found.extend(step.iter().map(|invoice| invoice.id.0[0]));
    }
    assert_eq!(found, (0..=9).collect::<Vec<_>>());
}

pub(super) fn an_invoice_that_is_paid_after_all_has_succeeded<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    library.write(1, PENDING, 10);
    library.remove(1);
    library.store.paid_after_all(PaymentId([1; 32]), 7).unwrap();
    let payment = library.payment(1);
    assert_eq!(payment.status(), types::PaymentStatus::Succeeded);
    assert_eq!((payment.amount_msat, payment.created_at, payment.expired), (Some(7), 10, false));
    assert_eq!(library.counts(), [1, 0, 1, 1]);
    // Of others there is nothing to note.
    library.write(2, PENDING, 10);
    for id in [2, 3] {
        library.store.paid_after_all(PaymentId([id; 32]), 7).unwrap();
    }
    assert_eq!(library.payment(2).status(), types::PaymentStatus::Pending);
}

pub(super) fn an_invoice_of_no_use_does_not_come_into_the_history<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    let is_wanted = |details: &PaymentDetails| details.id.0[0] != 1;
    let made = making_wanted_invoice(60, is_wanted, || {
        library.write(1, PENDING, 10);
        library.write(2, PENDING, 10);
        Ok::<_, ()>(())
    });
    assert_eq!(made.unwrap(), Ok(()));
    library.remove(1);
    let listed = library.read(&PaymentFilter::default(), 10);
    assert_eq!(listed.iter().map(|payment| payment.id.clone()).collect::<Vec<_>>(), [key(2)]);
    assert_eq!(library.store.payment_counts().begun, 1);
    assert_eq!(library.store.expired_invoices(100, None, 10).unwrap().len(), 1);
}
