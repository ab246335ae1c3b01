//! The one consumer of the node's events. Each is published before it is acknowledged, so a crash in
//! between means that it is published again after the next start, never that it is lost.

use std::sync::Arc;

use ldk_node::{Event, Node};
use ldk_server_grpc::events::EventEnvelope;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::node::effects;

/// How many events a subscriber may fall behind.
pub const BROADCAST_CAPACITY: usize = 1024;

/// Publishes events until `stop` is cancelled. Returns an error if an event cannot be acknowledged:
/// the library has then dropped it from memory without saving that, and only a restart makes the two
/// agree again.
pub async fn run(
    node: Arc<Node>,
    publish: broadcast::Sender<Arc<EventEnvelope>>,
    stop: CancellationToken,
) -> Result<(), String> {
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            event = node.next_event_async() => event,
        };
        let (node, publish) = (Arc::clone(&node), publish.clone());
        // Looking up the payment takes the library's locks, and acknowledging writes to disk.
        let handled = tokio::task::spawn_blocking(move || handle(&node, &publish, event)).await;
        handled.map_err(|error| error.to_string())??;
    }
}

fn handle(
    node: &Node,
    publish: &broadcast::Sender<Arc<EventEnvelope>>,
    event: Event,
) -> Result<(), String> {
    let name = name(&event);
    if let Some(event) = effects::published(event, |id| node.payment(id)) {
        let envelope = EventEnvelope { event_index: 0, event: Some(event) };
        // An error means that nobody is subscribed.
        let subscribers = publish.send(Arc::new(envelope)).unwrap_or(0);
        tracing::debug!("event {name}, sent to {subscribers} subscribers");
    } else {
        tracing::debug!("event {name}, which has no message in the API");
    }
    node.event_handled().map_err(|error| format!("cannot acknowledge event {name}: {error}"))
}

/// The event without its contents, which hold preimages.
fn name(event: &Event) -> &'static str {
    match event {
        Event::PaymentSuccessful { .. } => "PaymentSuccessful",
        Event::PaymentFailed { .. } => "PaymentFailed",
        Event::PaymentReceived { .. } => "PaymentReceived",
        Event::PaymentForwarded { .. } => "PaymentForwarded",
        Event::PaymentClaimable { .. } => "PaymentClaimable",
        Event::ChannelPending { .. } => "ChannelPending",
        Event::ChannelReady { .. } => "ChannelReady",
        Event::ChannelClosed { .. } => "ChannelClosed",
        Event::SplicePending { .. } => "SplicePending",
        Event::SpliceFailed { .. } => "SpliceFailed",
    }
}
