//! Answers as phoenixd gives them: JSON if they are good, text if not.

use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};

use crate::phoenixd::{Answer, NoEndpoint, Refusal};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=UTF-8";
const CHALLENGE: &str = "Basic realm=\"phoenixd\", charset=\"UTF-8\"";

/// What an endpoint has answered.
pub(super) fn answered(answer: Result<Answer, Refusal>) -> Response {
    match answer {
        Ok(Answer::Json(json)) => ([(header::CONTENT_TYPE, JSON)], json).into_response(),
        Ok(Answer::Text(text)) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(refusal) => refused(refusal.status(), refusal.text()),
    }
}

/// A refusal with a reason.
pub(super) fn refused(status: StatusCode, reason: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], reason.into()).into_response()
}

/// The answer to whoever has no password, a wrong one, or one that does not allow it.
pub(super) fn not_authenticated() -> Response {
    let reason =
        "Invalid authentication (use basic auth with the http password set in phoenix.conf)";
    let mut refusal = refused(StatusCode::UNAUTHORIZED, reason);
    let challenge = header::HeaderValue::from_static(CHALLENGE);
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    refusal
}

/// The answer where there is no endpoint.
pub(super) fn nothing_there(why: NoEndpoint) -> Response {
    match why {
        NoEndpoint::Path => refused(StatusCode::NOT_FOUND, "Unknown endpoint (check api doc)"),
        NoEndpoint::Method => refused(
            StatusCode::METHOD_NOT_ALLOWED,
            "Invalid http method (use the correct GET/POST)",
        ),
    }
}
