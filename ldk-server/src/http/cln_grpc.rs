//! The routes of the listener for clients of Core Lightning's gRPC interface: what a call passes before its
//! service. Who calls is known from the handshake.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, Version};
use tower::Layer as _;

use super::layers;
use super::layers::admission::AdmitCall;
use super::router::{GRPC_NEEDS_HTTP_2, call};
use crate::cln::ClnService;
use crate::metrics::Requests;

/// The routes of this service. Each body has this time to arrive.
pub(crate) fn routes(service: ClnService, requests: Requests, body_timeout: Duration) -> Router {
    let service = AdmitCall.layer(layers::of_known(service, body_timeout));
    let routes = Router::new().fallback_service(call(requests, service));
    routes.layer(from_fn(refuse_http_1))
}

async fn refuse_http_1(request: Request, next: Next) -> Response {
    if request.version() == Version::HTTP_2 {
        return next.run(request).await;
    }
    (StatusCode::HTTP_VERSION_NOT_SUPPORTED, GRPC_NEEDS_HTTP_2).into_response()
}
