//! How many payments there are, kept in memory: metrics must not cost a look at every row.

use std::sync::{Arc, Mutex, PoisonError};

use ldk_node::lightning::io;
use ldk_server_grpc::types::PaymentStatus;
use rusqlite::Connection;

use crate::store::{Store, as_u64, sql_error};

/// How many payments there are, of all kinds and in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaymentCounts {
    /// All that ever began.
    pub begun: u64,
    /// Those that are pending now.
    pub pending: u64,
    /// Those that had succeeded at the start, and each success since. Never goes down.
    pub succeeded: u64,
    /// Those that had failed at the start, and each that failed since, which an invoice does that is
    /// put away; one that is under way again and then fails again counts twice. Never goes down.
    pub failed: u64,
}

/// The counts as they are now.
#[derive(Clone, Default)]
pub(in crate::store) struct Counts(Arc<Mutex<PaymentCounts>>);

/// From which status to which a payment went; from none when it is new.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct StatusChange {
    pub(super) before: Option<PaymentStatus>,
    pub(super) after: PaymentStatus,
}

impl Store {
    /// How many there are.
    pub fn payment_counts(&self) -> PaymentCounts {
        *self.payment_counts.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub(in crate::store) fn load(database: &Connection) -> io::Result<Self> {
        // An expression for each is one search of the index by status each.
        let counts = database.query_row(
            "SELECT (SELECT count(*) FROM ldk_server_payments WHERE status = 0),
                    (SELECT count(*) FROM ldk_server_payments WHERE status = 1),
                    (SELECT count(*) FROM ldk_server_payments WHERE status = 2)",
            [],
            |row| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?].map(as_u64)),
        );
        let [pending, succeeded, failed] = counts.map_err(sql_error)?;
        let begun = pending + succeeded + failed;
        Ok(Self(Arc::new(Mutex::new(PaymentCounts { begun, pending, succeeded, failed }))))
    }

    pub(in crate::store) fn changed(&self, StatusChange { before, after }: StatusChange) {
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
