//! Invoices, offers and receipts, and the numbers of what was paid.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::offers::offer::OfferId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{PaymentDetails, PaymentKind};
use ldk_server_grpc::types::InvoiceKind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::time::Instant;

use super::TestDatabase;
use super::payments::{FAILED, Library, PENDING, SUCCEEDED, received, sent};
use crate::store::{
    InvoiceFilter, InvoiceName, InvoiceNotes, InvoicePlace, InvoiceRow, InvoiceStatus, ListedState,
    NewInvoice, Page, Remembered, Store,
};
use crate::wire;

const OFFER: [u8; 32] = [77; 32];

/// An invoice for the payment with this hash.
fn invoice(id: u8, kind: InvoiceKind) -> NewInvoice {
    NewInvoice {
        created_at: 1_000 + u64::from(id) / 4,
        expires_at: Some(2_000),
        kind,
        payment_hash: Some([id; 32]),
        offer_id: None,
        notes: InvoiceNotes::default(),
        request_digest: [id; 32],
        text: format!("lnbcrt{id}"),
        description: String::new(),
        amount_msat: Some(1),
        preimage: None,
    }
}

fn labelled(id: u8, label: &str) -> NewInvoice {
    let notes = InvoiceNotes { label: Some(label.to_owned()), ..InvoiceNotes::default() };
    NewInvoice { notes, ..invoice(id, InvoiceKind::Bolt11) }
}

fn offer() -> NewInvoice {
    NewInvoice {
        kind: InvoiceKind::Bolt12Offer,
        payment_hash: None,
        offer_id: Some(OFFER),
        expires_at: None,
        ..labelled(0, "offer")
    }
}

fn add(store: &Store, invoice: NewInvoice) -> u64 {
    store.add_invoice(invoice).unwrap().unwrap()
}

fn find(store: &Store, name: InvoiceName) -> InvoiceRow {
    store.invoice(&name).unwrap().unwrap()
}

fn with_hash(store: &Store, id: u8) -> InvoiceRow {
    find(store, InvoiceName::PaymentHash([id; 32]))
}

/// All, the newest first.
fn all(store: &Store) -> Vec<InvoiceRow> {
    store.invoices(&InvoiceFilter::default(), None, 1_000).unwrap().rows
}

fn to_offer(id: u8) -> PaymentDetails {
    let kind = PaymentKind::Bolt12Offer {
        hash: Some(PaymentHash([id; 32])),
        preimage: None,
        secret: None,
        offer_id: OfferId(OFFER),
        payer_note: None,
        quantity: None,
    };
    PaymentDetails { kind, ..received(id, SUCCEEDED, 30) }
}

fn keysend(id: u8) -> PaymentDetails {
    let kind = PaymentKind::Spontaneous { hash: PaymentHash([id; 32]), preimage: None };
    PaymentDetails { kind, ..received(id, SUCCEEDED, 30) }
}

