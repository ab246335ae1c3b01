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

/// One more than a page holds tells whether another follows.
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
    if let Some(before) = created_before {
        and(" AND created_at < ?", &[before]);
    }
    if let Some(ForwardPlace { created_at, number }) = after {
        and(" AND (created_at, number) < (?, ?)", &[created_at, number]);
    }
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
