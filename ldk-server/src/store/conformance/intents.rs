//! What was asked for under a key, and what came of it.

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};

use super::TestDatabase;
use crate::store::model::MAX_REMOVED_AT_ONCE;
use crate::store::{AnswerDraft, Intent, IntentOutcome, Store, payment_id};

const ID: PaymentId = PaymentId([9; 32]);

fn intent(key: &str, created_at: u64) -> Intent {
    let encode = |outcome: &IntentOutcome, draft: &AnswerDraft| {
        format!("{outcome:?} {:?}", draft.left_out).into_bytes()
    };
    Intent::new(key.to_owned(), ("Bolt11Send", [7; 32]), created_at, encode)
}

/// The library writes a payment of this status while the call is carried out.
fn pay(store: &Store, intent: &Intent, status: PaymentStatus) -> Result<(), bool> {
    let details = PaymentDetails {
        id: ID,
        kind: PaymentKind::Bolt11 { hash: PaymentHash(ID.0), preimage: None, secret: None },
        amount_msat: Some(5),
        fee_paid_msat: None,
        direction: PaymentDirection::Outbound,
        status,
        latest_update_timestamp: 1_700_000_000,
    };
    let send = || {
        KVStoreSync::write(store, "payments", "", &hex::encode(ID.0), details.encode()).unwrap();
        if status == PaymentStatus::Failed { Err(true) } else { Ok(()) }
    };
    store.dispatch(Some(intent), Some(ID), send, |sent_nothing| *sent_nothing).unwrap()
}

/// What is known of a key: nothing, that its outcome is not known, or what was answered.
fn known(store: &Store, key: &str) -> Option<Option<String>> {
    let row = store.intent(key).unwrap()?;
    assert_eq!((&*row.method, row.digest), ("Bolt11Send", [7; 32]));
    Some(row.answer.map(|answer| String::from_utf8(answer).unwrap()))
}

pub(super) fn an_answer_is_written_with_the_payment<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let intent = intent("a", 1);
    intent.leaves_out(vec!["by offer".to_owned()]);
    assert_eq!(pay(&store, &intent, PaymentStatus::Pending), Ok(()));
    let answer = format!("Payment({ID:?}, Bolt11) [\"by offer\"]");
    assert_eq!(known(&store, "a"), Some(Some(answer.clone())));
    let left = database.killed();
    assert_eq!(known(&left.open(), "a"), Some(Some(answer.clone())));
    // What the library writes of the payment later is of no call.
    assert_eq!(pay(&store, &self::intent("b", 2), PaymentStatus::Failed), Err(true));
    drop(store);
    let store = database.open();
    assert_eq!((known(&store, "a"), known(&store, "b")), (Some(Some(answer)), None));
}

pub(super) fn what_is_written_outside_of_a_call_answers_none<D: TestDatabase>() {
    let store = D::new().open();
    let sent = store.dispatch(None, None, || Ok::<_, bool>(1), |_| false);
    assert_eq!(sent.unwrap(), Ok(1));
    let sent = store.dispatch(Some(&intent("a", 1)), None, || Err::<(), _>(true), |error| *error);
    assert_eq!(sent.unwrap(), Err(true));
    assert_eq!(pay(&store, &intent("b", 1), PaymentStatus::Pending), Ok(()));
    assert_eq!(known(&store, "a"), None);
}

pub(super) fn a_transaction_is_written_with_its_answer<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let txid = Txid::from_byte_array([8; 32]);
    store.transaction_made(txid, Some(5), Some(&intent("a", 1))).unwrap();
    let answer = Some(Some(format!("Transaction({txid:?}) []")));
    assert_eq!(known(&store, "a"), answer);
    let left = database.killed().open();
    assert_eq!(known(&left, "a"), answer);
    assert!(left.payment(payment_id(&txid)).unwrap().is_some());
}

pub(super) fn without_cuts_a_call_that_was_not_heard_of_again_is_remembered<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let during = || {
        // On disk before anything is handed to the library.
        assert_eq!(known(&database.killed().open(), "a"), Some(None));
        Ok::<_, bool>(())
    };
    store.dispatch(Some(&intent("a", 1)), Some(ID), during, |_| false).unwrap().unwrap();
    let row = store.intent("a").unwrap().unwrap();
    assert_eq!((row.answer, row.payment, row.created_at), (None, Some(ID), 1));
    let unclear =
        store.dispatch(Some(&intent("b", 1)), None, || Err::<(), _>(false), |error| *error);
    assert_eq!(unclear.unwrap(), Err(false));
    drop(store);
    assert_eq!(known(&database.open(), "b"), Some(None));
}

pub(super) fn old_keys_are_free_again_some_at_a_time<D: TestDatabase>() {
    let store = D::new().open();
    let came_to = |intent: &Intent| -> io::Result<()> {
        store.intent_came_to(Some(intent), &IntentOutcome::Splice(None))
    };
    for number in 0..=MAX_REMOVED_AT_ONCE {
        came_to(&intent(&format!("key-{number}"), 100 + number)).unwrap();
    }
    came_to(&intent("new", 10_000)).unwrap();
    assert_eq!(store.remove_old_intents(100).unwrap(), 0);
    assert_eq!(store.remove_old_intents(10_000).unwrap(), MAX_REMOVED_AT_ONCE);
    assert_eq!(store.remove_old_intents(10_000).unwrap(), 1);
    assert_eq!(store.remove_old_intents(10_000).unwrap(), 0);
    assert_eq!((known(&store, "key-0"), known(&store, "new").is_some()), (None, true));
}
