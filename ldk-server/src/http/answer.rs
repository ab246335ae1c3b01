//! What answers the requests of a listener.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::Response;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;

/// Answers requests, which have the [`Client`](super::client::Client) in their extensions.
pub trait Answer: Send + Sync {
    /// Answers a request.
    ///
    /// The request is moved once and the answer is on the heap, because each stream of a stranger has room
    /// for both.
    fn answer(
        &self,
        request: http::Request<Incoming>,
    ) -> BoxFuture<'static, Result<Response, Infallible>>;
}

/// What answers, for all connections.
pub(super) type Answering = Arc<dyn Answer>;
