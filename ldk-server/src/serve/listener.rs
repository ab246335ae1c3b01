//! The listener: accepts connections, speaks TLS on each, and hands them to HTTP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;

use super::Front;
use crate::certificate::Certificate;

/// Connections at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 1024;
/// Calls at once on one connection.
const MAX_STREAMS_PER_CONNECTION: u32 = 256;
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// How long a new connection may take to complete its TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that is silent for this long is asked whether it is still there …
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// … and is closed if it does not answer for this long.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause after accepting failed, which it does when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// The first byte of every TLS connection.
const TLS_HANDSHAKE_RECORD: u8 = 22;

/// A bound socket, with what it takes to speak TLS on its connections.
pub struct Listener {
    socket: TcpListener,
    certificate: Certificate,
}

impl Listener {
    /// Binds `address`, without accepting connections yet.
    pub async fn bind(address: SocketAddr, certificate: Certificate) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, certificate })
    }

    /// The address that was bound.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `front` until `stop` is cancelled, then waits for the calls under way.
    pub async fn serve(self, front: Front, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept(&slots) => accepted,
            };
            let Ok((slot, stream, peer)) = accepted.inspect_err(|error| {
                tracing::error!("cannot accept a connection: {error}");
            }) else {
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            };
            let connection =
                serve_connection(stream, self.certificate.acceptor(), front.clone(), stop.clone());
            connections.spawn(async move {
                let _slot = slot;
                if let Err(error) = connection.await {
                    tracing::debug!("connection from {peer} ended: {error}");
                }
            });
        }
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }

    async fn accept(
        &self,
        slots: &Arc<Semaphore>,
    ) -> io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
        let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = self.socket.accept().await?;
        // Without it each unary call waits for the caller's delayed acknowledgement.
        stream.set_nodelay(true)?;
        Ok((slot, stream, peer))
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn serve_connection(
    stream: TcpStream,
    tls: TlsAcceptor,
    front: Front,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    let stream = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        done = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(stream, tls)) => done??,
    };
    let service = service_fn(move |request: Request<Incoming>| front.clone().serve(request));
    serve_http(TokioIo::new(stream), service, stop).await
}

async fn handshake(
    mut stream: TcpStream,
    tls: TlsAcceptor,
) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
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

async fn serve_http<I, S, F>(io: I, service: S, stop: CancellationToken) -> Result<(), BoxError>
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
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HANDSHAKE_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS_PER_CONNECTION)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    tokio::select! {
        done = connection.as_mut() => return done,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
