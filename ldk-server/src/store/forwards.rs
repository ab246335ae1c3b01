//! The payments that were forwarded for others, each written in the transaction of its event.

use ldk_node::lightning::io;
use ldk_server_grpc::types::ForwardedPayment;
use prost::Message as _;

use super::Store;
use super::model::{Forward, ForwardFilter, ForwardPlace, ForwardRow, Page, invalid_data};

impl Store {
    /// The forwards after this place, or from the newest on; `None` if no forward is at this place.
    pub fn forwards(
        &self,
        filter: &ForwardFilter,
        after: Option<ForwardPlace>,
        page_size: usize,
    ) -> io::Result<Option<Page<Forward>>> {
        // One more than a page holds tells whether another follows.
        let rows = self.reads.forwards(filter, after, page_size.saturating_add(1))?;
        let Some(rows) = rows else { return Ok(None) };
        let forwards = rows.into_iter().map(|ForwardRow { place, value }| {
            let payment = ForwardedPayment::decode(value.as_slice()).map_err(|_| {
                invalid_data(&format!("forwarded payment {} cannot be read", place.number))
            })?;
            Ok(Forward {
                place,
                payment: ForwardedPayment { created_at: place.created_at, ..payment },
            })
        });
        Ok(Some(Page::of(forwards.collect::<io::Result<_>>()?, page_size)))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;
    use crate::store::sqlite::replica::WalReader;
    use crate::store::{sqlite, testing};

    /// A forward that is known by its amount.
    fn forward(amount_msat: u64) -> ForwardedPayment {
        ForwardedPayment {
            outbound_amount_forwarded_msat: Some(amount_msat),
            ..ForwardedPayment::default()
        }
    }

    fn put(store: &Store, amount_msat: u64, at: u64) {
        let add = move |database: &Connection, _: &mut WalReader| {
            sqlite::forwards::add(database, &forward(amount_msat), at)
        };
        store.sqlite.maintenance.run(add).unwrap().unwrap();
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

    #[test]
    fn the_newest_is_first_and_the_last_one_in_a_second() {
        let dir = TempDir::new().unwrap();
        let store = testing::open(dir.path());
        // Equal ones, and a clock that is set back.
        for (amount, at) in [(1, 10), (1, 10), (2, 10), (3, 30), (4, 20)] {
            put(&store, amount, at);
        }
        let all = ForwardFilter::default();
        let expected = [(3, 30), (4, 20), (2, 10), (1, 10), (1, 10)];
        for size in 1..=6 {
            assert_eq!(read(&store, &all, size), expected);
        }
        drop(store);
        assert_eq!(read(&testing::open(dir.path()), &all, 2), expected);
    }

    #[test]
    fn a_page_is_not_disturbed_by_what_is_added() {
        let dir = TempDir::new().unwrap();
        let store = testing::open(dir.path());
        let all = ForwardFilter::default();
        assert_eq!(page(&store, &all, None, 3), Page { rows: Vec::new(), has_more: false });
        (0..6).for_each(|amount| put(&store, amount, 10));
        let first = page(&store, &all, None, 3);
        put(&store, 6, 10);
        let second = page(&store, &all, first.rows.last().map(|row| row.place), 3);
        assert_eq!((first.has_more, second.has_more), (true, false));
        let amount = |row: &Forward| row.payment.outbound_amount_forwarded_msat.unwrap();
        let amounts: Vec<_> = first.rows.iter().chain(&second.rows).map(amount).collect();
        assert_eq!(amounts, [5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn a_page_that_begins_after_no_forward_is_refused() {
        let dir = TempDir::new().unwrap();
        let store = testing::open(dir.path());
        put(&store, 1, 10);
        let all = ForwardFilter::default();
        let last = page(&store, &all, None, 1).rows[0].place;
        assert!(page(&store, &all, Some(last), 1).rows.is_empty());
        for (created_at, number) in [(11, last.number), (10, last.number + 1), (10, u64::MAX)] {
            let place = ForwardPlace { created_at, number };
            assert_eq!(store.forwards(&all, Some(place), 1).unwrap(), None);
        }
    }

    #[test]
    fn a_span_of_time_is_listed_from_any_place() {
        let dir = TempDir::new().unwrap();
        let store = testing::open(dir.path());
        (0..20).for_each(|amount| put(&store, amount, 100 + amount / 3));
        let all = read(&store, &ForwardFilter::default(), 100);
        let places = page(&store, &ForwardFilter::default(), None, 100).rows;
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
            assert_eq!(read(&store, &filter, 2), expected, "{filter:?}");
            for (index, last) in places.iter().enumerate() {
                let expected = all[index + 1..].iter().filter(passes).count();
                let rows = page(&store, &filter, Some(last.place), 100).rows;
                assert_eq!(rows.len(), expected, "{filter:?} after {last:?}");
            }
        }
    }
}
