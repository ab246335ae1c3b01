//! The message of a call: one gRPC frame, which is made here if the call came in JSON.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{Either, Ready, ready};
use http::{Request, Response, Uri};
use ldk_server_grpc::SERVICE_NAME;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::Answering;
use super::body::{check_frame, frame};
use super::grpc_shape::Rpc;
use crate::rest;

/// Checks that the body is one frame, or makes one of a call in JSON.
#[derive(Clone, Copy)]
pub(in crate::http) struct MessageLayer;

/// A service that takes frames.
#[derive(Clone)]
pub(in crate::http) struct ReadMessage<S>(S);

impl<S> Layer<S> for MessageLayer {
    type Service = ReadMessage<S>;

    fn layer(&self, inner: S) -> ReadMessage<S> {
        ReadMessage(inner)
    }
}

impl<S> Service<Request<Bytes>> for ReadMessage<S>
where
    S: Service<Request<Bytes>, Response = Response<Body>, Error = Status> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Status;
    type Future = Either<Either<Ready<Result<Response<Body>, Status>>, S::Future>, Answering>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let Some(call) = request.extensions().get::<rest::Call>().cloned() else {
            return Either::Left(match check_frame(request.body()) {
                Ok(()) => Either::Right(self.0.call(request)),
                Err(refusal) => Either::Left(ready(Err(refusal))),
            });
        };
        // The clone may not be ready.
        let next = self.0.clone();
        let mut inner = std::mem::replace(&mut self.0, next);
        Either::Right(Box::pin(async move { inner.call(as_grpc(&call, request).await?).await }))
    }
}

/// The request as a gRPC client would have sent it.
async fn as_grpc(call: &rest::Call, request: Request<Bytes>) -> Result<Request<Bytes>, Status> {
    let Rpc(name) = Rpc::called(&request)?;
    let (mut parts, body) = request.into_parts();
    let message = call.message(&parts, name, body).await?;
    let path = Uri::try_from(format!("/{SERVICE_NAME}/{name}"));
    parts.uri = path.map_err(|error| Status::internal(error.to_string()))?;
    Ok(Request::from_parts(parts, frame(&message)))
}
