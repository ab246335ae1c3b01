//! Proves with every request who calls: by signing its path and body, so that it is good for one time, or
//! with a rune. Takes no answer that is not gRPC.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use ldk_server_grpc::{auth, rune};
use tonic::body::Body;
use tower::Service;

use crate::answer;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What requests are proven with.
#[derive(Clone)]
pub(crate) enum Credential {
    /// An API key, which signs them.
    ApiKey(Arc<str>),
    /// A rune, which goes with them.
    Rune(HeaderValue),
    /// Nothing: the connection tells who calls.
    None,
}

impl Credential {
    /// A rune, unless no header can have this text.
    pub(crate) fn rune(text: &str) -> Option<Self> {
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(Self::Rune(value))
    }

    async fn prove(&self, mut request: Request<Body>) -> Result<Request<Body>, BoxError> {
        match self {
            Self::ApiKey(api_key) => sign(api_key, request).await,
            Self::Rune(rune) => {
                request.headers_mut().insert(rune::HEADER, rune.clone());
                Ok(request)
            },
            Self::None => Ok(request),
        }
    }
}

/// Sets the header that proves who calls, of each request before it goes to the inner service. The body is read
/// as a whole first, so this is for requests of one message. Of the answers, those that are not gRPC
/// become errors.
#[derive(Clone)]
pub(crate) struct Signed<S> {
    inner: S,
    credential: Credential,
}

impl<S> Signed<S> {
    pub(crate) fn new(inner: S, credential: Credential) -> Self {
        Self { inner, credential }
    }
}

impl<S> Service<Request<Body>> for Signed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Future: Send> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Readiness belongs to the instance that was polled, so that one makes the call.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let credential = self.credential.clone();
        Box::pin(async move {
            let request = credential.prove(request).await?;
            let answer = inner.call(request).await.map_err(Into::into)?;
            Ok(answer::checked(answer)?)
        })
    }
}

async fn sign(api_key: &str, request: Request<Body>) -> Result<Request<Body>, BoxError> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let signed = auth::sign_request(api_key, now_secs, &rand::random(), head.uri.path(), &body);
    let mut credential = HeaderValue::try_from(signed)?;
    credential.set_sensitive(true);
    head.headers.insert(auth::HEADER, credential);
    Ok(Request::from_parts(head, Body::new(Full::new(body))))
}
