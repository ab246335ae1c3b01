//! What answers the requests of a listener.

use std::convert::Infallible;
use std::sync::Arc;

use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Request;
use hyper::body::Incoming;
use tower::Service as _;

use super::Router;

/// An answer that is on its way.
type Answering = BoxFuture<'static, Result<Response, Infallible>>;

/// Answers requests, each of which has the [`Client`](super::client::Client) in its extensions. Clones
/// share what it is made of.
#[derive(Clone)]
pub struct Answerer(Arc<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>);

impl Answerer {
    /// Answers a request.
    pub(super) fn answer(&self, request: Request<Incoming>) -> Answering {
        (self.0)(request)
    }
}

impl From<Router> for Answerer {
    fn from(router: Router) -> Self {
        Self(Arc::new(move |request| router.answer(request)))
    }
}

/// Pages only.
impl From<axum::Router> for Answerer {
    fn from(pages: axum::Router) -> Self {
        Self(Arc::new(move |request| Box::pin(pages.clone().call(request))))
    }
}
