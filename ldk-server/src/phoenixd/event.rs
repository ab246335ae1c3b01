//! Payments as phoenixd tells of them, over the WebSocket and to webhooks.

use std::sync::Arc;

use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::Invoice;
use serde::Serialize;
use serde_json::Value;

use super::incoming::{find, payer_note};
use super::{Call, Phoenixd};
use crate::access::Grant;
use crate::caller::{Caller, Identity};
use crate::error::Error;
use crate::events::JsonEvent;
use crate::feeds::OfEvent;
use crate::wire;
use ldk_server_grpc::events::EventEnvelope;

/// A payment has arrived.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentReceived {
    r#type: &'static str,
    timestamp: u64,
    amount_sat: u64,
    payment_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payer_note: Option<String>,
}

/// What is told, and the invoice that was paid.
pub(super) struct Told {
    pub(super) message: Value,
    pub(super) invoice: Option<Invoice>,
}

/// What events are told as.
pub(crate) fn notifications(phoenixd: Phoenixd) -> OfEvent {
    Arc::new(move |event: Arc<JsonEvent>| {
        let phoenixd = phoenixd.clone();
        Box::pin(async move {
            let told = told(&phoenixd, event.envelope()).await;
            let told = told.inspect_err(|error| tracing::warn!(%error, "a payment is not told of"));
            told.ok().flatten().map(|told| told.message).into_iter().collect()
        })
    })
}

/// What is told of an event; nothing if it is not a payment that has arrived.
pub(super) async fn told(
    phoenixd: &Phoenixd,
    envelope: &EventEnvelope,
) -> Result<Option<Told>, Error> {
    let Some(Event::PaymentReceived(received)) = &envelope.event else { return Ok(None) };
    let Some(payment) = &received.payment else { return Ok(None) };
    let Some(payment_hash) = wire::payment::hash(payment) else { return Ok(None) };
    let invoice = find(&everyone(phoenixd), payment_hash.clone()).await?;
    let message = PaymentReceived {
        r#type: "payment_received",
        timestamp: envelope.created_at.saturating_mul(1_000),
        amount_sat: payment.amount_msat.unwrap_or_default() / 1_000,
        payment_hash,
        external_id: invoice.as_ref().and_then(|invoice| invoice.external_id.clone()),
        payer_note: payer_note(payment),
    };
    let message = serde_json::to_value(message).map_err(Error::internal)?;
    Ok(Some(Told { message, invoice }))
}

/// A call of the server's own. Who is told was asked before whether they may be.
pub(super) fn everyone(phoenixd: &Phoenixd) -> Call {
    let caller = Caller::known(Identity::Unknown, Grant::Everything);
    Call { phoenixd: phoenixd.clone(), caller }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payment_has_phoenixds_members() {
        let received = PaymentReceived {
            r#type: "payment_received",
            timestamp: 7_000,
            amount_sat: 5,
            payment_hash: "aa".to_owned(),
            external_id: Some("order 7".to_owned()),
            payer_note: None,
        };
        let expected = json!({
            "type": "payment_received",
            "timestamp": 7_000,
            "amountSat": 5,
            "paymentHash": "aa",
            "externalId": "order 7",
        });
        assert_eq!(serde_json::to_value(received).unwrap(), expected);
    }
}
