//! Events of the node as Core Lightning's notifications: those of which all facts are known.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat};
use ldk_server_grpc::api::GetInvoiceRequest;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::events::{
    ChannelClosureInitiator, ChannelState, ChannelStateChangeReason, ChannelStateChangeReasonKind,
    ChannelStateChanged, PaymentReceived,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::methods::{payment_hash, payment_preimage, scid};
use super::{Call, Cln};
use crate::access::Grant;
use crate::api::rpc;
use crate::caller::{Caller, Identity};
use crate::error::Error;
use crate::events::JsonEvent;
use crate::feeds::Notifications;

/// An invoice was paid.
#[derive(Serialize)]
struct InvoicePayment {
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preimage: Option<String>,
    msat: u64,
}

/// A channel has come into another state.
#[derive(Serialize)]
struct ChannelChange {
    peer_id: String,
    channel_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_channel_id: Option<String>,
    timestamp: String,
    new_state: &'static str,
    cause: &'static str,
    message: String,
}

/// What events are notified as.
pub(crate) fn notifications(cln: Cln) -> Notifications {
    Arc::new(move |event| {
        let cln = cln.clone();
        Box::pin(async move {
            let told = told(&cln, &event).await;
            let told = told.inspect_err(|error| tracing::warn!(%error, "an event is not notified"));
            told.ok().flatten()
        })
    })
}

async fn told(cln: &Cln, event: &JsonEvent) -> Result<Option<Value>, Error> {
    // Who is told may be told everything; this is who looks it up.
    let caller = Caller::known(Identity::Unknown, Grant::Everything);
    let call = Call { cln: cln.clone(), caller };
    let envelope = event.envelope();
    match &envelope.event {
        Some(Event::PaymentReceived(received)) => invoice_payment(&call, received).await,
        Some(Event::ChannelStateChanged(change)) => {
            let scid = short_channel_id(&call, change)?;
            let change = channel_change(change, scid, envelope.created_at);
            Ok(change.map(|change| json!({"channel_state_changed": change})))
        },
        _ => Ok(None),
    }
}

async fn invoice_payment(call: &Call, received: &PaymentReceived) -> Result<Option<Value>, Error> {
    let Some(payment) = &received.payment else { return Ok(None) };
    let (Some(payment_hash), Some(msat)) = (payment_hash(payment), payment.amount_msat) else {
        return Ok(None);
    };
    let preimage = payment_preimage(payment);
    let request = GetInvoiceRequest { payment_hash: payment_hash.clone(), ..Default::default() };
    let label = match call.ask(rpc::GetInvoice, request).await {
        Ok(found) => found.invoice.and_then(|invoice| invoice.label),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let label = label.unwrap_or(payment_hash);
    Ok(Some(json!({"invoice_payment": InvoicePayment { label, preimage, msat }})))
}

fn short_channel_id(call: &Call, change: &ChannelStateChanged) -> Result<Option<String>, Error> {
    let channels = call.cln.0.dispatcher.app()?.node.list_channels();
    let mut channels = channels.into_iter();
    let channel =
        channels.find(|channel| channel.user_channel_id.0.to_string() == change.user_channel_id);
    Ok(channel.and_then(|channel| channel.short_channel_id).map(scid))
}

fn channel_change(
    change: &ChannelStateChanged,
    short_channel_id: Option<String>,
    created_at_secs: u64,
) -> Option<ChannelChange> {
    let at = DateTime::from_timestamp(i64::try_from(created_at_secs).ok()?, 0)?;
    let (new_state, message) = state(change)?;
    let message = change.reason.as_ref().map_or(message, |reason| &reason.message);
    Some(ChannelChange {
        peer_id: change.counterparty_node_id.clone()?,
        channel_id: change.channel_id.clone(),
        short_channel_id,
        timestamp: at.to_rfc3339_opts(SecondsFormat::Millis, true),
        new_state,
        cause: cause(change),
        message: message.to_owned(),
    })
}

/// The state in Core Lightning's words, and what to say of it.
fn state(change: &ChannelStateChanged) -> Option<(&'static str, &'static str)> {
    use ChannelStateChangeReasonKind as Kind;
    match (change.state(), kind(change)) {
        (ChannelState::Pending, _) => {
            Some(("CHANNELD_AWAITING_LOCKIN", "The funding transaction waits to be confirmed"))
        },
        (ChannelState::Ready, _) => Some(("CHANNELD_NORMAL", "The channel can be used")),
        (ChannelState::OpenFailed, _) => Some(("CLOSED", "The channel was not opened")),
        (
            ChannelState::Closed,
            Kind::LegacyCooperativeClosure
            | Kind::CounterpartyInitiatedCooperativeClosure
            | Kind::LocallyInitiatedCooperativeClosure,
        ) => Some(("CLOSINGD_COMPLETE", "Both sides have closed the channel")),
        (ChannelState::Closed, Kind::CommitmentTxConfirmed) => {
            Some(("ONCHAIN", "The channel was closed on chain"))
        },
        (ChannelState::Closed, _) => Some(("AWAITING_UNILATERAL", "The channel is closed")),
        (ChannelState::Unspecified, _) => None,
    }
}

fn kind(change: &ChannelStateChanged) -> ChannelStateChangeReasonKind {
    let reason = change.reason.as_ref();
    reason.map_or(ChannelStateChangeReasonKind::Unspecified, ChannelStateChangeReason::kind)
}

/// Who has caused it, in Core Lightning's words: `user` is the operator, `local` the node by itself.
fn cause(change: &ChannelStateChanged) -> &'static str {
    use ChannelStateChangeReasonKind as Kind;
    match (kind(change), change.closure_initiator()) {
        (Kind::HolderForceClosed | Kind::LocallyInitiatedCooperativeClosure, _) => "user",
        (Kind::CommitmentTxConfirmed, _) => "onchain",
        (_, ChannelClosureInitiator::Local) => "local",
        (_, ChannelClosureInitiator::Remote) => "remote",
        (_, ChannelClosureInitiator::Unspecified | ChannelClosureInitiator::Unknown) => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(state: ChannelState, kind: Option<ChannelStateChangeReasonKind>) -> Value {
        let reason = kind.map(|kind| ChannelStateChangeReason {
            kind: kind.into(),
            message: "why".to_owned(),
            details: None,
        });
        let change = ChannelStateChanged {
            channel_id: "aa".to_owned(),
            user_channel_id: "7".to_owned(),
            counterparty_node_id: Some("02".to_owned()),
            state: state.into(),
            reason,
            ..Default::default()
        };
        let change = channel_change(&change, Some("1x2x3".to_owned()), 1_700_000_000);
        serde_json::to_value(change.unwrap()).unwrap()
    }

    #[test]
    fn a_channel_that_can_be_used_is_told_of() {
        let expected = json!({
            "peer_id": "02",
            "channel_id": "aa",
            "short_channel_id": "1x2x3",
            "timestamp": "2023-11-14T22:13:20.000Z",
            "new_state": "CHANNELD_NORMAL",
            "cause": "unknown",
            "message": "The channel can be used",
        });
        assert_eq!(change(ChannelState::Ready, None), expected);
    }

    #[test]
    fn how_a_channel_was_closed_is_told() {
        use ChannelStateChangeReasonKind as Kind;
        for (kind, state, cause) in [
            (Kind::LocallyInitiatedCooperativeClosure, "CLOSINGD_COMPLETE", "user"),
            (Kind::HolderForceClosed, "AWAITING_UNILATERAL", "user"),
            (Kind::CommitmentTxConfirmed, "ONCHAIN", "onchain"),
        ] {
            let told = change(ChannelState::Closed, Some(kind));
            assert_eq!((&told["new_state"], &told["cause"]), (&json!(state), &json!(cause)));
            assert_eq!(told["message"], "why");
        }
    }
}
