//! The history of payments.

use std::thread;

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::events::ClosureReason;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::offers::offer::OfferId;
use ldk_node::lightning::util::persist::{KVStore, KVStoreSync};
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{
    ConfirmationStatus, PaymentDetails, PaymentDirection, PaymentKind, PaymentStatus as Status,
};
use ldk_node::{Event, UserChannelId};
use ldk_server_grpc::types::{self, PaymentMethod, PaymentStatus};

use super::Place;
use crate::store::model::{PAYMENTS, PaymentFilter, PaymentPlace};
use crate::store::payments::{NotWritten, making_invoice, making_wanted_invoice};
use crate::store::{Page, PaymentCounts, Store};
use crate::wire::payment as wire;

pub(in crate::store) const PENDING: Status = Status::Pending;
pub(in crate::store) const SUCCEEDED: Status = Status::Succeeded;
pub(in crate::store) const FAILED: Status = Status::Failed;

/// A store as the library uses it.
pub(in crate::store) struct Library {
    pub(in crate::store) store: Store,
}

impl Library {
    pub(in crate::store) fn open(place: &impl Place) -> Self {
        Self { store: place.open() }
    }

    pub(in crate::store) fn put(&self, details: &PaymentDetails) {
        let key = hex::encode(details.id.0);
        KVStoreSync::write(&self.store, PAYMENTS.0, PAYMENTS.1, &key, details.encode()).unwrap();
    }

    pub(in crate::store) fn write(&self, id: u8, status: Status, at: u64) {
        self.put(&received(id, status, at));
    }

    pub(in crate::store) fn remove(&self, id: u8) {
        KVStoreSync::remove(&self.store, PAYMENTS.0, PAYMENTS.1, &key(id), false).unwrap();
    }

    fn page(
        &self,
        filter: &PaymentFilter,
        after: Option<PaymentPlace>,
        size: usize,
    ) -> Page<types::Payment> {
        self.store.payments(filter, after, size).unwrap().unwrap()
    }

    /// The payments that pass, by pages of this size.
    pub(in crate::store) fn read(
        &self,
        filter: &PaymentFilter,
        size: usize,
    ) -> Vec<types::Payment> {
        let (mut payments, mut after) = (Vec::new(), None);
        loop {
            let Page { rows, has_more } = self.page(filter, after, size);
            after = rows.last().map(place_of);
            assert!(rows.len() == size || !has_more);
            payments.extend(rows);
            if !has_more {
                return payments;
            }
        }
    }

    /// The payments in their order, each with its time.
    pub(in crate::store) fn listed(&self) -> Vec<(u8, u64)> {
        let payments = self.read(&PaymentFilter::default(), 3);
        payments.iter().map(|payment| (first_byte(payment), payment.created_at)).collect()
    }

    pub(in crate::store) fn payment(&self, id: u8) -> types::Payment {
        self.store.payment(PaymentId([id; 32])).unwrap().unwrap()
    }

    /// Begun, pending, succeeded, failed.
    pub(in crate::store) fn counts(&self) -> [u64; 4] {
        let PaymentCounts { begun, pending, succeeded, failed, .. } = self.store.payment_counts();
        [begun, pending, succeeded, failed]
    }
}

pub(in crate::store) fn key(id: u8) -> String {
    hex::encode([id; 32])
}

fn first_byte(payment: &types::Payment) -> u8 {
    hex::decode(&payment.id).unwrap()[0]
}

fn place_of(payment: &types::Payment) -> PaymentPlace {
    let id = hex::decode(&payment.id).unwrap().try_into().unwrap();
    PaymentPlace { created_at: payment.created_at, id: PaymentId(id) }
}

fn bolt11(id: u8) -> PaymentKind {
    PaymentKind::Bolt11 { hash: PaymentHash([id; 32]), preimage: None, secret: None }
}

