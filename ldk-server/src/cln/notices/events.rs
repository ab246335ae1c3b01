//! Events of the node as the JSON of notifications.

use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::events::{
    ChannelClosureInitiator, ChannelState, ChannelStateChangeReason,
    ChannelStateChangeReasonKind as Reason, ChannelStateChanged, EventEnvelope, PaymentForwarded,
};
use ldk_server_grpc::types::Payment;
use serde_json::{Map, Value as Json, json};

use super::Topic;
use super::movements::Account;
use crate::caller::Caller;
use crate::cln::Cln;
use crate::cln::error::RpcError;
use crate::cln::methods::{payment_failure_code, payment_hash, payment_preimage};
use crate::clock::rfc_3339;

/// Makes notifications of events. What an event does not tell is asked for, as its subscriber may.
pub(in crate::cln) struct Notices {
    cln: Cln,
    caller: Caller,
}

impl Notices {
    pub(in crate::cln) fn new(cln: Cln, caller: Caller) -> Self {
        Self { cln, caller }
    }

    /// All notifications that an event is.
    pub(in crate::cln) async fn all(&self, envelope: &EventEnvelope) -> Vec<(Topic, Json)> {
        let mut all = Vec::new();
        for topic in Topic::OF_EVENTS {
            match self.of(topic, envelope).await {
                Ok(notices) => all.extend(notices.into_iter().map(|notice| (topic, notice))),
                Err(error) => {
                    let (topic, error) = (topic.name(), error.message());
                    tracing::warn!(topic, error, "an event is not notified");
                },
            }
        }
        all
    }

    /// The notifications of this topic that an event is.
    pub(in crate::cln) async fn of(
        &self,
        topic: Topic,
        envelope: &EventEnvelope,
    ) -> Result<Vec<Json>, RpcError> {
        let Some(event) = &envelope.event else { return Ok(Vec::new()) };
        let noticed = match (topic, event) {
            (Topic::InvoicePayment, Event::PaymentReceived(received)) => {
                let Some(payment) = &received.payment else { return Ok(Vec::new()) };
                self.invoice_payment(payment).await?
            },
            (Topic::SendPaySuccess, Event::PaymentSuccessful(sent)) => {
                let Some(payment) = &sent.payment else { return Ok(Vec::new()) };
                self.sent(payment, "complete").await?
            },
            (Topic::SendPayFailure, Event::PaymentFailed(failed)) => {
                let Some(payment) = &failed.payment else { return Ok(Vec::new()) };
                self.sendpay_failure(payment).await?
            },
            (Topic::ForwardEvent, Event::PaymentForwarded(forwarded)) => {
                self.forward(forwarded, envelope.created_at).await?
            },
            (Topic::ChannelStateChanged, Event::ChannelStateChanged(changed)) => {
                self.channel_state(changed, envelope.created_at).await?
            },
            (Topic::ChannelOpened, Event::ChannelStateChanged(changed)) => {
                self.channel_opened(changed).await?
            },
            (Topic::ChannelOpenFailed, Event::ChannelStateChanged(changed)) => {
                let has_failed = changed.state() == ChannelState::OpenFailed;
                has_failed.then(|| json!({ "channel_id": changed.channel_id }))
            },
            (Topic::CoinMovement, _) => return self.movements(envelope),
            _ => None,
        };
        Ok(noticed.map(without_nulls).into_iter().collect())
    }

    fn movements(&self, envelope: &EventEnvelope) -> Result<Vec<Json>, RpcError> {
        let app = self.cln.0.dispatcher.app()?;
        let node_id = app.node.node_id().to_string();
        Ok(Account { node_id: &node_id, network: self.cln.0.network }.movements(envelope))
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
        Ok(Some(match paid {
            Some(row) => json!({
                "label": row["label"],
                "preimage": row["payment_preimage"],
                "msat": row["amount_received_msat"],
            }),
            None => json!({
                "label": hash,
                "preimage": payment_preimage(payment),
                "msat": payment.amount_msat,
            }),
        }))
    }

    /// The row of a payment that was sent, in this state.
    async fn sent(&self, payment: &Payment, status: &str) -> Result<Option<Json>, RpcError> {
        let Some(hash) = payment_hash(payment) else { return Ok(None) };
        let filter = json!({ "payment_hash": hash });
        let rows = self.rows("listsendpays", "payments", filter).await?;
        Ok(rows.into_iter().rev().find(|row| row["status"] == status))
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
        let Some((new_state, about)) = state(changed.state(), kind) else { return Ok(None) };
        let Some(peer_id) = &changed.counterparty_node_id else { return Ok(None) };
        let told = reason.map(|reason| &*reason.message).filter(|text| !text.is_empty());
        let message = told.unwrap_or(about);
        let mut notice = json!({
            "peer_id": peer_id,
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

/// What is not known is not there.
fn without_nulls(mut notice: Json) -> Json {
    if let Json::Object(members) = &mut notice {
        members.retain(|_, value| !value.is_null());
    }
    notice
}

/// As Core Lightning calls the state that a channel has come to, and what to say of it.
fn state(state: ChannelState, reason: Reason) -> Option<(&'static str, &'static str)> {
    Some(match (state, reason) {
        (ChannelState::Unspecified, _) => return None,
        (ChannelState::Pending, _) => {
            ("CHANNELD_AWAITING_LOCKIN", "The funding transaction waits to be confirmed")
        },
        (ChannelState::Ready, _) => ("CHANNELD_NORMAL", "The channel can be used"),
        (
            ChannelState::Closed,
            Reason::LegacyCooperativeClosure
            | Reason::CounterpartyInitiatedCooperativeClosure
            | Reason::LocallyInitiatedCooperativeClosure,
        ) => ("CLOSINGD_COMPLETE", "Both sides have closed the channel"),
        (ChannelState::Closed, Reason::CommitmentTxConfirmed) => {
            ("ONCHAIN", "The channel was closed on chain")
        },
        (
            ChannelState::Closed,
            Reason::CounterpartyForceClosed
            | Reason::HolderForceClosed
            | Reason::HtlcsTimedOut
            | Reason::PeerFeerateTooLow
            | Reason::ProcessingError
            | Reason::OutdatedChannelManager,
        ) => ("AWAITING_UNILATERAL", "The channel is closed"),
        // It had no money in it.
        (ChannelState::Closed | ChannelState::OpenFailed, _) => {
            ("CLOSED", "The channel was not opened")
        },
    })
}

/// Who has caused it: `user` is the operator, `local` the node by itself.
fn cause(initiator: ChannelClosureInitiator, reason: Reason) -> &'static str {
    match (reason, initiator) {
        (Reason::HolderForceClosed | Reason::LocallyInitiatedCooperativeClosure, _) => "user",
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
            let found = state(at, reason).map(|(word, _)| word);
            assert_eq!(found, word, "{at:?} {reason:?}");
        }
        let remote = ChannelClosureInitiator::Remote;
        assert_eq!(cause(remote, Reason::CounterpartyForceClosed), "remote");
        assert_eq!(cause(remote, Reason::CommitmentTxConfirmed), "onchain");
        let local = ChannelClosureInitiator::Local;
        assert_eq!(cause(local, Reason::LocallyInitiatedCooperativeClosure), "user");
        assert_eq!(cause(local, Reason::HtlcsTimedOut), "local");
    }
}
