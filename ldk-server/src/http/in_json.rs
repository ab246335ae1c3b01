//! Calls that browsers and other programs without gRPC make: in JSON, and in gRPC-Web. Their requests pass
//! the checks of gRPC calls; here the answers are translated.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, Service as _, service_fn};

use super::client::{Client, UnverifiedCall};
use super::lightning::Lightning;
use super::stream::TrackedBody;
use crate::rest;

/// What the content types of gRPC-Web begin with.
const GRPC_WEB: &[u8] = b"application/grpc-web";

/// Whether this is a request in gRPC-Web.
pub(super) fn is_grpc_web<B>(request: &http::Request<B>) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(GRPC_WEB))
}

/// Answers a request at a short path, which is that of a call or of nothing.
pub(super) async fn answer(State(lightning): State<Lightning>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let call = rest::Call::of(&parts);
    answer_call(&lightning, call, Request::from_parts(parts, body)).await
}

/// Answers a call in JSON with what the service answers in gRPC.
pub(super) async fn answer_call(
    lightning: &Lightning,
    call: rest::Call,
    mut request: Request,
) -> Response {
    let Some(admitted) = admitted(&mut request).await else { return refusal() };
    let name = rest::name_in(request.uri().path());
    request.extensions_mut().insert(call.clone());
    let Ok(answer) = lightning(request).await;
    let answer = rest::answer(&call, name, answer).await;
    TrackedBody::of(answer, admitted.is_strangers(), admitted)
}

/// Answers a call in gRPC-Web with what the service answers in gRPC.
pub(super) async fn answer_grpc_web(lightning: Lightning, mut request: Request) -> Response {
    let Some(admitted) = admitted(&mut request).await else { return refusal() };
    let service = service_fn(move |request: http::Request<Body>| {
        let answering = lightning(request.map(axum::body::Body::new));
        async move { Ok::<_, Infallible>(answering.await?.map(Body::new)) }
    });
    let Ok(answer) = GrpcWebLayer::new().layer(service).call(request).await;
    TrackedBody::of(answer, admitted.is_strangers(), admitted)
}

/// Admits a request here instead of in the layers: in these forms the answer to a stranger has a body,
/// until the end of which it counts as under way.
async fn admitted(request: &mut Request) -> Option<UnverifiedCall> {
    let client = Arc::clone(Client::of(request).ok()?);
    let admitted = client.admit_call(request.headers()).await.ok()?;
    request.extensions_mut().insert(admitted.clone());
    Some(admitted)
}

/// The refusal of one request too many. It has no body, which would have to be kept until it is read.
fn refusal() -> Response {
    StatusCode::TOO_MANY_REQUESTS.into_response()
}
