//! Who asks for the WebSocket.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tonic::Status;

use super::super::client::Client;
use super::super::feeds::ended;
use super::super::layers::check::Check as _;
use super::super::layers::rate::CheckRate;
use super::super::stream::TrackedBody;
use super::answer::{not_authenticated, refused};
use super::login;
use crate::feeds::{RuneCheck, Session};
use crate::phoenixd::Logins;

/// Puts the [`Session`] into the extensions of a request, or refuses it.
pub(super) async fn identify(
    State(logins): State<Logins>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Err(refusal) = CheckRate.check(&mut request) {
        return refused(StatusCode::TOO_MANY_REQUESTS, refusal.message());
    }
    let Ok(client) = Client::of(&request).map(Arc::clone) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(admitted) = client.admit_call(request.headers()).await else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    let password = login::password(request.headers());
    let caller = match password {
        Some(password) => logins.caller(&password),
        None => login::protocols(request.headers()).find_map(|name| logins.caller(name)),
    };
    let Some(caller) = caller else {
        client.delay_refusal(&Status::unauthenticated("")).await;
        return TrackedBody::of(not_authenticated(), true, admitted);
    };
    admitted.mark_verified();
    let (ended, held) = (ended(&client), Arc::new(client.hold()));
    let writes = client.writes().clone();
    let session = Session::new(Some(caller), no_runes(), ended, writes, held);
    request.extensions_mut().insert(session);
    TrackedBody::of(next.run(request).await, false, ())
}

/// Nobody says who they are later.
fn no_runes() -> RuneCheck {
    Arc::new(|_| Box::pin(async { Err(Status::unauthenticated("there is a login already")) }))
}
