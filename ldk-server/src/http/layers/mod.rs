//! The layers that a request passes before its service. Each has one duty, and leaves its results in the
//! request's extensions for the next ones.

pub(super) mod admission;
mod authenticate;
pub(super) mod body;
pub(super) mod check;
mod deadline;
mod generation;
mod grpc_shape;
mod message;
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

pub use authenticate::AcceptedForms;
use authenticate::CallerOfConnection;
pub(super) use authenticate::{Authenticate, ReadCredential, rune_or_bearer_token};
pub(super) use body::BodyLayer;
use check::CheckLayer;
use deadline::{DeadlineLayer, ReadTimeout};
use generation::{DetectGeneration, TranslateLayer};
use grpc_shape::{Envelope, Path};
use message::MessageLayer;
use replay::ReplayCheck;

use crate::permissions::Permissions;

/// A future answer, or the refusal.
type Answering<B = Body> = Pin<Box<dyn Future<Output = Result<Response<B>, Status>> + Send>>;

/// The configuration of the checks.
pub struct Access {
    /// Who may call.
    pub permissions: Permissions,
    /// The accepted forms of `x-auth`, besides the request-bound one.
    pub accepted: AcceptedForms,
    /// The time limit for the arrival of a body.
    pub body_timeout: Duration,
    /// The Unix time of the start. Requests that spend must be signed after it, because signatures that
    /// were used before are not known.
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
    let Access { permissions, accepted, body_timeout, started_at_secs } = access;
    ServiceBuilder::new()
        .layer(CheckLayer(Envelope))
        .layer(CheckLayer(ReadCredential::new(permissions.runes)))
        .layer(BodyLayer::new(body_timeout))
        .layer(CheckLayer(Authenticate::new(permissions.api_keys, accepted)))
        .layer(CheckLayer(ReadTimeout))
        .layer(CheckLayer(Path))
        .layer(CheckLayer(DetectGeneration))
        .layer(MessageLayer)
        .layer(TranslateLayer)
        .layer(CheckLayer(ReplayCheck::new(started_at_secs)))
        .layer(DeadlineLayer)
        .layer(MapRequestLayer::new(with_body as fn(_) -> _))
        .layer(MapErrLayer::new(impossible as fn(_) -> _))
        .service(inner)
}

/// Puts checks before a service whose connections tell who calls. Each body has this time to arrive.
pub(super) fn of_known<S, B>(
    inner: S,
    body_timeout: Duration,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Status, Future: Send> + Clone
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    B: Send + 'static,
{
    ServiceBuilder::new()
        .layer(CheckLayer(Envelope))
        .layer(CheckLayer(CallerOfConnection))
        .layer(BodyLayer::new(body_timeout))
        .layer(CheckLayer(ReadTimeout))
        .layer(MessageLayer)
        .layer(DeadlineLayer)
        .layer(MapRequestLayer::new(with_body as fn(_) -> _))
        .layer(MapErrLayer::new(impossible as fn(_) -> _))
        .service(inner)
}

/// The request with its body as tonic reads it.
fn with_body(request: Request<Bytes>) -> Request<Body> {
    request.map(|body| Body::new(Full::new(body)))
}

/// Converts the error of a service that cannot fail.
pub(super) fn impossible(never: Infallible) -> Status {
    match never {}
}

#[cfg(test)]
mod tests;
