//! The server behind a port, and connections to it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tower::Service;

use crate::config::HostPort;

/// Longer than the library waits for any connection of its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The server behind a port.
#[derive(Clone)]
pub(super) struct Server(Arc<Inner>);

struct Inner {
    /// The name in log lines.
    name: String,
    address: HostPort,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Whether the last attempt to connect failed.
    is_away: AtomicBool,
}

/// A connection to a server, with TLS or without.
pub(super) struct Stream(Either<TcpStream, Box<TlsStream<TcpStream>>>);

impl Server {
    pub(super) fn new(
        name: String,
        address: HostPort,
        tls: Option<ClientConfig>,
    ) -> Result<Self, InvalidDnsNameError> {
        let tls = match tls {
            Some(config) => {
                let host = ServerName::try_from(address.host.clone())?;
                Some((TlsConnector::from(Arc::new(config)), host))
            },
            None => None,
        };
        Ok(Self(Arc::new(Inner { name, address, tls, is_away: AtomicBool::default() })))
    }

    /// Connects to the server. With TLS, its certificate must be valid for its name and issued by a
    /// trusted authority.
    pub(super) async fn connect(&self) -> io::Result<Stream> {
        let connected = timeout(CONNECT_TIMEOUT, self.0.connect()).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        self.0.log_change(connected.as_ref().err());
        connected
    }
}

impl Inner {
    async fn connect(&self) -> io::Result<Stream> {
        let HostPort { host, port } = &self.address;
        let tcp = TcpStream::connect((host.as_str(), *port)).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream(Either::Left(tcp))),
            Some((connector, name)) => {
                let tls = connector.connect(name.clone(), tcp).await?;
                Ok(Stream(Either::Right(Box::new(tls))))
            },
        }
    }

    /// Logs when the server becomes unreachable and when it is back: the library only sees a port
    /// that closes.
    fn log_change(&self, error: Option<&io::Error>) {
        let was_away = self.is_away.swap(error.is_some(), Ordering::Relaxed);
        let server = &self.name;
        match error {
            Some(error) if was_away => tracing::debug!(%server, %error, "cannot connect"),
            Some(error) => tracing::warn!(%server, %error, "cannot connect"),
            None if was_away => tracing::info!(%server, "connected again"),
            None => {},
        }
    }
}

impl Service<Uri> for Server {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let server = self.clone();
        Box::pin(async move { server.connect().await.map(TokioIo::new) })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
