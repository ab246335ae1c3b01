//! Events for programs that do not speak gRPC: as server-sent events, over a WebSocket, and over Socket.IO.
//!
//! All of them are subscriptions of the API, with the caller's permissions, and an event is written as JSON
//! once for all of them. Who reads slowly is sent nothing further, and falls back to the disk: a subscriber
//! holds no more than what was read from there at once.

mod refusal;
mod request;
mod session;
mod socket_io;
mod sse;
mod subscription;
mod told;
mod websocket;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};

use crate::api::Dispatcher;
use crate::events::JsonEvents;

pub use refusal::refuse;
pub use session::{Ended, Ending, RuneCheck, Session};
pub use socket_io::{Notifications, OfEvent};
pub use writes::Writes;

/// How often something is sent when there are no events, so that no proxy takes the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The path of the WebSocket, where a rune may come in the first message.
pub const WEBSOCKET_PATH: &str = "/v1/ws";
const EVENTS_PATH: &str = "/v1/events";

/// The events of the node, for subscribers over HTTP. Clones share what is written.
#[derive(Clone)]
pub struct Feeds {
    dispatcher: Dispatcher,
    events: Arc<JsonEvents>,
}

impl Feeds {
    /// Subscribes by this dispatcher, and sends events as they are written here.
    pub fn new(dispatcher: Dispatcher, events: Arc<JsonEvents>) -> Self {
        Self { dispatcher, events }
    }

    /// The routes. Each request has a [`Session`] in its extensions.
    pub fn routes(self) -> Router {
        let socket_io = self.socket_io(None);
        Router::new()
            .route(EVENTS_PATH, get(sse::serve))
            .route(WEBSOCKET_PATH, any(websocket::serve))
            .with_state(self)
            .merge(socket_io)
    }

    /// The route of Socket.IO, where sessions are sent what events are notified as in this form.
    pub fn notifications(self, notifications: Notifications) -> Router {
        self.socket_io(Some(notifications))
    }

    /// The route of a WebSocket over which clients are told in this form what happens from now on.
    pub fn told(self, path: &str, notifications: OfEvent) -> Router {
        let telling = told::Telling { feeds: self, notifications };
        Router::new().route(path, any(told::serve)).with_state(telling)
    }

    fn socket_io(&self, notifications: Option<Notifications>) -> Router {
        let sockets = socket_io::Sockets::new(self.clone(), notifications);
        socket_io::protocol().route_layer(from_fn_with_state(sockets, socket_io::open))
    }
}
