//! Payments that are held: they arrive, and are claimed by their caller or sent back. A payment that
//! failed stays failed: whoever pays its invoice later gets the money back at once.

use ldk_node::NodeError;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_types::payment::PaymentHash;
use ldk_node::payment::PaymentStatus;
use ldk_server_grpc::events::event_envelope::Event as Published;
use ldk_server_grpc::events::{PaymentFailedBack, PaymentFailedBackReason};

use super::effects;
use crate::rpc::App;
use crate::store::{Fate, Held, LockedHolds, NewEvent, Why};

/// Takes note of a payment that has arrived. Tells whether its caller is to decide on it, rather
/// than that it is decided.
pub(super) fn arrived(app: &App, held: Held) -> Result<bool, String> {
    let mut holds = app.holds.lock();
    let known = holds.get(&held.payment_hash).map(|(_, fate)| fate);
    match (status(app, &held.payment_hash), known) {
        (Some(PaymentStatus::Pending), None | Some(Fate::Open)) => {
            holds.put(held, Fate::Open).map_err(text)?;
            Ok(true)
        },
        // The library tells again of what it told before a crash.
        (Some(PaymentStatus::Pending), Some(Fate::Claimed(_) | Fate::Failing(_)))
        | (Some(PaymentStatus::Succeeded), _) => Ok(false),
        // The library itself does not mind that the invoice was failed.
        (Some(PaymentStatus::Pending), Some(Fate::Failed))
        | (Some(PaymentStatus::Failed) | None, _) => {
            let hash = held.payment_hash;
            tracing::info!("payment {hash} is sent back: its invoice was failed before");
            holds.put(held, Fate::Failed).map_err(text)?;
            tell_library(app, &hash)?;
            Ok(false)
        },
    }
}

/// Sends a held payment back, and tells subscribers. An error means that it is not known whether it
/// was sent back; it will be, by the guard or after the next start.
pub fn fail_back(
    app: &App,
    holds: &mut LockedHolds<'_>,
    held: Held,
    why: Why,
) -> Result<(), String> {
    holds.put(held.clone(), Fate::Failing(why)).map_err(text)?;
    finish_failing(app, holds, held, why)
}

/// Does what is left of [`fail_back`].
pub(super) fn finish_failing(
    app: &App,
    holds: &mut LockedHolds<'_>,
    held: Held,
    why: Why,
) -> Result<(), String> {
    let Held { payment_hash, claimable_amount_msat, claim_deadline } = held;
    tell_library(app, &payment_hash)?;
    let reason = match why {
        Why::Requested => {
            tracing::info!("payment {payment_hash} is sent back on request");
            PaymentFailedBackReason::Requested
        },
        Why::Deadline => {
            let deadline = claim_deadline.unwrap_or_default();
            tracing::warn!(
                "payment {payment_hash} of {claimable_amount_msat} msat is sent back: nobody has \
                 claimed it, and its deadline is block {deadline}"
            );
            PaymentFailedBackReason::Deadline
        },
    };
    let payment = app.store.payment(PaymentId(payment_hash.0)).map_err(text)?;
    let event = PaymentFailedBack { payment, reason: reason.into(), claim_deadline };
    let new = NewEvent {
        event: Published::PaymentFailedBack(event),
        // A payment that was sent back stays failed.
        dedup_key: Some(effects::once_of("PaymentFailedBack", &payment_hash)),
        source_digest: None,
        forward: None,
    };
    app.store.record_event(new).map_err(text)?;
    holds.put(held, Fate::Failed).map_err(text)
}

/// Makes the records and the library agree, after whatever ended the last run and before anybody
/// calls.
pub fn resume(app: &App) -> Result<(), String> {
    let mut holds = app.holds.lock();
    for (held, fate) in holds.all() {
        let hash = held.payment_hash;
        match (fate, status(app, &hash)) {
            (_, Some(PaymentStatus::Succeeded) | None) => holds.remove(&hash).map_err(text)?,
            (Fate::Failing(why), Some(_)) => finish_failing(app, &mut holds, held, why)?,
            // The library may have ended before it had written down what it was told.
            (Fate::Failed, Some(_)) => tell_library(app, &hash)?,
            (Fate::Open | Fate::Claimed(_), Some(PaymentStatus::Failed)) => {
                holds.remove(&hash).map_err(text)?;
            },
            (Fate::Open | Fate::Claimed(_), Some(PaymentStatus::Pending)) => {
                tracing::info!("payment {hash} of {} msat is held", held.claimable_amount_msat);
            },
        }
    }
    Ok(())
}

/// Has the library fail a payment, which does nothing to one it does not hold.
pub fn tell_library(app: &App, payment_hash: &PaymentHash) -> Result<(), String> {
    match app.node.bolt11_payment().fail_for_hash(*payment_hash) {
        // Not known any more, which is as good.
        Ok(()) | Err(NodeError::InvalidPaymentHash) => Ok(()),
        Err(error) => Err(format!("cannot fail payment {payment_hash}: {error}")),
    }
}

pub(super) fn status(app: &App, payment_hash: &PaymentHash) -> Option<PaymentStatus> {
    app.node.payment(&PaymentId(payment_hash.0)).map(|payment| payment.status)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
