//! Errors as subscribers read them.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Value, json};
use tonic::Status;

use crate::rest;

/// The answer to a request that is refused, as to a call.
pub fn refuse(status: &Status) -> Response {
    let mut answer = rest::refusal(status).map(Body::from);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The error that ends a subscription, in the form of the errors of calls.
pub(super) fn error(status: &Status) -> Value {
    serde_json::from_slice(rest::refusal(status).body()).unwrap_or_else(|_| json!({}))
}
