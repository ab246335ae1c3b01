//! The answers of calls, in JSON.

use axum::body::Body;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use prost_reflect::MessageDescriptor;
use tonic::Status;

use super::call::{Call, Form};
use super::codec;
use super::status::{JSON, failed, refusal};
use super::stream::{JsonStream, status_of};
use crate::json;

const ENVELOPES: HeaderValue = HeaderValue::from_static("application/connect+json");

/// Headers that only gRPC has.
const GRPC_HEADERS: [&str; 4] =
    ["grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-accept-encoding"];

/// Translates the gRPC answer to the call of this name; without a name the answer is a refusal.
pub(crate) async fn answer(
    call: &Call,
    name: Option<&'static str>,
    answer: Response<Body>,
) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let refused = Status::from_header_map(&parts.headers);
    GRPC_HEADERS.iter().for_each(|header| drop(parts.headers.remove(*header)));
    let method = name.and_then(json::method);
    match (refused, method) {
        (Some(status), _) => refuse(call, &call.credentials().named_in(status), parts.headers),
        (None, None) => refuse(call, &codec::internal("an answer to no call"), parts.headers),
        (None, Some(method)) if call.form() == Form::Envelopes => {
            parts.headers.insert(header::CONTENT_TYPE, ENVELOPES);
            Response::from_parts(parts, Body::new(JsonStream::new(&method.response, body)))
        },
        (None, Some(method)) => unary(&method.response, call, parts, body).await,
    }
}

async fn unary(
    message: &MessageDescriptor,
    call: &Call,
    mut parts: Parts,
    body: Body,
) -> Response<Body> {
    match text(message, body).await {
        Ok(text) => {
            parts.headers.insert(header::CONTENT_TYPE, JSON);
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(text))
        },
        Err(status) => refuse(call, &status, parts.headers),
    }
}

/// The only message in this body, as JSON.
async fn text(message: &MessageDescriptor, body: Body) -> Result<Bytes, Status> {
    let read = body.collect().await.map_err(|error| status_of(&error))?;
    if let Some(status) = read.trailers().and_then(failed) {
        return Err(status);
    }
    let binary = codec::in_envelope(&read.to_bytes())?;
    codec::encode(message, binary).await
}

/// The refusal of a call, in the form of its answer.
fn refuse(call: &Call, status: &Status, mut headers: HeaderMap) -> Response<Body> {
    let has_envelope = call.form() == Form::Envelopes && call.refused_with().is_none();
    let mut response = if has_envelope {
        let mut response = Response::new(Body::new(JsonStream::failed(status)));
        response.headers_mut().insert(header::CONTENT_TYPE, ENVELOPES);
        response
    } else {
        refusal(status).map(Body::from)
    };
    if let Some(status) = call.refused_with() {
        *response.status_mut() = status;
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    headers.remove(header::CONTENT_LENGTH);
    headers.extend(std::mem::take(response.headers_mut()));
    *response.headers_mut() = headers;
    response
}
