//! The calls of the Lightning service, for those who answer them in another form, too.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use tower::Service;

/// Where the calls are.
pub(super) const PATH: &str = "/api.LightningNode/";

/// Answers the calls, in gRPC.
pub(super) type Lightning =
    Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response, Infallible>> + Send + Sync>;

/// The service, which is cloned for each call, but not to the heap.
pub(super) fn shared<S>(service: S) -> Lightning
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
{
    Arc::new(move |request| Box::pin(service.clone().call(request)))
}
