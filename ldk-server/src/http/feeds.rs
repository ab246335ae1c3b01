//! Who asks for events: a stranger is refused before anything is kept of it, except on a WebSocket, where
//! a rune may come later.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use ldk_server_grpc::{auth, rune};
use tonic::Status;

use super::client::{Client, UnverifiedCall};
use super::identity::ConnectionIdentity;
use super::layers::check::Check as _;
use super::layers::rate::CheckRate;
use super::layers::{AcceptedForms, Access, Authenticate, ReadCredential, rune_or_bearer_token};
use super::stream::{Stream, TrackedBody};
use crate::caller::Caller;
use crate::feeds::{Ended, Ending, RuneCheck, Session, WEBSOCKET_PATH, refuse};
use crate::permissions::Permissions;
use crate::rest::Credentials;

/// Finds out who asks, as the checks of calls do.
#[derive(Clone)]
pub(super) struct Identify {
    read: ReadCredential,
    authenticate: Authenticate,
}

impl Identify {
    pub(super) fn new(Access { permissions, accepted, .. }: &Access) -> Self {
        let read = ReadCredential::new(permissions.runes.clone());
        let authenticate = Authenticate::new(permissions.api_keys.clone(), *accepted);
        Self { read, authenticate }
    }

    /// As far as runes tell it.
    pub(super) fn of_runes(permissions: &Permissions) -> Self {
        let read = ReadCredential::new(permissions.runes.clone());
        let none = AcceptedForms { timestamp_only: false, body_bound: false };
        Self { read, authenticate: Authenticate::new(permissions.api_keys.clone(), none) }
    }

    /// The session of a request with this head.
    fn session(
        &self,
        head: &mut http::Request<Bytes>,
        call: UnverifiedCall,
    ) -> Result<Session, Status> {
        take_bearer_token(head.headers_mut())?;
        let client = Arc::clone(Client::of(head)?);
        let caller = if is_yet_to_show_rune(head) { None } else { Some(self.caller(head)?) };
        let (ended, held) = (ended(&client), Arc::new(client.hold()));
        let writes = client.writes().clone();
        Ok(Session::new(caller, self.rune_check(client, call), ended, writes, held))
    }

    fn caller(&self, head: &mut http::Request<Bytes>) -> Result<Caller, Status> {
        self.read.check(head)?;
        self.authenticate.check(head)?;
        head.extensions_mut().remove().ok_or_else(|| Status::internal("nobody called"))
    }

    fn rune_check(&self, client: Arc<Client>, call: UnverifiedCall) -> RuneCheck {
        let read = self.read.clone();
        Arc::new(move |rune| {
            let refused = |refusal| Credentials::RUNE.named_in(refusal);
            let caller = read.caller_with(rune).map_err(refused);
            let (client, call) = (Arc::clone(&client), call.clone());
            Box::pin(async move {
                match &caller {
                    Ok(_) => call.mark_verified(),
                    Err(refusal) => client.delay_refusal(refusal).await,
                }
                caller
            })
        })
    }
}

/// The end of the connection, and of the stream: a stranger's is reset when there are too many.
pub(super) fn ended(client: &Client) -> Ended {
    let (ended, stream) = (client.ended(), Stream::current());
    Arc::new(move || {
        let (ended, stream) = (ended.clone(), Arc::clone(&stream));
        Box::pin(async move {
            tokio::select! {
                () = ended.cancelled() => Ending::Told,
                () = stream.was_reset() => Ending::Silent,
            }
        })
    })
}

/// Puts the [`Session`] into the extensions of a request, or refuses it.
pub(super) async fn identify(
    State(identify): State<Identify>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut head = http::Request::from_parts(parts, Bytes::new());
    let call = match admit(&mut head).await {
        Ok(call) => call,
        Err(refusal) => return refuse(&refusal),
    };
    let credentials = Credentials::of(head.headers());
    match identify.session(&mut head, call.clone()) {
        Ok(session) => {
            let mut request = head.map(|_| body);
            request.extensions_mut().insert(session);
            TrackedBody::of(next.run(request).await, false, ())
        },
        // Strangers get this much, as long as there are few of them.
        Err(refusal) => {
            if let Ok(client) = Client::of(&head).map(Arc::clone) {
                client.delay_refusal(&refusal).await;
            }
            TrackedBody::of(refuse(&credentials.named_in(refusal)), true, call)
        },
    }
}

