//! What becomes of a payment by what the library writes.

use ldk_node::Event;
use ldk_node::UserChannelId;
use ldk_node::lightning::events::ClosureReason;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_server_grpc::types;

use super::super::TestDatabase;
use super::{FAILED, Library, PENDING, SUCCEEDED, key, onchain, received, sent};
use crate::store::model::PAYMENTS;

pub(super) fn every_change_of_status_is_counted_once<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
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
    assert_eq!(Library::open(&database).counts(), [2, 0, 2, 0]);
}

pub(super) fn a_payment_that_arrived_is_not_said_to_be_under_way_again<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    library.put(&sent(1, PENDING, 10));
    library.put(&sent(1, SUCCEEDED, 11));
    library.put(&sent(1, PENDING, 12));
    assert_eq!(library.payment(1).status(), types::PaymentStatus::Succeeded);
    assert_eq!(library.payment(1).latest_update_timestamp, 11);
    assert_eq!(library.counts(), [1, 0, 1, 0]);
    // A transaction can leave the chain, and a payment that failed can be tried again.
    for (id, before) in [(2, SUCCEEDED), (3, FAILED)] {
        let of = |status, at| if id == 2 { onchain(id, status, at) } else { sent(id, status, at) };
        library.put(&of(before, 10));
        library.put(&of(PENDING, 11));
        assert_eq!(library.payment(id).status(), types::PaymentStatus::Pending);
    }
    drop(library);
    // Nor by the library's own table.
    let library = Library::open(&database);
    assert_eq!(library.payment(1).status(), types::PaymentStatus::Succeeded);
    assert_eq!(library.counts(), [3, 2, 1, 0]);
}

pub(super) fn both_ways_to_write_are_written_down<D: TestDatabase>() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let database = D::new();
    let library = Library::open(&database);
    let value = received(1, PENDING, 10).encode();
    let written = KVStore::write(&library.store, PAYMENTS.0, PAYMENTS.1, &key(1), value);
    runtime.block_on(written).unwrap();
    assert_eq!(library.listed(), [(1, 10)]);
    let removed = KVStore::remove(&library.store, PAYMENTS.0, PAYMENTS.1, &key(1), false);
    runtime.block_on(removed).unwrap();
    assert!(library.payment(1).expired);
    assert_eq!(library.counts(), [1, 0, 0, 1]);
}

pub(super) fn what_the_library_would_not_read_is_not_written<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    let write =
        |key: &str, value| KVStoreSync::write(&library.store, PAYMENTS.0, PAYMENTS.1, key, value);
    assert!(write(&key(1), vec![1, 2, 3]).is_err());
    assert!(KVStoreSync::list(&library.store, PAYMENTS.0, PAYMENTS.1).unwrap().is_empty());
    assert_eq!(library.listed(), []);
}

/// Writes the library's queue, in which these events are.
fn write_queue(library: &Library, events: &[Event]) {
    let length = u16::try_from(events.len()).unwrap();
    let queue = length.to_be_bytes().into_iter().chain(events.iter().flat_map(Event::encode));
    KVStoreSync::write(&library.store, "", "", "events", queue.collect()).unwrap();
}

fn closed(reason: ClosureReason) -> Event {
    Event::ChannelClosed {
        channel_id: ChannelId([7; 32]),
        user_channel_id: UserChannelId(7),
        counterparty_node_id: None,
        reason: Some(reason),
    }
}

pub(super) fn an_outdated_state_is_noticed_while_another_event_is_acknowledged<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    library.put(&sent(1, PENDING, 10));
    write_queue(&library, &[closed(ClosureReason::CommitmentTxConfirmed)]);
    let acknowledge = || {
        write_queue(&library, &[closed(ClosureReason::OutdatedChannelManager)]);
        Ok::<_, String>(())
    };
    library.store.acknowledging(acknowledge).unwrap();
    library.put(&sent(1, FAILED, 11));
    assert!(library.payment(1).outcome_unknown);
}

pub(super) fn a_failure_after_an_outdated_state_is_not_believed<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    library.put(&sent(1, PENDING, 10));
    library.put(&sent(2, PENDING, 10));
    library.put(&sent(3, FAILED, 10));
    library.write(4, PENDING, 10);
    // Other closures are no reason to doubt.
    write_queue(&library, &[closed(ClosureReason::CommitmentTxConfirmed)]);
    library.put(&sent(2, FAILED, 11));
    let earlier = closed(ClosureReason::CommitmentTxConfirmed);
    write_queue(&library, &[earlier, closed(ClosureReason::OutdatedChannelManager)]);
    library.put(&sent(5, PENDING, 12));
    for id in [1, 5] {
        library.put(&sent(id, FAILED, 13));
    }
    library.write(4, FAILED, 13);

    let check = |library: &Library| {
        let seen = |id| {
            let payment = library.payment(id);
            (payment.status(), payment.outcome_unknown)
        };
        assert_eq!(seen(1), (types::PaymentStatus::Pending, true));
        for id in 2..=5 {
            assert_eq!(seen(id), (types::PaymentStatus::Failed, false), "{id}");
        }
        assert_eq!(library.counts(), [5, 1, 0, 4]);
    };
    check(&library);
    // The library's own record is another, also after a restart.
    drop(library);
    let library = Library::open(&database);
    check(&library);
    library.put(&sent(1, SUCCEEDED, 14));
    let payment = library.payment(1);
    assert_eq!(payment.status(), types::PaymentStatus::Succeeded);
    assert!(!payment.outcome_unknown);
}

pub(super) fn why_a_payment_failed_is_kept_until_it_is_tried_again<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    let reason = types::PaymentFailureReason::RouteNotFound;
    library.put(&sent(1, PENDING, 10));
    let told = |library: &Library| {
        library.store.record_library_event(Some(PaymentId([1; 32])), Some(reason), |_| None);
        library.store.durability().barrier().unwrap();
    };
    told(&library);
    assert_eq!(library.payment(1).failure_reason, None, "it has not failed");
    library.put(&sent(1, FAILED, 11));
    told(&library);
    drop(library);
    let library = Library::open(&database);
    assert_eq!(library.payment(1).failure_reason, Some(reason.into()));
    library.put(&sent(1, PENDING, 12));
    library.put(&sent(1, FAILED, 13));
    assert_eq!(library.payment(1).failure_reason, None, "why it failed again is not told yet");
}
