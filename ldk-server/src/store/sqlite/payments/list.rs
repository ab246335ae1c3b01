//! Reading payments: one, or those of a list.

use std::collections::BTreeMap;

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_server_grpc::types::PaymentMethod;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::super::{as_i64, as_u64, metadata};
use super::class_from_row;
use crate::compat::channel_state::Id;
use crate::store::books::Times;
use crate::store::model::{
    Class, PAYMENTS, PaymentFilter, PaymentNotes, PaymentPlace, PaymentRow, Unpaid,
};

/// Rows of the table, with what [`row`] reads of each and what they are ordered by.
macro_rules! rows {
    () => {
        "SELECT payment, created_at, expired, doubt, expires_at, failure, label, metadata,
             (SELECT preimage FROM ldk_server_invoices AS made
              WHERE made.payment_hash = ldk_server_payments.payment_hash
                  AND made.preimage IS NOT NULL), newest_first, id
         FROM ldk_server_payments"
    };
}

/// The payment with this id.
pub(in crate::store::sqlite) fn find(
    database: &Connection,
    id: PaymentId,
) -> rusqlite::Result<Option<PaymentRow>> {
    let mut statement = database.prepare_cached(concat!(rows!(), " WHERE id = ?1"))?;
    statement.query_row([id.0], row).optional()
}

fn row(row: &Row<'_>) -> rusqlite::Result<PaymentRow> {
    Ok(PaymentRow {
        value: row.get(0)?,
        created_at: as_u64(row.get(1)?),
        is_pruned: row.get(2)?,
        certainty: row.get(3)?,
        expires_at: row.get(4)?,
        failure: row.get(5)?,
        notes: notes(row)?,
        own_preimage: row.get(8)?,
    })
}

fn notes(row: &Row<'_>) -> rusqlite::Result<PaymentNotes> {
    let entries = row.get::<_, Option<Vec<u8>>>(7)?;
    let entries = entries.map(|bytes| metadata::decode(7, &bytes)).transpose()?;
    Ok(PaymentNotes { label: row.get(6)?, metadata: entries.unwrap_or_default() })
}

/// The payments after this place; `None` if there is none at this place.
pub(in crate::store::sqlite) fn page(
    database: &Connection,
    filter: &PaymentFilter,
    after: Option<PaymentPlace>,
    limit: usize,
) -> rusqlite::Result<Option<Vec<PaymentRow>>> {
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

fn exists(database: &Connection, place: PaymentPlace) -> rusqlite::Result<bool> {
    database
        .prepare_cached("SELECT 1 FROM ldk_server_payments WHERE id = ?1 AND created_at = ?2")?
        .exists(params![place.id.0, as_i64(place.created_at)])
}

const ROWS: &str = rows!();

/// A page is one range of an index, in which the rows are in order. What an index does not begin
/// with is in it all the same, so that no row is read only to be left out.
fn query(
    filter: &PaymentFilter,
    after: Option<PaymentPlace>,
    limit: usize,
) -> (String, Vec<Value>) {
    let PaymentFilter { status, direction, method, created_from, created_before, payment_hash } =
        *filter;
    let (mut conditions, mut values) = (String::new(), Vec::<Value>::new());
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    let method = (method != PaymentMethod::Unspecified).then_some(method as i32);
    for (column, value) in [
        ("status", status.map(|status| status as i32)),
        ("direction", direction.map(|direction| direction as i32)),
        ("method", method),
    ] {
        if let Some(value) = value {
            conditions.push_str(&format!(" AND {column} = {}", bind(value.into())));
        }
    }
    if let Some(from) = created_from {
        conditions.push_str(&format!(" AND newest_first <= {}", bind((-as_i64(from)).into())));
    }
    // A range has one beginning: of these two, the one further on implies the other.
    match (after, created_before) {
        (Some(PaymentPlace { created_at, id }), before)
            if before.is_none_or(|before| created_at < before) =>
        {
            let (place, id) = (bind((-as_i64(created_at)).into()), bind(id.0.to_vec().into()));
            conditions.push_str(&format!(" AND (newest_first, id) > ({place}, {id})"));
        },
        (_, Some(before)) => {
            let before = bind((-as_i64(before)).into());
            conditions.push_str(&format!(" AND newest_first > {before}"));
        },
        (_, None) => {},
    }
    let rows = match payment_hash {
        None => format!("{ROWS} WHERE TRUE{conditions}"),
        // The index by hash is for those whose id is not their hash.
        Some(PaymentHash(hash)) => {
            let hash = bind(hash.to_vec().into());
            format!(
                "{ROWS} WHERE id = {hash} AND payment_hash = id{conditions} UNION ALL \
                 {ROWS} WHERE payment_hash = {hash} AND payment_hash <> id{conditions}"
            )
        },
    };
    let limit = bind(as_i64(limit as u64).into());
    (format!("{rows} ORDER BY newest_first, id LIMIT {limit}"), values)
}

const SETTLED: &str = concat!(
    rows!(),
    " INDEXED BY ldk_server_payments_status
     WHERE status = 1 AND (newest_first, id) < (?1, ?2) AND newest_first > ?3 AND method <> ?4
         AND updated_at >= ?5 AND updated_at < ?6
     ORDER BY newest_first DESC, id DESC LIMIT ?7"
);

/// The Lightning payments that have succeeded in this span of time, those after this place, the first that
/// began first. None was settled before it began.
pub(in crate::store::sqlite) fn settled(
    database: &Connection,
    (from, before): Times,
    after: Option<PaymentPlace>,
    limit: usize,
) -> rusqlite::Result<Vec<PaymentRow>> {
    let (newest_first, id) = match after {
        Some(PaymentPlace { created_at, id }) => (-as_i64(created_at), id.0),
        None => (i64::MAX, [0; 32]),
    };
    let before = before.map_or(i64::MAX, as_i64);
    let from = as_i64(from.unwrap_or_default());
    let (method, limit) = (PaymentMethod::Onchain as i32, as_i64(limit as u64));
    let mut statement = database.prepare_cached(SETTLED)?;
    let rows = statement
        .query_map(params![newest_first, id, -before, method, from, before, limit], row)?;
    rows.collect()
}

/// How many of each class are stored. Counted here, because SQLite would sort them first, which
/// takes several times as long.
pub(in crate::store::sqlite) fn classes(
    database: &Connection,
) -> rusqlite::Result<BTreeMap<Class, u64>> {
    let mut numbers = BTreeMap::new();
    let mut statement = database.prepare(
        "SELECT status, direction, method FROM ldk_server_payments
         INDEXED BY ldk_server_payments_status",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(class) = class_from_row(row)? {
            *numbers.entry(class).or_default() += 1;
        }
    }
    Ok(numbers)
}

