//! How many payments there are, kept in memory: metrics must not cost a look at every row.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ldk_node::lightning::io;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::{PaymentDirection, PaymentMethod, PaymentStatus};
use rusqlite::{Connection, Row};

use super::metrics::PaymentMetrics;
use crate::store::{Store, sql_error};

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
    /// Those that had succeeded at the start, and each event since that a payment from here has: what
    /// the metric of the contract counts.
    pub told_successful: u64,
    /// Those that had failed at the start, and each event since that a payment from here has.
    pub told_failed: u64,
}

/// The counts as they are now.
#[derive(Clone)]
pub(in crate::store) struct Counts {
    totals: Arc<Mutex<PaymentCounts>>,
    metrics: PaymentMetrics,
}

/// What is told apart of payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Class {
    pub(super) status: PaymentStatus,
    pub(super) direction: PaymentDirection,
    pub(super) method: PaymentMethod,
}

/// From which class to which a payment went; from none when it is new.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct StatusChange {
    pub(super) before: Option<Class>,
    pub(super) after: Class,
    /// 0 where it is not known.
    pub(super) amount_msat: u64,
    /// 0 where it is not known.
    pub(super) fee_paid_msat: u64,
}

impl Class {
    /// Reads it from the columns `status, direction, method`; `None` for what we did not write.
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let (status, direction, method): (i32, i32, i32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let read = || {
            Some(Self {
                status: PaymentStatus::try_from(status).ok()?,
                direction: PaymentDirection::try_from(direction).ok()?,
                method: PaymentMethod::try_from(method).ok()?,
            })
        };
        Ok(read())
    }
}

impl StatusChange {
    /// Whether the status is another one now.
    pub(super) fn is_news(&self) -> bool {
        self.before.map(|before| before.status) != Some(self.after.status)
    }
}

impl Store {
    /// How many there are.
    pub fn payment_counts(&self) -> PaymentCounts {
        *self.payment_counts.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub(in crate::store) fn load(database: &Connection) -> io::Result<Self> {
        let (mut totals, metrics) = (PaymentCounts::default(), PaymentMetrics::new()?);
        for (class, number) in stored(database).map_err(sql_error)? {
            totals.begun += number;
            match class.status {
                PaymentStatus::Pending => totals.pending += number,
                PaymentStatus::Succeeded => totals.succeeded += number,
                PaymentStatus::Failed => totals.failed += number,
            }
            metrics.are_stored(class, number);
        }
        (totals.told_successful, totals.told_failed) = (totals.succeeded, totals.failed);
        Ok(Self { totals: Arc::new(Mutex::new(totals)), metrics })
    }

    pub(in crate::store) fn metrics(&self) -> &PaymentMetrics {
        &self.metrics
    }

    pub(in crate::store) fn changed(&self, change: StatusChange) {
        self.metrics.changed(&change);
        let before = change.before.map(|before| before.status);
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if before.is_none() {
            totals.begun += 1;
        }
        if !change.is_news() {
            return;
        }
        if before == Some(PaymentStatus::Pending) {
            totals.pending -= 1;
        }
        match change.after.status {
            PaymentStatus::Pending => totals.pending += 1,
            PaymentStatus::Succeeded => totals.succeeded += 1,
            PaymentStatus::Failed => totals.failed += 1,
        }
    }

    /// Takes note of an event that was recorded.
    pub(in crate::store) fn saw(&self, event: &Event) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::PaymentSuccessful(_) => totals.told_successful += 1,
            Event::PaymentFailed(_) => totals.told_failed += 1,
            _ => {},
        }
    }
}

/// How many of each class are stored. Counted here, because SQLite would sort them first, which
/// takes several times as long.
fn stored(database: &Connection) -> rusqlite::Result<BTreeMap<Class, u64>> {
    let mut numbers = BTreeMap::new();
    let mut statement = database.prepare(
        "SELECT status, direction, method FROM ldk_server_payments
         INDEXED BY ldk_server_payments_status",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(class) = Class::from_row(row)? {
            *numbers.entry(class).or_default() += 1;
        }
    }
    Ok(numbers)
}
