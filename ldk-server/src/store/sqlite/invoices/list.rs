//! Reading invoices: one, or those of a list.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::super::{as_i64, as_u64};
use super::columns::{COLUMNS, TABLES, invoice, kind_number, status_number};
use crate::store::model::{
    InvoiceFilter, InvoiceName, InvoicePlace, InvoiceRow, InvoiceStatus, ListedState,
};

/// The invoice of this name. Of several, the newest.
pub(in crate::store::sqlite) fn find(
    database: &Connection,
    name: &InvoiceName,
) -> rusqlite::Result<Option<InvoiceRow>> {
    let (condition, value): (&str, Value) = match name {
        InvoiceName::Number(number) => ("i.number = ?1", as_i64(*number).into()),
        InvoiceName::Label(label) => ("i.label = ?1", label.clone().into()),
        InvoiceName::PaymentHash(hash) => ("i.payment_hash = ?1", hash.to_vec().into()),
        InvoiceName::OfferId(id) => ("i.offer_id = ?1 AND i.kind = 5", id.to_vec().into()),
        InvoiceName::ExternalId(id) => ("i.external_id = ?1", id.clone().into()),
    };
    first(database, condition, "i.number DESC", value)
}

/// The one that was paid first after that with this index.
pub(in crate::store::sqlite) fn paid_after(
    database: &Connection,
    pay_index: u64,
) -> rusqlite::Result<Option<InvoiceRow>> {
    first(database, "i.pay_index > ?1", "i.pay_index", as_i64(pay_index).into())
}

fn first(
    database: &Connection,
    condition: &str,
    order: &str,
    value: Value,
) -> rusqlite::Result<Option<InvoiceRow>> {
    let mut statement = database.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE {condition} ORDER BY {order} LIMIT 1"
    ))?;
    statement.query_row([value], invoice).optional()
}

/// The index of the one that was paid last.
pub(in crate::store::sqlite) fn last_pay_index(database: &Connection) -> rusqlite::Result<u64> {
    database
        .prepare_cached("SELECT last_pay_index FROM ldk_server_invoice_state")?
        .query_row([], |row| row.get(0).map(as_u64))
}

/// The caller's own preimage of the payment with this hash.
pub(in crate::store::sqlite) fn own_preimage(
    database: &Connection,
    payment_hash: [u8; 32],
) -> rusqlite::Result<Option<[u8; 32]>> {
    let preimage = database
        .prepare_cached(
            "SELECT preimage FROM ldk_server_invoices
             WHERE payment_hash = ?1 AND preimage IS NOT NULL",
        )?
        .query_row(params![payment_hash], |row: &Row<'_>| row.get(0));
    preimage.optional()
}

/// The invoices after this place.
pub(in crate::store::sqlite) fn page(
    database: &Connection,
    filter: &InvoiceFilter,
    after: Option<InvoicePlace>,
    limit: usize,
) -> rusqlite::Result<Vec<InvoiceRow>> {
    let (sql, values) = query(filter, after, limit);
    let mut statement = database.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values), invoice)?.collect()
}

/// A page is one range of an index, in which the rows are in order.
pub(super) fn query(
    filter: &InvoiceFilter,
    after: Option<InvoicePlace>,
    limit: usize,
) -> (String, Vec<Value>) {
    let InvoiceFilter { states, kinds, external_id, created_from, created_before, now } = filter;
    let mut sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE TRUE");
    let mut values = Vec::new();
    let mut and = |condition: &str, with: Vec<Value>| {
        sql.push_str(condition);
        values.extend(with);
    };
    if let Some(from) = created_from {
        and(" AND i.created_at >= ?", vec![number(*from)]);
    }
    // A range has one end: of these two, the one further on implies the other.
    match (after, *created_before) {
        (Some(InvoicePlace { created_at, number: last }), before)
            if before.is_none_or(|before| created_at < before) =>
        {
            and(" AND (i.created_at, i.number) < (?, ?)", vec![number(created_at), number(last)]);
        },
        (_, Some(before)) => and(" AND i.created_at < ?", vec![number(before)]),
        (_, None) => {},
    }
    if let Some(external_id) = external_id {
        and(" AND i.external_id = ?", vec![external_id.clone().into()]);
    }
    if !kinds.is_empty() {
        let numbers: Vec<_> = kinds.iter().map(|kind| kind_number(*kind).to_string()).collect();
        and(&format!(" AND i.kind IN ({})", numbers.join(", ")), Vec::new());
    }
    let (condition, with) = has_state(states, *now);
    and(&condition, with);
    and(" ORDER BY i.created_at DESC, i.number DESC LIMIT ?", vec![number(limit as u64)]);
    (sql, values)
}

/// If there are several, no index is to be used for them: their rows would have to be sorted.
fn has_state(states: &[ListedState], now: u64) -> (String, Vec<Value>) {
    let column = if states.len() == 1 { "i.state" } else { "+i.state" };
    let mut values = Vec::new();
    let conditions = states.iter().map(|state| match state {
        ListedState::Expired => {
            values.push(number(now));
            format!("{column} = 0 AND i.expires_at <= ?")
        },
        ListedState::Stored(InvoiceStatus::Open) => {
            values.push(number(now));
            format!("{column} = 0 AND (i.expires_at IS NULL OR i.expires_at > ?)")
        },
        ListedState::Stored(status) => format!("{column} = {}", status_number(*status)),
    });
    let conditions: Vec<_> = conditions.collect();
    match &conditions[..] {
        [] => (String::new(), values),
        [one] => (format!(" AND {one}"), values),
        several => (format!(" AND ({})", several.join(" OR ")), values),
    }
}

fn number(number: u64) -> Value {
    as_i64(number).into()
}

#[cfg(test)]
mod tests {
    use ldk_node::io::sqlite_store::SQLITE_DB_FILE_NAME;
    use tempfile::TempDir;

    use super::*;
    use crate::store::testing;

    fn plan(database: &Connection, filter: &InvoiceFilter, after: bool) -> Vec<String> {
        let place = after.then_some(InvoicePlace { created_at: 5, number: 1 });
        let (sql, values) = query(filter, place, 100);
        let mut plan = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
        steps.unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn no_page_is_read_by_sorting() {
        let dir = TempDir::new().unwrap();
        drop(testing::open(dir.path()));
        let database = Connection::open(dir.path().join(SQLITE_DB_FILE_NAME)).unwrap();
        let paid = ListedState::Stored(InvoiceStatus::Paid);
        let open = ListedState::Stored(InvoiceStatus::Open);
        for states in [vec![], vec![paid], vec![open], vec![open, paid], vec![ListedState::Expired]]
        {
            for external_id in [None, Some("order".to_owned())] {
                let filter = InvoiceFilter {
                    states: states.clone(),
                    external_id: external_id.clone(),
                    created_before: Some(9),
                    ..InvoiceFilter::default()
                };
                for after in [false, true] {
                    let steps = plan(&database, &filter, after);
                    assert!(steps[0].starts_with("SEARCH i USING INDEX"), "{steps:?}");
                    assert!(!steps.iter().any(|step| step.contains("ORDER BY")), "{steps:?}");
                }
            }
        }
    }
}
