//! The history of forwards.

use ldk_server_grpc::types::ForwardedPayment;

use super::{Clock, TestDatabase};
use crate::store::testing::event;
use crate::store::{Forward, ForwardFilter, ForwardPlace, NewEvent, Page, Store};

/// A forward that is known by its amount.
fn forward(amount_msat: u64) -> ForwardedPayment {
    ForwardedPayment {
        outbound_amount_forwarded_msat: Some(amount_msat),
        ..ForwardedPayment::default()
    }
}

/// A store, and the time of the forwards that are added to it.
struct Forwards {
    store: Store,
    clock: Clock,
}

impl Forwards {
    fn open(database: &impl TestDatabase) -> Self {
        let clock = Clock::default();
        Self { store: database.open_at(&clock), clock }
    }

    fn put(&self, amount_msat: u64, at: u64) {
        self.clock.set(at);
        let new = NewEvent { forward: Some(forward(amount_msat)), ..event() };
        assert!(self.store.record_event(new).unwrap());
    }
}

fn page(
    store: &Store,
    filter: &ForwardFilter,
    after: Option<ForwardPlace>,
    size: usize,
) -> Page<Forward> {
    store.forwards(filter, after, size).unwrap().unwrap()
}

/// The amounts and times of those that pass, by pages of this size.
fn read(store: &Store, filter: &ForwardFilter, size: usize) -> Vec<(u64, u64)> {
    let (mut forwards, mut after) = (Vec::new(), None);
    loop {
        let Page { rows, has_more } = page(store, filter, after, size);
        after = rows.last().map(|row| row.place);
        forwards.extend(rows.iter().map(|Forward { place, payment }| {
            assert_eq!(payment.created_at, place.created_at);
            (payment.outbound_amount_forwarded_msat.unwrap(), place.created_at)
        }));
        if !has_more {
            return forwards;
        }
    }
}

pub(super) fn the_newest_is_first_and_the_last_one_in_a_second<D: TestDatabase>() {
    let database = D::new();
    let forwards = Forwards::open(&database);
    let store = &forwards.store;
    // Equal ones, and a clock that is set back.
    for (amount, at) in [(1, 10), (1, 10), (2, 10), (3, 30), (4, 20)] {
        forwards.put(amount, at);
    }
    let all = ForwardFilter::default();
    let expected = [(3, 30), (4, 20), (2, 10), (1, 10), (1, 10)];
    for size in 1..=6 {
        assert_eq!(read(store, &all, size), expected);
    }
    drop(forwards);
    assert_eq!(read(&database.open(), &all, 2), expected);
}

pub(super) fn a_page_is_not_disturbed_by_what_is_added<D: TestDatabase>() {
    let database = D::new();
    let forwards = Forwards::open(&database);
    let store = &forwards.store;
    let all = ForwardFilter::default();
    assert_eq!(page(store, &all, None, 3), Page { rows: Vec::new(), has_more: false });
    (0..6).for_each(|amount| forwards.put(amount, 10));
    let first = page(store, &all, None, 3);
    forwards.put(6, 10);
    let second = page(store, &all, first.rows.last().map(|row| row.place), 3);
    assert_eq!((first.has_more, second.has_more), (true, false));
    let amount = |row: &Forward| row.payment.outbound_amount_forwarded_msat.unwrap();
    let amounts: Vec<_> = first.rows.iter().chain(&second.rows).map(amount).collect();
    assert_eq!(amounts, [5, 4, 3, 2, 1, 0]);
}

pub(super) fn a_page_that_begins_after_no_forward_is_refused<D: TestDatabase>() {
    let database = D::new();
    let forwards = Forwards::open(&database);
    let store = &forwards.store;
    forwards.put(1, 10);
    let all = ForwardFilter::default();
    let last = page(store, &all, None, 1).rows[0].place;
    assert!(page(store, &all, Some(last), 1).rows.is_empty());
    for (created_at, number) in [(11, last.number), (10, last.number + 1), (10, u64::MAX)] {
        let place = ForwardPlace { created_at, number };
        assert_eq!(store.forwards(&all, Some(place), 1).unwrap(), None);
    }
}

pub(super) fn a_span_of_time_is_listed_from_any_place<D: TestDatabase>() {
    let database = D::new();
    let forwards = Forwards::open(&database);
    let store = &forwards.store;
    (0..20).for_each(|amount| forwards.put(amount, 100 + amount / 3));
    let all = read(store, &ForwardFilter::default(), 100);
    let places = page(store, &ForwardFilter::default(), None, 100).rows;
    let bounds = [None, Some(0), Some(102), Some(104), Some(u64::MAX)];
    for (created_from, created_before) in
        bounds.into_iter().flat_map(|from| bounds.map(|before| (from, before)))
    {
        let filter = ForwardFilter { created_from, created_before };
        let passes = |(_, at): &&(u64, u64)| {
            created_from.is_none_or(|from| *at >= from)
                && created_before.is_none_or(|before| *at < before)
        };
        let expected: Vec<_> = all.iter().filter(passes).copied().collect();
        assert_eq!(read(store, &filter, 2), expected, "{filter:?}");
        for (index, last) in places.iter().enumerate() {
            let expected = all[index + 1..].iter().filter(passes).count();
            let rows = page(store, &filter, Some(last.place), 100).rows;
            assert_eq!(rows.len(), expected, "{filter:?} after {last:?}");
        }
    }
}

pub(super) fn a_span_of_time_is_read_in_order<D: TestDatabase>() {
    let database = D::new();
    let forwards = Forwards::open(&database);
    let store = &forwards.store;
    (0..20).for_each(|amount| forwards.put(amount, 100 + amount / 3));
    for (from, before) in
        [(None, None), (Some(102), None), (None, Some(104)), (Some(101), Some(105))]
    {
        let in_span =
            |at: u64| from.is_none_or(|from| at >= from) && before.is_none_or(|before| at < before);
        let expected: Vec<_> = (0..20).filter(|amount| in_span(100 + amount / 3)).collect();
        for size in [1, 3, 20, 21] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = store.forwards_in_order((from, before), after, size).unwrap();
                after = page.rows.last().map(|row| row.place);
                let amount = |row: &Forward| row.payment.outbound_amount_forwarded_msat.unwrap();
                found.extend(page.rows.iter().map(amount));
                if !page.has_more {
                    break;
                }
            }
            assert_eq!(found, expected, "{from:?} {before:?} by {size}");
        }
    }
}
