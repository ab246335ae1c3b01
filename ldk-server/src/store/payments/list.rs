//! The history as it is read: one payment, or a page of them.

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_server_grpc::types::{Payment, PaymentDirection, PaymentMethod, PaymentStatus};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use super::outcome::{self, Doubt};
use super::read;
use crate::clock::unix_secs;
use crate::store::{Page, Store, as_i64, as_u64};
use crate::wire;

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

impl Store {
    /// The payment with this id, with all that the library has written of it. An invoice that is not
    /// paid has expired as soon as its time is over.
    pub fn payment(&self, id: PaymentId) -> io::Result<Option<Payment>> {
        self.barrier()?;
        self.readers.read(|database| find(database, id))?.map(Stored::payment_now).transpose()
    }

    /// The payment with this id, as it was committed last. An invoice has expired when it is put away.
    pub fn durable_payment(&self, id: PaymentId) -> io::Result<Option<Payment>> {
        self.readers.read(|database| find(database, id))?.map(Stored::payment).transpose()
    }

    /// The payments after this place, or from the newest on; `None` if no payment is at this place. An
    /// invoice that is not paid has expired as soon as its time is over.
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
        let payments = rows.into_iter().map(Stored::payment_now).collect::<io::Result<Vec<_>>>()?;
        Ok(Some(Page::of(payments, page_size)))
    }
}

/// The payment with this id, as it is on record in the transaction under way. One that cannot be read
/// is none, and told of in the log.
pub(in crate::store) fn current(
    database: &Connection,
    id: PaymentId,
) -> rusqlite::Result<Option<Payment>> {
    let payment = find(database, id)?.map(Stored::payment).transpose();
    Ok(payment.unwrap_or_else(|error| {
        tracing::error!("payment {} cannot be read: {error}", hex::encode(id.0));
        None
    }))
}

fn find(database: &Connection, id: PaymentId) -> rusqlite::Result<Option<Stored>> {
    let mut statement = database.prepare_cached(
        "SELECT payment, created_at, expired, doubt, expires_at FROM ldk_server_payments
         WHERE id = ?1",
    )?;
    statement.query_row([id.0], Stored::read).optional()
}

/// A row as it is stored.
struct Stored {
    value: Vec<u8>,
    created_at: u64,
    /// Whether it is an invoice that was put away.
    put_away: bool,
    doubt: Doubt,
    /// When the invoice expires, in Unix seconds.
    expires_at: Option<i64>,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            value: row.get(0)?,
            created_at: as_u64(row.get(1)?),
            put_away: row.get(2)?,
            doubt: row.get(3)?,
            expires_at: row.get(4)?,
        })
    }

    fn payment(self) -> io::Result<Payment> {
        let Self { value, created_at, put_away, doubt, expires_at: _ } = self;
        let payment = wire::payment::payment(read(&value)?, created_at, put_away);
        let outcome_unknown =
            doubt == outcome::GIVEN_UP && payment.status() == PaymentStatus::Pending;
        Ok(Payment { outcome_unknown, ..payment })
    }

    /// As it is at this moment.
    fn payment_now(self) -> io::Result<Payment> {
        let is_over = self.expires_at.is_some_and(|at| as_u64(at) < unix_secs());
        let payment = self.payment()?;
        let has_expired = is_over && payment.status() == PaymentStatus::Pending;
        Ok(Payment { expired: payment.expired || has_expired, ..payment })
    }
}

fn exists(database: &Connection, place: PaymentPlace) -> rusqlite::Result<bool> {
    database
        .prepare_cached("SELECT 1 FROM ldk_server_payments WHERE id = ?1 AND created_at = ?2")?
        .exists(params![place.id.0, as_i64(place.created_at)])
}

const ROWS: &str = "SELECT payment, created_at, expired, doubt, expires_at, newest_first, id
     FROM ldk_server_payments";

/// A page is one range of an index, in which the rows are in order. What an index does not begin
/// with is in it all the same, so that no row is read only to be left out.
pub(super) fn query(
    filter: &PaymentFilter,
    after: Option<PaymentPlace>,
    page_size: usize,
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
    // One more than a page holds tells whether another follows.
    let limit = bind(as_i64(page_size as u64 + 1).into());
    (format!("{rows} ORDER BY newest_first, id LIMIT {limit}"), values)
}