pub(super) fn an_invoice_is_read_as_it_was_made<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let metadata = [("a", "1"), ("b", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let notes = InvoiceNotes {
        label: Some("order 1".to_owned()),
        external_id: Some("shop".to_owned()),
        metadata: metadata.into(),
    };
    let made = NewInvoice {
        notes: notes.clone(),
        description: "tea".to_owned(),
        preimage: Some([9; 32]),
        ..invoice(1, InvoiceKind::Bolt11WithPreimage)
    };
    let number = add(&store, made);
    add(&store, offer());
    drop(store);
    let store = database.open();
    let expected = InvoiceRow {
        number,
        created_at: 1_000,
        expires_at: Some(2_000),
        kind: InvoiceKind::Bolt11WithPreimage,
        payment_hash: Some([1; 32]),
        offer_id: None,
        notes,
        offer_label: None,
        request_digest: Some([1; 32]),
        text: "lnbcrt1".to_owned(),
        description: "tea".to_owned(),
        amount_msat: Some(1),
        status: InvoiceStatus::Open,
        amount_received_msat: None,
        paid_at: None,
        pay_index: None,
        payment_id: None,
    };
    for name in [
        InvoiceName::Number(number),
        InvoiceName::Label("order 1".to_owned()),
        InvoiceName::PaymentHash([1; 32]),
        InvoiceName::ExternalId("shop".to_owned()),
    ] {
        assert_eq!(find(&store, name), expected);
    }
    assert_eq!(store.own_preimage([1; 32]).unwrap(), Some([9; 32]));
    assert_eq!(store.own_preimage([2; 32]).unwrap(), None);
    assert_eq!(find(&store, InvoiceName::OfferId(OFFER)).kind, InvoiceKind::Bolt12Offer);
    assert_eq!(store.invoice(&InvoiceName::Label("order".to_owned())).unwrap(), None);
}

pub(super) fn a_label_is_given_once_until_its_invoice_is_deleted<D: TestDatabase>() {
    let store = D::new().open();
    let first = add(&store, labelled(1, "order 1"));
    assert_eq!(store.add_invoice(labelled(2, "order 1")).unwrap(), None);
    assert_eq!(store.invoice(&InvoiceName::PaymentHash([2; 32])).unwrap(), None);
    add(&store, invoice(3, InvoiceKind::Bolt11));
    add(&store, invoice(4, InvoiceKind::Bolt11));
    assert!(store.cancel_invoice(first).unwrap());
    let cancelled = ListedState::Stored(InvoiceStatus::Cancelled);
    assert!(store.delete_invoice(first, cancelled, 0).unwrap());
    let second = add(&store, labelled(2, "order 1"));
    assert!(second > first, "a number is not used again");
}

pub(super) fn what_arrives_gets_the_next_index_once<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    for id in 1..=3 {
        library.write(id, PENDING, 10);
        add(&library.store, invoice(id, InvoiceKind::Bolt11));
    }
    assert_eq!(library.store.invoice_log().last_pay_index(), 0);
    for (id, pay_index) in [(2, 1), (1, 2)] {
        // The library tells of it again, and writes it in between as if it were pending.
        for status in [SUCCEEDED, SUCCEEDED, PENDING, SUCCEEDED] {
            library.write(id, status, 30);
        }
        let row = with_hash(&library.store, id);
        assert_eq!((row.pay_index, row.status), (Some(pay_index), InvoiceStatus::Paid));
        assert_eq!((row.amount_received_msat, row.payment_id), (Some(1), Some([id; 32])));
        assert!(row.paid_at.is_some());
    }
    library.put(&sent(4, SUCCEEDED, 30));
    assert_eq!(library.store.invoice_log().last_pay_index(), 2);
    drop(library);
    let library = Library::open(&database);
    assert_eq!(library.store.invoice_log().last_pay_index(), 2);
    library.remove(3);
    // It had been pruned, and is paid all the same.
    library.store.paid_after_all(PaymentId([3; 32]), 7).unwrap();
    let row = with_hash(&library.store, 3);
    assert_eq!((row.pay_index, row.amount_received_msat), (Some(3), Some(7)));
    let after = |index| library.store.paid_after(index).unwrap().and_then(|row| row.pay_index);
    assert_eq!([after(0), after(1), after(2), after(3)], [Some(1), Some(2), Some(3), None]);
}

pub(super) fn what_comes_without_an_invoice_gets_a_receipt<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    let number = add(&library.store, offer());
    for details in [to_offer(1), keysend(2), to_offer(3), received(4, SUCCEEDED, 30)] {
        library.put(&details);
        library.put(&details);
    }
    let receipts: Vec<_> = (1..=4).map(|id| with_hash(&library.store, id)).collect();
    let kinds = receipts.iter().map(|row| row.kind).collect::<Vec<_>>();
    assert_eq!(
        kinds,
        [
            InvoiceKind::OfferReceipt,
            InvoiceKind::KeysendReceipt,
            InvoiceKind::OfferReceipt,
            InvoiceKind::Bolt11
        ]
    );
    let indices: Vec<_> = receipts.iter().map(|row| row.pay_index).collect();
    assert_eq!(indices, [Some(1), Some(2), Some(3), Some(4)]);
    let labels: Vec<_> = receipts.iter().map(|row| row.offer_label.as_deref()).collect();
    assert_eq!(labels, [Some("offer"), None, Some("offer"), None]);
    let offer = find(&library.store, InvoiceName::Number(number));
    assert_eq!((offer.status, offer.amount_received_msat), (InvoiceStatus::Open, Some(2)));
    assert_eq!((offer.pay_index, all(&library.store).len()), (None, 5));
}

