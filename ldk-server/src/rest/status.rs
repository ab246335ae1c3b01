//! Errors as JSON, with the names and HTTP statuses of the Connect protocol.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use tonic::{Code, Status};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An error as callers read it.
#[derive(Serialize)]
pub(super) struct ErrorBody<'a> {
    code: &'static str,
    message: &'a str,
    /// There are none; the protocol has a place for them.
    details: [(); 0],
}

impl<'a> ErrorBody<'a> {
    pub(super) fn of(status: &'a Status) -> Self {
        Self { code: name(status.code()), message: status.message(), details: [] }
    }
}

/// The answer that refuses a call for this reason.
pub(crate) fn refusal(status: &Status) -> Response<Bytes> {
    let body = serde_json::to_vec(&ErrorBody::of(status)).unwrap_or_default();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = http_status(status.code());
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    if status.code() == Code::Unauthenticated {
        ask_for_rune(response.headers_mut());
    }
    response
}

/// An answer of status 401 must say how to authenticate (RFC 9110, section 11.6.1).
fn ask_for_rune(headers: &mut HeaderMap) {
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
}

fn name(code: Code) -> &'static str {
    match code {
        // Never that of an error.
        Code::Ok | Code::Unknown => "unknown",
        Code::Cancelled => "canceled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        },
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        // Known to proxies, but not registered.
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_code() {
        let refused = refusal(&Status::invalid_argument("limit: has \"x\"; a number"));
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
        assert_eq!(refused.headers()[header::CONTENT_TYPE], "application/json");
        let expected =
            r#"{"code":"invalid_argument","message":"limit: has \"x\"; a number","details":[]}"#;
        assert_eq!(refused.body(), expected);
    }

    #[test]
    fn who_is_not_known_is_told_how_to_be() {
        let refused = refusal(&Status::unauthenticated("no"));
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(refused.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn every_code_has_an_http_status() {
        for number in 1..=16 {
            let code = Code::from_i32(number);
            let status = http_status(code);
            assert!(status.is_client_error() || status.is_server_error(), "{code:?}");
            assert!(name(code).bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_'));
        }
        assert_eq!(http_status(Code::Cancelled).as_u16(), 499);
    }
}
