//! The client: one method for each RPC.

use std::fmt;
use std::time::Duration;

use http::uri::PathAndQuery;
use ldk_server_grpc::api::{
    CreateBackupRequest, CreateBackupResponse, ExportPaymentsRequest, SubscribeEventsRequest,
};
use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::types::BooksEntry;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::backup::BackupStream;
use crate::error::Error;
use crate::event_stream::EventStream;
use crate::export_stream::ExportStream;
use crate::health;
use crate::signed::{Credential, Signed};

/// A client of one server. Clones share one connection, which is made at the first call and again
/// at the next call after it was lost. No call is ever repeated by the client itself, except the
/// subscriptions of [`Client::subscribe_events_resumable`].
#[derive(Clone)]
pub struct Client {
    address: String,
    call_timeout: Duration,
    channel: Channel,
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
    /// Follows the server's events as long as the connection lasts. Once this returns, no later
    /// event is missed.
    ///
    /// The stream has no time limit. It ends with an error when the server stops
    /// ([`Error::Unavailable`]), when what this subscriber still needs is no longer kept
    /// ([`Error::OutOfRange`]), or when the connection is lost ([`Error::Transport`]).
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
        Ok(EventStream::new(accepted.await?))
    }

    /// Has the server make a backup, and streams it. Write the bytes to a file in their order, and
    /// keep it only if the summary came: without it the backup is not whole. See
    /// [`BackupStream::summary`].
    ///
    /// The stream has no time limit.
    pub async fn create_backup(&self, request: CreateBackupRequest) -> Result<BackupStream, Error> {
        let mut grpc = self.grpc.clone();
        let codec = ProstCodec::<CreateBackupRequest, CreateBackupResponse>::default();
        let accepted = self.in_time(async move {
            grpc.ready().await.map_err(Status::from_error)?;
            grpc.server_streaming(Request::new(request), path!("CreateBackup"), codec).await
        });
        Ok(BackupStream::new(accepted.await?.into_inner()))
    }

    /// Streams the entries of the books. Without an error at its end, the stream was complete.
    ///
    /// The stream has no time limit.
    pub async fn export_payments(
        &self,
        request: ExportPaymentsRequest,
    ) -> Result<ExportStream, Error> {
        let mut grpc = self.grpc.clone();
        let codec = ProstCodec::<ExportPaymentsRequest, BooksEntry>::default();
        let accepted = self.in_time(async move {
            grpc.ready().await.map_err(Status::from_error)?;
            grpc.server_streaming(Request::new(request), path!("ExportPayments"), codec).await
        });
        Ok(ExportStream::new(accepted.await?.into_inner()))
    }

    /// Whether the server's process serves, as its page `/livez` tells. One that does not should be
    /// restarted.
    ///
    /// Needs no key. Any error says that it does not, or that it cannot be reached.
    pub async fn check_live(&self) -> Result<(), Error> {
        self.in_time(health::check(self.channel.clone(), "/livez")).await
    }

    /// Whether the node can be relied on, as the page `/readyz` tells: it has started, and is in step
    /// with the chain.
    ///
    /// Needs no key. If not, it is [`Error::Unavailable`] with the reasons, one in each line.
    pub async fn check_ready(&self) -> Result<(), Error> {
        self.in_time(health::check(self.channel.clone(), "/readyz")).await
    }

    pub(crate) fn new(
        address: String,
        call_timeout: Duration,
        channel: Channel,
        credential: Credential,
    ) -> Self {
        let grpc = Grpc::new(Signed::new(channel.clone(), credential))
            .max_encoding_message_size(ldk_server_grpc::MAX_MESSAGE_BYTES)
            .max_decoding_message_size(ldk_server_grpc::MAX_MESSAGE_BYTES);
        Self { address, call_timeout, channel, grpc }
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
