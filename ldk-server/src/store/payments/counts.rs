//! How many payments there are, kept in memory: metrics must not cost a look at every row.

use std::sync::{Arc, Mutex, PoisonError};

use ldk_node::lightning::io;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::PaymentStatus;

use super::metrics::PaymentMetrics;
use crate::store::Store;
use crate::store::backend::Reads;
use crate::store::model::StatusChange;

/// How many payments there are, of all kinds and in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaymentCounts {
    /// All payments in the history.
    pub begun: u64,
    /// The payments that are pending now.
    pub pending: u64,
    /// Those that had succeeded at the start, and each success since. Never goes down.
    pub succeeded: u64,
    /// Those that had failed at the start, and each that failed since, which an invoice does that is
    /// pruned; one that is under way again and then fails again counts twice. Never goes down.
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

impl Store {
    /// How many there are.
    pub fn payment_counts(&self) -> PaymentCounts {
        *self.payment_counts.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub(in crate::store) fn load(reads: &dyn Reads) -> io::Result<Self> {
        let (mut totals, metrics) = (PaymentCounts::default(), PaymentMetrics::new()?);
        for (class, number) in reads.payment_classes()? {
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
