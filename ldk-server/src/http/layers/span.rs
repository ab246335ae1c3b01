//! The span of a call, in which everything is done for it. Its fields are in every line of the log: the
//! request id, which is also in the answer, the method, and the caller once it is authenticated.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use http::{HeaderValue, Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::super::request_id::RequestId;
use super::deadline::Received;
use super::request_line::RequestLine;
use crate::metrics::Requests;

/// The header of the answer with the request id.
const REQUEST_ID_HEADER: &str = "x-request-id";

/// Gives each call a span and a line in the log, and counts it in these metrics.
#[derive(Clone)]
pub(in crate::http) struct SpanLayer(pub(in crate::http) Requests);

/// A service whose calls have a span.
#[derive(Clone)]
pub(in crate::http) struct InSpan<S> {
    requests: Requests,
    inner: S,
}

impl<S> Layer<S> for SpanLayer {
    type Service = InSpan<S>;

    fn layer(&self, inner: S) -> InSpan<S> {
        InSpan { requests: self.0.clone(), inner }
    }
}

impl<S, B> Service<Request<B>> for InSpan<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Status>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The inner service is always ready; it refuses single calls.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let id = RequestId::next();
        let line = RequestLine::begin(id, request.uri().path(), &self.requests);
        request.extensions_mut().insert(Received { at: Instant::now(), id });
        let answering = line.span().in_scope(|| self.inner.call(request));
        let answering = answering.instrument(line.span().clone());
        Box::pin(async move {
            let answer = answering.await.unwrap_or_else(Status::into_http);
            Ok(line.answer(with_id(answer, id)))
        })
    }
}

fn with_id(mut response: Response<Body>, id: RequestId) -> Response<Body> {
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        response.headers_mut().insert(REQUEST_ID_HEADER, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    async fn answered(result: Result<Response<Body>, Status>) -> Response<Body> {
        let mut result = Some(result);
        let inner = service_fn(move |request: Request<()>| {
            assert!(request.extensions().get::<Received>().is_some());
            std::future::ready(result.take().unwrap())
        });
        let service = SpanLayer(Requests::new().unwrap()).layer(inner);
        service.oneshot(Request::new(())).await.unwrap()
    }

    #[tokio::test]
    async fn every_answer_has_the_request_id() {
        let ok = answered(Ok(Response::new(Body::empty()))).await;
        let refused = answered(Err(Status::unimplemented("no"))).await;
        let ids = [&ok, &refused].map(|answer| answer.headers()[REQUEST_ID_HEADER].clone());
        assert_ne!(ids[0], ids[1]);
        let status = Status::from_header_map(refused.headers()).unwrap();
        assert_eq!((status.code(), status.message()), (tonic::Code::Unimplemented, "no"));
    }
}