/// An inbound payment to an invoice.
pub(in crate::store) fn received(id: u8, status: Status, at: u64) -> PaymentDetails {
    PaymentDetails {
        id: PaymentId([id; 32]),
        kind: bolt11(id),
        amount_msat: Some(1),
        fee_paid_msat: None,
        direction: PaymentDirection::Inbound,
        status,
        latest_update_timestamp: at,
    }
}

pub(in crate::store) fn sent(id: u8, status: Status, at: u64) -> PaymentDetails {
    PaymentDetails { direction: PaymentDirection::Outbound, ..received(id, status, at) }
}

/// An outbound payment to an offer, whose id is not its hash.
fn sent_to_offer(id: u8, hash: u8, status: Status, at: u64) -> PaymentDetails {
    let kind = PaymentKind::Bolt12Offer {
        hash: Some(PaymentHash([hash; 32])),
        preimage: None,
        secret: None,
        offer_id: OfferId([9; 32]),
        payer_note: None,
        quantity: None,
    };
    PaymentDetails { kind, ..sent(id, status, at) }
}

fn onchain(id: u8, status: Status, at: u64) -> PaymentDetails {
    let txid = Txid::from_byte_array([id; 32]);
    let kind = PaymentKind::Onchain { txid, status: ConfirmationStatus::Unconfirmed };
    PaymentDetails { kind, ..sent(id, status, at) }
}

pub(super) fn the_newest_is_first_and_the_smallest_id_in_a_second<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
    for (id, at) in [(5, 10), (2, 20), (9, 10), (1, 10), (255, 10), (7, 30)] {
        library.write(id, PENDING, at);
    }
    assert_eq!(library.listed(), [(7, 30), (2, 20), (1, 10), (5, 10), (9, 10), (255, 10)]);
}

pub(super) fn the_order_survives_updates_and_restarts<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
    library.write(1, PENDING, 10);
    library.write(2, PENDING, 20);
    library.write(1, SUCCEEDED, 30);
    assert_eq!(library.listed(), [(2, 20), (1, 10)]);
    let changed = library.payment(1);
    assert_eq!(changed.status(), types::PaymentStatus::Succeeded);
    assert_eq!((changed.created_at, changed.latest_update_timestamp), (10, 30));
    drop(library);
    let library = Library::open(&place);
    assert_eq!(library.listed(), [(2, 20), (1, 10)]);
    assert_eq!(library.payment(1), changed);
}

pub(super) fn every_change_of_status_is_counted_once<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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
    assert_eq!(Library::open(&place).counts(), [2, 0, 2, 0]);
}

pub(super) fn pages_follow_one_another_without_gap_or_repetition<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
    // Some in each second.
    (0..=249).for_each(|id| library.write(id, PENDING, 100 + u64::from(id / 7)));
    let all = PaymentFilter::default();
    for size in [1, 7, 249, 250, 251] {
        let payments = library.read(&all, size);
        assert_eq!(payments.len(), 250, "by {size}");
        let order =
            |payment: &types::Payment| (std::cmp::Reverse(payment.created_at), payment.id.clone());
        assert!(payments.is_sorted_by(|one, next| order(one) < order(next)), "by {size}");
    }
    let before = library.read(&all, 1_000);
    let first = library.page(&all, None, 100);
    // One that is new, and one that changes after its place was given out.
    library.write(250, PENDING, 1_000);
    library.write(first_byte(&before[99]), SUCCEEDED, 1_000);
    let second = library.page(&all, first.rows.last().map(place_of), 150);
    assert_eq!((first.has_more, second.has_more), (true, false));
    assert_eq!([first.rows, second.rows].concat(), before);
}

pub(super) fn a_page_that_begins_after_no_payment_is_refused<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
    library.write(1, PENDING, 10);
    for (created_at, id) in [(10, 2), (11, 1), (0, 1), (u64::MAX, 1)] {
        let place = PaymentPlace { created_at, id: PaymentId([id; 32]) };
        let page = library.store.payments(&PaymentFilter::default(), Some(place), 10).unwrap();
        assert_eq!(page, None);
    }
    let last = PaymentPlace { created_at: 10, id: PaymentId([1; 32]) };
    let page = library.page(&PaymentFilter::default(), Some(last), 10);
    assert_eq!(page, Page { rows: Vec::new(), has_more: false });
}