pub(super) fn a_held_payment_is_paid_or_cancelled<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    for id in 1..=2 {
        library.write(id, PENDING, 10);
        let kind = InvoiceKind::Bolt11WithPreimage;
        add(&library.store, NewInvoice { preimage: Some([9; 32]), ..invoice(id, kind) });
        library.store.invoice_is_held([id; 32]);
    }
    // Whatever is written later is on disk with it.
    library.write(1, SUCCEEDED, 20);
    assert_eq!(with_hash(&library.store, 2).status, InvoiceStatus::Held);
    library.write(2, FAILED, 20);
    // It comes too late.
    library.store.invoice_is_held([2; 32]);
    library.store.invoice_is_held([1; 32]);
    drop(library);
    let store = database.open();
    assert_eq!(with_hash(&store, 1).status, InvoiceStatus::Paid);
    assert_eq!(with_hash(&store, 2).status, InvoiceStatus::Cancelled);
    assert_eq!(store.own_preimage([2; 32]).unwrap(), None);
    // The library has not written it down.
    let preimage = |id: u8| {
        let payment = store.payment(PaymentId([id; 32])).unwrap();
        payment.as_ref().and_then(wire::payment::preimage)
    };
    assert_eq!(preimage(1), Some("09".repeat(32)));
    assert_eq!(preimage(2), None);
}

pub(super) fn only_what_waits_for_a_claim_is_cancelled_by_a_failure<D: TestDatabase>() {
    let library = Library::open(&D::new());
    for (id, kind) in [(1, InvoiceKind::Bolt11), (2, InvoiceKind::Bolt11ForHash)] {
        library.write(id, PENDING, 10);
        add(&library.store, invoice(id, kind));
        library.write(id, FAILED, 20);
    }
    assert_eq!(with_hash(&library.store, 1).status, InvoiceStatus::Open);
    assert_eq!(with_hash(&library.store, 2).status, InvoiceStatus::Cancelled);
    assert!(!library.store.cancel_invoice(with_hash(&library.store, 2).number).unwrap());
    // The library took a payment for it after all.
    library.write(1, SUCCEEDED, 30);
    assert_eq!(with_hash(&library.store, 1).pay_index, Some(1));
}

fn listed(store: &Store, filter: &InvoiceFilter, size: usize) -> Vec<u64> {
    let (mut numbers, mut after) = (Vec::new(), None);
    loop {
        let Page { rows, has_more } = store.invoices(filter, after, size).unwrap();
        after =
            rows.last().map(|row| InvoicePlace { created_at: row.created_at, number: row.number });
        numbers.extend(rows.iter().map(|row| row.number));
        if !has_more {
            return numbers;
        }
    }
}

fn passes(filter: &InvoiceFilter, row: &InvoiceRow) -> bool {
    let InvoiceFilter { states, kinds, external_id, created_from, created_before, now } = filter;
    let expired = row.has_expired(*now);
    let is_in = |state: &ListedState| match state {
        ListedState::Expired => expired,
        ListedState::Stored(status) => !expired && row.status == *status,
    };
    (states.is_empty() || states.iter().any(is_in))
        && (kinds.is_empty() || kinds.contains(&row.kind))
        && external_id.as_ref().is_none_or(|id| row.notes.external_id.as_ref() == Some(id))
        && created_from.is_none_or(|from| row.created_at >= from)
        && created_before.is_none_or(|before| row.created_at < before)
}

