//! Puts away invoices that expired unpaid. The library keeps every payment in memory, and whoever may
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

use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::{PaymentDirection, PaymentStatus};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::{Ticks, unix_secs};
use crate::rpc::App;
use crate::store::Unpaid;

/// How often it is done, unless invoices are kept for a shorter time.
const INTERVAL: Duration = Duration::from_secs(60);
/// Long enough after a start for the library to tell of every payment that came before.
const PAYMENTS_ARE_KNOWN_AFTER: Duration = Duration::from_secs(600);
/// So long ago the node may last have seen the end of the chain.
const MAX_CHAIN_AGE_SECS: u64 = 3600;
/// How many are looked up at once.
const CHUNK: usize = 100;

/// Puts invoices away that expired longer than `keep` ago, until `stop` is cancelled.
pub async fn run(app: Arc<App>, keep: Duration, stop: CancellationToken) {
    let interval = keep.clamp(Duration::from_secs(1), INTERVAL);
    let mut ticks = Ticks::after(keep.min(PAYMENTS_ARE_KNOWN_AFTER), interval, stop.clone());
    while ticks.next().await {
        match put_all_away(&app, keep, &stop).await {
            Ok(0) => {},
            Ok(number) => tracing::info!("{number} invoices that expired unpaid are put away"),
            Err(error) => tracing::error!("cannot put expired invoices away: {error}"),
        }
    }
}

/// Returns how many there were.
async fn put_all_away(
    app: &Arc<App>,
    keep: Duration,
    stop: &CancellationToken,
) -> Result<u64, String> {
    let (mut number, mut last) = (0, None);
    loop {
        let chunk = blocking(app, move |app| expired(app, keep, last)).await?;
        for invoice in &chunk {
            let (id, started) = (invoice.id, Instant::now());
            number += u64::from(blocking(app, move |app| put_away(app, id)).await?);
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
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let app = Arc::clone(app);
    spawn_blocking(move || work(&app)).await.map_err(|error| error.to_string())?
}

/// Those after `last` that may be put away now.
fn expired(app: &App, keep: Duration, last: Option<Unpaid>) -> Result<Vec<Unpaid>, String> {
    let now = unix_secs();
    let seen = app.node.status().latest_lightning_wallet_sync_timestamp;
    if seen.is_none_or(|seen| seen.saturating_add(MAX_CHAIN_AGE_SECS) < now) {
        return Ok(Vec::new());
    }
    let expired_before = now.saturating_sub(keep.as_secs());
    let chunk = app.store.expired_invoices(expired_before, last, CHUNK);
    chunk.map_err(|error| error.to_string())
}

/// Tells whether it was. One that is being paid is left alone.
fn put_away(app: &App, id: PaymentId) -> Result<bool, String> {
    // A payment that arrives to be held waits for this lock.
    let holds = app.holds.lock();
    let is_held = holds.get(&PaymentHash(id.0)).is_some();
    let is_unpaid = app.node.payment(&id).is_some_and(|payment| {
        payment.direction == PaymentDirection::Inbound && payment.status == PaymentStatus::Pending
    });
    if is_held || !is_unpaid {
        return Ok(false);
    }
    app.node.remove_payment(&id).map_err(|error| error.to_string())?;
    Ok(true)
}
