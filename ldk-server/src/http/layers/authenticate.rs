//! What a request must pass before it reaches the service: the checks of the contract, in its order.
//! A tower service around the one that tonic generates.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::Full;
use ldk_server_grpc::auth::{self, Credential, Form};
use ldk_server_grpc::{RPC_NAMES, SERVICE_NAME};
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceExt as _};
use zeroize::Zeroizing;

use super::super::standing::Unproven;
use super::body::{self, Bodies};
use super::generation::{for_generation, from_any_generation};
use super::replay::Seen;
use crate::caller::Caller;
use crate::clock::{Seldom, unix_secs};
use crate::deadline::Deadline;
use crate::wire::generation::Generation;

/// Lets through only well-formed requests of callers who hold the API key.
#[derive(Clone)]
pub struct Guard<S> {
    inner: S,
    api_key: Arc<Zeroizing<String>>,
    accepted: AcceptedForms,
    seen: Seen,
    bodies: Bodies,
}

/// Which of the older forms of `x-auth` are accepted.
#[derive(Clone, Copy, Debug)]
pub struct AcceptedForms {
    /// That which covers the time only.
    pub timestamp_only: bool,
    /// That which covers the time and the body.
    pub body_bound: bool,
}

impl<S> Guard<S> {
    /// Guards `inner` with `api_key`, in these forms and the request-bound one. Bodies are read by
    /// `bodies`. Requests that spend must be signed since the start at `started_at_secs`.
    pub fn new(
        inner: S,
        api_key: Zeroizing<String>,
        accepted: AcceptedForms,
        bodies: Bodies,
        started_at_secs: u64,
    ) -> Self {
        let seen = Seen::new(started_at_secs);
        Self { inner, api_key: Arc::new(api_key), accepted, seen, bodies }
    }

    fn verify(&self, credential: &Credential, path: &str, body: &[u8]) -> Result<Form, Status> {
        match credential.verify(&self.api_key, path, body).map_err(unauthenticated)? {
            Form::TimestampOnly if !self.accepted.timestamp_only => {
                Err(unauthenticated("x-auth does not cover the body"))
            },
            Form::BodyBound if !self.accepted.body_bound => {
                Err(unauthenticated("x-auth does not cover the path"))
            },
            form => Ok(form),
        }
    }

    async fn pass<B>(mut self, request: Request<B>) -> Result<Response<Body>, Status>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        B: http_body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        if parts.method != Method::POST {
            return Err(Status::unimplemented("gRPC calls are POST requests"));
        }
        check_content_type(&parts.headers)?;
        let credential = credential(&parts.headers)?;
        // Counted from the arrival of the headers, but a mistake in it is told only to callers who
        // hold the key.
        let deadline = Deadline::of(&parts.headers);
        let body = self.bodies.read(body).await?;
        let form = self.verify(&credential, parts.uri.path(), &body)?;
        if let Some(unproven) = parts.extensions.remove::<Unproven>() {
            unproven.prove();
        }
        let deadline = deadline?;
        let method = method(parts.uri.path())?.to_owned();
        let generation = Generation::of(&parts.headers, form)?;
        body::check_frame(&body)?;
        let body = from_any_generation(&method, body);
        self.seen.check(&method, form, &credential)?;

        if let Some(deadline) = deadline {
            parts.extensions.insert(deadline);
        }
        let caller = Caller::until(deadline);
        parts.extensions.insert(caller.clone());
        let request = Request::from_parts(parts, Body::new(Full::new(body)));
        let served = async {
            match self.inner.ready().await {
                Ok(ready) => ready.call(request).await.map_err(|never| match never {}),
                Err(never) => match never {},
            }
        };
        let answer = caller.answer(served).await?;
        Ok(for_generation(generation, &method, answer))
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes) {
        Some(b"application/grpc" | b"application/grpc+proto") => Ok(()),
        _ => Err(Status::invalid_argument(
            "content-type must be application/grpc or application/grpc+proto",
        )),
    }
}

fn credential(headers: &HeaderMap) -> Result<Credential, Status> {
    let mut values = headers.get_all(auth::HEADER).iter();
    let value = values.next().ok_or_else(|| unauthenticated("no x-auth header"))?;
    // Which of two was meant, a proxy in between may see differently.
    if values.next().is_some() {
        return Err(unauthenticated("more than one x-auth header"));
    }
    let value = value.to_str().map_err(unauthenticated)?;
    Credential::parse(value, unix_secs()).map_err(unauthenticated)
}

/// One answer for every reason, which only the log tells: of the first in each minute, because strangers
/// can have any number of calls refused.
fn unauthenticated(reason: impl std::fmt::Display) -> Status {
    static REFUSED: Seldom = Seldom::new();
    match REFUSED.count() {
        Some(number) => {
            tracing::debug!("refused a call: {reason}; refused for any reason: {number}");
        },
        None => tracing::trace!("refused a call: {reason}"),
    }
    Status::unauthenticated("missing or invalid x-auth header")
}

