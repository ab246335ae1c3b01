//! phoenixd's interface over HTTP, at an address of its own.

mod answer;
mod call;
mod login;
mod websocket;

use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;

use super::{Answerer, web};
use crate::config::HttpConfig;
use crate::feeds::Feeds;
use crate::phoenixd::{Logins, Phoenixd, notifications};
use call::Door;

const WEBSOCKET: &str = "/websocket";

/// What phoenixd's interface is made of.
pub(crate) struct PhoenixdPages {
    /// The endpoints.
    pub(crate) phoenixd: Phoenixd,
    /// Who may call them.
    pub(crate) logins: Logins,
    /// The events.
    pub(crate) feeds: Feeds,
    /// The time limit for the arrival of a body.
    pub(crate) body_timeout: Duration,
}

impl PhoenixdPages {
    /// The answers to all requests.
    pub(crate) fn answerer(self, http: &HttpConfig) -> Answerer {
        let Self { phoenixd, logins, feeds, body_timeout } = self;
        let told = feeds
            .told(WEBSOCKET, notifications(phoenixd.clone()))
            .route_layer(from_fn_with_state(logins.clone(), websocket::identify));
        let door = Door::new(phoenixd, logins, body_timeout);
        let pages = Router::new().fallback_service(any(call::answer).with_state(door)).merge(told);
        web::protected(pages, http).into()
    }
}
