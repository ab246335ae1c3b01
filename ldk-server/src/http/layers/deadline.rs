//! The caller's deadline: when it has passed, the answer is DEADLINE_EXCEEDED. The call can read it.

use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::super::request_id::RequestId;
use super::Answering;
use super::check::Check;
use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::rest;

/// When the headers of a request arrived, and the id that it was given then; in the request's extensions.
#[derive(Clone, Copy)]
pub(in crate::http) struct Received {
    pub(in crate::http) at: Instant,
    pub(in crate::http) id: RequestId,
}

/// Parses `grpc-timeout`, or `connect-timeout-ms` of a call in JSON, and puts the deadline and the id of
/// the request into the [`Caller`]. It counts from the arrival of the headers, but a malformed one is only
/// refused once the key was verified.
#[derive(Clone, Copy)]
pub(in crate::http) struct ReadTimeout;

impl<B> Check<B> for ReadTimeout {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        let received: Option<Received> = request.extensions().get().copied();
        let at = received.map_or_else(Instant::now, |received| received.at);
        let deadline = match request.extensions().get::<rest::Call>() {
            Some(_) => Deadline::of_connect(request.headers(), at)?,
            None => Deadline::of(request.headers(), at)?,
        };
        let extensions = request.extensions_mut();
        if let Some(caller) = extensions.get_mut::<Caller>() {
            caller.has_sent(received.map(|received| received.id.number()), deadline);
        }
        Ok(())
    }
}

/// Answers at the caller's deadline at the latest.
#[derive(Clone, Copy)]
pub(in crate::http) struct DeadlineLayer;

/// A service that answers at the deadline at the latest.
#[derive(Clone)]
pub(in crate::http) struct WithinDeadline<S>(S);

impl<S> Layer<S> for DeadlineLayer {
    type Service = WithinDeadline<S>;

    fn layer(&self, inner: S) -> WithinDeadline<S> {
        WithinDeadline(inner)
    }
}

impl<S, B> Service<Request<B>> for WithinDeadline<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Status>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let caller = request.extensions().get::<Caller>().cloned();
        let answering = self.0.call(request);
        Box::pin(async move {
            let caller = caller
                .ok_or_else(|| Status::internal("the request has no authenticated caller"))?;
            caller.answer(answering).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tonic::Code;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::super::check::CheckLayer;
    use super::*;

    fn with_timeout(value: &str) -> Request<()> {
        Request::post("/").header("grpc-timeout", value).body(()).unwrap()
    }

    /// The answer to a call that never ends.
    async fn answered(request: Request<()>) -> Code {
        let service = ServiceBuilder::new()
            .layer(CheckLayer(ReadTimeout))
            .layer(DeadlineLayer)
            .service(service_fn(|_: Request<()>| pending::<Result<Response<Body>, Status>>()));
        service.oneshot(request).await.unwrap_err().code()
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_counts_from_the_arrival() {
        let mut request = with_timeout("10S");
        request.extensions_mut().insert(Received { at: Instant::now(), id: RequestId::next() });
        request.extensions_mut().insert(Caller::with_api_key());
        tokio::time::advance(Duration::from_secs(4)).await;
        let begun = Instant::now();
        assert_eq!(answered(request).await, Code::DeadlineExceeded);
        assert_eq!(begun.elapsed().as_secs(), 6);
    }

    #[tokio::test]
    async fn a_malformed_timeout_is_refused() {
        assert_eq!(answered(with_timeout("soon")).await, Code::InvalidArgument);
    }

    #[test]
    fn the_call_knows_the_deadline() {
        let mut request = with_timeout("0m");
        request.extensions_mut().insert(Caller::with_api_key());
        ReadTimeout.check(&mut request).unwrap();
        let deadline = |request: &Request<()>| request.extensions().get::<Caller>()?.deadline();
        assert!(deadline(&request).unwrap().has_passed());
        assert!(request.extensions().get::<Caller>().unwrap().commit().is_err());
        let mut patient = Request::post("/").body(()).unwrap();
        patient.extensions_mut().insert(Caller::with_api_key());
        ReadTimeout.check(&mut patient).unwrap();
        assert!(deadline(&patient).is_none());
    }
}
