//! What is posted: an event as JSON, and the id by which a receiver knows a repetition.

use bytes::Bytes;
use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;

use crate::clock::unix_secs;
use crate::error::Error;
use crate::events::{JsonEvent, JsonEvents};
use crate::store::event_kind;

/// A message to a receiver. It is the same at each attempt.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: Bytes,
}

impl Message {
    /// The message of an event for this webhook. The number alone is no id: a node that was restored from a
    /// backup gives the same numbers to other events.
    pub(super) fn of(
        webhook: &str,
        event: &Shared<EventEnvelope>,
        events: &JsonEvents,
    ) -> Result<Self, Error> {
        let EventEnvelope { event_index, created_at, .. } = &**event;
        let id = format!("msg_{}_{event_index}_{created_at}", name(webhook));
        Ok(Self { id, body: events.of(event)?.json() })
    }

    /// A message that tells of nothing.
    pub(super) fn test(webhook: &str) -> Result<Self, Error> {
        let id = format!("msg_{}_test_{:016x}", name(webhook), rand::random::<u64>());
        let event = EventEnvelope { event_index: 0, created_at: unix_secs(), event: None };
        Ok(Self { id, body: JsonEvent::of(&event.into())?.json() })
    }
}

/// The kind of an event; empty for one that has none.
pub(super) fn kind(event: &EventEnvelope) -> &'static str {
    event.event.as_ref().map(event_kind).unwrap_or_default()
}

fn name(webhook: &str) -> &str {
    webhook.strip_prefix("wh_").unwrap_or(webhook)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ldk_server_grpc::events::PaymentReceived;
    use ldk_server_grpc::events::event_envelope::Event;
    use ldk_server_grpc::types::Payment;

    use super::*;

    #[test]
    fn an_event_has_the_same_id_each_time_and_another_one_each_event_and_webhook() {
        let id = |webhook, event_index, created_at| {
            let event = EventEnvelope { event_index, created_at, event: None };
            Message::of(webhook, &event.into(), &JsonEvents::default()).unwrap().id
        };
        assert_eq!(id("wh_01", 7, 1_800_000_000), "msg_01_7_1800000000");
        let ids = [id("wh_01", 7, 8), id("wh_02", 7, 8), id("wh_01", 8, 8), id("wh_01", 7, 9)];
        assert_eq!(BTreeSet::from(ids).len(), 4);
    }

    #[test]
    fn the_body_is_the_envelope_as_json() {
        let payment = Payment { id: "01".to_owned(), ..Default::default() };
        let received = PaymentReceived { payment: Some(payment), ..Default::default() };
        let event = EventEnvelope {
            event_index: 7,
            created_at: 8,
            event: Some(Event::PaymentReceived(received)),
        };
        let body = Message::of("wh_01", &event.into(), &JsonEvents::default()).unwrap().body;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((body["event_index"].as_u64(), body["created_at"].as_u64()), (Some(7), Some(8)));
        assert_eq!(body["payment_received"]["payment"]["id"], "01");
        let body = Message::test("wh_01").unwrap().body;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((body["event_index"].as_u64(), body.as_object().unwrap().len()), (Some(0), 2));
    }
}
