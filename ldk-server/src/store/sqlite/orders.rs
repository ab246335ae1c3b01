//! The table of what callers have said of payments.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::model::PayOrder;

/// Keeps what was said of a payment.
pub(super) fn put(
    database: &Connection,
    PaymentId(id): PaymentId,
    order: &PayOrder,
) -> rusqlite::Result<()> {
    let PayOrder { invstring, label, description, destination } = order;
    database
        .prepare_cached("INSERT OR REPLACE INTO ldk_server_pay_orders VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id, invstring, label, description, destination])?;
    Ok(())
}

/// Forgets what was said of a payment.
pub(super) fn forget(database: &Connection, PaymentId(id): PaymentId) -> rusqlite::Result<()> {
    database.prepare_cached("DELETE FROM ldk_server_pay_orders WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// What was said of these payments.
pub(super) fn find(
    database: &Connection,
    ids: &[PaymentId],
) -> rusqlite::Result<Vec<Option<PayOrder>>> {
    let mut statement = database.prepare_cached(
        "SELECT invstring, label, description, destination FROM ldk_server_pay_orders WHERE id = ?1",
    )?;
    let mut of_id = |id: &PaymentId| {
        let order = statement.query_row([id.0], |row| {
            Ok(PayOrder {
                invstring: row.get(0)?,
                label: row.get(1)?,
                description: row.get(2)?,
                destination: row.get(3)?,
            })
        });
        order.optional()
    };
    ids.iter().map(&mut of_id).collect()
}
