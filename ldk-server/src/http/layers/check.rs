//! The layer of a check that needs no waiting: the request passes, or is refused.

use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::Request;
use tonic::Status;
use tower::{Layer, Service};

/// A check of a request.
pub(in crate::http) trait Check<B> {
    /// Checks the request, and puts results into its extensions. An error is the refusal.
    fn check(&self, request: &mut Request<B>) -> Result<(), Status>;
}

/// Applies a check to each request.
#[derive(Clone)]
pub(in crate::http) struct CheckLayer<C>(pub(in crate::http) C);

/// A service whose requests have passed a check.
#[derive(Clone)]
pub(in crate::http) struct Checked<C, S> {
    check: C,
    inner: S,
}

impl<C: Clone, S> Layer<S> for CheckLayer<C> {
    type Service = Checked<C, S>;

    fn layer(&self, inner: S) -> Checked<C, S> {
        Checked { check: self.0.clone(), inner }
    }
}

impl<C, S, B> Service<Request<B>> for Checked<C, S>
where
    C: Check<B>,
    S: Service<Request<B>, Error = Status>,
{
    type Response = S::Response;
    type Error = Status;
    type Future = Either<Ready<Result<S::Response, Status>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.check.check(&mut request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(refusal) => Either::Left(ready(Err(refusal))),
        }
    }
}
