//! Signs every request: its path and body, and so that it is good for one time. Takes no answer that is
//! not gRPC.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use ldk_server_grpc::auth;
use tonic::body::Body;
use tower::Service;

use crate::answer;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sets the `x-auth` header of each request before it goes to the inner service. The body is read
/// as a whole first, so this is for requests of one message. Of the answers, those that are not gRPC
/// become errors.
#[derive(Clone)]
pub(crate) struct Signed<S> {
    inner: S,
    /// `None` if nothing is signed.
    api_key: Option<Arc<str>>,
}

impl<S> Signed<S> {
    pub(crate) fn new(inner: S, api_key: Option<&str>) -> Self {
        Self { inner, api_key: api_key.map(Arc::from) }
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
        let api_key = self.api_key.clone();
        Box::pin(async move {
            let request = match api_key {
                Some(api_key) => sign(&api_key, request).await?,
                None => request,
            };
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
