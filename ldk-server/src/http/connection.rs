//! Accepted connections: HTTP on each of them, and the state that all of them share.

use std::fmt::Display;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Answerer;
use super::client::{Budget, Client};
use super::handshake::handshake;
use super::identity::ConnectionIdentity;
use super::preface_timeout::PrefaceTimeout;
use super::slots::{Slot, Slots};
use super::stream::{Stream, StreamExecutor};
use super::watched::Watched;
use crate::certificate::Certificate;
use crate::clock::LogThrottle;
use crate::config::{LimitsConfig, keys};
use crate::local_socket::{self, AccessRule, LocalStream};
use crate::secrets::{ClientCertificate, ClientCertificateError};

/// The largest headers of one request.
const MAX_HEADER_BYTES: u32 = 8 * 1024;
/// The buffer of an HTTP/1 connection in each direction.
const HTTP_1_BUFFER_BYTES: usize = 16 * 1024;
/// How much a client may send before it is read, on all streams together. The protocol allows no less
/// (RFC 9113, section 6.9.2).
const RECEIVE_WINDOW_BYTES: u32 = 65_535;
/// How much of an answer is buffered when the client reads slowly.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The connections of all listeners, which share the limits.
pub(super) struct Connections {
    slots: Arc<Slots>,
    budget: Budget,
    limits: Arc<LimitsConfig>,
    answerer: Answerer,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A connection that has a slot.
pub(super) struct Connection {
    slot: Arc<Slot>,
    budget: Budget,
    limits: Arc<LimitsConfig>,
    answerer: Answerer,
    stop: CancellationToken,
}

impl Connections {
    /// Answers with `answerer` until `stop` is cancelled.
    pub(super) fn new(answerer: Answerer, limits: LimitsConfig, stop: CancellationToken) -> Self {
        let slots = Slots::new(limits.max_connections);
        let (budget, tasks) = (Budget::new(limits.max_auth_failure_delay), TaskTracker::new());
        Self { slots, budget, limits: Arc::new(limits), answerer, stop, tasks }
    }

    /// Takes a slot for a new connection. `None` if there is none.
    pub(super) fn admit(&self) -> Option<Connection> {
        Some(Connection {
            slot: Arc::new(self.slots.take()?),
            budget: self.budget.clone(),
            limits: Arc::clone(&self.limits),
            answerer: self.answerer.clone(),
            stop: self.stop.clone(),
        })
    }

    /// Serves a connection from `peer` in a task.
    pub(super) fn spawn<P, F>(&self, peer: P, serving: F)
    where
        P: Display + Send + 'static,
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.tasks.spawn(async move {
            if let Err(error) = serving.await {
                log_seldom(&peer, &error);
            }
        });
    }

