//! What sessions are sent of an event. It is written once for all of them.

use std::collections::VecDeque;
use std::sync::Arc;

use engineioxide::Str;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Mutex;

use super::packet;
use crate::events::JsonEvent;

/// How many events are kept as packets.
const KEPT: usize = 16;

/// What an event is notified as in the form of other software, if it is.
pub type Notifications =
    Arc<dyn Fn(Arc<JsonEvent>) -> BoxFuture<'static, Option<Value>> + Send + Sync>;

/// Events as packets.
pub(super) struct Form {
    /// None for events as they are.
    notifications: Option<Notifications>,
    newest: Mutex<VecDeque<(Arc<JsonEvent>, Option<Str>)>>,
}

impl Form {
    pub(super) fn new(notifications: Option<Notifications>) -> Self {
        Self { notifications, newest: Mutex::default() }
    }

    /// The packet of an event, if one is sent. Of all who ask at once, one writes it.
    pub(super) async fn packet(&self, event: &Arc<JsonEvent>) -> Option<Str> {
        let mut newest = self.newest.lock().await;
        if let Some((_, packet)) = newest.iter().rev().find(|(same, _)| Arc::ptr_eq(same, event)) {
            return packet.clone();
        }
        let packet = self.write(event).await;
        if newest.len() >= KEPT {
            newest.pop_front();
        }
        newest.push_back((Arc::clone(event), packet.clone()));
        packet
    }

    async fn write(&self, event: &Arc<JsonEvent>) -> Option<Str> {
        let packet = match &self.notifications {
            None => packet::message(&event.text()),
            Some(notifications) => {
                packet::message(&notifications(Arc::clone(event)).await?.to_string())
            },
        };
        Some(Str::from(packet))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ldk_server_grpc::events::EventEnvelope;
    use serde_json::json;

    use super::*;

    fn event(event_index: u64) -> Arc<JsonEvent> {
        let envelope = EventEnvelope { event_index, ..Default::default() };
        Arc::new(JsonEvent::of(&envelope.into()).unwrap())
    }

    #[tokio::test]
    async fn a_notification_is_written_once_for_all() {
        let written = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&written);
        let form = Form::new(Some(Arc::new(move |event: Arc<JsonEvent>| {
            counted.fetch_add(1, Ordering::SeqCst);
            let index = event.envelope().event_index;
            Box::pin(async move { (index > 1).then(|| json!({"a": index})) })
        })));
        let (first, second) = (event(1), event(2));
        for _ in 0..3 {
            assert!(form.packet(&first).await.is_none());
            assert_eq!(form.packet(&second).await.as_deref(), Some(r#"2["message",{"a":2}]"#));
        }
        assert_eq!(written.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_event_without_another_form_is_sent_as_it_is() {
        let packet = Form::new(None).packet(&event(5)).await.unwrap();
        assert_eq!(&*packet, r#"2["message",{"event_index":5,"created_at":0}]"#);
    }
}
