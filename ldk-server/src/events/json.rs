//! Events as JSON: each is written once, however many subscribers and webhooks it is sent to.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;
use prost_reflect::MessageDescriptor;

use crate::error::Error;
use crate::json;
use crate::store::event_kind;

/// How many events are kept as they are sent. Who is further behind reads from the disk, and its events
/// are written again.
const KEPT: usize = 256;

static ENVELOPE: LazyLock<Option<&MessageDescriptor>> =
    LazyLock::new(|| json::method("SubscribeEvents").map(|method| &method.response));

/// An event as JSON.
pub struct JsonEvent {
    /// The name of its kind; empty for one that tells of nothing.
    pub kind: &'static str,
    envelope: Shared<EventEnvelope>,
    server_sent: Bytes,
    json: Bytes,
}

impl JsonEvent {
    /// Writes an event.
    pub fn of(envelope: &Shared<EventEnvelope>) -> Result<Self, Error> {
        let descriptor = ENVELOPE.ok_or_else(|| Error::internal("events have no descriptor"))?;
        let json = json::encode(descriptor, envelope.bytes()).map_err(Error::internal)?;
        let mut server_sent = format!("id: {}\ndata: ", envelope.event_index).into_bytes();
        let begin = server_sent.len();
        server_sent.extend_from_slice(&json);
        let end = server_sent.len();
        server_sent.extend_from_slice(b"\n\n");
        let server_sent = Bytes::from(server_sent);
        let json = server_sent.slice(begin..end);
        let kind = envelope.event.as_ref().map_or("", event_kind);
        Ok(Self { kind, envelope: envelope.clone(), server_sent, json })
    }

    /// As a message.
    pub fn envelope(&self) -> &EventEnvelope {
        &self.envelope
    }

    /// As a server-sent event.
    pub fn server_sent(&self) -> Bytes {
        self.server_sent.clone()
    }

    /// As JSON text.
    pub fn json(&self) -> Bytes {
        self.json.clone()
    }

    /// As JSON text that becomes part of another.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.json)
    }
}

/// The newest events that somebody was sent.
#[derive(Default)]
pub struct JsonEvents {
    kept: Mutex<BTreeMap<u64, Arc<JsonEvent>>>,
}

impl JsonEvents {
    /// The event as JSON. Of all who ask at once, one writes it.
    pub fn of(&self, envelope: &Shared<EventEnvelope>) -> Result<Arc<JsonEvent>, Error> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(event) = kept.get(&envelope.event_index) {
            return Ok(Arc::clone(event));
        }
        let event = Arc::new(JsonEvent::of(envelope)?);
        kept.insert(envelope.event_index, Arc::clone(&event));
        if kept.len() > KEPT {
            kept.pop_first();
        }
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ldk_server_grpc::events::PaymentFailed;
    use ldk_server_grpc::events::event_envelope::Event as Content;

    use super::*;
    use crate::store::EVENT_KINDS;

    fn envelope(event_index: u64) -> Shared<EventEnvelope> {
        let event = Some(Content::PaymentFailed(PaymentFailed::default()));
        EventEnvelope { event_index, event, created_at: 7 }.into()
    }

    #[test]
    fn every_kind_has_the_name_of_its_field() {
        let oneof = ENVELOPE.unwrap().oneofs().next().unwrap();
        let fields: BTreeSet<_> = oneof.fields().map(|field| field.name().to_owned()).collect();
        assert_eq!(fields, EVENT_KINDS.map(str::to_owned).into());
        assert!(EVENT_KINDS.contains(&event_kind(envelope(1).event.as_ref().unwrap())));
    }

    #[test]
    fn an_event_is_written_in_one_line_with_its_number() {
        let event = JsonEvent::of(&envelope(5)).unwrap();
        let json = r#"{"event_index":5,"payment_failed":{},"created_at":7}"#;
        assert_eq!(event.json(), json);
        assert_eq!(event.text(), json);
        assert_eq!(event.server_sent(), format!("id: 5\ndata: {json}\n\n"));
    }

    #[test]
    fn it_is_written_once_and_the_newest_are_kept() {
        let events = JsonEvents::default();
        let first = events.of(&envelope(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &events.of(&envelope(1)).unwrap()));
        let newest = KEPT as u64 + 10;
        let last: Vec<_> = (2..=newest).map(|index| events.of(&envelope(index)).unwrap()).collect();
        // Old ones, which somebody replays, take the place of none.
        events.of(&envelope(1)).unwrap();
        assert!(Arc::ptr_eq(last.last().unwrap(), &events.of(&envelope(newest)).unwrap()));
        assert_eq!(events.kept.lock().unwrap().len(), KEPT);
    }
}
