//! `/socket.io`: events as the programs read them that were written for Core Lightning's CLNRest.
//!
//! The library keeps a session for whoever begins one. So who has no rune is refused before the library
//! sees the request, and so is who has one that does not allow events: the subscription begins first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::{Extension, Router};
use ldk_server_grpc::api::AckEventsRequest;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::event::Event;
use super::refusal::{error, refuse};
use super::request::Wanted;
use super::session::Session;
use super::subscription::Subscription;
use super::{Feeds, HEARTBEAT};
use crate::api::rpc;
use crate::caller::{Caller, Identity};
use crate::error::Error;

/// The event that each event of the node is sent as.
const EVENT: &str = "message";
/// What CLNRest calls the permission to read events, in runes.
const METHOD_OF_CLNREST: &str = "listclnrest-notifications";
/// Sessions at once. Each has a few buffers.
const MAX_SESSIONS: usize = 1024;
/// The largest message of a client: it has nothing to say but what it acknowledges.
const MAX_MESSAGE_BYTES: usize = 4096;
/// Events that wait for a client that does not read.
const MAX_UNSENT: usize = 16;
/// How long a client has for each of the steps before the first event.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often there is a look whether a client has read something, and how often before it is dropped.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const MAX_LOOKS: u32 = 300;

/// The sessions that there may be.
#[derive(Clone)]
pub(super) struct Sockets {
    feeds: Feeds,
    places: Arc<Semaphore>,
}

/// A subscription that waits for its socket, in the extensions of the request that began the session.
#[derive(Clone)]
struct Opened {
    feeds: Feeds,
    caller: Caller,
    consumer: String,
    subscription: Arc<Mutex<Option<Subscription>>>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Sockets {
    pub(super) fn new(feeds: Feeds) -> Self {
        Self { feeds, places: Arc::new(Semaphore::new(MAX_SESSIONS)) }
    }

    /// Subscribes for a session that is about to begin.
    async fn open(&self, caller: Caller, query: Option<&str>) -> Result<Opened, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Error::ResourceExhausted(format!("there are {MAX_SESSIONS} sessions of Socket.IO"))
        })?;
        let wanted = Wanted::in_query(query)?;
        let (feeds, consumer) = (self.feeds.clone(), wanted.consumer.clone());
        let caller = caller.calls_it_also(METHOD_OF_CLNREST);
        let subscription = Subscription::begin(&feeds, caller.clone(), wanted).await?;
        let subscription = Arc::new(Mutex::new(Some(subscription)));
        Ok(Opened { feeds, caller, consumer, subscription, _place: Arc::new(place) })
    }
}

/// The routes of the protocol. Requests have passed [`open`].
pub(super) fn protocol() -> Router {
    let (service, io) = SocketIo::builder()
        .ping_interval(HEARTBEAT)
        .connect_timeout(PATIENCE)
        .upgrade_timeout(PATIENCE)
        .max_payload(MAX_MESSAGE_BYTES as u64)
        .ws_max_message_size(MAX_MESSAGE_BYTES)
        .ws_max_frame_size(MAX_MESSAGE_BYTES)
        .max_buffer_size(MAX_UNSENT)
        .build_svc();
    io.ns("/", connected);
    Router::new().route_service("/socket.io", service.clone()).route_service("/socket.io/", service)
}

/// Subscribes before a session begins, as a layer.
pub(super) async fn open(
    State(sockets): State<Sockets>,
    Extension(session): Extension<Session>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = session.caller();
    if !matches!(caller.identity(), Identity::Rune { .. }) {
        let reason = "Socket.IO needs a rune, in the header rune of every request";
        return refuse(&Status::unauthenticated(reason));
    }
    if begins_session(request.uri().query()) {
        match sockets.open(caller, request.uri().query()).await {
            Ok(opened) => drop(request.extensions_mut().insert(opened)),
            Err(error) => return refuse(&Status::from(error)),
        }
    }
    next.run(request).await
}

/// Whether a request is the first of a session: all others have its id.
fn begins_session(query: Option<&str>) -> bool {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    !pairs.any(|(name, _)| name == "sid")
}

async fn connected(socket: SocketRef) {
    let opened = socket.req_parts().extensions.get::<Opened>().cloned();
    let subscription = opened.as_ref().and_then(Opened::take);
    let (Some(opened), Some(subscription)) = (opened, subscription) else {
        // One socket a session.
        drop(socket.disconnect());
        return;
    };
    let left = CancellationToken::new();
    let leaving = left.clone();
    socket.on_disconnect(async move || leaving.cancel());
    socket.on("ack", async move |socket: SocketRef, Data(index): Data<u64>| {
        if let Err(refused) = opened.ack(index).await {
            drop(socket.emit("error", &error(&Status::from(refused))));
        }
    });
    tokio::spawn(async move {
        tokio::select! {
            () = left.cancelled() => {},
            () = deliver(&socket, subscription) => {},
        }
    });
}

impl Opened {
    fn take(&self) -> Option<Subscription> {
        self.subscription.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ack(&self, event_index: u64) -> Result<(), Error> {
        let request = AckEventsRequest { consumer: self.consumer.clone(), event_index };
        self.feeds.dispatcher.call(rpc::AckEvents, self.caller.clone(), request).await.map(drop)
    }
}

/// Sends events until there are no further ones, or the client does not read.
async fn deliver(socket: &SocketRef, mut subscription: Subscription) {
    loop {
        match subscription.next().await {
            Ok(event) if send(socket, &event).await => {},
            Ok(_) => break,
            Err(end) => {
                drop(socket.emit("error", &error(&Status::from(end))));
                break;
            },
        }
    }
    drop(socket.clone().disconnect());
}

/// Sends an event, as soon as there is room for it. The library does not tell when that is.
async fn send(socket: &SocketRef, event: &Event) -> bool {
    for _ in 0..MAX_LOOKS {
        if !socket.connected() {
            return false;
        }
        if socket.emit(EVENT, event.value()).is_ok() {
            return true;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_of_a_session_has_no_id() {
        assert!(begins_session(Some("EIO=4&transport=polling")));
        assert!(!begins_session(Some("EIO=4&transport=websocket&sid=abc")));
        assert!(begins_session(None));
    }
}
