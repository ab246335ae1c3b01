//! Events of the node as the JSON of Core Lightning's notifications.

use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::events::{
    ChannelClosureInitiator, ChannelState, ChannelStateChangeReason,
    ChannelStateChangeReasonKind as Reason, ChannelStateChanged, EventEnvelope, PaymentForwarded,
};
use ldk_server_grpc::types::Payment;
use serde_json::{Map, Value as Json, json};
use tonic::Status;

use crate::caller::Caller;
use crate::cln::Cln;
use crate::cln::error::{RpcError, code};
use crate::cln::methods::{payment_failure_code, payment_hash};
use crate::clock::rfc_3339;

/// What is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    ChannelOpenFailed,
    ChannelOpened,
    ChannelStateChanged,
    ForwardEvent,
    InvoicePayment,
    SendPayFailure,
    SendPaySuccess,
}

/// Makes notifications of events. What an event does not tell is asked for, as its subscriber may.
pub(super) struct Notices {
    cln: Cln,
    caller: Caller,
    topic: Topic,
}

impl Notices {
    pub(super) fn new(cln: Cln, caller: Caller, topic: Topic) -> Self {
        Self { cln, caller, topic }
    }

    /// The notification that an event is, if it is one.
    pub(super) async fn of(&self, envelope: &EventEnvelope) -> Option<Result<Json, Status>> {
        let noticed = match (self.topic, envelope.event.as_ref()?) {
            (Topic::InvoicePayment, Event::PaymentReceived(received)) => {
                self.invoice_payment(received.payment.as_ref()?).await
            },
            (Topic::SendPaySuccess, Event::PaymentSuccessful(sent)) => {
                self.sent(sent.payment.as_ref()?, "complete").await
            },
            (Topic::SendPayFailure, Event::PaymentFailed(failed)) => {
                self.sendpay_failure(failed.payment.as_ref()?).await
            },
            (Topic::ForwardEvent, Event::PaymentForwarded(forwarded)) => {
                self.forward(forwarded, envelope.created_at).await
            },
            (Topic::ChannelStateChanged, Event::ChannelStateChanged(changed)) => {
                self.channel_state(changed, envelope.created_at).await
            },
            (Topic::ChannelOpened, Event::ChannelStateChanged(changed)) => {
                self.channel_opened(changed).await
            },
            (Topic::ChannelOpenFailed, Event::ChannelStateChanged(changed)) => {
                let has_failed = changed.state() == ChannelState::OpenFailed;
                Ok(has_failed.then(|| json!({ "channel_id": changed.channel_id })))
            },
            _ => return None,
        };
        noticed.map_err(|error| Status::unavailable(error.message)).transpose()
    }

