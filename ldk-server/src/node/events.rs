//! The one consumer of the library's events. Each is recorded, which publishes it, and then
//! acknowledged. After a crash in between the library delivers it again, and it is known to be
//! recorded.

use std::sync::Arc;

use ldk_node::Event;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::events::PaymentForwarded;
use ldk_server_grpc::events::event_envelope::Event as Published;
use ldk_server_grpc::types::Payment;
use tokio_util::sync::CancellationToken;

use crate::node::effects::{self, Note};
use crate::node::holding;
use crate::rpc::App;
use crate::store::{Digest, NewEvent};

/// Takes events until `stop` is cancelled. Returns an error if an event cannot be written down or
/// acknowledged: the library may then have dropped it from memory without saving that, and only a
/// restart makes the two agree again.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<(), String> {
    // Only the first can be one that was recorded before, by a process that ended too early.
    let mut is_first = true;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            event = app.node.next_event_async() => event,
        };
        let app = Arc::clone(&app);
        // Looking up the payment takes the library's locks, and acknowledging may write to disk.
        let handled = tokio::task::spawn_blocking(move || handle(&app, event, is_first)).await;
        handled.map_err(|error| error.to_string())??;
        is_first = false;
    }
}

/// The record of the event is written before the acknowledgement, or with it, whoever waits.
fn handle(app: &App, event: Event, is_first: bool) -> Result<(), String> {
    let (name, digest) = (name(&event), effects::digest(&event));
    if !is_first || !app.store.is_recorded(&digest) {
        record(app, event, digest).map_err(|error| format!("cannot record {name}: {error}"))?;
    }
    let acknowledged = app.store.acknowledging(|| app.node.event_handled());
    acknowledged.map_err(|error| format!("cannot acknowledge {name}: {error}"))
}

fn record(app: &App, event: Event, digest: Digest) -> Result<(), String> {
    let is_news = effects::note(&event).map_or(Ok(true), |note| take_note(app, note))?;
    app.splices.saw(&event);
    if !is_news {
        return Ok(());
    }
    let has_failed_to_open =
        effects::has_failed_to_open(&event, |channel| app.store.was_funded(channel));
    let has_failed_to_open = has_failed_to_open.map_err(text)?;
    let payment = effects::payment_id(&event);
    app.store.record_library_event(payment, move |payment| {
        compose(event, digest, has_failed_to_open, payment)
    });
    Ok(())
}

/// What is recorded of an event.
fn compose(
    event: Event,
    digest: Digest,
    has_failed_to_open: bool,
    payment: Option<Payment>,
) -> Option<NewEvent> {
    if let (Event::PaymentFailed { .. }, Some(payment)) = (&event, &payment)
        && payment.outcome_unknown
    {
        tracing::warn!(
            "payment {} was given up by the library, which had lost sight of it: it may have arrived",
            payment.id
        );
        return None;
    }
    let once = effects::once(&event);
    let mut event = effects::published(event, payment)?;
    if has_failed_to_open {
        effects::failed_to_open(&mut event);
    }
    let forward = match &event {
        Published::PaymentForwarded(PaymentForwarded { forwarded_payment }) => {
            forwarded_payment.clone()
        },
        _ => None,
    };
    Some(NewEvent { event, dedup_key: once, source_digest: Some(digest), forward })
}

/// Tells whether there is something to publish.
fn take_note(app: &App, note: Note) -> Result<bool, String> {
    match note {
        Note::Held(held) => {
            // Whether the caller has decided on it already is looked up on the disk.
            app.store.barrier().map_err(text)?;
            return holding::arrived(app, held);
        },
        Note::Settled(payment_hash, amount_msat) => {
            app.holds.settled(payment_hash).map_err(text)?;
            let id = PaymentId(payment_hash.0);
            let payment = app.store.durable_payment(id).map_err(text)?;
            if payment.is_some_and(|payment| payment.expired) {
                tracing::warn!("payment {payment_hash} has arrived after it was put away");
                app.store.paid_after_all(id, amount_msat).map_err(text)?;
            }
        },
        Note::ChannelFunded(channel, txid) => app.spending.channel_funded(channel, txid),
        Note::SplicePending(channel, txid) => app.spending.splice_pending(channel, txid),
        Note::SpliceFailed(channel) => app.spending.splice_failed(channel),
    }
    Ok(true)
}

fn text(error: impl ToString) -> String {
    error.to_string()
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