/// The Lightning payments on their way out. Not those of which it is known already that their outcome
/// is not.
pub(in crate::store::sqlite) fn on_their_way_out(
    database: &Connection,
) -> rusqlite::Result<Vec<Id>> {
    let mut statement = database.prepare_cached(
        "SELECT id FROM ldk_server_payments
         WHERE status = 0 AND direction = 1 AND method <> ?1 AND doubt = 0",
    )?;
    statement.query_map([PaymentMethod::Onchain as i32], |row| row.get(0))?.collect()
}

const EXPIRED: &str = "SELECT expires_at, rowid, id FROM ldk_server_payments
     INDEXED BY ldk_server_payments_unpaid
     WHERE expires_at IS NOT NULL AND status = 0
         AND expires_at < ?1 AND (expires_at, rowid) > (?2, ?3)
     ORDER BY expires_at, rowid LIMIT ?4";

/// Invoices that expired before this and are not paid, after this one.
pub(in crate::store::sqlite) fn expired(
    database: &Connection,
    expired_before: u64,
    after: Option<Unpaid>,
    limit: usize,
) -> rusqlite::Result<Vec<Unpaid>> {
    let after = after.map_or((0, 0), |last| (last.expires_at, last.row));
    let mut statement = database.prepare_cached(EXPIRED)?;
    let values = params![as_i64(expired_before), after.0, after.1, as_i64(limit as u64)];
    let rows = statement.query_map(values, |row| {
        let id = PaymentId(row.get(2)?);
        Ok(Unpaid { expires_at: row.get(0)?, row: row.get(1)?, id })
    })?;
    rows.collect()
}

/// The transactions that the wallet has made and the library has not written down yet.
pub(in crate::store::sqlite) fn transactions_not_found(
    database: &Connection,
) -> rusqlite::Result<Vec<Txid>> {
    let mut statement = database.prepare_cached(
        "SELECT id FROM ldk_server_payments
         WHERE status = 0 AND direction = 1 AND method = ?1 AND NOT EXISTS
             (SELECT 1 FROM ldk_node_data
              WHERE primary_namespace = ?2 AND secondary_namespace = ?3
                  AND key = lower(hex(id)))",
    )?;
    let (primary, secondary) = PAYMENTS;
    let rows = statement.query_map((PaymentMethod::Onchain as i32, primary, secondary), |row| {
        row.get(0).map(Txid::from_byte_array)
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests;