    async fn rows(&self, method: &str, list: &str, filter: Json) -> Result<Vec<Json>, RpcError> {
        let mut answer = self.cln.run(self.caller.clone(), method, Some(filter)).await?;
        match answer[list].take() {
            Json::Array(rows) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    async fn invoice_payment(&self, payment: &Payment) -> Result<Option<Json>, RpcError> {
        let Some(hash) = payment_hash(payment) else { return Ok(None) };
        let filter = json!({ "payment_hash": hash });
        let rows = self.rows("listinvoices", "invoices", filter).await?;
        let paid = rows.into_iter().rev().find(|row| row["status"] == "paid");
        Ok(paid.map(|row| {
            json!({
                "label": row["label"],
                "preimage": row["payment_preimage"],
                "msat": row["amount_received_msat"],
            })
        }))
    }

    /// The row of a payment that was sent, in this state.
    async fn sent(&self, payment: &Payment, status: &str) -> Result<Option<Json>, RpcError> {
        let Some(hash) = payment_hash(payment) else { return Ok(None) };
        let filter = || json!({ "payment_hash": hash });
        let rows = match self.rows("listsendpays", "payments", filter()).await {
            // This tells less.
            Err(error) if error.code == code::METHOD_NOT_FOUND => {
                self.rows("listpays", "pays", filter()).await?
            },
            rows => rows?,
        };
        let row = rows.into_iter().rev().find(|row| row["status"] == status);
        Ok(row.map(|mut row| {
            let preimage = row["preimage"].take();
            if let Json::Object(members) = &mut row {
                members.entry("payment_preimage").or_insert(preimage);
            }
            row
        }))
    }

    async fn sendpay_failure(&self, payment: &Payment) -> Result<Option<Json>, RpcError> {
        let row = self.sent(payment, "failed").await?;
        let reason = payment.failure_reason();
        Ok(row.map(|row| {
            let message = format!("Failed: {}", reason.as_str_name());
            json!({ "code": payment_failure_code(reason), "message": message, "data": row })
        }))
    }

    async fn forward(
        &self,
        PaymentForwarded { forwarded_payment }: &PaymentForwarded,
        at_secs: u64,
    ) -> Result<Option<Json>, RpcError> {
        let Some(forward) = forwarded_payment else { return Ok(None) };
        let (fee_msat, out_msat) =
            (forward.total_fee_earned_msat, forward.outbound_amount_forwarded_msat);
        let in_msat = fee_msat.zip(out_msat).map(|(fee, out)| fee.saturating_add(out));
        // The library tells neither the hash nor when it began.
        Ok(Some(json!({
            "in_channel": self.scid(&forward.prev_channel_id).await?,
            "out_channel": self.scid(&forward.next_channel_id).await?,
            "in_msat": in_msat,
            "out_msat": out_msat,
            "fee_msat": fee_msat,
            "status": "settled",
            "resolved_time": at_secs,
        })))
    }

    async fn channel(&self, channel_id: &str) -> Result<Option<Json>, RpcError> {
        let filter = json!({ "channel_id": channel_id });
        Ok(self.rows("listpeerchannels", "channels", filter).await?.pop())
    }

    /// The short channel id of a channel, or else the one that only its peer knows.
    async fn scid(&self, channel_id: &str) -> Result<Option<Json>, RpcError> {
        let channel = self.channel(channel_id).await?;
        Ok(channel.and_then(|channel| {
            let own = channel.get("short_channel_id").or_else(|| channel["alias"].get("local"));
            own.cloned()
        }))
    }

    async fn channel_state(
        &self,
        changed: &ChannelStateChanged,
        at_secs: u64,
    ) -> Result<Option<Json>, RpcError> {
        let reason = changed.reason.as_ref();
        let kind = reason.map_or(Reason::Unspecified, ChannelStateChangeReason::kind);
        let Some(new_state) = state(changed.state(), kind) else { return Ok(None) };
        let message = reason.map(|reason| &reason.message).filter(|text| !text.is_empty());
        let mut notice = json!({
            "peer_id": changed.counterparty_node_id,
            "channel_id": changed.channel_id,
            "short_channel_id": self.scid(&changed.channel_id).await?,
            "timestamp": rfc_3339(at_secs),
            "new_state": new_state,
            "cause": cause(changed.closure_initiator(), kind),
            "message": message,
        });
        // Every channel waits for its funding before it is normal.
        if changed.state() == ChannelState::Ready {
            notice["old_state"] = json!("CHANNELD_AWAITING_LOCKIN");
        }
        Ok(Some(notice))
    }

    /// A channel that a peer has opened.
    async fn channel_opened(
        &self,
        changed: &ChannelStateChanged,
    ) -> Result<Option<Json>, RpcError> {
        if changed.state() != ChannelState::Pending {
            return Ok(None);
        }
        let channel = self.channel(&changed.channel_id).await?;
        let opened = channel.filter(|channel| channel["opener"] == "remote");
        Ok(opened.map(|channel| {
            let members: Map<_, _> = [
                ("id", channel["peer_id"].clone()),
                ("funding_msat", channel["total_msat"].clone()),
                ("funding_txid", channel["funding_txid"].clone()),
                ("channel_ready", json!(channel["state"] == "CHANNELD_NORMAL")),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect();
            Json::Object(members)
        }))
    }
}

/// As Core Lightning calls the state that a channel has come to.
fn state(state: ChannelState, reason: Reason) -> Option<&'static str> {
    Some(match (state, reason) {
        (ChannelState::Unspecified, _) => return None,
        (ChannelState::Pending, _) => "CHANNELD_AWAITING_LOCKIN",
        (ChannelState::Ready, _) => "CHANNELD_NORMAL",
        (
            ChannelState::Closed,
            Reason::LegacyCooperativeClosure
            | Reason::CounterpartyInitiatedCooperativeClosure
            | Reason::LocallyInitiatedCooperativeClosure,
        ) => "CLOSINGD_COMPLETE",
        (ChannelState::Closed, Reason::CommitmentTxConfirmed) => "ONCHAIN",
        (
            ChannelState::Closed,
            Reason::CounterpartyForceClosed
            | Reason::HolderForceClosed
            | Reason::HtlcsTimedOut
            | Reason::PeerFeerateTooLow
            | Reason::ProcessingError
            | Reason::OutdatedChannelManager,
        ) => "AWAITING_UNILATERAL",
        // It had no money in it.
        (ChannelState::Closed | ChannelState::OpenFailed, _) => "CLOSED",
    })
}

fn cause(initiator: ChannelClosureInitiator, reason: Reason) -> &'static str {
    match (reason, initiator) {
        (Reason::CommitmentTxConfirmed, _) => "onchain",
        (Reason::ProcessingError, _) => "protocol",
        (_, ChannelClosureInitiator::Local) => "local",
        (_, ChannelClosureInitiator::Remote) => "remote",
        (_, ChannelClosureInitiator::Unspecified | ChannelClosureInitiator::Unknown) => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_words_of_core_lightning() {
        for (at, reason, word) in [
            (ChannelState::Pending, Reason::Unspecified, Some("CHANNELD_AWAITING_LOCKIN")),
            (ChannelState::Ready, Reason::Unspecified, Some("CHANNELD_NORMAL")),
            (
                ChannelState::Closed,
                Reason::LocallyInitiatedCooperativeClosure,
                Some("CLOSINGD_COMPLETE"),
            ),
            (ChannelState::Closed, Reason::HolderForceClosed, Some("AWAITING_UNILATERAL")),
            (ChannelState::Closed, Reason::FundingTimedOut, Some("CLOSED")),
            (ChannelState::OpenFailed, Reason::DisconnectedPeer, Some("CLOSED")),
            (ChannelState::Unspecified, Reason::Unspecified, None),
        ] {
            assert_eq!(state(at, reason), word, "{at:?} {reason:?}");
        }
        let remote = ChannelClosureInitiator::Remote;
        assert_eq!(cause(remote, Reason::CounterpartyForceClosed), "remote");
        assert_eq!(cause(remote, Reason::CommitmentTxConfirmed), "onchain");
    }
}
