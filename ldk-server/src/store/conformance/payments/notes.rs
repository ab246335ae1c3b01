//! What callers note with payments.

use std::collections::BTreeMap;

use ldk_server_grpc::types;

use super::{
    FAILED, Library, PENDING, PaymentDetails, PaymentId, SUCCEEDED, Status, onchain, received, sent,
};
use crate::store::conformance::TestDatabase;
use crate::store::{NotesChange, PaymentFilter, PaymentNotes, with_notes};

fn entries(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn notes(label: &str, metadata: &[(&str, &str)]) -> PaymentNotes {
    let label = Some(label.to_owned()).filter(|label| !label.is_empty());
    PaymentNotes { label, metadata: entries(metadata) }
}

fn noted(payment: &types::Payment) -> (&str, Vec<(&str, &str)>) {
    let metadata = payment.metadata.iter().map(|(key, value)| (&**key, &**value));
    (&payment.label, metadata.collect())
}

/// The library writes a payment of a call with these notes.
fn pay(library: &Library, details: &PaymentDetails, notes: &PaymentNotes) {
    with_notes(notes, || library.put(details));
}

pub(super) fn notes_are_written_with_the_payment_that_is_sent<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    let tea = notes("tea", &[("order", "17"), ("shop", "")]);
    with_notes(&tea, || {
        library.put(&received(2, PENDING, 10));
        library.put(&sent(1, PENDING, 10));
    });
    library.put(&sent(3, PENDING, 10));
    // The same record is all that there is if the process is killed right after it.
    let left = database.killed();
    let library = Library::open(&left);
    let expected = ("tea", vec![("order", "17"), ("shop", "")]);
    assert_eq!(noted(&library.payment(1)), expected);
    assert_eq!(noted(&library.payment(2)), ("", vec![]), "it is not what the call pays");
    assert_eq!(noted(&library.payment(3)), ("", vec![]), "the call is over");
    let listed = library.read(&PaymentFilter::default(), 2);
    assert!(listed.iter().any(|payment| noted(payment) == expected), "{listed:?}");
    library.store.record_library_event(Some(PaymentId([1; 32])), None, |payment| {
        assert_eq!(payment.unwrap().label, "tea", "events have them");
        None
    });
    library.store.durability().barrier().unwrap();
}

pub(super) fn notes_stay_whatever_becomes_of_the_payment<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    pay(&library, &sent(1, PENDING, 10), &notes("first", &[("a", "1")]));
    library.put(&sent(1, FAILED, 11));
    assert_eq!(noted(&library.payment(1)), ("first", vec![("a", "1")]));
    // Tried again without a label.
    pay(&library, &sent(1, PENDING, 12), &notes("", &[("b", "2")]));
    assert_eq!(noted(&library.payment(1)), ("first", vec![("b", "2")]));
    library.put(&sent(1, SUCCEEDED, 13));
    // The library writes that it was sent after it has arrived.
    pay(&library, &sent(1, PENDING, 14), &notes("late", &[]));
    let payment = library.payment(1);
    assert_eq!(noted(&payment), ("late", vec![("b", "2")]));
    assert_eq!(payment.status(), types::PaymentStatus::Succeeded);
}

pub(super) fn a_transaction_gets_the_notes_of_its_call<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    let details = onchain(7, PENDING, 10);
    let super::PaymentKind::Onchain { txid, .. } = details.kind else { panic!("another kind") };
    let rent = notes("rent", &[("month", "11")]);
    with_notes(&rent, || library.store.transaction_made(txid, Some(5), None)).unwrap();
    library.put(&details);
    assert_eq!(noted(&library.payment(7)), ("rent", vec![("month", "11")]));
    // One that the library was faster to write down.
    let details = onchain(8, PENDING, 10);
    let super::PaymentKind::Onchain { txid, .. } = details.kind else { panic!("another kind") };
    library.put(&details);
    with_notes(&rent, || library.store.transaction_made(txid, Some(5), None)).unwrap();
    assert_eq!(library.payment(8).label, "rent");
}

pub(super) fn notes_are_changed_and_nothing_else<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    let id = |id| PaymentId([id; 32]);
    pay(&library, &sent(1, SUCCEEDED, 10), &notes("first", &[("a", "1")]));
    library.put(&received(2, Status::Pending, 10));
    let change = |of, label: Option<Option<&str>>, metadata: Option<&[(&str, &str)]>| {
        let label = label.map(|label| label.map(str::to_owned));
        let metadata = metadata.map(entries);
        library.store.change_notes(id(of), NotesChange { label, metadata }).unwrap()
    };
    let (before, counts) = (library.payment(1), library.counts());
    assert!(change(1, Some(Some("second")), None));
    let expected = types::Payment { label: "second".to_owned(), ..before.clone() };
    assert_eq!(library.payment(1), expected);
    assert!(change(1, None, Some(&[("b", "2")])));
    assert_eq!(noted(&library.payment(1)), ("second", vec![("b", "2")]));
    assert!(change(1, Some(None), Some(&[])));
    assert_eq!(noted(&library.payment(1)), ("", vec![]));
    assert!(change(2, Some(Some("gift")), None), "one to this node");
    assert_eq!(library.payment(2).label, "gift");
    assert!(!change(3, Some(Some("none")), None), "there is no such payment");
    assert_eq!(library.counts(), counts);
    drop(library);
    let library = Library::open(&database);
    assert_eq!(library.payment(2).label, "gift");
    // An invoice that is pruned keeps them.
    library.remove(2);
    assert_eq!(library.payment(2).label, "gift");
}