pub(super) fn pages_of_invoices_follow_one_another_with_any_filter<D: TestDatabase>() {
    let library = Library::open(&D::new());
    for id in 1..=30 {
        let kind = if id % 2 == 0 { InvoiceKind::Bolt11 } else { InvoiceKind::Bolt11ForHash };
        let notes = InvoiceNotes {
            external_id: (id % 3 == 0).then(|| "a".to_owned()),
            ..InvoiceNotes::default()
        };
        let expires_at = (id % 5 != 0).then_some(if id % 4 == 0 { 1_500 } else { 2_000 });
        let number = add(&library.store, NewInvoice { notes, expires_at, ..invoice(id, kind) });
        match id % 7 {
            1 => library.write(id, SUCCEEDED, 30),
            2 => assert!(library.store.cancel_invoice(number).unwrap()),
            3 => library.store.invoice_is_held([id; 32]),
            _ => {},
        }
    }
    let rows = all(&library.store);
    let stored = ListedState::Stored;
    let (open, held, paid) = (InvoiceStatus::Open, InvoiceStatus::Held, InvoiceStatus::Paid);
    let states = [
        vec![],
        vec![stored(open)],
        vec![stored(held)],
        vec![ListedState::Expired],
        vec![stored(paid), stored(InvoiceStatus::Cancelled), ListedState::Expired],
    ];
    for states in states {
        for kinds in [vec![], vec![InvoiceKind::Bolt11]] {
            for external_id in [None, Some("a".to_owned())] {
                for (created_from, created_before) in [(None, None), (Some(1_002), Some(1_006))] {
                    let filter = InvoiceFilter {
                        states: states.clone(),
                        kinds: kinds.clone(),
                        external_id: external_id.clone(),
                        created_from,
                        created_before,
                        now: 1_600,
                    };
                    let passing = rows.iter().filter(|row| passes(&filter, row));
                    let expected: Vec<_> = passing.map(|row| row.number).collect();
                    for size in [1, 3, 100] {
                        assert_eq!(listed(&library.store, &filter, size), expected, "{filter:?}");
                    }
                }
            }
        }
    }
}

pub(super) fn an_invoice_is_deleted_in_the_state_that_is_named_only<D: TestDatabase>() {
    let library = Library::open(&D::new());
    for id in 1..=3 {
        library.write(id, PENDING, 10);
        add(&library.store, invoice(id, InvoiceKind::Bolt11ForHash));
    }
    library.write(2, SUCCEEDED, 20);
    library.write(3, FAILED, 20);
    let paid = ListedState::Stored(InvoiceStatus::Paid);
    let cancelled = ListedState::Stored(InvoiceStatus::Cancelled);
    let expired = ListedState::Expired;
    let delete = |id, state, now| {
        let number = with_hash(&library.store, id).number;
        library.store.delete_invoice(number, state, now).unwrap()
    };
    for (id, state, now) in
        [(1, expired, 1_999), (1, paid, 2_000), (2, expired, 2_000), (3, paid, 2_000)]
    {
        assert!(!delete(id, state, now), "{id} {state:?} {now}");
    }
    for (id, state) in [(1, expired), (2, paid), (3, cancelled)] {
        assert!(delete(id, state, 2_000), "{id} {state:?}");
    }
    assert_eq!(all(&library.store), []);
    // The history of payments is not touched, and the numbers go on.
    assert_eq!(library.listed().len(), 3);
    library.write(4, SUCCEEDED, 30);
    assert_eq!(with_hash(&library.store, 4).pay_index, Some(2));
    assert_eq!(library.store.paid_after(0).unwrap().unwrap().pay_index, Some(2));
}

pub(super) fn those_that_expired_are_deleted_and_no_others<D: TestDatabase>() {
    let library = Library::open(&D::new());
    for id in 1..=200 {
        let expires_at = (id != 200).then_some(1_000 + u64::from(id));
        add(&library.store, NewInvoice { expires_at, ..invoice(id, InvoiceKind::Bolt11) });
    }
    library.write(1, SUCCEEDED, 20);
    assert_eq!(library.store.delete_expired_invoices(1_100).unwrap(), 99);
    assert_eq!(library.store.delete_expired_invoices(1_100).unwrap(), 0);
    assert_eq!(all(&library.store).len(), 101);
    assert_eq!(library.store.delete_expired_invoices(u64::MAX).unwrap(), 99);
    let left: BTreeSet<_> = all(&library.store).into_iter().map(|row| row.payment_hash).collect();
    assert_eq!(left, [Some([1; 32]), Some([200; 32])].into());
}