    /// Waits for the calls under way, once `stop` was cancelled.
    pub(super) async fn finish(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Connection {
    /// Serves HTTP over TLS, until the connection ends or a stranger must make room for another.
    pub(super) async fn serve_tls(
        self,
        stream: TcpStream,
        certificate: Certificate,
    ) -> Result<(), BoxError> {
        let slot = Arc::clone(&self.slot);
        tokio::select! {
            done = self.serve_unevicted(stream, certificate) => done,
            () = evicted_as_stranger(&slot) => Err("another connection needed its slot".into()),
        }
    }

    /// As [`serve_tls`](Self::serve_tls), until the connection ends or the certificate of the client is
    /// withdrawn.
    async fn serve_unevicted(
        self,
        stream: TcpStream,
        certificate: Certificate,
    ) -> Result<(), BoxError> {
        // Without it each unary call waits for the caller's delayed acknowledgement.
        stream.set_nodelay(true)?;
        let address = stream.peer_addr()?.ip();
        let handshake = Box::pin(handshake(stream, certificate.acceptor()));
        let stream = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            done = timeout(self.limits.handshake_timeout, handshake) => {
                done.map_err(|_| "no TLS handshake in time")??
            },
        };
        let client = client_certificate(&stream)?;
        let stream = with_timeout(stream, self.limits.write_timeout);
        let Some(client) = client else { return self.serve(stream, Some(address), None).await };
        let identity = ConnectionIdentity::ClientCertificate(client.clone());
        // In this order: no request is read once the certificate is withdrawn.
        tokio::select! {
            biased;
            why = certificate.withdrawn(&client) => Err(why.into()),
            done = self.serve(stream, Some(address), Some(identity)) => done,
        }
    }

    /// Serves HTTP on a connection to the Unix socket, unless the rule denies access to the process that
    /// has made it.
    pub(super) async fn serve_local(
        self,
        stream: LocalStream,
        rule: AccessRule,
    ) -> Result<(), BoxError> {
        // It may read what the system knows of the process.
        let judging = spawn_blocking(move || rule.judge(&stream).map(|judged| (judged, stream)));
        let ((user, has_access), stream) = judging.await??;
        if !has_access {
            local_socket::log_refusal(keys::NODE_UNIX_SOCKET.name(), user);
            return Ok(());
        }
        let stream = with_timeout(stream, self.limits.write_timeout);
        self.serve(stream, None, Some(ConnectionIdentity::LocalUser(user))).await
    }

    /// Serves HTTP on a stream that nobody else can read, which limits the time for each write.
    async fn serve<S>(
        self,
        stream: S,
        address: Option<IpAddr>,
        identity: Option<ConnectionIdentity>,
    ) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let LimitsConfig { write_timeout, header_timeout, .. } = *self.limits;
        let (stream, has_begun) = PrefaceTimeout::new(stream);
        let is_late = async {
            if timeout(header_timeout, has_begun).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        let stream_of_http_1 = Arc::default();
        let serving =
            Stream::run(&stream_of_http_1, Box::pin(self.serve_http(stream, address, identity)));
        tokio::select! {
            done = serving => done,
            () = is_late => Err("no HTTP in time".into()),
            why = stream_of_http_1.ended(write_timeout) => Err(why.into()),
        }
    }

    async fn serve_http<S>(
        self,
        stream: S,
        address: Option<IpAddr>,
        identity: Option<ConnectionIdentity>,
    ) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let client =
            Client::new(Arc::clone(&self.slot), address, self.budget.clone(), &self.limits);
        if identity.is_some() {
            client.mark_known();
        }
        let (client, identity) = (Arc::new(client), identity.map(Arc::new));
        let _ended = client.ended().drop_guard();
        let (answerer, of_requests) = (self.answerer.clone(), Arc::clone(&client));
        let service = service_fn(move |mut request: Request<Incoming>| {
            let extensions = request.extensions_mut();
            extensions.insert(Arc::clone(&of_requests));
            identity.iter().for_each(|identity| drop(extensions.insert(Arc::clone(identity))));
            answerer.answer(request)
        });
        let http = self.http();
        let stream = Watched::new(stream, client.writes().clone(), client.ended());
        let stream = TokioIo::new(stream);
        let mut connection = Box::pin(http.serve_connection_with_upgrades(stream, service));
        tokio::select! {
            done = connection.as_mut() => {
                done?;
                // What has become of the connection ends with it.
                tokio::select! {
                    () = client.left() => {},
                    () = self.must_end() => {},
                }
                return Ok(());
            },
            () = self.must_end() => {},
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }

    async fn must_end(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {},
            () = self.slot.evicted() => {},
        }
    }

    /// HTTP/1 and HTTP/2 within the limits.
    fn http(&self) -> auto::Builder<StreamExecutor> {
        let limits = &self.limits;
        let streams = StreamExecutor::new(Arc::clone(&self.slot), limits.write_timeout);
        let mut builder = auto::Builder::new(streams);
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(HTTP_1_BUFFER_BYTES)
            .header_read_timeout(limits.header_timeout);
        builder
            .http2()
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(limits.max_streams_per_connection)
            .max_header_list_size(MAX_HEADER_BYTES)
            .initial_stream_window_size(RECEIVE_WINDOW_BYTES)
            .initial_connection_window_size(RECEIVE_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .keep_alive_interval(limits.keep_alive_interval)
            .keep_alive_timeout(limits.keep_alive_timeout);
        builder
    }
}

/// Limits the time for each write. On the heap, because each future that takes a stream by value would
/// have room for it once more.
fn with_timeout<S>(stream: S, write_timeout: Duration) -> Pin<Box<TimeoutStream<S>>>
where
    S: AsyncRead + AsyncWrite,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_timeout));
    Box::pin(stream)
}

/// Logs why a connection has failed, for the first in each minute: strangers can cause any number.
fn log_seldom(peer: &impl Display, error: &BoxError) {
    static ENDED: LogThrottle = LogThrottle::new();
    match ENDED.count() {
        Some(failures) => tracing::debug!(%peer, %error, failures, "a connection has failed"),
        None => tracing::trace!(%peer, %error, "a connection has failed"),
    }
}

/// The certificate that the client has shown in the handshake, which has verified it.
fn client_certificate(
    stream: &TlsStream<TcpStream>,
) -> Result<Option<ClientCertificate>, ClientCertificateError> {
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    chain.first().map(|leaf| ClientCertificate::of(leaf)).transpose()
}

/// Waits until the connection of a stranger is evicted. That of a known caller ends gracefully.
async fn evicted_as_stranger(slot: &Slot) {
    slot.evicted().await;
    if slot.is_known() {
        std::future::pending::<()>().await;
    }
}
