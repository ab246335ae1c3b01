//! Waiting for what comes of payments.

use std::sync::Arc;
use std::time::Duration;

use ldk_node::lightning::ln::channelmanager::PaymentId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Waited, read};
use crate::app::App;
use crate::error::Error;
use crate::ops::payments;
use crate::store::{Payment, PaymentStatus};

/// So long after it is known that a payment failed, the library tells why.
const REASON_PATIENCE: Duration = Duration::from_secs(2);

/// Waits until a payment has succeeded or failed. `None` if there is no such payment. What the server does
/// not know of it when it stops is not waited for.
pub async fn payment(
    app: &Arc<App>,
    id: PaymentId,
    deadline: Instant,
    stopping: &CancellationToken,
) -> Result<Option<Waited<Payment>>, Error> {
    let Some(payment) = look(app, id).await? else { return Ok(None) };
    if is_complete(&payment) || Instant::now() >= deadline {
        return Ok(Some(as_it_is(payment)));
    }
    let _place = app.waiting.try_enter()?;
    let id = id_of(&payment).unwrap_or(id);
    let outcome = tokio::select! {
        biased;
        outcome = outcome(app, id, deadline) => outcome?,
        () = stopping.cancelled() => None,
    };
    let latest = if outcome.is_some() { outcome } else { look(app, id).await? };
    Ok(latest.map(as_it_is))
}

/// Waits for the outcome of a payment that was made just now: where no more calls may wait, it is told
/// as it is, because the payment is under way whatever comes of waiting for it.
pub async fn payment_made(
    app: &Arc<App>,
    id: PaymentId,
    deadline: Instant,
    stopping: &CancellationToken,
) -> Result<Option<Waited<Payment>>, Error> {
    match payment(app, id, deadline, stopping).await {
        Err(Error::ResourceExhausted(_)) => Ok(look(app, id).await?.map(as_it_is)),
        waited => waited,
    }
}

fn as_it_is(latest: Payment) -> Waited<Payment> {
    Waited { timed_out: !is_over(&latest), latest }
}

/// What has come of the payment, with why it failed if that becomes known soon.
async fn outcome(
    app: &Arc<App>,
    id: PaymentId,
    deadline: Instant,
) -> Result<Option<Payment>, Error> {
    let Some(over) = until(app, id, deadline, is_over).await? else { return Ok(None) };
    if is_complete(&over) {
        return Ok(Some(over));
    }
    let patience = Instant::now() + REASON_PATIENCE;
    Ok(until(app, id, patience.min(deadline), is_complete).await?.or(Some(over)))
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
    read(app, move |app| payments::as_committed(app, id)).await
}

fn is_over(payment: &Payment) -> bool {
    payment.status() != PaymentStatus::Pending || payment.outcome_unknown
}

/// It is over, and nothing more will become known of it.
fn is_complete(payment: &Payment) -> bool {
    is_over(payment) && !lacks_reason(payment)
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
