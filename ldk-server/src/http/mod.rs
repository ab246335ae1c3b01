//! The listener: TLS, then HTTP, then the page or service that a request is for.

mod answerer;
mod client;
mod cln_grpc;
mod cln_rest;
mod connection;
mod documentation;
mod failures;
mod feeds;
mod file;
mod handshake;
mod health;
mod identity;
mod in_json;
mod layers;
mod lightning;
mod listener;
mod metrics;
mod page;
mod people;
mod phoenixd;
mod preface_timeout;
mod rate;
mod request_id;
mod router;
mod slots;
mod strangers;
mod stream;
mod watched;
mod web;

pub use answerer::Answerer;
pub(crate) use cln_grpc::routes as cln_grpc_routes;
pub(crate) use cln_rest::ClnRest;
pub use health::{HealthPages, keep_reported};
pub use identity::ConnectionIdentity;
pub use layers::{AcceptedForms, Access};
pub use listener::Listener;
pub use metrics::MetricsEndpoint;
pub(crate) use phoenixd::PhoenixdPages;
pub use router::{MAX_PUBLIC_MESSAGE_BYTES, Router};

/// Whether the body of a call is exactly one frame.
pub(crate) fn is_frame(body: &[u8]) -> bool {
    layers::body::check_frame(body).is_ok()
}
