//! The history of payments: a row for each that the library ever wrote, made and changed in the
//! transaction of that write. A payment that the library has forgotten stays in the history.

use std::sync::{Arc, Mutex, PoisonError};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::util::ser::Readable as _;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::PaymentDirection::Outbound;
use ldk_node::payment::{PaymentDetails, PaymentKind};
use ldk_server_grpc::types::{Payment, PaymentDirection, PaymentMethod, PaymentStatus};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::{Page, Store, as_i64, as_u64, invalid_data, sql_error};
use crate::wire::payment as wire;

/// Where the library keeps its payments, whose keys are ids in hexadecimal.
pub(super) const NAMESPACE: (&str, &str) = ("payments", "");

/// Where a payment stands in the list: the newest first, and by id among those of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentPlace {
    /// When it was created, in Unix seconds.
    pub created_at: u64,
    /// Its id.
    pub id: PaymentId,
}

/// Which payments to list; what is `None` or unspecified does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaymentFilter {
    /// How far they have come.
    pub status: Option<PaymentStatus>,
    /// To us or from us.
    pub direction: Option<PaymentDirection>,
    /// How they are made.
    pub method: PaymentMethod,
    /// The earliest time of creation, in Unix seconds.
    pub created_from: Option<u64>,
    /// Their time of creation is before this, in Unix seconds.
    pub created_before: Option<u64>,
    /// Their hash.
    pub payment_hash: Option<PaymentHash>,
}

/// How many payments there are, of all kinds and in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaymentCounts {
    /// All that ever began.
    pub begun: u64,
    /// Those that are pending now.
    pub pending: u64,
    /// Those that had succeeded at the start, and each success since. Never goes down.
    pub succeeded: u64,
    /// Those that had failed at the start, and each that failed since; one that is under way again
    /// and then fails again counts twice. Never goes down.
    pub failed: u64,
}

/// The counts as they are now.
#[derive(Clone, Default)]
pub(super) struct Counts(Arc<Mutex<PaymentCounts>>);

/// From which status to which a payment went; from none when it is new.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatusChange {
    before: Option<PaymentStatus>,
    after: PaymentStatus,
}

impl Store {
    /// The payment with this id.
    pub fn payment(&self, id: PaymentId) -> io::Result<Option<Payment>> {
        let row = self.readers.read(|database| {
            let mut statement = database.prepare_cached(
                "SELECT payment, created_at, expired FROM ldk_server_payments WHERE id = ?1",
            )?;
            statement.query_row([id.0], Stored::read).optional()
        })?;
        row.map(Stored::payment).transpose()
    }

    /// The payments after this place, or from the newest on; `None` if no payment is at this place.
    pub fn payments(
        &self,
        filter: &PaymentFilter,
        after: Option<PaymentPlace>,
        page_size: usize,
    ) -> io::Result<Option<Page<Payment>>> {
        let rows = self.readers.read(|database| {
            if let Some(place) = after
                && !exists(database, place)?
            {
                return Ok(None);
            }
            let (sql, values) = query(filter, after, page_size);
            let mut statement = database.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(values), Stored::read)?;
            rows.collect::<rusqlite::Result<Vec<_>>>().map(Some)
        })?;
        let Some(rows) = rows else { return Ok(None) };
        let payments = rows.into_iter().map(Stored::payment).collect::<io::Result<Vec<_>>>()?;
        Ok(Some(Page::of(payments, page_size)))
    }

    /// How many there are.
    pub fn payment_counts(&self) -> PaymentCounts {
        *self.payment_counts.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub(super) fn load(database: &Connection) -> io::Result<Self> {
        // The conditions are those of the index by status, which the successes are not in.
        let counts = database.query_row(
            "SELECT (SELECT count(*) FROM ldk_server_payments),
                    (SELECT count(*) FROM ldk_server_payments WHERE status <> 1 AND status = 0),
                    (SELECT count(*) FROM ldk_server_payments WHERE status <> 1 AND status = 2)",
            [],
            |row| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?].map(as_u64)),
        );
        let [begun, pending, failed] = counts.map_err(sql_error)?;
        let succeeded = begun - pending - failed;
        Ok(Self(Arc::new(Mutex::new(PaymentCounts { begun, pending, succeeded, failed }))))
    }

    pub(super) fn changed(&self, StatusChange { before, after }: StatusChange) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if before.is_none() {
            counts.begun += 1;
        }
        if before == Some(after) {
            return;
        }
        if before == Some(PaymentStatus::Pending) {
            counts.pending -= 1;
        }
        match after {
            PaymentStatus::Pending => counts.pending += 1,
            PaymentStatus::Succeeded => counts.succeeded += 1,
            PaymentStatus::Failed => counts.failed += 1,
        }
    }
}

