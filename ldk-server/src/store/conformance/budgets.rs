//! Budgets and what is drawn on them.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus};

use super::TestDatabase;
use crate::store::{BudgetLimit, NotReserved, Store};

const LIMIT: BudgetLimit =
    BudgetLimit { budget: [1; 32], amount_msat: 1_000, window_secs: Some(3_600) };
const WIDER: BudgetLimit = BudgetLimit { budget: [2; 32], amount_msat: 5_000, window_secs: None };
const ID: PaymentId = PaymentId([9; 32]);

/// The library writes down how far a payment has come.
fn payment_is(store: &Store, status: PaymentStatus, amount_msat: u64, fee_msat: Option<u64>) {
    let details = PaymentDetails {
        id: ID,
        kind: PaymentKind::Spontaneous { hash: PaymentHash(ID.0), preimage: None },
        amount_msat: Some(amount_msat),
        fee_paid_msat: fee_msat,
        direction: PaymentDirection::Outbound,
        status,
        latest_update_timestamp: 1_700_000_000,
    };
    KVStoreSync::write(store, "payments", "", &hex::encode(ID.0), details.encode()).unwrap();
}

fn drawn(store: &Store) -> (u64, u64) {
    (store.drawn_msat(&LIMIT), store.drawn_msat(&WIDER))
}

pub(super) fn what_is_reserved_is_left_for_nobody_else<D: TestDatabase>() {
    let store = D::new().open();
    let limits = [WIDER, LIMIT];
    store.reserve(&limits, 600, None).unwrap().stays();
    let Err(NotReserved { index: 1, left_msat: 400 }) = store.reserve(&limits, 401, None) else {
        panic!("reserved too much, or not told what is left");
    };
    assert_eq!(drawn(&store), (600, 600), "nothing of what was refused");
    store.reserve(&limits, 400, None).unwrap().stays();
    assert_eq!(drawn(&store), (1_000, 1_000));
    assert!(store.reserve(&[WIDER], 4_000, None).is_ok());
}

pub(super) fn what_was_not_sent_is_given_back<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    drop(store.reserve(&[LIMIT], 600, Some(ID)).unwrap());
    assert_eq!(drawn(&store), (0, 0));
    drop(store);
    assert_eq!(drawn(&database.open()), (0, 0));
}

pub(super) fn the_outcome_of_a_payment_corrects_what_was_reserved<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    store.reserve(&[LIMIT, WIDER], 600, Some(ID)).unwrap().stays();
    payment_is(&store, PaymentStatus::Pending, 500, None);
    assert_eq!(drawn(&store), (600, 600));
    payment_is(&store, PaymentStatus::Succeeded, 500, Some(7));
    assert_eq!(drawn(&store), (507, 507));
    drop(store);
    assert_eq!(drawn(&database.open()), (507, 507));
}

pub(super) fn a_payment_that_failed_has_cost_nothing<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    for _ in 0..2 {
        let reserved = store.reserve(&[LIMIT], 600, None).unwrap();
        payment_is(&store, PaymentStatus::Pending, 500, None);
        reserved.is_for(ID);
        assert_eq!(drawn(&store), (600, 0));
        payment_is(&store, PaymentStatus::Failed, 500, None);
        assert_eq!(drawn(&store), (0, 0));
    }
    drop(store);
    assert_eq!(drawn(&database.open()), (0, 0));
}

pub(super) fn a_crash_leaks_nothing_and_gives_nothing_back_that_may_have_left<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    // The library never said what it is for, so nothing was sent.
    store.reserve(&[LIMIT], 100, None).unwrap().stays();
    // Never written down as a payment.
    store.reserve(&[LIMIT], 200, Some(PaymentId([8; 32]))).unwrap().stays();
    // Under way, with an outcome that nobody knows.
    store.reserve(&[LIMIT, WIDER], 300, Some(ID)).unwrap().stays();
    payment_is(&store, PaymentStatus::Pending, 290, None);
    store.reserve(&[LIMIT], 40, None).unwrap().as_spent().stays();
    assert_eq!(drawn(&store), (640, 300));
    drop(store);
    let store = database.open();
    assert_eq!(drawn(&store), (340, 300));
    payment_is(&store, PaymentStatus::Failed, 290, None);
    assert_eq!(drawn(&store), (40, 0));
    // Numbers are not given twice.
    store.reserve(&[LIMIT], 10, None).unwrap().as_spent().stays();
    drop(store);
    assert_eq!(drawn(&database.open()), (50, 0));
}

pub(super) fn what_was_drawn_long_ago_counts_no_more<D: TestDatabase>() {
    let store = D::new().open();
    let short = BudgetLimit { window_secs: Some(0), ..LIMIT };
    for _ in 0..3 {
        store.reserve(&[short], 1_000, None).unwrap().as_spent().stays();
    }
    assert_eq!(store.drawn_msat(&short), 0);
}