/// Whether a payment passes the filter, told without the database.
fn passes(filter: &PaymentFilter, payment: &PaymentDetails) -> bool {
    let PaymentFilter { status, direction, method, created_from, created_before, payment_hash } =
        filter;
    let at = payment.latest_update_timestamp;
    status.is_none_or(|status| status == wire::payment_status(payment.status))
        && direction.is_none_or(|way| way == wire::payment_direction(payment.direction))
        && (*method == PaymentMethod::Unspecified || *method == wire::payment_method(&payment.kind))
        && created_from.is_none_or(|from| at >= from)
        && created_before.is_none_or(|before| at < before)
        && payment_hash.is_none_or(|hash| wire::payment_hash(&payment.kind) == Some(hash))
}

/// Some of each kind, three in each second.
fn variety() -> Vec<PaymentDetails> {
    let statuses = [PENDING, SUCCEEDED, FAILED];
    let kind = |id: u8, status, at| match id % 4 {
        0 => received(id, status, at),
        1 => sent(id, status, at),
        // Two of them have the hash of another payment.
        2 => sent_to_offer(id, if id < 10 { 40 } else { id + 100 }, status, at),
        _ => onchain(id, status, at),
    };
    let of = |id: u8| kind(id, statuses[usize::from(id / 4 % 3)], 100 + u64::from(id / 3));
    (1..60).map(of).collect()
}

/// Nothing, or one condition.
fn conditions() -> Vec<PaymentFilter> {
    let all = PaymentFilter::default();
    let hash = |byte| PaymentFilter { payment_hash: Some(PaymentHash([byte; 32])), ..all };
    let (from, before) = (
        PaymentFilter { created_from: Some(105), ..all },
        PaymentFilter { created_before: Some(112), ..all },
    );
    let (first, last) = (
        PaymentFilter { created_from: Some(0), ..all },
        PaymentFilter { created_before: Some(u64::MAX), ..all },
    );
    let status = |status| PaymentFilter { status: Some(status), ..all };
    let direction = |direction| PaymentFilter { direction: Some(direction), ..all };
    let method = |method| PaymentFilter { method, ..all };
    vec![
        all,
        status(PaymentStatus::Pending),
        status(PaymentStatus::Succeeded),
        status(PaymentStatus::Failed),
        direction(types::PaymentDirection::Inbound),
        direction(types::PaymentDirection::Outbound),
        method(PaymentMethod::Onchain),
        method(PaymentMethod::Bolt11),
        method(PaymentMethod::Bolt12Offer),
        method(PaymentMethod::Spontaneous),
        from,
        before,
        first,
        last,
        hash(40),
        hash(200),
    ]
}

fn both(one: &PaymentFilter, other: &PaymentFilter) -> PaymentFilter {
    PaymentFilter {
        status: one.status.or(other.status),
        direction: one.direction.or(other.direction),
        method: if one.method == PaymentMethod::Unspecified { other.method } else { one.method },
        created_from: one.created_from.or(other.created_from),
        created_before: one.created_before.or(other.created_before),
        payment_hash: one.payment_hash.or(other.payment_hash),
    }
}

pub(in crate::store) fn pairs() -> impl Iterator<Item = PaymentFilter> {
    let conditions = conditions();
    let others = conditions.clone();
    conditions
        .into_iter()
        .flat_map(move |one| others.clone().into_iter().map(move |other| both(&one, &other)))
}

