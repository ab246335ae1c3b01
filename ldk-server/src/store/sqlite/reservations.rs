//! The table of what was drawn on budgets.

use ldk_node::lightning::ln::channelmanager::PaymentId;
use rusqlite::{Connection, Row, params};

use super::{as_i64, as_u64};
use crate::store::model::{Purpose, Reservation, Settlement};

/// The outcome of its payment is not known.
const OPEN: i64 = 0;
const SPENT: i64 = 1;

pub(super) fn add(
    database: &Connection,
    reservations: &[Reservation],
    purpose: Purpose,
) -> rusqlite::Result<()> {
    let (payment, state) = columns(purpose);
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_server_reservations
             (number, budget, created_at, counts_until, amount_msat, payment, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for reservation in reservations {
        let Reservation { number, budget, created_at, counts_until, amount_msat } = reservation;
        statement.execute(params![
            as_i64(*number),
            budget,
            as_i64(*created_at),
            counts_until.map(as_i64),
            as_i64(*amount_msat),
            payment,
            state
        ])?;
    }
    Ok(())
}

/// It is known what they are for.
pub(super) fn are_for(
    database: &Connection,
    number: u64,
    purpose: Purpose,
) -> rusqlite::Result<()> {
    let (payment, state) = columns(purpose);
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_reservations SET payment = ?2, state = ?3 WHERE number = ?1",
    )?;
    statement.execute(params![as_i64(number), payment, state])?;
    Ok(())
}

/// Nothing was spent.
pub(super) fn release(database: &Connection, number: u64) -> rusqlite::Result<()> {
    let mut statement =
        database.prepare_cached("DELETE FROM ldk_server_reservations WHERE number = ?1")?;
    statement.execute([as_i64(number)])?;
    Ok(())
}

/// A payment has cost this, if anything is reserved for it.
pub(super) fn settle(
    database: &Connection,
    payment: PaymentId,
    amount_msat: u64,
) -> rusqlite::Result<Vec<Settlement>> {
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_reservations SET amount_msat = ?2, state = 1
         WHERE payment = ?1 AND state = 0 RETURNING number",
    )?;
    let numbers = statement.query_map(params![payment.0, as_i64(amount_msat)], |row| row.get(0))?;
    let numbers: Vec<u64> = numbers.map(|number| number.map(as_u64)).collect::<Result<_, _>>()?;
    Ok(numbers.into_iter().map(|number| Settlement { number, amount_msat }).collect())
}

/// Settles what a crash has left, and forgets what counts no more. A payment that is not in the history
/// has never left the node: its record would have been there before it.
pub(super) fn tidy(database: &Connection, now_secs: u64) -> rusqlite::Result<()> {
    database.execute(
        "DELETE FROM ldk_server_reservations
         WHERE counts_until <= ?1 OR amount_msat = 0 OR state = 0 AND (
             payment IS NULL
             OR NOT EXISTS (SELECT 1 FROM ldk_server_payments
                 WHERE id = ldk_server_reservations.payment AND status <> 2)
         )",
        [as_i64(now_secs)],
    )?;
    Ok(())
}

/// All of them, the oldest first.
pub(super) fn all(database: &Connection) -> rusqlite::Result<Vec<Reservation>> {
    let mut statement = database.prepare_cached(
        "SELECT number, budget, created_at, counts_until, amount_msat
         FROM ldk_server_reservations ORDER BY number",
    )?;
    statement.query_map([], reservation)?.collect()
}

fn reservation(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    Ok(Reservation {
        number: as_u64(row.get(0)?),
        budget: row.get(1)?,
        created_at: as_u64(row.get(2)?),
        counts_until: row.get::<_, Option<i64>>(3)?.map(as_u64),
        amount_msat: as_u64(row.get(4)?),
    })
}

fn columns(purpose: Purpose) -> (Option<[u8; 32]>, i64) {
    match purpose {
        Purpose::Unknown => (None, OPEN),
        Purpose::Payment(id) => (Some(id.0), OPEN),
        Purpose::Spent => (None, SPENT),
    }
}
