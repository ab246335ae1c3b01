//! Core Lightning's gRPC service `cln.Node`: its calls are the methods, its messages their JSON.
//!
//! A request becomes the parameters of a method, and the answer of the method a message, both by what the
//! descriptors say, so that a method that exists is a call without a line of code.

mod answers;
mod codec;
mod names;
mod params;
mod rpcs;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{Request, Response};
use ldk_server_grpc::MAX_MESSAGE_BYTES;
use ldk_server_grpc::codec::Shared;
use ldk_server_grpc::events::EventEnvelope;
use prost_reflect::DynamicMessage;
use tonic::Status;
use tonic::body::Body;
use tonic::server::Grpc;
use tower::{Service, service_fn};

pub(crate) use self::rpcs::name_at;

use self::codec::MessageCodec;
use self::rpcs::{Rpc, Target};
use self::subscriptions::Subscriptions;
use super::Cln;
use super::error::{RpcError, code};
use crate::caller::Caller;
use crate::error::Error;

/// Events of the API.
type Events = BoxStream<'static, Result<Shared<EventEnvelope>, Error>>;

/// The service. The [`Caller`] is in the extensions of each request. Clones share their state.
#[derive(Clone)]
pub(crate) struct ClnService {
    cln: Cln,
    subscriptions: Subscriptions,
}

impl ClnService {
    /// The service that calls these methods.
    pub(crate) fn new(cln: Cln) -> Self {
        Self { subscriptions: Subscriptions::new(cln.clone()), cln }
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let Some(rpc) = rpcs::at(request.uri().path()) else {
            return Status::unimplemented("cln.Node has no such call").into_http();
        };
        let mut grpc = Grpc::new(MessageCodec(rpc.request.clone()))
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        match &rpc.target {
            Target::Method(method) => {
                let call = |request| self.call(rpc, method, request);
                grpc.unary(service_fn(call), request).await
            },
            Target::Subscription => {
                let subscribe = |request| self.subscribe(rpc, request);
                grpc.server_streaming(service_fn(subscribe), request).await
            },
        }
    }

    fn call(
        &self,
        rpc: &'static Rpc,
        method: &'static str,
        request: tonic::Request<DynamicMessage>,
    ) -> BoxFuture<'static, Result<tonic::Response<DynamicMessage>, Status>> {
        let cln = self.cln.clone();
        Box::pin(async move {
            let caller = caller_of(&request)?;
            let params = params::of(request.get_ref());
            let params =
                params.map_err(|error| failure(rpc, &RpcError::params(error.to_string())))?;
            let answered = async { cln.admit(caller, method, Some(params))?.run().await };
            let answered = answered.await;
            let answer = answered.map_err(|error| failure(rpc, &error))?;
            answers::message(&rpc.response, &answer).map(tonic::Response::new).map_err(unfit)
        })
    }

    fn subscribe(
        &self,
        rpc: &'static Rpc,
        request: tonic::Request<DynamicMessage>,
    ) -> BoxFuture<'static, Result<tonic::Response<subscriptions::Messages>, Status>> {
        let subscriptions = self.subscriptions.clone();
        Box::pin(async move {
            let messages = subscriptions.begin(rpc, caller_of(&request)?).await?;
            Ok(tonic::Response::new(messages))
        })
    }
}

impl Service<Request<Body>> for ClnService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

fn caller_of(request: &tonic::Request<DynamicMessage>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::internal("the request has no authenticated caller"))
}

/// A failure of a method, in the words of Core Lightning's service, which clients search.
fn failure(rpc: &Rpc, error: &RpcError) -> Status {
    let RpcError { code, message, data } = error;
    if *code == code::METHOD_NOT_FOUND {
        return Status::unimplemented(format!("{}: {message}", rpc.name));
    }
    let name = &rpc.name;
    Status::unknown(format!(
        "Error calling method {name}: RpcError {{ code: Some({code}), message: {message:?}, data: {data:?} \
         }}"
    ))
}

/// An answer of a method that its message has no room for, which is a fault of this server.
fn unfit(error: answers::Unfit) -> Status {
    tracing::error!(%error, "an answer of Core Lightning's interface cannot be sent");
    Status::internal(error.to_string())
}
