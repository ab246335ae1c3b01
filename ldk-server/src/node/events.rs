//! The one consumer of the node's events. What the server must remember of an event is on disk before
//! the event is published, and it is published before it is acknowledged. A crash in between means
//! that it is taken and published again after the next start, never that it is lost.

use std::sync::Arc;

use ldk_node::Event;
use ldk_node::lightning::io;
use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::events::event_envelope::Event as Published;
use tokio_util::sync::CancellationToken;

use crate::node::effects::{self, Note};
use crate::node::holding;
use crate::rpc::App;

/// How many events a subscriber may fall behind.
pub const BROADCAST_CAPACITY: usize = 1024;

/// Takes events until `stop` is cancelled. Returns an error if an event cannot be written down or
/// acknowledged: the library may then have dropped it from memory without saving that, and only a
/// restart makes the two agree again.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<(), String> {
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            event = app.node.next_event_async() => event,
        };
        let app = Arc::clone(&app);
        // Looking up the payment takes the library's locks, and acknowledging writes to disk.
        let handled = tokio::task::spawn_blocking(move || handle(&app, event)).await;
        handled.map_err(|error| error.to_string())??;
    }
}

fn handle(app: &App, event: Event) -> Result<(), String> {
    let name = name(&event);
    let is_news = match effects::note(&event) {
        Some(note) => {
            take_note(app, note).map_err(|error| format!("cannot write down {name}: {error}"))?
        },
        None => true,
    };
    app.splices.saw(&event);
    let was_funded = |channel| app.store.was_funded(channel);
    let has_failed_to_open = effects::has_failed_to_open(&event, was_funded)
        .map_err(|error| format!("cannot look up the channel of {name}: {error}"))?;
    if is_news && let Some(mut event) = effects::published(event, |id| app.node.payment(id)) {
        if has_failed_to_open {
            effects::failed_to_open(&mut event);
        }
        publish(app, name, event);
    }
    app.node
        .event_handled()
        .map_err(|error| format!("cannot acknowledge event {name}: {error}"))?;
    let noted = app.forwards.acknowledged();
    noted.map_err(|error| format!("cannot write down that {name} is acknowledged: {error}"))
}

/// Sends an event to those who are subscribed.
pub(super) fn publish(app: &App, name: &str, event: Published) {
    let envelope = EventEnvelope { event: Some(event), ..Default::default() };
    // An error means that nobody is subscribed.
    let subscribers = app.events.send(Arc::new(envelope)).unwrap_or(0);
    tracing::debug!("event {name}, sent to {subscribers} subscribers");
}

/// Tells whether there is something to publish.
fn take_note(app: &App, note: Note) -> Result<bool, String> {
    let written: io::Result<()> = match note {
        Note::Held(held) => return holding::arrived(app, held),
        Note::Settled(payment_hash) => app.holds.settled(payment_hash),
        Note::Forwarded(forward) => app.forwards.add(forward),
        Note::ChannelFunded(channel, txid) => {
            app.spending.channel_funded(channel, txid);
            Ok(())
        },
        Note::SplicePending(channel, txid) => {
            app.spending.splice_pending(channel, txid);
            Ok(())
        },
        Note::SpliceFailed(channel) => {
            app.spending.splice_failed(channel);
            Ok(())
        },
    };
    written.map(|()| true).map_err(|error| error.to_string())
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
