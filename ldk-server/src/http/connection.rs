//! One connection: who has made it, TLS if it came over the network, and then HTTP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::Router;
use super::identity::{ConnectionIdentity, LocalUser};
use super::local_socket::{Admission, LocalStream};
use super::places::Place;
use super::preface_timeout::PrefaceTimeout;
use super::standing::{Budget, Standing};
use super::stream::{Stream, Streams};
use crate::certificate::Certificate;
use crate::clock::Seldom;
use crate::config::LimitsConfig;
use crate::descriptors;
use crate::secrets::{ClientCertificate, ClientCertificateError};

/// The headers of one request.
const MAX_HEADER_BYTES: u32 = 8 * 1024;
/// What HTTP/1 keeps of what comes and of what is to be sent.
const HTTP_1_BUFFER_BYTES: usize = 16 * 1024;
/// What the other side may send before it is read, on all streams together. There can be no less
/// (RFC 9113, section 6.9.2).
const RECEIVE_WINDOW_BYTES: u32 = 65_535;
/// What is kept of an answer that is taken slowly.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// The first byte of every TLS connection.
const TLS_HANDSHAKE_RECORD: u8 = 22;

/// A connection, with what it takes to know who has made it.
pub(super) enum Accepted {
    Remote(TcpStream, SocketAddr, Certificate),
    Local(LocalStream, Admission),
}

impl Accepted {
    /// Whether hardly any more can be accepted.
    pub(super) fn is_among_the_last(&self) -> bool {
        match self {
            Self::Remote(stream, ..) => descriptors::are_scarce(stream),
            Self::Local(stream, _) => descriptors::are_scarce(stream),
        }
    }

