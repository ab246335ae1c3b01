//! Prunes invoices that expired unpaid. The library keeps every payment in memory, which a caller
//! could fill with invoices. Pruned invoices stay in the history, as failed.
//!
//! The library accepts a payment until the invoice has expired by the time of blocks, and should
//! then still have it: of a payment to an invoice that it has forgotten, the history only learns
//! from the event. So an invoice is pruned only long after that time, while the node follows the
//! chain, and not right after a start, when the library still reports earlier payments. Two cases
//! remain: a chain source whose chain has stopped, while a payer pays a long-expired invoice; and,
//! on regtest, where nothing need be kept, a payment under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{PaymentDirection, PaymentStatus};
use ldk_node::{Node, NodeError};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::{Ticks, unix_secs};
use crate::hold::HeldPayments;
use crate::store::{Store, Unpaid};

/// How often invoices are pruned, unless they are kept for a shorter time.
const INTERVAL: Duration = Duration::from_secs(60);
/// After this time from a start the library has reported every earlier payment.
const PAYMENTS_ARE_KNOWN_AFTER: Duration = Duration::from_secs(600);
/// The longest time since the last sync at which invoices are pruned.
const MAX_CHAIN_AGE_SECS: u64 = 3600;
/// How many invoices are looked up at once.
const CHUNK: usize = 100;

/// Removes invoices from the library that expired unpaid.
pub(crate) struct InvoicePruner {
    /// The node that has the invoices.
    pub(crate) node: Arc<Node>,
    /// The store that has their history.
    pub(crate) store: Arc<Store>,
    /// Held payments, whose invoices stay.
    pub(crate) held: Arc<HeldPayments>,
}

impl InvoicePruner {
    /// Prunes invoices that expired longer than `keep` ago, until `stop` is cancelled.
    pub(crate) async fn run(self, keep: Duration, stop: CancellationToken) {
        let this = Arc::new(self);
        let interval = keep.clamp(Duration::from_secs(1), INTERVAL);
        let mut ticks = Ticks::after(keep.min(PAYMENTS_ARE_KNOWN_AFTER), interval, stop.clone());
        while ticks.next().await {
            match this.prune_all(keep, &stop).await {
                Ok(0) => {},
                Ok(invoices) => tracing::info!(invoices, "pruned invoices that expired unpaid"),
                Err(error) => tracing::error!(%error, "cannot prune expired invoices"),
            }
        }
    }

    /// Prunes all expired invoices and returns their number.
    async fn prune_all(
        self: &Arc<Self>,
        keep: Duration,
        stop: &CancellationToken,
    ) -> Result<u64, PruneError> {
        let (mut number, mut last) = (0, None);
        loop {
            let chunk = self.blocking(move |this| this.expired(keep, last)).await?;
            for invoice in &chunk {
                let (id, started) = (invoice.id, Instant::now());
                number += u64::from(self.blocking(move |this| this.prune(id)).await?);
                // The library holds the lock of its payments while it writes, so pause as long.
                if timeout(started.elapsed(), stop.cancelled()).await.is_ok() {
                    return Ok(number);
                }
            }
            last = chunk.last().copied();
            if chunk.len() < CHUNK {
                return Ok(number);
            }
        }
    }

    /// Runs work on a blocking thread, because it waits for locks and the disk.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, PruneError> + Send + 'static,
    ) -> Result<T, PruneError> {
        let this = Arc::clone(self);
        spawn_blocking(move || work(&this)).await?
    }

    /// The invoices after `last` that may be pruned now.
    fn expired(&self, keep: Duration, last: Option<Unpaid>) -> Result<Vec<Unpaid>, PruneError> {
        let now = unix_secs();
        let seen = self.node.status().latest_lightning_wallet_sync_timestamp;
        if seen.is_none_or(|seen| seen.saturating_add(MAX_CHAIN_AGE_SECS) < now) {
            return Ok(Vec::new());
        }
        let expired_before = now.saturating_sub(keep.as_secs());
        Ok(self.store.expired_invoices(expired_before, last, CHUNK)?)
    }

    /// Prunes an invoice unless it is being paid; returns whether it was pruned.
    fn prune(&self, id: PaymentId) -> Result<bool, PruneError> {
        // A payment that arrives and has to be held waits for this lock.
        let hold = self.held.lock(PaymentHash(id.0));
        let is_unpaid = self.node.payment(&id).is_some_and(|payment| {
            payment.direction == PaymentDirection::Inbound
                && payment.status == PaymentStatus::Pending
        });
        if hold.get().is_some() || !is_unpaid {
            return Ok(false);
        }
        self.node.remove_payment(&id)?;
        Ok(true)
    }
}

/// Why an invoice is not pruned.
#[derive(Debug, thiserror::Error)]
enum PruneError {
    #[error(transparent)]
    Store(#[from] io::Error),
    #[error(transparent)]
    Library(#[from] NodeError),
    #[error(transparent)]
    Task(#[from] JoinError),
}
