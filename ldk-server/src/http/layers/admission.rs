//! How many requests a stranger may have under way: each is let in by where the other side of its
//! connection stands.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};

use super::super::client::{Size, Standing};
use super::super::stream::Taken;
use super::Answering;

/// Lets in what is open to all, if there is room for an answer of this size.
#[derive(Clone, Copy)]
pub(in crate::http) struct AdmitOpen(pub(in crate::http) Size);

/// Lets in a call that needs the key, as soon as there is room for one that is not proven.
#[derive(Clone, Copy)]
pub(in crate::http) struct AdmitUnproven;

/// A service whose requests were let in so.
#[derive(Clone)]
pub(in crate::http) struct Admitted<A, S> {
    admission: A,
    inner: S,
}

impl<S> Layer<S> for AdmitOpen {
    type Service = Admitted<Self, S>;

    fn layer(&self, inner: S) -> Admitted<Self, S> {
        Admitted { admission: *self, inner }
    }
}

impl<S> Layer<S> for AdmitUnproven {
    type Service = Admitted<Self, S>;

    fn layer(&self, inner: S) -> Admitted<Self, S> {
        Admitted { admission: *self, inner }
    }
}

impl<S, B> Service<Request<B>> for Admitted<AdmitOpen, S>
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
        let AdmitOpen(size) = self.admission;
        // The clone may not be ready.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let standing = Arc::clone(Standing::of(&request)?);
            let admitted = standing.admit_open(size).await?;
            // Strangers can make them long.
            request.headers_mut().clear();
            Ok(Taken::of(inner.call(request).await?, true, admitted))
        })
    }
}

impl<S, B> Service<Request<B>> for Admitted<AdmitUnproven, S>
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
            let standing = Arc::clone(Standing::of(&request)?);
            request.extensions_mut().insert(standing.admit_call().await?);
            Ok(Taken::of(inner.call(request).await?, false, ()))
        })
    }
}