    /// Where it comes from, as the log has it.
    fn peer(&self) -> String {
        match self {
            Self::Remote(_, peer, _) => peer.to_string(),
            Self::Local(..) => "this machine".to_owned(),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One connection that was accepted.
pub(super) struct Connection {
    pub(super) place: Arc<Place>,
    pub(super) budget: Budget,
    pub(super) limits: LimitsConfig,
    pub(super) router: Router,
    pub(super) stop: CancellationToken,
}

impl Connection {
    /// Answers what comes on it, until it ends or `stop` is cancelled.
    pub(super) async fn run(self, accepted: Accepted) {
        let peer = accepted.peer();
        if let Err(error) = self.serve(accepted).await {
            tell_seldom(&peer, &error);
        }
    }

    async fn serve(self, accepted: Accepted) -> Result<(), BoxError> {
        let place = Arc::clone(&self.place);
        let serving = async {
            match accepted {
                Accepted::Remote(stream, _, certificate) => {
                    self.serve_tls(stream, certificate).await
                },
                Accepted::Local(stream, admission) => self.serve_local(stream, admission).await,
            }
        };
        tokio::select! {
            done = serving => done,
            () = evicted_as_stranger(&place) => Err("its place was needed for another".into()),
        }
    }

    async fn serve_local(self, stream: LocalStream, admission: Admission) -> Result<(), BoxError> {
        // It may read what the system knows of a process.
        let looking = spawn_blocking(move || admission.of(&stream).map(|found| (found, stream)));
        let ((user, is_admitted), stream) = looking.await??;
        if !is_admitted {
            tell_refusal(user);
            return Ok(());
        }
        self.serve_stream(stream, Some(ConnectionIdentity::LocalUser(user))).await
    }

    async fn serve_tls(self, stream: TcpStream, certificate: Certificate) -> Result<(), BoxError> {
        let tls = certificate.acceptor();
        // Without it each unary call waits for the caller's delayed acknowledgement.
        stream.set_nodelay(true)?;
        let stream = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            done = timeout(self.limits.handshake_timeout, Box::pin(handshake(stream, tls))) => {
                done.map_err(|_| "no TLS handshake in time")??
            },
        };
        // On the heap, because each future that takes it by value would have room for it once more.
        let stream = Box::new(stream);
        let Some(client) = client_certificate(&stream)? else {
            return self.serve_stream(stream, None).await;
        };
        let identity = ConnectionIdentity::ClientCertificate(client.clone());
        // In this order: no request is read once the certificate is withdrawn.
        tokio::select! {
            biased;
            why = certificate.withdrawn(&client) => Err(why.into()),
            done = self.serve_stream(stream, Some(identity)) => done,
        }
    }

    /// Speaks HTTP on a connection, whose other side may be known.
    async fn serve_stream<S>(
        self,
        stream: S,
        identity: Option<ConnectionIdentity>,
    ) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write_timeout));
        let (stream, has_begun) = PrefaceTimeout::new(Box::pin(stream));
        let standing = Standing::new(Arc::clone(&self.place), self.budget.clone(), &self.limits);
        if identity.is_some() {
            standing.prove();
        }
        let (standing, router) = (Arc::new(standing), self.router.clone());
        let identity = identity.map(Arc::new);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&standing));
            if let Some(identity) = &identity {
                request.extensions_mut().insert(Arc::clone(identity));
            }
            router.clone().answer(request)
        });
        let header_timeout = self.limits.header_timeout;
        let is_late = async {
            if timeout(header_timeout, has_begun).await.is_ok() {
                std::future::pending::<()>().await;
            }
        };
        let (write_timeout, stream_of_http_1) = (self.limits.write_timeout, Arc::default());
        let serving = Box::pin(self.serve_http(TokioIo::new(stream), service));
        let serving = Stream::run(&stream_of_http_1, serving);
        tokio::select! {
            done = serving => done,
            () = is_late => Err("no HTTP in time".into()),
            why = stream_of_http_1.ended(write_timeout) => Err(why.into()),
        }
    }

    async fn serve_http<I, S, F>(self, io: I, service: S) -> Result<(), BoxError>
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
        S: hyper::service::Service<
                Request<Incoming>,
                Response = Response<Body>,
                Error = std::convert::Infallible,
                Future = F,
            >,
        F: Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send + 'static,
    {
        let limits = self.limits;
        let streams = Streams::new(Arc::clone(&self.place), limits.write_timeout);
        let mut builder = auto::Builder::new(streams);
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(HTTP_1_BUFFER_BYTES)
            .header_read_timeout(limits.header_timeout);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.max_streams_per_connection)
            .max_header_list_size(MAX_HEADER_BYTES)
            .initial_stream_window_size(RECEIVE_WINDOW_BYTES)
            .initial_connection_window_size(RECEIVE_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .keep_alive_interval(limits.keep_alive_interval)
            .keep_alive_timeout(limits.keep_alive_timeout);
        let mut connection = Box::pin(builder.serve_connection(io, service));
        tokio::select! {
            done = connection.as_mut() => return done,
            () = self.stop.cancelled() => {},
            () = self.place.evicted() => {},
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}

/// Says why a connection has ended, of the first in each minute: strangers can make any number.
fn tell_seldom(peer: &str, error: &BoxError) {
    static ENDED: Seldom = Seldom::new();
    match ENDED.count() {
        Some(number) => {
            tracing::debug!(
                "connection from {peer} ended: {error}; connections that ended so: {number}"
            );
        },
        None => tracing::trace!("connection from {peer} ended: {error}"),
    }
}

/// Says that somebody has used the Unix socket who must not, of the first in each minute.
fn tell_refusal(user: LocalUser) {
    static REFUSED: Seldom = Seldom::new();
    if let Some(number) = REFUSED.count() {
        tracing::warn!(
            "node.unix_socket: refused a process of user {}, group {}; refused: {number}",
            user.uid,
            user.gid
        );
    }
}

/// What the other side has shown in the handshake, which has verified it.
fn client_certificate(
    stream: &TlsStream<TcpStream>,
) -> Result<Option<ClientCertificate>, ClientCertificateError> {
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    chain.first().map(|leaf| ClientCertificate::of(leaf)).transpose()
}

/// Waits until the place of a stranger has gone to another. A caller who is known is asked to leave.
async fn evicted_as_stranger(place: &Place) {
    place.evicted().await;
    if place.is_kept() {
        std::future::pending::<()>().await;
    }
}

async fn handshake(mut stream: TcpStream, tls: TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE_RECORD {
        refuse_plain_text(&mut stream).await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "plain text on the TLS port"));
    }
    tls.accept(stream).await
}

/// Tells a client that speaks HTTP without TLS what is wrong, in its own language.
async fn refuse_plain_text(stream: &mut TcpStream) -> io::Result<()> {
    const TEXT: &str = "this port speaks TLS only; use https://\n";
    let length = TEXT.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{TEXT}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