/// The method that is called.
fn method(path: &str) -> Result<&str, Status> {
    let method = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    match method {
        Some((SERVICE_NAME, method)) if RPC_NAMES.contains(&method) => Ok(method),
        Some((SERVICE_NAME, _)) => {
            Err(Status::unimplemented(format!("{SERVICE_NAME} has no such method")))
        },
        _ => Err(Status::unimplemented(format!("no such service; this is {SERVICE_NAME}"))),
    }
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner service is asked when the request has passed.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move { Ok(guard.pass(request).await.unwrap_or_else(Status::into_http)) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tonic::Code;

    use super::*;

    const KEY: &str = "aa";
    const FRAME: &[u8] = &[0, 0, 0, 0, 0];

    fn now_secs() -> u64 {
        unix_secs()
    }

    /// A well-formed request, which each test spoils in one way.
    fn request(x_auth: &str) -> Request<Full<Bytes>> {
        Request::post("/api.LightningNode/GetNodeInfo")
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(auth::HEADER, x_auth)
            .body(Full::new(Bytes::from_static(FRAME)))
            .unwrap()
    }

    fn signed() -> Request<Full<Bytes>> {
        let path = "/api.LightningNode/GetNodeInfo";
        request(&auth::sign_request(KEY, now_secs(), &[1; 16], path, FRAME))
    }

    async fn answer(request: Request<Full<Bytes>>, accepts_older: bool) -> Code {
        let inner = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let (key, bodies) = (Zeroizing::new(KEY.to_owned()), Bodies::new(Duration::from_secs(30)));
        let accepted = AcceptedForms { timestamp_only: accepts_older, body_bound: accepts_older };
        let guard = Guard::new(inner, key, accepted, bodies, 0);
        let response = guard.oneshot(request).await.unwrap();
        Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
    }

    #[tokio::test]
    async fn a_signed_request_passes() {
        assert_eq!(answer(signed(), false).await, Code::Ok);
    }

    #[tokio::test]
    async fn the_older_forms_pass_where_they_are_accepted() {
        for signed in [&[][..], FRAME] {
            let request = || request(&auth::sign(KEY, now_secs(), signed));
            assert_eq!(answer(request(), true).await, Code::Ok);
            assert_eq!(answer(request(), false).await, Code::Unauthenticated);
        }
    }

    #[tokio::test]
    async fn what_is_signed_for_one_method_is_not_for_another() {
        let mut other = signed();
        *other.uri_mut() = "/api.LightningNode/OnchainReceive".parse().unwrap();
        assert_eq!(answer(other, true).await, Code::Unauthenticated);
    }

    #[tokio::test]
    async fn of_two_credentials_neither_wins() {
        let wrong = auth::sign("bb", now_secs(), FRAME);
        let mut both = signed();
        both.headers_mut().append(auth::HEADER, wrong.parse().unwrap());
        assert_eq!(answer(both, true).await, Code::Unauthenticated);
    }

    #[tokio::test]
    async fn every_bad_credential_is_unauthenticated() {
        let stale = auth::sign(KEY, now_secs() - auth::MAX_CLOCK_SKEW_SECS - 5, FRAME);
        let future = auth::sign(KEY, now_secs() + auth::MAX_CLOCK_SKEW_SECS + 5, FRAME);
        let other_key = auth::sign("bb", now_secs(), FRAME);
        let other_body = auth::sign(KEY, now_secs(), &[0, 0, 0, 0, 1, 0]);
        for x_auth in ["", "HMAC", &stale, &future, &other_key, &other_body] {
            assert_eq!(answer(request(x_auth), true).await, Code::Unauthenticated, "{x_auth}");
        }
        let mut missing = signed();
        missing.headers_mut().remove(auth::HEADER);
        assert_eq!(answer(missing, true).await, Code::Unauthenticated);
    }

    #[tokio::test]
    async fn the_shape_of_the_request_is_checked_before_the_key() {
        let mut get = request("");
        *get.method_mut() = Method::GET;
        assert_eq!(answer(get, true).await, Code::Unimplemented);
        let mut json = request("");
        json.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        assert_eq!(answer(json, true).await, Code::InvalidArgument);
    }

    #[tokio::test]
    async fn the_rest_is_checked_after_the_key() {
        let mut timeout = signed();
        timeout.headers_mut().insert("grpc-timeout", "soon".parse().unwrap());
        assert_eq!(answer(timeout, true).await, Code::InvalidArgument);
        for path in ["/api.LightningNode/NoSuchMethod", "/api.Other/GetNodeInfo", "/"] {
            let mut unknown = request(&auth::sign(KEY, now_secs(), FRAME));
            *unknown.uri_mut() = path.parse().unwrap();
            assert_eq!(answer(unknown, true).await, Code::Unimplemented, "{path}");
        }
        let truncated = request(&auth::sign(KEY, now_secs(), &FRAME[..3]))
            .map(|_| Full::new(Bytes::from_static(&FRAME[..3])));
        assert_eq!(answer(truncated, true).await, Code::InvalidArgument);
    }
}
