//! Prunes invoices that expired unpaid. The library keeps every payment in memory, and whoever may
//! ask for invoices could fill it. They stay in the history, as failed.
//!
//! The library takes a payment until the invoice has expired by the time of blocks, and it should then
//! still have it: of money that comes for a payment which it has forgotten, only its event tells the
//! history. So an invoice goes only long after that time, while the node follows the chain, and not
//! right after a start, when the library still tells of payments that came before. What remains is a
//! chain source that follows a chain which has stopped, while somebody pays an invoice that is long
//! expired; and on regtest, where nothing need be kept, a payment that is on its way.

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

/// How often it is done, unless invoices are kept for a shorter time.
const INTERVAL: Duration = Duration::from_secs(60);
/// Long enough after a start for the library to tell of every payment that came before.
const PAYMENTS_ARE_KNOWN_AFTER: Duration = Duration::from_secs(600);
/// So long ago the node may last have seen the end of the chain.
const MAX_CHAIN_AGE_SECS: u64 = 3600;
/// How many are looked up at once.
const CHUNK: usize = 100;

/// Removes invoices from the library that expired unpaid.
pub(crate) struct InvoicePruner {
    /// Whose library has them.
    pub(crate) node: Arc<Node>,
    /// Where their history is.
    pub(crate) store: Arc<Store>,
    /// Invoices that are being paid.
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
                Ok(number) => tracing::info!("{number} invoices that expired unpaid are pruned"),
                Err(error) => tracing::error!("cannot prune expired invoices: {error}"),
            }
        }
    }

    /// Returns how many there were.
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
                // The library holds the lock of its payments while it writes. Others need it as well.
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

    /// The library takes its locks, and both of us use the disk.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, PruneError> + Send + 'static,
    ) -> Result<T, PruneError> {
        let this = Arc::clone(self);
        spawn_blocking(move || work(&this)).await?
    }

    /// Those after `last` that may be pruned now.
    fn expired(&self, keep: Duration, last: Option<Unpaid>) -> Result<Vec<Unpaid>, PruneError> {
        let now = unix_secs();
        let seen = self.node.status().latest_lightning_wallet_sync_timestamp;
        if seen.is_none_or(|seen| seen.saturating_add(MAX_CHAIN_AGE_SECS) < now) {
            return Ok(Vec::new());
        }
        let expired_before = now.saturating_sub(keep.as_secs());
        Ok(self.store.expired_invoices(expired_before, last, CHUNK)?)
    }

    /// Tells whether it was pruned. One that is being paid is left alone.
    fn prune(&self, id: PaymentId) -> Result<bool, PruneError> {
        // A payment that arrives to be held waits for this lock.
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
