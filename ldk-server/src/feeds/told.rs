//! WebSockets over which programs of others are told what happens from now on, in the form that they know.
//! They have nothing to say.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tonic::Status;

use super::refusal::refuse;
use super::request::Wanted;
use super::session::Session;
use super::socket_io::OfEvent;
use super::subscription::Subscription;
use super::{Feeds, HEARTBEAT};
use crate::error::Error;
use crate::events::JsonEvent;

/// The largest message of a client, which has nothing to say.
const MAX_MESSAGE_BYTES: usize = 1024;
/// How much is buffered for a client that does not read.
const MAX_UNSENT_BYTES: usize = 64 * 1024;
/// How long a client has to read a message.
const SEND_PATIENCE: Duration = Duration::from_secs(30);
/// A client is gone when it has answered so many pings in a row with nothing.
const MAX_UNANSWERED: u32 = 3;

/// What clients are told.
#[derive(Clone)]
pub(super) struct Telling {
    pub(super) feeds: Feeds,
    pub(super) notifications: OfEvent,
}

/// Upgrades the connection, and tells what happens.
pub(super) async fn serve(
    State(telling): State<Telling>,
    Extension(session): Extension<Session>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let begun = Subscription::begin(&telling.feeds, session.caller(), Wanted::default()).await;
    let subscription = match begun {
        Ok(subscription) => subscription,
        Err(error) => return refuse(&Status::from(error)),
    };
    let notifications = telling.notifications;
    upgrade
        // A browser gives up if none of those is chosen that its page has named.
        .protocols(protocols(&headers))
        .read_buffer_size(MAX_MESSAGE_BYTES)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_UNSENT_BYTES)
        .on_upgrade(|socket| Client::new(socket, session, subscription, notifications).run())
}

fn protocols(headers: &HeaderMap) -> Vec<String> {
    let named = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let named = named.unwrap_or_default().split(',').map(|name| name.trim().to_owned());
    named.filter(|name| !name.is_empty()).collect()
}

/// A WebSocket, and what its client is told.
struct Client {
    socket: WebSocket,
    session: Session,
    subscription: Subscription,
    notifications: OfEvent,
    pings: Interval,
    /// Pings since something came.
    unanswered: u32,
}

/// What happens next.
enum Step {
    Received(Option<Result<Message, axum::Error>>),
    Happened(Result<Arc<JsonEvent>, Error>),
    Ping,
    Ended,
}

/// The client has left, or has to leave.
struct Gone;

impl Client {
    fn new(
        socket: WebSocket,
        session: Session,
        subscription: Subscription,
        notifications: OfEvent,
    ) -> Self {
        let mut pings = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { socket, session, subscription, notifications, pings, unanswered: 0 }
    }

    async fn run(mut self) {
        loop {
            let step = self.step().await;
            if self.take(step).await.is_err() {
                return;
            }
        }
    }

    /// Waits for what happens next.
    async fn step(&mut self) -> Step {
        tokio::select! {
            _ = self.session.ended() => Step::Ended,
            received = self.socket.recv() => Step::Received(received),
            _ = self.pings.tick() => Step::Ping,
            happened = self.subscription.next() => Step::Happened(happened),
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), Gone> {
        match step {
            Step::Received(Some(Ok(message))) if !matches!(message, Message::Close(_)) => {
                self.unanswered = 0;
                Ok(())
            },
            Step::Received(_) | Step::Ended | Step::Happened(Err(_)) => Err(Gone),
            Step::Happened(Ok(event)) => {
                for told in (self.notifications)(event).await {
                    self.send(Message::text(told.to_string())).await?;
                }
                Ok(())
            },
            Step::Ping if self.unanswered >= MAX_UNANSWERED => Err(Gone),
            Step::Ping => {
                self.unanswered += 1;
                self.send(Message::Ping(Bytes::new())).await
            },
        }
    }

    /// Sends a message. Nothing else is done until the client has room for it.
    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        match timeout(SEND_PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn protocols_are_those_that_the_client_names() {
        let named = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            protocols(&HeaderMap::from_iter([(header::SEC_WEBSOCKET_PROTOCOL, value)]))
        };
        assert_eq!(named("a, b,,c"), ["a", "b", "c"]);
        assert!(protocols(&HeaderMap::new()).is_empty());
    }
}
