//! `/v1/ws`: events over a WebSocket, one a message.
//!
//! Browsers cannot set headers for a WebSocket, so that a rune may also come in the first message. Until
//! then the client is a stranger, with the place of one and a few seconds.

mod message;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use bytes::Bytes;
use ldk_server_grpc::api::AckEventsRequest;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tonic::{Code, Status};

use super::refusal::error;
use super::session::{Ending, Session, ending};
use super::subscription::Subscription;
use super::{Feeds, HEARTBEAT};
use crate::api::rpc;
use crate::error::Error;
use crate::events::JsonEvent;
use message::{Asked, Subscribe};

/// The largest message of a client. None of them needs more than a rune does.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// The buffer of what a client sends, which each WebSocket has from its beginning to its end. Longer
/// messages are read in parts.
const READ_BUFFER_BYTES: usize = 1024;
/// How much is buffered for a client that does not read.
const MAX_UNSENT_BYTES: usize = 256 * 1024;
/// How long a stranger has for its rune.
const RUNE_PATIENCE: Duration = Duration::from_secs(5);
/// How long a client has to read a message.
const SEND_PATIENCE: Duration = Duration::from_secs(30);
/// How long a client has to read why it ends.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// A client is gone when it has answered so many pings in a row with nothing.
const MAX_UNANSWERED: u32 = 3;

/// Upgrades the connection, and sends what the client asks for.
pub(super) async fn serve(
    State(feeds): State<Feeds>,
    Extension(session): Extension<Session>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT_BYTES)
        .on_upgrade(|socket| Conversation::new(feeds, session, socket).run())
}

/// A WebSocket, and what its client has asked for.
struct Conversation {
    feeds: Feeds,
    session: Session,
    socket: WebSocket,
    subscription: Option<Subscription>,
    /// Whose events are acknowledged.
    consumer: String,
    pings: Interval,
    /// Pings since something came.
    unanswered: u32,
}

/// Why a conversation ends.
enum End {
    /// The client has left, or does not read.
    Gone,
    /// The client is told.
    Refused(Status),
}

/// What happens next.
enum Step {
    Received(Option<Result<Message, axum::Error>>),
    Happened(Result<Arc<JsonEvent>, Error>),
    Ping,
    Late,
    Ended(Ending),
}

impl Conversation {
    fn new(feeds: Feeds, session: Session, socket: WebSocket) -> Self {
        let mut pings = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (subscription, consumer) = (None, String::new());
        Self { feeds, session, socket, subscription, consumer, pings, unanswered: 0 }
    }

    async fn run(mut self) {
        let late = Instant::now() + RUNE_PATIENCE;
        let end = loop {
            let step = self.step(late).await;
            if let Err(end) = self.take(step).await {
                break end;
            }
        };
        if let End::Refused(status) = end {
            // Whoever does not read it knows as much as without.
            let _ = timeout(CLOSE_PATIENCE, Box::pin(self.close(&status))).await;
        }
    }

