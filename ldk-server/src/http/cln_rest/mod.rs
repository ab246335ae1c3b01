//! CLNRest: the methods of Core Lightning over HTTP, at an address of their own. `/v1/`, the header `rune` and
//! `/socket.io` are also those of the node's own API, which answers there in other forms; so no request can
//! be for both.

mod answer;
mod call;
mod documents;
mod params;

use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::any;

use super::client::AnswerSize;
use super::feeds::{Identify, identify};
use super::page::{admit, read_only};
use super::{Answerer, web};
use crate::cln::Cln;
use crate::config::HttpConfig;
use crate::feeds::Feeds;
use crate::permissions::Permissions;
use call::Door;

const ONLY_READ: &str = "only GET and HEAD are accepted\n";

/// What CLNRest is made of.
pub(crate) struct ClnRest {
    /// The methods.
    pub(crate) cln: Cln,
    /// Who may call them.
    pub(crate) permissions: Permissions,
    /// The notifications.
    pub(crate) feeds: Feeds,
    /// The time limit for the arrival of a body.
    pub(crate) body_timeout: Duration,
}

impl ClnRest {
    /// The answers to all requests.
    pub(crate) fn answerer(self, http: &HttpConfig) -> Answerer {
        let Self { cln, permissions, feeds, body_timeout } = self;
        let notifications = crate::cln::notifications(cln.clone());
        let notified = feeds
            .notifications(notifications)
            .route_layer(from_fn_with_state(Identify::of_runes(&permissions), identify));
        let documents = Router::new()
            .route("/", read_only(async || Redirect::permanent(documents::METHODS), ONLY_READ))
            .route(documents::METHODS, read_only(documents::methods, ONLY_READ))
            .route(documents::OPENAPI, read_only(documents::openapi, ONLY_READ))
            .route_layer(from_fn_with_state(AnswerSize::Large, admit));
        let door = Door::new(cln, permissions.runes, body_timeout);
        let nothing = Router::new()
            .fallback(answer::nothing_there)
            .layer(from_fn_with_state(AnswerSize::Small, admit));
        let pages = Router::new()
            .route(&format!("{}{{*method}}", call::PREFIX), any(call::answer).with_state(door))
            .merge(documents)
            .merge(notified)
            .fallback_service(nothing);
        web::protected(pages, http).into()
    }
}