pub(super) fn every_filter_and_pair_of_filters_leaves_what_passes<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
    let mut payments = variety();
    payments.iter().for_each(|payment| library.put(payment));
    payments
        .sort_by_key(|payment| (std::cmp::Reverse(payment.latest_update_timestamp), payment.id.0));
    for filter in pairs() {
        let expected: Vec<_> = payments.iter().filter(|payment| passes(&filter, payment)).collect();
        let expected: Vec<_> = expected.iter().map(|payment| hex::encode(payment.id.0)).collect();
        for size in [2, 100] {
            let listed: Vec<_> =
                library.read(&filter, size).into_iter().map(|payment| payment.id).collect();
            assert_eq!(listed, expected, "{filter:?} by {size}");
        }
    }
    // Its own, and two that only have it.
    assert_eq!(library.read(&conditions()[14], 100).len(), 3);
}

pub(super) fn a_place_is_good_with_any_filter<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
    let payments = variety();
    payments.iter().for_each(|payment| library.put(payment));
    let all = library.read(&PaymentFilter::default(), 100);
    for filter in pairs() {
        let passing = library.read(&filter, 100);
        for (index, last) in all.iter().enumerate().step_by(7) {
            let after = &all[index + 1..];
            let expected: Vec<_> = passing.iter().filter(|row| after.contains(row)).collect();
            let page = library.page(&filter, Some(place_of(last)), 100);
            assert_eq!(page.rows.iter().collect::<Vec<_>>(), expected, "{filter:?} {last:?}");
        }
    }
}

pub(super) fn a_payment_that_arrived_is_not_said_to_be_under_way_again<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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
    let library = Library::open(&place);
    assert_eq!(library.payment(1).status(), types::PaymentStatus::Succeeded);
    assert_eq!(library.counts(), [3, 2, 1, 0]);
}

pub(super) fn both_ways_to_write_are_written_down<P: Place>() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let place = P::new();
    let library = Library::open(&place);
    let value = received(1, PENDING, 10).encode();
    let written = KVStore::write(&library.store, PAYMENTS.0, PAYMENTS.1, &key(1), value);
    runtime.block_on(written).unwrap();
    assert_eq!(library.listed(), [(1, 10)]);
    let removed = KVStore::remove(&library.store, PAYMENTS.0, PAYMENTS.1, &key(1), false);
    runtime.block_on(removed).unwrap();
    assert!(library.payment(1).expired);
    assert_eq!(library.counts(), [1, 0, 0, 1]);
}

pub(super) fn what_the_library_would_not_read_is_not_written<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
    let write =
        |key: &str, value| KVStoreSync::write(&library.store, PAYMENTS.0, PAYMENTS.1, key, value);
    assert!(write(&key(1), vec![1, 2, 3]).is_err());
    assert!(KVStoreSync::list(&library.store, PAYMENTS.0, PAYMENTS.1).unwrap().is_empty());
    assert_eq!(library.listed(), []);
}

pub(super) fn an_invoice_that_is_put_away_stays_in_the_history_as_failed<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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
    stays(&Library::open(&place));
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

pub(super) fn an_invoice_that_is_not_made_is_not_missed<P: Place>() {
    let refused = making_invoice(60, || Err::<(), _>("refused"));
    assert_eq!(refused.unwrap(), Err("refused"));
    assert!(making_invoice(60, || Ok::<_, ()>(())).is_err());
}

pub(super) fn an_invoice_expires_as_long_after_its_making_as_it_says<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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

pub(super) fn expired_invoices_are_found_in_bounded_steps<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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

pub(super) fn an_invoice_that_is_paid_after_all_has_succeeded<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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

pub(super) fn an_outdated_state_is_noticed_while_another_event_is_acknowledged<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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

pub(super) fn a_failure_after_an_outdated_state_is_not_believed<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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
    let library = Library::open(&place);
    check(&library);
    library.put(&sent(1, SUCCEEDED, 14));
    let payment = library.payment(1);
    assert_eq!(payment.status(), types::PaymentStatus::Succeeded);
    assert!(!payment.outcome_unknown);
}

pub(super) fn an_invoice_of_no_use_does_not_come_into_the_history<P: Place>() {
    let place = P::new();
    let library = Library::open(&place);
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
