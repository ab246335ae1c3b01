//! The table of forwarded payments.

use ldk_server_grpc::types::ForwardedPayment;
use prost::Message;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::{as_i64, as_u64};
use crate::store::books::Times;
use crate::store::model::{ForwardFilter, ForwardPlace, ForwardRow};

/// A forward as the first versions wrote it, among the library's records.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OldRecord {
    #[prost(int64, tag = "1")]
    pub(super) created_at: i64,
    #[prost(message, optional, tag = "2")]
    pub(super) payment: Option<ForwardedPayment>,
}

/// The forwards after this place; `None` if there is none at this place.
pub(super) fn page(
    database: &Connection,
    filter: &ForwardFilter,
    after: Option<ForwardPlace>,
    limit: usize,
) -> rusqlite::Result<Option<Vec<ForwardRow>>> {
    if let Some(place) = after
        && !exists(database, place)?
    {
        return Ok(None);
    }
    let (sql, values) = query(filter, after, limit);
    let mut statement = database.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), row)?;
    rows.collect::<rusqlite::Result<_>>().map(Some)
}

fn row(row: &Row<'_>) -> rusqlite::Result<ForwardRow> {
    let (number, created_at): (i64, i64) = (row.get(0)?, row.get(1)?);
    let (number, created_at) = (as_u64(number), as_u64(created_at));
    Ok(ForwardRow { place: ForwardPlace { created_at, number }, value: row.get(2)? })
}

fn exists(database: &Connection, place: ForwardPlace) -> rusqlite::Result<bool> {
    database
        .prepare_cached("SELECT 1 FROM ldk_server_forwards WHERE number = ?1 AND created_at = ?2")?
        .exists([as_i64(place.number), as_i64(place.created_at)])
}

fn query(
    filter: &ForwardFilter,
    after: Option<ForwardPlace>,
    limit: usize,
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
    and(" ORDER BY created_at DESC, number DESC LIMIT ?", &[limit as u64]);
    (sql, values)
}

const IN_ORDER: &str = "SELECT number, created_at, payment FROM ldk_server_forwards
     WHERE (created_at, number) > (?1, ?2) AND created_at < ?3
     ORDER BY created_at, number LIMIT ?4";

/// The forwards of this span of time, those after this place, the first first.
pub(super) fn in_order(
    database: &Connection,
    (from, before): Times,
    after: Option<ForwardPlace>,
    limit: usize,
) -> rusqlite::Result<Vec<ForwardRow>> {
    let place = after
        .map_or((as_i64(from.unwrap_or_default()), 0), |ForwardPlace { created_at, number }| {
            (as_i64(created_at), as_i64(number))
        });
    let before = before.map_or(i64::MAX, as_i64);
    let mut statement = database.prepare_cached(IN_ORDER)?;
    let rows = statement.query_map(params![place.0, place.1, before, as_i64(limit as u64)], row)?;
    rows.collect()
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

    #[test]
    fn what_is_read_in_order_is_a_range_of_the_index() {
        let dir = TempDir::new().unwrap();
        drop(testing::open(dir.path()));
        let database = Connection::open(dir.path().join(SQLITE_DB_FILE_NAME)).unwrap();
        let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {IN_ORDER}")).unwrap();
        let steps = plan.query_map(params![1, 2, 3, 4], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<_> = steps.map(Result::unwrap).collect();
        let [step] = &steps[..] else { panic!("{steps:?}") };
        assert!(step.starts_with("SEARCH ldk_server_forwards USING INDEX"), "{step}");
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
