//! Calls in JSON. Their requests pass the checks of gRPC calls, and the answers are translated here.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::client::Client;
use super::router::Lightning;
use super::stream::TrackedBody;
use crate::rest;

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
    let client = Client::of(&request).map(Arc::clone);
    let admitted = match client {
        Ok(client) => client.admit_call().await,
        Err(status) => Err(status),
    };
    // Without a body, which would have to be kept until it is read.
    let Ok(admitted) = admitted else { return StatusCode::TOO_MANY_REQUESTS.into_response() };
    let name = rest::name_in(request.uri().path());
    request.extensions_mut().insert(admitted.clone());
    request.extensions_mut().insert(call.clone());
    let Ok(answer) = lightning(request).await;
    let answer = rest::answer(&call, name, answer).await;
    TrackedBody::of(answer, admitted.is_strangers(), admitted)
}
