//! What sessions are sent of an event. It is written once for all of them.

use std::collections::VecDeque;
use std::sync::Arc;

use engineioxide::Str;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use serde_json::Value;
use tokio::sync::Mutex;

use super::packet;
use crate::events::JsonEvent;

/// How many events are kept as packets.
const KEPT: usize = 16;

/// What sessions are sent in the form of other software.
#[derive(Clone)]
pub struct Notifications {
    /// What an event is notified as.
    pub of_event: OfEvent,
    /// What else is notified from now on.
    pub others: Others,
}

/// What an event is notified as.
pub(super) type OfEvent =
    Arc<dyn Fn(Arc<JsonEvent>) -> BoxFuture<'static, Vec<Value>> + Send + Sync>;
/// What there are no events for.
pub(super) type Others = Arc<dyn Fn() -> BoxStream<'static, Value> + Send + Sync>;

/// What an event is sent as.
type Packets = Arc<[Str]>;

/// Events as packets.
pub(super) struct Form {
    /// None for events as they are.
    notifications: Option<Notifications>,
    newest: Mutex<VecDeque<(Arc<JsonEvent>, Packets)>>,
}

impl Form {
    pub(super) fn new(notifications: Option<Notifications>) -> Self {
        Self { notifications, newest: Mutex::default() }
    }

    /// The packets of an event, if any are sent. Of all who ask at once, one writes them.
    pub(super) async fn packets(&self, event: &Arc<JsonEvent>) -> Packets {
        let mut newest = self.newest.lock().await;
        if let Some((_, packets)) = newest.iter().rev().find(|(same, _)| Arc::ptr_eq(same, event)) {
            return Arc::clone(packets);
        }
        let packets = self.write(event).await;
        if newest.len() >= KEPT {
            newest.pop_front();
        }
        newest.push_back((Arc::clone(event), Arc::clone(&packets)));
        packets
    }

    async fn write(&self, event: &Arc<JsonEvent>) -> Packets {
        match &self.notifications {
            None => Arc::new([Str::from(packet::message(&event.text()))]),
            Some(notifications) => {
                let notified = (notifications.of_event)(Arc::clone(event)).await;
                notified.iter().map(written).collect()
            },
        }
    }

    /// The packets of what there are no events for.
    pub(super) fn others(&self) -> BoxStream<'static, Packets> {
        match &self.notifications {
            None => stream::pending().boxed(),
            Some(notifications) => {
                (notifications.others)().map(|other| Packets::from([written(&other)])).boxed()
            },
        }
    }
}

fn written(notification: &Value) -> Str {
    Str::from(packet::message(&notification.to_string()))
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
    async fn notifications_are_written_once_for_all() {
        let written = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&written);
        let of_event: OfEvent = Arc::new(move |event: Arc<JsonEvent>| {
            counted.fetch_add(1, Ordering::SeqCst);
            let index = event.envelope().event_index;
            Box::pin(async move { (1..index).map(|index| json!({"a": index})).collect() })
        });
        let others: Others = Arc::new(|| stream::iter([json!({"b": 7})]).boxed());
        let form = Form::new(Some(Notifications { of_event, others }));
        let (first, third) = (event(1), event(3));
        for _ in 0..3 {
            assert!(form.packets(&first).await.is_empty());
            let packets = form.packets(&third).await;
            let packets: Vec<&str> = packets.iter().map(|packet| &**packet).collect();
            assert_eq!(packets, [r#"2["message",{"a":1}]"#, r#"2["message",{"a":2}]"#]);
        }
        assert_eq!(written.load(Ordering::SeqCst), 2);
        let other = form.others().next().await.unwrap();
        assert_eq!(&*other[0], r#"2["message",{"b":7}]"#);
    }

    #[tokio::test]
    async fn an_event_without_another_form_is_sent_as_it_is() {
        let packets = Form::new(None).packets(&event(5)).await;
        assert_eq!(&*packets[0], r#"2["message",{"event_index":5,"created_at":0}]"#);
    }
}
