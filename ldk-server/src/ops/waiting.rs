//! Waiting for what comes of payments.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::payments;
use crate::app::App;
use crate::error::Error;
use crate::store::{Payment, PaymentStatus};

/// How many calls wait at most.
const MAX_WAITING: usize = 100_000;
/// So long after it is known that a payment failed, the library tells why.
const REASON_PATIENCE: Duration = Duration::from_secs(2);

/// A payment, and whether it is still under way because the time was over.
pub struct Waited {
    /// As it is now.
    pub payment: Payment,
    /// It was not waited for any longer.
    pub timed_out: bool,
}

/// Waits until a payment has succeeded or failed. `None` if there is no such payment. What the server does
/// not know of it when it stops is not waited for.
pub async fn payment(
    app: &Arc<App>,
    id: PaymentId,
    timeout: Duration,
    stopping: &CancellationToken,
) -> Result<Option<Waited>, Error> {
    let Some(payment) = look(app, id).await? else { return Ok(None) };
    if app.store.payment_news().count() >= MAX_WAITING {
        return Err(Error::ResourceExhausted(format!("{MAX_WAITING} calls wait for payments")));
    }
    let id = id_of(&payment).unwrap_or(id);
    let deadline = Instant::now() + timeout;
    let over = tokio::select! {
        biased;
        over = until(app, id, deadline, is_over) => over?,
        () = stopping.cancelled() => None,
    };
    let Some(payment) = over else {
        let payment = look(app, id).await?;
        return Ok(payment.map(|payment| Waited { timed_out: !is_over(&payment), payment }));
    };
    let payment = if lacks_reason(&payment) {
        let deadline = Instant::now() + REASON_PATIENCE;
        let with_reason = until(app, id, deadline, |payment| !lacks_reason(payment)).await?;
        with_reason.unwrap_or(payment)
    } else {
        payment
    };
    Ok(Some(Waited { payment, timed_out: false }))
}

async fn until(
    app: &Arc<App>,
    id: PaymentId,
    deadline: Instant,
    is_it: fn(&Payment) -> bool,
) -> Result<Option<Payment>, Error> {
    let ask = || async { Ok(look(app, id).await?.filter(is_it)) };
    app.store.payment_news().until(id, deadline, ask).await
}

async fn look(app: &Arc<App>, id: PaymentId) -> Result<Option<Payment>, Error> {
    let app = Arc::clone(app);
    spawn_blocking(move || payments::as_committed(&app, id)).await.map_err(Error::internal)?
}

fn is_over(payment: &Payment) -> bool {
    payment.status() != PaymentStatus::Pending || payment.outcome_unknown
}

/// It failed a moment ago, and the library has not told why yet.
fn lacks_reason(payment: &Payment) -> bool {
    let age_secs = crate::clock::unix_secs().saturating_sub(payment.latest_update_timestamp);
    payment.status() == PaymentStatus::Failed
        && payment.failure_reason.is_none()
        && age_secs <= 2 * REASON_PATIENCE.as_secs()
}

fn id_of(payment: &Payment) -> Option<PaymentId> {
    let mut id = [0; 32];
    hex::decode_to_slice(&payment.id, &mut id).ok()?;
    Some(PaymentId(id))
}
