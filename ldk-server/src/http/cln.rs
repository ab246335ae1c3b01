//! The router of the listener for clients of Core Lightning's gRPC interface: what a call passes before its
//! service. Who calls is known from the handshake.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use http::{StatusCode, Version};
use hyper::body::Incoming;
use tower::Layer as _;

use super::answer::Answer;
use super::layers;
use super::layers::admission::AdmitCall;
use super::lightning::{self, Lightning};
use super::router::{GRPC_NEEDS_HTTP_2, call};
use crate::cln::ClnService;
use crate::metrics::Requests;

/// Answers calls of Core Lightning's gRPC interface.
pub(crate) struct ClnRouter(Lightning);

impl ClnRouter {
    /// Puts the checks before this service. Each body has this time to arrive.
    pub(crate) fn new(service: ClnService, requests: Requests, body_timeout: Duration) -> Self {
        let service = AdmitCall.layer(layers::of_known(service, body_timeout));
        Self(lightning::shared(call(requests, service)))
    }
}

impl Answer for ClnRouter {
    fn answer(
        &self,
        request: http::Request<Incoming>,
    ) -> BoxFuture<'static, Result<Response, Infallible>> {
        if request.version() != Version::HTTP_2 {
            let refused = (StatusCode::HTTP_VERSION_NOT_SUPPORTED, GRPC_NEEDS_HTTP_2);
            return Box::pin(std::future::ready(Ok(refused.into_response())));
        }
        (self.0)(request.map(axum::body::Body::new))
    }
}
