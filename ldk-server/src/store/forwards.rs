//! The payments that were forwarded for others, each written in the transaction of its event.

use ldk_node::lightning::io;
use ldk_server_grpc::types::ForwardedPayment;
use prost::Message;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::{Page, Store, as_i64, as_u64, invalid_data};

/// Where a forward stands in the list, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardPlace {
    /// When it was forwarded, in Unix seconds.
    pub created_at: u64,
    /// Its number: a later one has a higher one.
    pub number: u64,
}

/// A forward in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// Where it stands.
    pub place: ForwardPlace,
    /// What was forwarded.
    pub payment: ForwardedPayment,
}

/// Which forwards to list; what is `None` does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForwardFilter {
    /// The earliest time, in Unix seconds.
    pub created_from: Option<u64>,
    /// Their time is before this, in Unix seconds.
    pub created_before: Option<u64>,
}

/// A forward as the first versions wrote it, among the library's records.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OldRecord {
    #[prost(int64, tag = "1")]
    pub(super) created_at: i64,
    #[prost(message, optional, tag = "2")]
    pub(super) payment: Option<ForwardedPayment>,
}

impl Store {
    /// The forwards after this place, or from the newest on; `None` if no forward is at this place.
    pub fn forwards(
        &self,
        filter: &ForwardFilter,
        after: Option<ForwardPlace>,
        page_size: usize,
    ) -> io::Result<Option<Page<Forward>>> {
        let rows = self.readers.read(|database| {
            if let Some(place) = after
                && !exists(database, place)?
            {
                return Ok(None);
            }
            let (sql, values) = query(filter, after, page_size);
            let mut statement = database.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), |row| {
                let (number, created_at): (i64, i64) = (row.get(0)?, row.get(1)?);
                let (number, created_at) = (as_u64(number), as_u64(created_at));
                Ok((ForwardPlace { created_at, number }, row.get(2)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<(ForwardPlace, Vec<u8>)>>>().map(Some)
        })?;
        let Some(rows) = rows else { return Ok(None) };
        let forwards = rows.into_iter().map(|(place, record)| {
            let payment = ForwardedPayment::decode(record.as_slice()).map_err(|_| {
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

fn exists(database: &Connection, place: ForwardPlace) -> rusqlite::Result<bool> {
    database
        .prepare_cached("SELECT 1 FROM ldk_server_forwards WHERE number = ?1 AND created_at = ?2")?
        .exists([as_i64(place.number), as_i64(place.created_at)])
}

fn query(
    filter: &ForwardFilter,
    after: Option<ForwardPlace>,
    page_size: usize,
) -> (String, Vec<Value>) {
    let ForwardFilter { created_from, created_before } = *filter;
    let mut sql =
        "SELECT number, created_at, payment FROM ldk_server_forwards WHERE TRUE".to_owned();
    let mut values = Vec::new();
    let mut and = |condition: &str, condition_values: &[u64]| {
        sql.push_str(condition);
        values.extend(condition_values.iter().map(|value| Value::from(as_i64(*value))));
    };
    if let Some(from) = created_from {
        and(" AND created_at >= ?", &[from]);
    }
    // A range has one end: of these two, the one further on implies the other.
    match (after, created_before) {
        (Some(ForwardPlace { created_at, number }), before)
            if before.is_none_or(|before| created_at < before) =>
        {
            and(" AND (created_at, number) < (?, ?)", &[created_at, number]);
        },
        (_, Some(before)) => and(" AND created_at < ?", &[before]),
        (_, None) => {},
    }
    // One more than a page holds tells whether another follows.
    and(" ORDER BY created_at DESC, number DESC LIMIT ?", &[page_size as u64 + 1]);
    (sql, values)
}

/// Adds a forward.
pub(super) fn add(
    database: &Connection,
    payment: &ForwardedPayment,
    created_at: u64,
) -> rusqlite::Result<()> {
    database
        .prepare_cached("INSERT INTO ldk_server_forwards (created_at, payment) VALUES (?1, ?2)")?
        .execute(params![as_i64(created_at), payment.encode_to_vec()])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
    use tempfile::TempDir;

    use super::*;
    use crate::store::testing;

    /// A forward that is known by its amount.
    fn forward(amount_msat: u64) -> ForwardedPayment {
        ForwardedPayment {
            outbound_amount_forwarded_msat: Some(amount_msat),
            ..ForwardedPayment::default()
        }
    }

    fn put(store: &Store, amount_msat: u64, at: u64) {
        store.writer.write(move |database| add(database, &forward(amount_msat), at)).unwrap();
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

    #[test]
    fn no_page_is_read_by_scanning_the_table_or_by_sorting() {
        let dir = TempDir::new().unwrap();
        drop(testing::open(dir.path()));
        let database = Connection::open(dir.path().join(SQLITE_DB_FILE_NAME)).unwrap();
        let place = Some(ForwardPlace { created_at: 5, number: 1 });
        let bounds = [None, Some(1), Some(9)];
        for (from, before) in bounds.into_iter().flat_map(|from| bounds.map(|to| (from, to))) {
            for after in [None, place] {
                let filter = ForwardFilter { created_from: from, created_before: before };
                let (sql, values) = query(&filter, after, 100);
                let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                let step: Vec<String> = plan
                    .query_map(params_from_iter(values), |row| row.get(3))
                    .unwrap()
                    .map(Result::unwrap)
                    .collect();
                let [step] = &step[..] else { panic!("{step:?}") };
                let how = if (from, before, after) == (None, None, None) {
                    "SCAN ldk_server_forwards USING INDEX"
                } else {
                    "SEARCH ldk_server_forwards USING INDEX"
                };
                assert!(step.starts_with(how), "{filter:?} {after:?}: {step}");
            }
        }
    }
}
