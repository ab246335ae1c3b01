//! The client: one method for each RPC.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use ldk_server_grpc::api::SubscribeEventsRequest;
use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::places::Places;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::builder::ClientBuilder;
use crate::error::Error;
use crate::event_stream::EventStream;
use crate::signed::Signed;

/// A client of one server. Clones share one connection, which is made at the first call and again
/// at the next call after it was lost. No call is ever repeated by the client itself.
#[derive(Clone)]
pub struct Client {
    address: String,
    call_timeout: Duration,
    grpc: Grpc<Signed<Channel>>,
}

/// The HTTP path of the RPC with this name.
macro_rules! path {
    ($name:literal) => {
        PathAndQuery::from_static(concat!("/api.LightningNode/", $name))
    };
}

/// Writes one method for each unary RPC of the table.
macro_rules! unary_methods {
    ($($(#[$doc:meta])* $method:ident: $name:literal, $request:ty => $response:ty;)+) => {
        impl Client {
            $(
                $(#[$doc])*
                pub async fn $method(&self, request: $request) -> Result<$response, Error> {
                    self.unary(path!($name), request).await
                }
            )+
        }
    };
}

ldk_server_grpc::for_each_unary_rpc!(unary_methods);

impl Client {
    /// Starts a client of the server at `address` (`host:port`, no scheme), with the API key as
    /// hex text and the PEM certificates to trust.
    pub fn builder(
        address: impl Into<String>,
        api_key: impl Into<String>,
        tls_cert_pem: impl AsRef<[u8]>,
    ) -> ClientBuilder {
        ClientBuilder::new(address.into(), api_key.into(), tls_cert_pem.as_ref().to_vec())
    }

    /// A client of the server whose address, key and certificate are at these places.
    pub fn from_places(places: &Places) -> Result<Self, Error> {
        Self::builder(&places.address, places.read_api_key()?, places.read_tls_cert()?).build()
    }

    /// A client of the server that runs with this configuration file.
    pub fn from_config_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_places(&Places::of_config_file(path.as_ref())?)
    }

    /// A client of the server that keeps its state in this directory, on this network (`bitcoin`,
    /// `testnet`, `testnet4`, `signet` or `regtest`), and listens at the default address.
    pub fn from_storage_dir(dir: impl AsRef<Path>, network: &str) -> Result<Self, Error> {
        Self::from_places(&Places::of_storage_dir(dir.as_ref(), network))
    }

    /// Follows the server's events. Once this returns, no later event is missed.
    ///
    /// The stream has no time limit. It ends with an error when the server stops
    /// ([`Error::Unavailable`]), when this subscriber fell too far behind ([`Error::DataLoss`]), or
    /// when the connection is lost ([`Error::Transport`]).
    pub async fn subscribe_events(
        &self,
        request: SubscribeEventsRequest,
    ) -> Result<EventStream, Error> {
        let mut grpc = self.grpc.clone();
        let codec = ProstCodec::<SubscribeEventsRequest, EventEnvelope>::default();
        let accepted = self.in_time(async move {
            grpc.ready().await.map_err(Status::from_error)?;
            grpc.server_streaming(Request::new(request), path!("SubscribeEvents"), codec).await
        });
        Ok(EventStream::new(accepted.await?.into_inner()))
    }

    pub(crate) fn new(address: String, call_timeout: Duration, service: Signed<Channel>) -> Self {
        let grpc = Grpc::new(service)
            .max_encoding_message_size(ldk_server_grpc::MAX_MESSAGE_BYTES)
            .max_decoding_message_size(ldk_server_grpc::MAX_MESSAGE_BYTES);
        Self { address, call_timeout, grpc }
    }

    async fn unary<Req, Res>(&self, path: PathAndQuery, message: Req) -> Result<Res, Error>
    where
        Req: Message + 'static,
        Res: Message + Default + 'static,
    {
        let mut grpc = self.grpc.clone();
        let mut request = Request::new(message);
        request.set_timeout(self.call_timeout);
        let answer = self.in_time(async move {
            grpc.ready().await.map_err(Status::from_error)?;
            grpc.unary(request, path, ProstCodec::default()).await
        });
        Ok(answer.await?.into_inner())
    }

    /// Waits for the answer as long as a call may take, connecting included.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.call_timeout, answer).await {
            Ok(answer) => answer.map_err(Error::from),
            Err(_) => Err(Error::DeadlineExceeded(format!(
                "no answer from {} within {:?}; the outcome of the call is unknown",
                self.address, self.call_timeout
            ))),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("address", &self.address)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}