/// A row as it is stored.
struct Stored {
    value: Vec<u8>,
    created_at: u64,
    expired: bool,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { value: row.get(0)?, created_at: as_u64(row.get(1)?), expired: row.get(2)? })
    }

    fn payment(self) -> io::Result<Payment> {
        let Self { value, created_at, expired } = self;
        Ok(wire::payment(read(&value)?, created_at, expired))
    }
}

fn exists(database: &Connection, place: PaymentPlace) -> rusqlite::Result<bool> {
    database
        .prepare_cached("SELECT 1 FROM ldk_server_payments WHERE id = ?1 AND created_at = ?2")?
        .exists(params![place.id.0, as_i64(place.created_at)])
}

/// One more than a page holds tells whether another follows.
fn query(
    filter: &PaymentFilter,
    after: Option<PaymentPlace>,
    page_size: usize,
) -> (String, Vec<Value>) {
    let PaymentFilter { status, direction, method, created_from, created_before, payment_hash } =
        *filter;
    let mut sql =
        "SELECT payment, created_at, expired FROM ldk_server_payments WHERE TRUE".to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut and = |condition: &str, condition_values: Vec<Value>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(condition_values);
    };
    match status {
        None => {},
        Some(PaymentStatus::Succeeded) => and("status = 1", vec![]),
        // As the index by status has it.
        Some(other) => and("status <> 1 AND status = ?", vec![i64::from(other as i32).into()]),
    }
    if let Some(direction) = direction {
        and("direction = ?", vec![i64::from(direction as i32).into()]);
    }
    if method != PaymentMethod::Unspecified {
        and("method = ?", vec![i64::from(method as i32).into()]);
    }
    if let Some(from) = created_from {
        and("newest_first <= ?", vec![(-as_i64(from)).into()]);
    }
    if let Some(before) = created_before {
        and("newest_first > ?", vec![(-as_i64(before)).into()]);
    }
    if let Some(PaymentHash(hash)) = payment_hash {
        and(
            "((id = ? AND payment_hash = id) OR (payment_hash = ? AND payment_hash <> id))",
            vec![hash.to_vec().into(), hash.to_vec().into()],
        );
    }
    if let Some(PaymentPlace { created_at, id }) = after {
        let place = vec![(-as_i64(created_at)).into(), id.0.to_vec().into()];
        and("(newest_first, id) > (?, ?)", place);
    }
    sql.push_str(" ORDER BY newest_first, id LIMIT ?");
    values.push(as_i64(page_size as u64 + 1).into());
    (sql, values)
}

/// Writes a payment into the history.
pub(super) fn put(
    database: &Connection,
    details: &PaymentDetails,
    value: &[u8],
) -> rusqlite::Result<StatusChange> {
    let created_at = as_i64(details.latest_update_timestamp);
    put_created(database, details, value, created_at)
}

