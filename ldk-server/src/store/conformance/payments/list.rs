//! The list of payments: its order, its pages, its filters.

use std::cmp::Reverse;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::PaymentDetails;
use ldk_server_grpc::types::{self, PaymentMethod, PaymentStatus};

use super::super::TestDatabase;
use super::{
    FAILED, Library, PENDING, SUCCEEDED, first_byte, onchain, place_of, received, sent,
    sent_to_offer,
};
use crate::store::Page;
use crate::store::model::{PaymentFilter, PaymentPlace};
use crate::wire::payment as wire;

pub(super) fn the_newest_is_first_and_the_smallest_id_in_a_second<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    for (id, at) in [(5, 10), (2, 20), (9, 10), (1, 10), (255, 10), (7, 30)] {
        library.write(id, PENDING, at);
    }
    assert_eq!(library.listed(), [(7, 30), (2, 20), (1, 10), (5, 10), (9, 10), (255, 10)]);
}

pub(super) fn the_order_survives_updates_and_restarts<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    library.write(1, PENDING, 10);
    library.write(2, PENDING, 20);
    library.write(1, SUCCEEDED, 30);
    assert_eq!(library.listed(), [(2, 20), (1, 10)]);
    let changed = library.payment(1);
    assert_eq!(changed.status(), types::PaymentStatus::Succeeded);
    assert_eq!((changed.created_at, changed.latest_update_timestamp), (10, 30));
    drop(library);
    let library = Library::open(&database);
    assert_eq!(library.listed(), [(2, 20), (1, 10)]);
    assert_eq!(library.payment(1), changed);
}

pub(super) fn pages_follow_one_another_without_gap_or_repetition<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    // Some in each second.
    (0..=249).for_each(|id| library.write(id, PENDING, 100 + u64::from(id / 7)));
    let all = PaymentFilter::default();
    for size in [1, 7, 249, 250, 251] {
        let payments = library.read(&all, size);
        assert_eq!(payments.len(), 250, "by {size}");
        let order = |payment: &types::Payment| (Reverse(payment.created_at), payment.id.clone());
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

pub(super) fn a_page_that_begins_after_no_payment_is_refused<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
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

pub(super) fn every_filter_and_pair_of_filters_leaves_what_passes<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    let mut payments = variety();
    payments.iter().for_each(|payment| library.put(payment));
    payments.sort_by_key(|payment| (Reverse(payment.latest_update_timestamp), payment.id.0));
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

pub(super) fn a_place_is_good_with_any_filter<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
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

pub(super) fn what_has_succeeded_is_read_in_order<D: TestDatabase>() {
    let database = D::new();
    let library = Library::open(&database);
    // Begun in tens of seconds, in the order of their ids, and settled at other times.
    let settled_at = |id: u8| 1_000 + u64::from(id) * 7 % 30;
    for id in 1..=30 {
        library.write(id, PENDING, u64::from(id / 10) * 10);
        library.write(id, if id % 5 == 0 { FAILED } else { SUCCEEDED }, settled_at(id));
    }
    library.put(&onchain(40, SUCCEEDED, 1_000));
    for (from, before) in
        [(None, None), (Some(1_010), None), (None, Some(1_020)), (Some(1_005), Some(1_015))]
    {
        let in_span =
            |at: u64| from.is_none_or(|from| at >= from) && before.is_none_or(|before| at < before);
        let mut expected: Vec<u8> =
            (1..=30).filter(|id| id % 5 > 0 && in_span(settled_at(*id))).collect();
        // The other way round among those of one second.
        expected.sort_by_key(|id| (id / 10, Reverse(*id)));
        for size in [1, 4, 30] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = library.store.settled_payments((from, before), after, size).unwrap();
                after = page.rows.last().map(place_of);
                found.extend(page.rows.iter().map(first_byte));
                if !page.has_more {
                    break;
                }
            }
            assert_eq!(found, expected, "{from:?} {before:?} by {size}");
        }
    }
}
