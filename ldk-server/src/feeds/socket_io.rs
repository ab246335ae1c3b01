//! `/socket.io`: events as the programs read them that were written for Core Lightning's CLNRest.
//!
//! Sessions, transports and heartbeats are those of engineioxide, the half of socketioxide that speaks
//! Engine.IO. Its other half would write each event for each client, and refuse what there is no room for
//! without telling when there is. What Socket.IO adds for one namespace is little.
//!
//! The library keeps a session for whoever begins one. So who has no rune is refused before the library
//! sees the request, and so is who has one that does not allow events: the subscription begins first.

mod form;
mod packet;
mod reads;
mod session;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::{Extension, Router};
use bytes::Bytes;
use engineioxide::Str;
use engineioxide::config::EngineIoConfig;
use engineioxide::handler::EngineIoHandler;
use engineioxide::service::EngineIoService;
use engineioxide::socket::DisconnectReason;
use http::header;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::refusal::refuse;
use super::request::Wanted;
use super::session::Session as Asking;
use super::subscription::Subscription;
use super::{Feeds, HEARTBEAT};
use crate::caller::{Caller, Identity};
use crate::error::Error;
pub use form::{Notifications, OfEvent};

use form::Form;
use reads::{Readers, Reads};
use session::{Client, Said, Session, hear};

const PATH: &str = "/socket.io";
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

/// The sessions that there may be.
#[derive(Clone)]
pub(super) struct Sockets {
    feeds: Feeds,
    places: Arc<Semaphore>,
    readers: Readers,
    form: Arc<Form>,
}

/// A subscription that waits for its client, in the extensions of the request that began the session.
#[derive(Clone)]
struct Opened {
    feeds: Feeds,
    caller: Caller,
    consumer: String,
    subscription: Arc<Mutex<Option<Subscription>>>,
    readers: Readers,
    /// Is told of what is sent on the connection on which the session begins.
    at_first: Arc<Notify>,
    form: Arc<Form>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Sockets {
    /// Sessions that are sent events, or what these are notified as in another form.
    pub(super) fn new(feeds: Feeds, notifications: Option<Notifications>) -> Self {
        let places = Arc::new(Semaphore::new(MAX_SESSIONS));
        let form = Arc::new(Form::new(notifications));
        Self { feeds, places, readers: Readers::new(), form }
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
        Ok(Opened {
            feeds,
            caller,
            consumer,
            subscription: Arc::new(Mutex::new(Some(subscription))),
            readers: self.readers.clone(),
            at_first: Arc::default(),
            form: Arc::clone(&self.form),
            _place: Arc::new(place),
        })
    }
}

impl Opened {
    fn take(&self) -> Option<Subscription> {
        self.subscription.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The routes of the protocol. Requests have passed [`open`].
pub(super) fn protocol() -> Router {
    let config = EngineIoConfig::builder()
        .req_path(PATH)
        .ping_interval(HEARTBEAT)
        .upgrade_timeout(PATIENCE)
        .max_payload(MAX_MESSAGE_BYTES as u64)
        .ws_max_message_size(MAX_MESSAGE_BYTES)
        .ws_max_frame_size(MAX_MESSAGE_BYTES)
        .max_buffer_size(MAX_UNSENT)
        .build();
    let service = EngineIoService::with_config(Arc::new(Sessions), config);
    Router::new().route_service(PATH, service.clone()).route_service("/socket.io/", service)
}

/// Subscribes before a session begins, as a layer.
pub(super) async fn open(
    State(sockets): State<Sockets>,
    Extension(asking): Extension<Asking>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = asking.caller();
    if !matches!(caller.identity(), Identity::Rune { .. }) {
        let reason = "Socket.IO needs a rune, in the header rune of every request";
        return refuse(&Status::unauthenticated(reason));
    }
    let is_websocket = request.headers().contains_key(header::UPGRADE);
    if let Some(id) = session_id(request.uri().query()) {
        let readers = Arc::clone(sockets.readers.of(&id));
        asking.tell_of_writes(Arc::clone(&readers), is_websocket);
        let answer = next.run(request).await;
        readers.notify_waiters();
        return answer;
    }
    match sockets.open(caller, request.uri().query()).await {
        Ok(opened) => {
            asking.tell_of_writes(Arc::clone(&opened.at_first), is_websocket);
            request.extensions_mut().insert(opened);
            next.run(request).await
        },
        Err(error) => refuse(&Status::from(error)),
    }
}

/// The id of the session that a request belongs to. The first request of a session has none.
fn session_id(query: Option<&str>) -> Option<Cow<'_, str>> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find_map(|(name, id)| (name == "sid").then_some(id))
}

/// What becomes of the sessions that the library keeps.
#[derive(Debug)]
struct Sessions;

impl EngineIoHandler for Sessions {
    type Data = Said;

    fn on_connect(self: Arc<Self>, client: Client) {
        let opened = client.req_parts.extensions.get::<Opened>().cloned();
        let Some((opened, subscription)) =
            opened.and_then(|opened| opened.take().map(|subscription| (opened, subscription)))
        else {
            return client.close(DisconnectReason::ClosingServer);
        };
        let later = Arc::clone(opened.readers.of(client.id.as_str()));
        let reads = Reads::new(Arc::clone(&opened.at_first), later);
        tokio::spawn(Session { client, opened, reads }.run(subscription));
    }

    fn on_disconnect(&self, client: Client, _: DisconnectReason) {
        client.data.left.cancel();
    }

    fn on_message(self: &Arc<Self>, text: Str, client: Client) {
        hear(&client, &text);
    }

    fn on_binary(self: &Arc<Self>, _: Bytes, client: Client) {
        client.close(DisconnectReason::PacketParsingError);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_of_a_session_has_no_id() {
        assert_eq!(session_id(Some("EIO=4&transport=polling")), None);
        let later = session_id(Some("EIO=4&transport=websocket&sid=abc"));
        assert_eq!(later.as_deref(), Some("abc"));
        assert_eq!(session_id(None), None);
    }
}
