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
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;

use super::Front;
use super::opening::Opening;
use super::rate::Rate;
use crate::certificate::Certificate;
use crate::clock::Seldom;
use crate::config::LimitsConfig;

const MAX_HEADER_BYTES: u32 = 16 * 1024;
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

    /// Serves `front` until `stop` is cancelled, then waits for the calls under way.
    pub async fn serve(self, front: Front, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(self.limits.max_connections));
        let mut refusals = Seldom::default();
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
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                if let Some(refused) = refusals.count() {
                    let most = self.limits.max_connections;
                    tracing::warn!(
                        "limits.max_connections: {most} connections are open; refused: {refused}"
                    );
                }
                continue;
            };
            let connection = serve_connection(
                stream,
                self.certificate.acceptor(),
                self.limits,
                front.clone(),
                stop.clone(),
            );
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
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn serve_connection(
    stream: TcpStream,
    tls: TlsAcceptor,
    limits: LimitsConfig,
    front: Front,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    // Without it each unary call waits for the caller's delayed acknowledgement.
    stream.set_nodelay(true)?;
    let stream = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        done = timeout(limits.handshake_timeout, handshake(stream, tls)) => {
            done.map_err(|_| "no TLS handshake in time")??
        },
    };
    let (stream, has_begun) = Opening::new(stream);
    let rate = Arc::new(Rate::new(limits.max_calls_per_second_per_connection));
    let service = service_fn(move |request: Request<Incoming>| {
        front.clone().serve(request, Arc::clone(&rate))
    });
    let is_late = async {
        if timeout(limits.header_timeout, has_begun).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        done = serve_http(TokioIo::new(stream), service, limits, stop) => done,
        () = is_late => Err("no HTTP in time".into()),
    }
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

async fn serve_http<I, S, F>(
    io: I,
    service: S,
    limits: LimitsConfig,
    stop: CancellationToken,
) -> Result<(), BoxError>
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
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams_per_connection)
        .max_header_list_size(MAX_HEADER_BYTES)
        .keep_alive_interval(limits.keep_alive_interval)
        .keep_alive_timeout(limits.keep_alive_timeout);
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    tokio::select! {
        done = connection.as_mut() => return done,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