async fn admit(head: &mut http::Request<Bytes>) -> Result<UnverifiedCall, Status> {
    CheckRate.check(head)?;
    let client = Arc::clone(Client::of(head)?);
    let call = client.admit_call(head.headers()).await?;
    head.extensions_mut().insert(call.clone());
    Ok(call)
}

/// Puts a rune that is a bearer token where the checks of calls read it.
fn take_bearer_token(headers: &mut HeaderMap) -> Result<(), Status> {
    let Some(rune) = rune_or_bearer_token(headers)? else { return Ok(()) };
    let rune = HeaderValue::from_str(rune).map_err(|_| Status::unauthenticated("no rune"))?;
    headers.insert(rune::HEADER, rune);
    Ok(())
}

/// Whether nothing tells yet who asks, on the path where a rune may follow.
fn is_yet_to_show_rune(head: &http::Request<Bytes>) -> bool {
    let has = |name: &str| head.headers().contains_key(name);
    head.uri().path() == WEBSOCKET_PATH
        && !has(auth::HEADER)
        && !has(rune::HEADER)
        && head.extensions().get::<Arc<ConnectionIdentity>>().is_none()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use tonic::Code;

    use super::super::client::tests::client;
    use super::*;

    fn identify() -> Identify {
        Identify::new(&Access {
            permissions: Permissions::with_api_key("aa"),
            accepted: AcceptedForms { timestamp_only: false, body_bound: false },
            body_timeout: Duration::from_secs(30),
            started_at_secs: 0,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_rune_in_a_message_is_a_failure_like_one_in_a_header() {
        let client = client();
        let call = client.admit_call(&http::HeaderMap::new()).await.unwrap();
        let check = identify().rune_check(client, call);
        let begun = Instant::now();
        for _ in 0..150 {
            assert_eq!(check("forged").await.unwrap_err().code(), Code::Unauthenticated);
        }
        // A hundred are refused at once, and one is forgotten each second.
        assert!(begun.elapsed() >= Duration::from_secs(49), "{:?}", begun.elapsed());
    }

    fn head(headers: &[(&str, &str)]) -> http::Request<Bytes> {
        let mut head = http::Request::get(WEBSOCKET_PATH);
        for (name, value) in headers {
            head = head.header(*name, *value);
        }
        head.body(Bytes::new()).unwrap()
    }

    #[test]
    fn a_bearer_token_is_a_rune() {
        let mut one = head(&[("authorization", "Bearer abc")]);
        take_bearer_token(one.headers_mut()).unwrap();
        assert_eq!(one.headers()[rune::HEADER], "abc");
        let mut other = head(&[("authorization", "Basic abc")]);
        take_bearer_token(other.headers_mut()).unwrap();
        assert!(!other.headers().contains_key(rune::HEADER));
        for two in [
            [("authorization", "Bearer abc"), ("rune", "abc")],
            [("authorization", "Bearer abc"), ("authorization", "Bearer abd")],
        ] {
            assert!(take_bearer_token(head(&two).headers_mut()).is_err());
        }
    }

    #[test]
    fn only_a_websocket_waits_for_a_rune() {
        assert!(is_yet_to_show_rune(&head(&[])));
        assert!(!is_yet_to_show_rune(&head(&[("rune", "abc")])));
        assert!(!is_yet_to_show_rune(&head(&[("x-auth", "abc")])));
        let events = http::Request::get("/v1/events").body(Bytes::new()).unwrap();
        assert!(!is_yet_to_show_rune(&events));
    }
}