/// What happens to the store.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make(u8),
    Pay(u8),
    Keysend(u8),
    Fail(u8),
    Delete(u8),
    Reopen,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1..12_u8;
    prop_oneof![
        3 => id().prop_map(Step::Make),
        4 => id().prop_map(Step::Pay),
        1 => (20..30_u8).prop_map(Step::Keysend),
        1 => id().prop_map(Step::Fail),
        1 => id().prop_map(Step::Delete),
        1 => Just(Step::Reopen),
        2 => Just(Step::Kill),
    ]
}

fn take(library: &Library, step: Step) {
    let store = &library.store;
    match step {
        Step::Make(id) => {
            library.write(id, PENDING, 10);
            if store.invoice(&InvoiceName::PaymentHash([id; 32])).unwrap().is_none() {
                add(store, invoice(id, InvoiceKind::Bolt11ForHash));
            }
        },
        Step::Pay(id) => library.write(id, SUCCEEDED, 20),
        Step::Keysend(id) => library.put(&keysend(id)),
        Step::Fail(id) => library.write(id, FAILED, 20),
        Step::Delete(id) => {
            if let Some(row) = store.invoice(&InvoiceName::PaymentHash([id; 32])).unwrap() {
                let paid = ListedState::Stored(InvoiceStatus::Paid);
                store.delete_invoice(row.number, paid, 0).unwrap();
            }
        },
        Step::Reopen | Step::Kill => {},
    }
}

/// The indices that are there and those of what was deleted are all from 1 to the last, once each.
fn check_indices(library: &Library, seen: &mut BTreeSet<u64>) {
    let mut after = 0;
    while let Some(row) = library.store.paid_after(after).unwrap() {
        after = row.pay_index.unwrap();
        seen.insert(after);
    }
    let last = library.store.invoice_log().last_pay_index();
    assert_eq!(seen.iter().copied().collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
}

pub(super) fn indices_have_no_gap_whatever_is_killed<D: TestDatabase>() {
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..40);
    let outcome = runner.run(&steps, |steps| {
        let mut database = D::new();
        let mut library = Library::open(&database);
        let mut seen = BTreeSet::new();
        for step in steps {
            take(&library, step);
            if matches!(step, Step::Kill) {
                let left = database.killed();
                drop(library);
                database = left;
                library = Library::open(&database);
            } else if matches!(step, Step::Reopen) {
                drop(library);
                library = Library::open(&database);
            }
            check_indices(&library, &mut seen);
        }
        Ok(())
    });
    outcome.unwrap();
}

pub(super) fn who_waits_is_told_what_is_on_disk<D: TestDatabase>() {
    let library = Arc::new(Library::open(&D::new()));
    library.write(1, PENDING, 10);
    let number = add(&library.store, invoice(1, InvoiceKind::Bolt11));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (store, deadline) = (&library.store, Instant::now() + Duration::from_secs(30));
    runtime.block_on(async {
        let paying = tokio::task::spawn_blocking({
            let library = Arc::clone(&library);
            move || library.write(1, SUCCEEDED, 20)
        });
        let log = store.invoice_log();
        let invoice = log.until_invoice(number, deadline, || async {
            Ok::<_, ()>(match log.invoice(number) {
                Remembered::Known(row) => Some(row).filter(|row| row.pay_index.is_some()),
                Remembered::OnDisk => None,
            })
        });
        let any = log.until_any_is_paid(deadline, || async {
            Ok::<_, ()>(match log.paid_after(0) {
                Remembered::Known(row) => row,
                Remembered::OnDisk => None,
            })
        });
        let (invoice, any) = tokio::join!(invoice, any);
        let row = invoice.unwrap().unwrap();
        assert_eq!((row.pay_index, &row), (Some(1), &any.unwrap().unwrap()));
        assert_eq!(*row, with_hash(store, 1));
        paying.await.unwrap();
    });
}
