//! What a request passes before it reaches its service. Each layer has one duty; what one finds out,
//! the next ones read from the request's extensions.

pub(super) mod admission;
mod authenticate;
pub(super) mod body;
pub(super) mod check;
mod deadline;
mod generation;
mod grpc_shape;
pub(super) mod rate;
mod replay;
mod request_line;
pub(super) mod span;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tonic::Status;
use tonic::body::Body;
use tower::util::{MapErrLayer, MapRequestLayer};
use tower::{Service, ServiceBuilder};
use zeroize::Zeroizing;

pub use authenticate::AcceptedForms;
use authenticate::{Authenticate, ReadCredential};
use body::{Bodies, OneFrame};
use check::CheckLayer;
use deadline::{DeadlineLayer, ReadTimeout};
use generation::{FindGeneration, TranslateLayer};
use grpc_shape::{Envelope, Path};
use replay::Seen;

/// An answer on its way, or why there is none.
type Answering<B = Body> = Pin<Box<dyn Future<Output = Result<Response<B>, Status>> + Send>>;

/// What calls that need the key are checked by.
pub struct Access {
    /// What `x-auth` must be made with.
    pub api_key: Zeroizing<String>,
    /// In which forms, besides the request-bound one.
    pub accepted: AcceptedForms,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Requests that spend must be signed since then: what was done before is not known.
    pub started_at_secs: u64,
}

/// Puts the checks of the contract before a service, in its order.
pub(super) fn checked<S, B>(
    inner: S,
    access: Access,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Status, Future: Send> + Clone
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    B: Send + 'static,
{
    let Access { api_key, accepted, body_timeout, started_at_secs } = access;
    ServiceBuilder::new()
        .layer(CheckLayer(Envelope))
        .layer(CheckLayer(ReadCredential))
        .layer(Bodies::new(body_timeout))
        .layer(CheckLayer(Authenticate::new(api_key, accepted)))
        .layer(CheckLayer(ReadTimeout))
        .layer(CheckLayer(Path))
        .layer(CheckLayer(FindGeneration))
        .layer(CheckLayer(OneFrame))
        .layer(TranslateLayer)
        .layer(CheckLayer(Seen::new(started_at_secs)))
        .layer(DeadlineLayer)
        .layer(MapRequestLayer::new(with_body as fn(_) -> _))
        .layer(MapErrLayer::new(impossible as fn(_) -> _))
        .service(inner)
}

/// The request as a service takes it that reads bodies.
fn with_body(request: Request<Bytes>) -> Request<Body> {
    request.map(|body| Body::new(Full::new(body)))
}

/// The error of a service that has none.
pub(super) fn impossible(never: Infallible) -> Status {
    match never {}
}

#[cfg(test)]
mod tests;