/// Writes a payment into the history; this is its time of creation unless it is there.
fn put_created(
    database: &Connection,
    details: &PaymentDetails,
    value: &[u8],
    created_at: i64,
) -> rusqlite::Result<StatusChange> {
    let PaymentDetails {
        id,
        kind,
        amount_msat,
        fee_paid_msat,
        direction,
        status,
        latest_update_timestamp,
    } = details;
    let before = status_of(database, &id.0)?;
    let after = wire::payment_status(*status);
    // The library writes that a payment was sent when it may have arrived already, over that it has.
    let is_sent = *direction == Outbound && !matches!(kind, PaymentKind::Onchain { .. });
    if is_sent && (before, after) == (Some(PaymentStatus::Succeeded), PaymentStatus::Pending) {
        return Ok(StatusChange { before, after: PaymentStatus::Succeeded });
    }
    let mut statement = database.prepare_cached(
        "INSERT INTO ldk_server_payments (id, created_at, updated_at, direction, status, method,
             amount_msat, fee_paid_msat, payment_hash, payment)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at,
             direction = excluded.direction, status = excluded.status, method = excluded.method,
             amount_msat = excluded.amount_msat, fee_paid_msat = excluded.fee_paid_msat,
             payment_hash = excluded.payment_hash, expired = 0, payment = excluded.payment",
    )?;
    statement.execute(params![
        id.0,
        created_at,
        as_i64(*latest_update_timestamp),
        wire::payment_direction(*direction) as i32,
        after as i32,
        wire::payment_method(kind) as i32,
        amount_msat.map(as_i64),
        fee_paid_msat.map(as_i64),
        wire::payment_hash(kind).map(|hash| hash.0),
        value,
    ])?;
    Ok(StatusChange { before, after })
}

/// Takes note that the library has removed a payment. It does that on request only, and the request
/// is about invoices that have expired.
pub(super) fn removed(database: &Connection, id: &[u8]) -> rusqlite::Result<Option<StatusChange>> {
    let mut statement = database.prepare_cached(
        "UPDATE ldk_server_payments SET status = 2, expired = 1
         WHERE id = ?1 AND status = 0 AND direction = 0",
    )?;
    let has_expired = statement.execute([id])? > 0;
    Ok(has_expired.then_some(StatusChange {
        before: Some(PaymentStatus::Pending),
        after: PaymentStatus::Failed,
    }))
}

/// Takes over a payment from among the library's, with its time of creation.
pub(super) fn take_over(database: &Connection, key: &str, created_at: i64) -> io::Result<()> {
    let value: Option<Vec<u8>> = database
        .query_row(
            "SELECT value FROM ldk_node_data
             WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND key = ?3",
            [NAMESPACE.0, NAMESPACE.1, key],
            |row| row.get(0),
        )
        .optional()
        .map_err(sql_error)?;
    // The time was written before the payment, and a crash may have been between.
    let Some(value) = value else { return Ok(()) };
    put_created(database, &read(&value)?, &value, created_at).map_err(sql_error)?;
    Ok(())
}

/// Makes the history agree with what the library has, in case another program wrote to its table.
pub(super) fn reconcile(database: &Connection) -> io::Result<()> {
    let mut statement = database
        .prepare(
            "SELECT value FROM ldk_node_data
             LEFT JOIN ldk_server_payments ON id = unhex(key)
             WHERE primary_namespace = ?1 AND secondary_namespace = ?2 AND value IS NOT payment",
        )
        .map_err(sql_error)?;
    let differing = statement
        .query_map([NAMESPACE.0, NAMESPACE.1], |row| row.get(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<Vec<u8>>>>)
        .map_err(sql_error)?;
    for value in &differing {
        put(database, &read(value)?, value).map_err(sql_error)?;
    }
    if !differing.is_empty() {
        tracing::info!("{} payments were added to the history or changed in it", differing.len());
    }
    Ok(())
}

fn status_of(database: &Connection, id: &[u8]) -> rusqlite::Result<Option<PaymentStatus>> {
    let mut statement =
        database.prepare_cached("SELECT status FROM ldk_server_payments WHERE id = ?1")?;
    let status: Option<i32> = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(status.and_then(|status| PaymentStatus::try_from(status).ok()))
}

/// Reads a payment as the library writes it.
pub(super) fn read(value: &[u8]) -> io::Result<PaymentDetails> {
    let mut bytes = value;
    PaymentDetails::read(&mut bytes)
        .map_err(|error| invalid_data(&format!("a payment cannot be read: {error}")))
}
