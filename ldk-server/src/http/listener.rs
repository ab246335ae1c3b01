//! The listener: accepts connections, speaks TLS on each, and hands them to HTTP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;

use super::Router;

use super::places::{Place, Places};
use super::preface_timeout::PrefaceTimeout;
use super::standing::{Budget, Standing};
use super::stream::{Stream, Streams};
use crate::certificate::Certificate;
use crate::clock::LogThrottle;
use crate::config::LimitsConfig;
use crate::descriptors;

/// The headers of one request.
const MAX_HEADER_BYTES: u32 = 8 * 1024;
/// What HTTP/1 keeps of what comes and of what is to be sent.
const HTTP_1_BUFFER_BYTES: usize = 16 * 1024;
/// What the other side may send before it is read, on all streams together. There can be no less
/// (RFC 9113, section 6.9.2).
const RECEIVE_WINDOW_BYTES: u32 = 65_535;
/// What is kept of an answer that is taken slowly.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// The pause after accepting failed, which it does when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The first byte of every TLS connection.
const TLS_HANDSHAKE_RECORD: u8 = 22;

/// A bound socket, with what it takes to speak TLS on its connections.
pub struct Listener {
    socket: TcpListener,
    certificate: Certificate,
    limits: LimitsConfig,
}

impl Listener {
    /// Binds `address`, without accepting connections yet.
    pub async fn bind(
        address: SocketAddr,
        certificate: Certificate,
        limits: LimitsConfig,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, certificate, limits })
    }

    /// The address that was bound.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers with `router` until `stop` is cancelled, then waits for the calls under way.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let places = Places::new(self.limits.max_connections);
        let budget = Budget::default();
        let refusals = LogThrottle::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted.inspect_err(|error| {
                tracing::error!("cannot accept a connection: {error}");
            }) else {
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            };
            // Closed, and not left waiting: who gets no answer would not know why.
            let place = if descriptors::are_scarce(&stream) { None } else { places.take() };
            let Some(place) = place else {
                if let Some(refused) = refusals.count() {
                    let most = self.limits.max_connections;
                    tracing::warn!(
                        "limits.max_connections: all {most} connections are in use, or there are too \
                         few open files; refused: {refused}"
                    );
                }
                continue;
            };
            let connection = Connection {
                place: Arc::new(place),
                budget: budget.clone(),
                limits: self.limits,
                router: router.clone(),
                stop: stop.clone(),
            };
            let tls = self.certificate.acceptor();
            connections.spawn(async move {
                if let Err(error) = connection.serve(stream, tls).await {
                    tell_seldom(peer, &error);
                }
            });
        }
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One connection that was accepted.
struct Connection {
    place: Arc<Place>,
    budget: Budget,
    limits: LimitsConfig,
    router: Router,
    stop: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream, tls: TlsAcceptor) -> Result<(), BoxError> {
        let place = Arc::clone(&self.place);
        tokio::select! {
            done = self.serve_tls(stream, tls) => done,
            () = evicted_as_stranger(&place) => Err("its place was needed for another".into()),
        }
    }

    async fn serve_tls(self, stream: TcpStream, tls: TlsAcceptor) -> Result<(), BoxError> {
        // Without it each unary call waits for the caller's delayed acknowledgement.
        stream.set_nodelay(true)?;
        let stream = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            done = timeout(self.limits.handshake_timeout, Box::pin(handshake(stream, tls))) => {
                done.map_err(|_| "no TLS handshake in time")??
            },
        };
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.write_timeout));
        let (stream, has_begun) = PrefaceTimeout::new(Box::pin(stream));
        let standing = Standing::new(Arc::clone(&self.place), self.budget.clone(), &self.limits);
        let (standing, router) = (Arc::new(standing), self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arc::clone(&standing));
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
fn tell_seldom(peer: SocketAddr, error: &BoxError) {
    static ENDED: LogThrottle = LogThrottle::new();
    match ENDED.count() {
        Some(number) => {
            tracing::debug!(
                "connection from {peer} ended: {error}; connections that ended so: {number}"
            );
        },
        None => tracing::trace!("connection from {peer} ended: {error}"),
    }
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
