//! The gRPC service: each method hands its request to the dispatcher. The methods are made from the table
//! of calls.

use futures_util::StreamExt as _;
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use crate::api::table::for_each_rpc;
use crate::api::{Dispatcher, Rpc, Stream, rpc};
use crate::caller::Caller;
use crate::error::Error;

/// The server side of `api.LightningNode`.
#[derive(Clone)]
pub struct Service {
    dispatcher: Dispatcher,
}

/// An answer of the API, as one of tonic's.
pub trait IntoResponse {
    /// What its body is made from.
    type Body;

    /// The same, for tonic.
    fn into_response(self) -> Response<Self::Body>;
}

impl<M: prost::Message> IntoResponse for M {
    type Body = M;

    fn into_response(self) -> Response<M> {
        Response::new(self)
    }
}

impl<M: Send + 'static> IntoResponse for Stream<M> {
    type Body = BoxStream<M>;

    fn into_response(self) -> Response<BoxStream<M>> {
        let Self { head, messages } = self;
        let mut response: Response<BoxStream<M>> =
            Response::new(Box::pin(messages.map(|message| message.map_err(Status::from))));
        for (name, value) in head {
            response.metadata_mut().insert(name, value.into());
        }
        response
    }
}

impl Service {
    /// Serves the calls of this dispatcher.
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn call<R: Rpc>(
        &self,
        method: R,
        request: Request<R::Request>,
    ) -> Result<Response<<R::Reply as IntoResponse>::Body>, Status>
    where
        R::Reply: IntoResponse,
    {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| Error::internal("a request without a caller"))?;
        let reply = self.dispatcher.call(method, caller, request.into_inner()).await?;
        Ok(reply.into_response())
    }
}

macro_rules! lightning_node {
    ($(
        $method:ident $rpc:ident($request:ty) -> $reply:ty:
            $access:ident $kind:ident $when:ident $impact:ident $handler:path;
    )*) => {
        #[tonic::async_trait]
        impl LightningNode for Service {
            $(async fn $method(
                &self,
                request: Request<<rpc::$rpc as Rpc>::Request>,
            ) -> Result<Response<<<rpc::$rpc as Rpc>::Reply as IntoResponse>::Body>, Status> {
                self.call(rpc::$rpc, request).await
            })*
        }
    };
}

for_each_rpc!(lightning_node);
