//! Requests to endpoints: `GET /getinfo`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tonic::{Code, Status};

use super::super::client::Client;
use super::super::layers::BodyLayer;
use super::super::layers::check::Check as _;
use super::super::layers::rate::CheckRate;
use super::super::stream::TrackedBody;
use super::answer::{answered, not_authenticated, nothing_there, refused};
use super::login;
use crate::caller::Caller;
use crate::phoenixd::{Endpoint, Logins, NoEndpoint, Phoenixd};

const FORM: &str = "application/x-www-form-urlencoded";

/// What requests are answered with.
#[derive(Clone)]
pub(super) struct Door {
    phoenixd: Phoenixd,
    logins: Logins,
    bodies: BodyLayer,
}

impl Door {
    pub(super) fn new(phoenixd: Phoenixd, logins: Logins, body_timeout: Duration) -> Self {
        Self { phoenixd, logins, bodies: BodyLayer::new(body_timeout) }
    }

    /// Answers the request of somebody who is known and may send it.
    async fn answer(&self, caller: Caller, endpoint: Endpoint, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        if !endpoint.takes_form() {
            let query = parts.uri.query().unwrap_or_default().to_owned();
            return answered(self.phoenixd.answer(caller, endpoint, query.as_bytes()).await);
        }
        let form = match self.bodies.read(body).await {
            Ok(body) if is_form(&parts.headers, &body) => body,
            Ok(_) => {
                let reason = format!("the parameters must be a form ({FORM})");
                return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason);
            },
            Err(unread) => return refused(status_of_unread(&unread), unread.message()),
        };
        answered(self.phoenixd.answer(caller, endpoint, &form).await)
    }
}

/// Whether a body is a form, as one without anything in it is.
fn is_form(headers: &HeaderMap, body: &Bytes) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok());
    let kind = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    body.is_empty() || kind.eq_ignore_ascii_case(FORM)
}

fn status_of_unread(unread: &Status) -> StatusCode {
    match unread.code() {
        Code::InvalidArgument => StatusCode::PAYLOAD_TOO_LARGE,
        Code::DeadlineExceeded => StatusCode::REQUEST_TIMEOUT,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Answers a request. Nothing of a stranger's body is read.
pub(super) async fn answer(State(door): State<Door>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut head = http::Request::from_parts(parts, ());
    if let Err(refusal) = CheckRate.check(&mut head) {
        return refused(StatusCode::TOO_MANY_REQUESTS, refusal.message());
    }
    let Ok(client) = Client::of(&head).map(Arc::clone) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(admitted) = client.admit_call(head.headers()).await else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    match door.admit(&head) {
        Ok((caller, endpoint)) => {
            admitted.mark_verified();
            (parts, ()) = head.into_parts();
            // A connection whose caller waits is not idle.
            let _held = client.hold();
            let answer = door.answer(caller, endpoint, Request::from_parts(parts, body)).await;
            TrackedBody::of(answer, false, ())
        },
        Err(Refused::NoEndpoint(why)) => TrackedBody::of(nothing_there(why), true, admitted),
        Err(Refused::WrongPassword) => {
            client.delay_refusal(&Status::unauthenticated("")).await;
            TrackedBody::of(not_authenticated(), true, admitted)
        },
        Err(Refused::Limited) => TrackedBody::of(not_authenticated(), true, admitted),
    }
}

/// Why a request is refused before its body is read.
enum Refused {
    NoEndpoint(NoEndpoint),
    WrongPassword,
    /// The password is not for this.
    Limited,
}

impl Door {
    /// Who asks, and for what.
    fn admit(&self, head: &http::Request<()>) -> Result<(Caller, Endpoint), Refused> {
        let endpoint = Endpoint::find(head.method(), head.uri().path());
        let endpoint = endpoint.map_err(Refused::NoEndpoint)?;
        let password = login::password(head.headers());
        let caller = password.and_then(|password| self.logins.caller(&password));
        let caller = caller.ok_or(Refused::WrongPassword)?;
        if endpoint.is_denied_to(&caller) {
            return Err(Refused::Limited);
        }
        Ok((caller, endpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(kind: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())])
    }

    #[test]
    fn parameters_are_in_a_form() {
        let body = Bytes::from_static(b"a=b");
        assert!(is_form(&headers("application/x-www-form-urlencoded; charset=utf-8"), &body));
        assert!(is_form(&HeaderMap::new(), &Bytes::new()));
        assert!(!is_form(&headers("application/json"), &body));
        assert!(!is_form(&HeaderMap::new(), &body));
    }
}
