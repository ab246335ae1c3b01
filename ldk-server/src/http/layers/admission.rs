//! Limits how many requests strangers may have under way.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};

use super::super::client::{AnswerSize, Client, UnverifiedCall};
use super::super::stream::TrackedBody;
use super::Answering;

/// Admits a request that needs no key, if there is room for an answer of this size.
#[derive(Clone, Copy)]
pub(in crate::http) struct AdmitPublic(pub(in crate::http) AnswerSize);

/// Admits a call that needs the key, as soon as there is room for one that is not verified, unless it was
/// admitted before.
#[derive(Clone, Copy)]
pub(in crate::http) struct AdmitCall;

/// A service whose requests were admitted.
#[derive(Clone)]
pub(in crate::http) struct Admitted<A, S> {
    admission: A,
    inner: S,
}

impl<S> Layer<S> for AdmitPublic {
    type Service = Admitted<Self, S>;

    fn layer(&self, inner: S) -> Admitted<Self, S> {
        Admitted { admission: *self, inner }
    }
}

impl<S> Layer<S> for AdmitCall {
    type Service = Admitted<Self, S>;

    fn layer(&self, inner: S) -> Admitted<Self, S> {
        Admitted { admission: *self, inner }
    }
}

impl<S, B> Service<Request<B>> for Admitted<AdmitPublic, S>
where
    S: Service<Request<B>, Response = Response<tonic::body::Body>, Error = Status>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answering<Body>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Answering<Body> {
        let AdmitPublic(size) = self.admission;
        // The clone may not be ready.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let client = Arc::clone(Client::of(&request)?);
            let admitted = client.admit_public(size).await?;
            // They can be long, and the service does not read them.
            request.headers_mut().clear();
            Ok(TrackedBody::of(inner.call(request).await?, true, admitted))
        })
    }
}

impl<S, B> Service<Request<B>> for Admitted<AdmitCall, S>
where
    S: Service<Request<B>, Response = Response<tonic::body::Body>, Error = Status>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answering<Body>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Answering<Body> {
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let client = Arc::clone(Client::of(&request)?);
            let unverified = match request.extensions().get::<UnverifiedCall>() {
                Some(admitted) => admitted.clone(),
                None => client.admit_call(request.headers()).await?,
            };
            request.extensions_mut().insert(unverified.clone());
            let answer = inner.call(request).await;
            if let Err(refusal) = &answer {
                client.delay_refusal(refusal).await;
            }
            // It has counted as under way until here.
            drop(unverified);
            Ok(TrackedBody::of(answer?, false, ()))
        })
    }
}
