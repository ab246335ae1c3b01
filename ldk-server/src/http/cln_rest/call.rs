//! Calls of methods: `POST /v1/getinfo`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode};
use ldk_server_grpc::rune;
use tonic::Status;

use super::super::client::Client;
use super::super::layers::BodyLayer;
use super::super::layers::check::Check as _;
use super::super::layers::rate::CheckRate;
use super::super::stream::TrackedBody;
use super::answer::{answered, failed, refused};
use super::params::{self, Format};
use crate::caller::Caller;
use crate::cln::{self, Cln, RpcError, code};
use crate::permissions::Runes;

/// The beginning of the path of a method.
pub(super) const PREFIX: &str = "/v1/";

/// The method whose failure tells of another rune than that of the caller.
const CHECKS_OTHERS: &str = "checkrune";

/// What calls are answered with.
#[derive(Clone)]
pub(super) struct Door {
    cln: Cln,
    runes: Runes,
    bodies: BodyLayer,
}

impl Door {
    pub(super) fn new(cln: Cln, runes: Runes, body_timeout: Duration) -> Self {
        Self { cln, runes, bodies: BodyLayer::new(body_timeout) }
    }

    /// Answers the call of somebody who is known.
    async fn answer(&self, caller: Caller, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let format = match Format::of(&parts.headers) {
            Ok(format) => format,
            Err(unsupported) => {
                return refused(StatusCode::NOT_ACCEPTABLE, None, &unsupported);
            },
        };
        let body = match self.bodies.read(body).await {
            Ok(body) => body,
            Err(unread) => return refused(StatusCode::BAD_REQUEST, None, unread.message()),
        };
        let params = match params::read(format, &body) {
            Ok(params) => params,
            Err(reason) => return refused(StatusCode::INTERNAL_SERVER_ERROR, None, &reason),
        };
        let name = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        let admitted = self.cln.admit(caller, name, params);
        let called = match admitted {
            Ok(called) => called,
            Err(refusal) => return failed(status(&refusal), &refusal),
        };
        match called.answer(None).await {
            Ok(answer) => answered(&answer),
            Err(error) if name == CHECKS_OTHERS => {
                failed(StatusCode::INTERNAL_SERVER_ERROR, &error)
            },
            Err(error) => failed(status(&error), &error),
        }
    }
}

/// The status of an answer with this error.
fn status(error: &RpcError) -> StatusCode {
    match error.code() {
        code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        code::RUNE_NOT_PERMITTED => StatusCode::UNAUTHORIZED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Answers a request at the path of a method. Nothing of a stranger's body is read.
pub(super) async fn answer(State(door): State<Door>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut head = http::Request::from_parts(parts, ());
    if let Err(refusal) = CheckRate.check(&mut head) {
        return refused(StatusCode::TOO_MANY_REQUESTS, None, refusal.message());
    }
    let Ok(client) = Client::of(&head).map(Arc::clone) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(admitted) = client.admit_call(head.headers()).await else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    match caller(&door.runes, head.method(), head.headers()) {
        Ok(caller) => {
            admitted.mark_verified();
            (parts, ()) = head.into_parts();
            // A connection whose caller waits is not idle.
            let _held = client.hold();
            let answer = door.answer(caller, Request::from_parts(parts, body)).await;
            TrackedBody::of(answer, false, ())
        },
        Err((status, refusal)) => {
            if status == StatusCode::UNAUTHORIZED {
                client.delay_refusal(&Status::unauthenticated("")).await;
            }
            TrackedBody::of(failed(status, &refusal), true, admitted)
        },
    }
}

/// Whoever calls, or what the call is refused with.
fn caller(
    runes: &Runes,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, (StatusCode, RpcError)> {
    let not_authorized = |status, reason: &str| {
        let reason = format!("Not authorized: {reason}");
        (status, RpcError::new(code::RUNE_NOT_AUTHORIZED, reason))
    };
    if *method != Method::POST {
        let reason = "Path invalid, http_method must be POST for CLN methods";
        let refusal = RpcError::new(code::METHOD_NOT_FOUND, reason);
        return Err((StatusCode::METHOD_NOT_ALLOWED, refusal));
    }
    let mut given = headers.get_all(rune::HEADER).iter();
    let Some(rune) = given.next() else {
        return Err(not_authorized(StatusCode::FORBIDDEN, "Missing rune"));
    };
    // A proxy in between may read another of the two.
    let (Ok(rune), None) = (rune.to_str(), given.next()) else {
        return Err(not_authorized(StatusCode::UNAUTHORIZED, "one header rune is needed"));
    };
    cln::holder(runes, rune).map_err(|refusal| match refusal.code() {
        // The runes are not read yet.
        code::GENERIC => (StatusCode::SERVICE_UNAVAILABLE, refusal),
        _ => (StatusCode::UNAUTHORIZED, refusal),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn refusal(method: &Method, runes: &[&'static str]) -> StatusCode {
        let mut headers = HeaderMap::new();
        for rune in runes {
            headers.append(rune::HEADER, HeaderValue::from_static(rune));
        }
        let ours = Runes::new(&[7; 32]).unwrap();
        caller(&ours, method, &headers).unwrap_err().0
    }

    #[test]
    fn a_stranger_is_told_what_is_missing() {
        assert_eq!(refusal(&Method::GET, &["a"]), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(refusal(&Method::POST, &[]), StatusCode::FORBIDDEN);
        assert_eq!(refusal(&Method::POST, &["a"]), StatusCode::UNAUTHORIZED);
        assert_eq!(refusal(&Method::POST, &["a", "a"]), StatusCode::UNAUTHORIZED);
    }
}
