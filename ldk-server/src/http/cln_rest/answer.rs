//! Answers as clients of CLNRest read them.

use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::cln::{RpcError, code};

/// The answer of a method.
pub(super) fn answered(answer: &Value) -> Response {
    respond(StatusCode::CREATED, answer)
}

/// A refusal with this number, if there is one.
///
/// Some clients read the members of the object itself, others those of its member `error`.
pub(super) fn refused(status: StatusCode, code: Option<i64>, message: &str) -> Response {
    respond(status, &body(json!(code), message, Value::Null))
}

/// The error that a method has ended with.
pub(super) fn failed(status: StatusCode, error: &RpcError) -> Response {
    let mut members = serde_json::to_value(error).unwrap_or_default();
    let data = members.get_mut("data").map(Value::take).unwrap_or_default();
    respond(status, &body(json!(error.code()), error.message(), data))
}

/// The answer at a path where there is nothing.
pub(super) async fn nothing_there() -> Response {
    refused(StatusCode::NOT_FOUND, Some(code::METHOD_NOT_FOUND), "Path not found")
}

fn body(code: Value, message: &str, data: Value) -> Value {
    json!({
        "code": code,
        "message": message,
        "data": data,
        "error": {"code": code, "message": message},
    })
}

fn respond(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
