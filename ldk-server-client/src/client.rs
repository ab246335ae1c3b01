//! The client: one method for each RPC.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::PathAndQuery;
use ldk_server_grpc::api::{CreateBackupRequest, CreateBackupResponse, SubscribeEventsRequest};
use ldk_server_grpc::events::EventEnvelope;
use ldk_server_grpc::places::Places;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::backup::BackupStream;
use crate::builder::ClientBuilder;
use crate::error::Error;
use crate::event_stream::EventStream;
use crate::follow::ResumableSubscription;
use crate::health;
use crate::signed::Signed;

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
    /// Starts a client of the server at `address` (`host:port`, no scheme), with the API key as
    /// hex text and the PEM certificates to trust.
    pub fn builder(
        address: impl Into<String>,
        api_key: impl Into<String>,
        tls_cert_pem: impl AsRef<[u8]>,
    ) -> ClientBuilder {
        let (address, api_key) = (address.into(), api_key.into());
        ClientBuilder::remote(address, Some(api_key), tls_cert_pem.as_ref().to_vec())
    }

    /// Starts a client of the server at `address` that has no API key, and by itself no right but to
    /// ask for health. A certificate gives it more: see [`ClientBuilder::client_certificate`].
    pub fn builder_without_key(
        address: impl Into<String>,
        tls_cert_pem: impl AsRef<[u8]>,
    ) -> ClientBuilder {
        ClientBuilder::remote(address.into(), None, tls_cert_pem.as_ref().to_vec())
    }

    /// Starts a client of the server that listens at this Unix socket. It needs neither key nor
    /// certificate: the server knows which user calls.
    pub fn unix_socket(path: impl Into<PathBuf>) -> ClientBuilder {
        ClientBuilder::local(path.into())
    }

    /// A client of the server whose address, key and certificates are at these places: over its Unix
    /// socket, if it has one that this process may use, or else over the network.
    pub fn from_places(places: &Places) -> Result<Self, Error> {
        if let Some(path) = places.unix_socket() {
            return Self::unix_socket(path).build();
        }
        let tls_cert = places.read_tls_cert();
        match (places.read_api_key(), places.read_client_cert()) {
            (Ok(api_key), None) => Self::builder(&places.address, api_key, tls_cert?).build(),
            (Ok(api_key), Some((cert, key))) => Self::builder(&places.address, api_key, tls_cert?)
                .client_certificate(cert, key)
                .build(),
            (Err(_), Some((cert, key))) => Self::builder_without_key(&places.address, tls_cert?)
                .client_certificate(cert, key)
                .build(),
            (Err(error), None) => Err(error.into()),
        }
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

    /// Follows the server's events for as long as the stream is kept, subscribing again after a lost
    /// connection or a restart of the server, from where it was. Each event comes once, in the order
    /// of `event_index` and without gap. Await it to subscribe; its methods are the settings.
    ///
    /// The first subscription is the request's: after `resume_after_index`, where `consumer` is, or
    /// from now on. Errors that may pass ([`Error::is_temporary`]) lead to another attempt, for ever
    /// unless [`ResumableSubscription::max_retries`] is set, the first subscription included unless
    /// [`ResumableSubscription::fail_fast`] is. All others end the stream:
    ///
    /// - [`Error::OutOfRange`] when events after the place to go on at are no longer kept,
    /// - [`Error::ResourceExhausted`] when there are too many consumers for a new one,
    /// - [`Error::Unimplemented`] when the server does not number its events,
    /// - [`Error::DataLoss`] when the server passed over an event,
    /// - and any error that says that the request, the key or the server's certificate is wrong.
    ///
    /// ```no_run
    /// use futures_util::StreamExt as _;
    /// # use ldk_server_client::{Client, Error, api::SubscribeEventsRequest};
    /// # async fn example(client: Client, last_index: u64) -> Result<(), Error> {
    /// // The number of the last event that was processed is kept with what came of it.
    /// let request =
    ///     SubscribeEventsRequest { resume_after_index: Some(last_index), ..Default::default() };
    /// let mut events = client.subscribe_events_resumable(request).await?;
    /// while let Some(envelope) = events.next().await {
    ///     let envelope = envelope?;
    ///     println!("{}: {:?}", envelope.event_index, envelope.event);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe_events_resumable(
        &self,
        request: SubscribeEventsRequest,
    ) -> ResumableSubscription {
        ResumableSubscription::new(self.clone(), request)
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
        api_key: Option<&str>,
    ) -> Self {
        let grpc = Grpc::new(Signed::new(channel.clone(), api_key))
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
