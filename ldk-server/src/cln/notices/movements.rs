//! Events as movements of the accounts of channels, those of `bkpr-listaccountevents`.

use ldk_node::bitcoin::Network;
use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::events::event_envelope::Event;
use ldk_server_grpc::types::{ForwardedPayment, Payment};
use serde::Serialize;
use serde_json::Value as Json;

use crate::cln::methods::{CHANNELS, currency, payment_hash};

/// The version of their form.
const VERSION: u8 = 2;

/// What has come into an account or gone out of it.
#[derive(Serialize)]
struct Movement<'a> {
    account_id: &'a str,
    coin_type: &'static str,
    /// Movements have no numbers. These are made of the number of the event, so that each has another one,
    /// and a later one is higher.
    created_index: u64,
    credit_msat: u64,
    debit_msat: u64,
    extra_tags: [&'static str; 0],
    fees_msat: u64,
    node_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_hash: Option<String>,
    primary_tag: &'static str,
    tags: [&'static str; 1],
    timestamp: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
}

/// Of whom movements are told.
pub(super) struct Account<'a> {
    pub(super) node_id: &'a str,
    pub(super) network: Network,
}

impl Account<'_> {
    /// What an event has moved.
    pub(super) fn movements(&self, envelope: &EventEnvelope) -> Vec<Json> {
        let moved = match &envelope.event {
            Some(Event::PaymentReceived(received)) => {
                received.payment.as_ref().map(|payment| vec![self.received(payment, envelope)])
            },
            Some(Event::PaymentSuccessful(sent)) => {
                sent.payment.as_ref().map(|payment| vec![self.sent(payment, envelope)])
            },
            Some(Event::PaymentForwarded(forwarded)) => {
                let forward = forwarded.forwarded_payment.as_ref();
                forward.and_then(|forward| self.forwarded(forward, envelope))
            },
            _ => None,
        };
        let moved = moved.into_iter().flatten();
        moved.filter_map(|movement| serde_json::to_value(movement).ok()).collect()
    }

    fn movement<'a>(&'a self, account_id: &'a str, envelope: &EventEnvelope) -> Movement<'a> {
        const OF_EACH_EVENT: u64 = 2;
        Movement {
            account_id,
            coin_type: currency(self.network),
            created_index: envelope.event_index.saturating_mul(OF_EACH_EVENT),
            credit_msat: 0,
            debit_msat: 0,
            extra_tags: [],
            fees_msat: 0,
            node_id: self.node_id,
            payment_hash: None,
            primary_tag: "invoice",
            tags: ["invoice"],
            timestamp: envelope.created_at,
            kind: "channel_mvt",
            version: VERSION,
        }
    }

    /// By which channels is not known.
    fn received(&self, payment: &Payment, envelope: &EventEnvelope) -> Movement<'_> {
        Movement {
            credit_msat: payment.amount_msat.unwrap_or_default(),
            payment_hash: payment_hash(payment),
            ..self.movement(CHANNELS, envelope)
        }
    }

    fn sent(&self, payment: &Payment, envelope: &EventEnvelope) -> Movement<'_> {
        let fees_msat = payment.fee_paid_msat.unwrap_or_default();
        Movement {
            debit_msat: payment.amount_msat.unwrap_or_default().saturating_add(fees_msat),
            fees_msat,
            payment_hash: payment_hash(payment),
            ..self.movement(CHANNELS, envelope)
        }
    }

    /// It comes in by one channel and goes out by another.
    fn forwarded<'a>(
        &'a self,
        forward: &'a ForwardedPayment,
        envelope: &EventEnvelope,
    ) -> Option<Vec<Movement<'a>>> {
        let out_msat = forward.outbound_amount_forwarded_msat?;
        let fees_msat = forward.total_fee_earned_msat.unwrap_or_default();
        let came = Movement {
            credit_msat: out_msat.saturating_add(fees_msat),
            fees_msat,
            primary_tag: "routed",
            tags: ["routed"],
            ..self.movement(&forward.prev_channel_id, envelope)
        };
        let went = self.movement(&forward.next_channel_id, envelope);
        let went = Movement {
            created_index: went.created_index.saturating_add(1),
            debit_msat: out_msat,
            fees_msat,
            primary_tag: "routed",
            tags: ["routed"],
            ..went
        };
        Some(vec![came, went])
    }
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::events::{PaymentForwarded, PaymentReceived};
    use ldk_server_grpc::types::{Bolt11, PaymentKind, payment_kind};
    use serde_json::json;

    use super::*;

    fn movements(event: Event) -> Vec<Json> {
        let envelope =
            EventEnvelope { event_index: 25, created_at: 1_795_673_218, event: Some(event) };
        Account { node_id: "03ca", network: Network::Regtest }.movements(&envelope)
    }

    #[test]
    fn a_payment_is_moved_as_core_lightning_tells_it() {
        let kind =
            payment_kind::Kind::Bolt11(Bolt11 { hash: "4f66".to_owned(), ..Default::default() });
        let payment = Payment {
            amount_msat: Some(1_000),
            kind: Some(PaymentKind { kind: Some(kind) }),
            ..Default::default()
        };
        let received = PaymentReceived { payment: Some(payment), ..Default::default() };
        let expected = json!({
            "account_id": "channels", "coin_type": "bcrt", "created_index": 50, "credit_msat": 1_000,
            "debit_msat": 0, "extra_tags": [], "fees_msat": 0, "node_id": "03ca", "payment_hash": "4f66",
            "primary_tag": "invoice", "tags": ["invoice"], "timestamp": 1_795_673_218,
            "type": "channel_mvt", "version": 2,
        });
        assert_eq!(movements(Event::PaymentReceived(received)), [expected]);
    }

    #[test]
    fn a_forward_moves_two_accounts() {
        let forward = ForwardedPayment {
            prev_channel_id: "in".to_owned(),
            next_channel_id: "out".to_owned(),
            total_fee_earned_msat: Some(5),
            outbound_amount_forwarded_msat: Some(100),
            ..Default::default()
        };
        let forwarded = PaymentForwarded { forwarded_payment: Some(forward) };
        let moved = movements(Event::PaymentForwarded(forwarded));
        let told = |at: usize| {
            let of = &moved[at];
            (of["account_id"].clone(), of["credit_msat"].clone(), of["debit_msat"].clone())
        };
        assert_eq!(told(0), (json!("in"), json!(105), json!(0)));
        assert_eq!(told(1), (json!("out"), json!(0), json!(100)));
        assert!(moved[0]["created_index"].as_u64() < moved[1]["created_index"].as_u64());
    }
}
