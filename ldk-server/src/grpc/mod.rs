//! The gRPC service: each method passes its request to the dispatcher. The methods are generated from the
//! table of calls.

use futures_util::StreamExt as _;
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use crate::api::table::for_each_rpc;
use crate::api::{Dispatcher, Rpc, Stream, rpc};
use crate::caller::Caller;

/// The server side of `api.LightningNode`.
#[derive(Clone)]
pub struct Service {
    dispatcher: Dispatcher,
}

/// Conversion of an answer of the API to tonic's.
pub trait IntoResponse {
    /// The message, or the stream of messages.
    type Body;

    /// Converts the answer.
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
    /// Passes the calls to this dispatcher.
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
        // The default caller is nobody, who may do nothing.
        let caller: Caller = request.extensions().get().cloned().unwrap_or_default();
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