    /// Waits for what happens next.
    async fn step(&mut self, late: Instant) -> Step {
        let is_stranger = !self.session.is_known();
        tokio::select! {
            ending = self.session.ended() => Step::Ended(ending),
            () = tokio::time::sleep_until(late), if is_stranger => Step::Late,
            received = self.socket.recv() => Step::Received(received),
            _ = self.pings.tick() => Step::Ping,
            happened = next(&mut self.subscription) => Step::Happened(happened),
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), End> {
        match step {
            // On the heap while it lasts: what answers is large, and most strangers send nothing.
            Step::Received(Some(Ok(message))) => Box::pin(self.receive(message)).await,
            Step::Received(_) | Step::Ended(Ending::Silent) => Err(End::Gone),
            Step::Happened(event) => {
                let json = event.map_err(refused)?.json();
                self.send_text(json).await
            },
            Step::Ping if self.unanswered >= MAX_UNANSWERED => Err(End::Gone),
            Step::Ping => {
                self.unanswered += 1;
                self.send(Message::Ping(Bytes::new())).await
            },
            Step::Late => {
                let seconds = RUNE_PATIENCE.as_secs();
                let reason = format!("no message {{\"rune\":\"...\"}} within {seconds} seconds");
                Err(End::Refused(Status::unauthenticated(reason)))
            },
            Step::Ended(Ending::Told) => Err(End::Refused(ending())),
        }
    }

    async fn receive(&mut self, message: Message) -> Result<(), End> {
        self.unanswered = 0;
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Gone),
            Message::Binary(_) => {
                return Err(End::Refused(Status::invalid_argument("messages must be text")));
            },
        };
        match Asked::read(&text).map_err(refused)? {
            Asked::Rune(rune) => self.identify(&rune).await,
            Asked::Subscribe(subscribe) => self.subscribe(subscribe).await,
            Asked::Ack(event_index) => self.ack(event_index).await,
        }
    }

    async fn identify(&mut self, rune: &str) -> Result<(), End> {
        if self.session.is_known() {
            let reason = "there is a credential already; two of them are refused";
            return Err(End::Refused(Status::unauthenticated(reason)));
        }
        self.session.show(rune).await.map_err(End::Refused)
    }

    async fn subscribe(&mut self, subscribe: Subscribe) -> Result<(), End> {
        self.must_be_known()?;
        if self.subscription.is_some() {
            let reason = "subscribe: a WebSocket has one subscription; open another one";
            return Err(End::Refused(Status::failed_precondition(reason)));
        }
        let wanted = subscribe.wanted().map_err(refused)?;
        self.consumer.clone_from(&wanted.consumer);
        let begun = Subscription::begin(&self.feeds, self.session.caller(), wanted).await;
        let subscription = begun.map_err(refused)?;
        let told: serde_json::Map<_, _> = subscription
            .head()
            .iter()
            .map(|(name, value)| (name.replace('-', "_"), Value::from(*value)))
            .collect();
        self.subscription = Some(subscription);
        self.tell(&json!({"subscribed": told})).await
    }

    async fn ack(&mut self, event_index: u64) -> Result<(), End> {
        self.must_be_known()?;
        let request = AckEventsRequest { consumer: self.consumer.clone(), event_index };
        let dispatcher = &self.feeds.dispatcher;
        let answer = dispatcher.call(rpc::AckEvents, self.session.caller(), request).await;
        let acknowledged = answer.map_err(refused)?.acknowledged_index;
        self.tell(&json!({"acknowledged_index": acknowledged})).await
    }

    fn must_be_known(&self) -> Result<(), End> {
        if self.session.is_known() {
            return Ok(());
        }
        let reason =
            "the first message must be {\"rune\":\"...\"}, because there is no header rune";
        Err(End::Refused(Status::unauthenticated(reason)))
    }

    async fn tell(&mut self, value: &Value) -> Result<(), End> {
        self.send_text(value.to_string().into()).await
    }

    async fn send_text(&mut self, json: Bytes) -> Result<(), End> {
        let text = Utf8Bytes::try_from(json).map_err(|_| End::Gone)?;
        self.send(Message::Text(text)).await
    }

    /// Sends a message. Nothing else is done until the client has room for it.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }

    async fn close(&mut self, status: &Status) -> Result<(), End> {
        self.tell(&json!({"error": error(status)})).await?;
        let code = match status.code() {
            Code::Unavailable => close_code::AWAY,
            _ => close_code::POLICY,
        };
        // A close frame has little room; the message before it says the same in full.
        let reason = Utf8Bytes::from_static(crate::error::code_name(status.code()));
        self.send(Message::Close(Some(CloseFrame { code, reason }))).await?;
        // The client closes the connection once it has read it.
        while let Some(Ok(_)) = self.socket.recv().await {}
        Ok(())
    }
}

fn refused(error: Error) -> End {
    End::Refused(Status::from(error))
}

/// The next event; none without a subscription.
async fn next(subscription: &mut Option<Subscription>) -> Result<Arc<JsonEvent>, Error> {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function returns.
    const fn size_of_result<A, R>(_: &impl Fn(A) -> R) -> usize {
        size_of::<R>()
    }

    #[test]
    fn a_client_that_says_nothing_takes_little() {
        let bytes = size_of_result(&Conversation::run);
        assert!(bytes <= 4 * 1024, "{bytes}");
    }
}
