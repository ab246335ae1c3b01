//! One connection to the server: TLS over the network, or the Unix socket of this machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::Service;

use crate::connect_failure::ConnectFailure;
use crate::error::Error;

/// What requests over a Unix socket name as their server, where there is no address.
const LOCAL_AUTHORITY: Authority = Authority::from_static("localhost");

/// Where to connect to, and how to know that it is the right server.
#[derive(Clone)]
pub(crate) enum Target {
    Remote(Remote),
    Local(PathBuf),
}

/// A server that is reached over the network.
#[derive(Clone)]
pub(crate) struct Remote {
    address: Authority,
    host: String,
    port: u16,
    server_name: ServerName<'static>,
    tls: TlsConnector,
}

/// A connection, of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type BoxStream = Box<dyn Stream>;

impl Target {
    pub(crate) fn remote(address: &Authority, tls: ClientConfig) -> Result<Self, Error> {
        let unusable = |reason: &str| {
            Error::Configuration(format!("the address \"{address}\" cannot be used: {reason}"))
        };
        let host = address.host();
        // An IPv6 address is bracketed in a URI and nowhere else.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let server_name =
            ServerName::try_from(host.to_owned()).map_err(|error| unusable(&error.to_string()))?;
        Ok(Self::Remote(Remote {
            address: address.clone(),
            host: host.to_owned(),
            port: address.port_u16().ok_or_else(|| unusable("it has no port"))?,
            server_name,
            tls: TlsConnector::from(Arc::new(tls)),
        }))
    }

    pub(crate) fn local(path: PathBuf) -> Self {
        Self::Local(path)
    }

    /// What requests name as their server.
    pub(crate) fn authority(&self) -> Authority {
        match self {
            Self::Remote(remote) => remote.address.clone(),
            Self::Local(_) => LOCAL_AUTHORITY,
        }
    }

    async fn connect(&self) -> Result<BoxStream, ConnectFailure> {
        match self {
            Self::Remote(remote) => remote.connect().await,
            Self::Local(path) => connect_local(path).await.map_err(|source| {
                ConnectFailure::Unreachable { address: self.to_string(), source }
            }),
        }
    }
}

/// As messages have it.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(remote) => remote.address.fmt(formatter),
            Self::Local(path) => path.display().fmt(formatter),
        }
    }
}

impl Remote {
    async fn connect(&self) -> Result<BoxStream, ConnectFailure> {
        let address = self.address.to_string();
        let unreachable =
            |source| ConnectFailure::Unreachable { address: self.address.to_string(), source };
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        // A small request must not wait for the acknowledgement of the one before it.
        tcp.set_nodelay(true).map_err(unreachable)?;
        match self.tls.connect(self.server_name.clone(), tcp).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(source) => Err(ConnectFailure::of_handshake(address, source)),
        }
    }
}

#[cfg(unix)]
async fn connect_local(path: &Path) -> std::io::Result<BoxStream> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn connect_local(_: &Path) -> std::io::Result<BoxStream> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Whether a server listens at this Unix socket that this process may use.
#[cfg(unix)]
pub(crate) fn is_listened_at(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// There are none on this system.
#[cfg(not(unix))]
pub(crate) fn is_listened_at(_: &Path) -> bool {
    false
}

/// Makes connections to one target. The URI it is called with is always that of the target.
pub(crate) fn connector(
    target: Target,
    timeout: Duration,
) -> impl Service<
    Uri,
    Response = TokioIo<BoxStream>,
    Error = impl std::error::Error + Send + Sync + 'static,
    Future: Send,
> + Send
+ 'static {
    let target = Arc::new(target);
    tower::service_fn(move |_: Uri| {
        let target = Arc::clone(&target);
        async move {
            match tokio::time::timeout(timeout, target.connect()).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(ConnectFailure::TimedOut { address: target.to_string(), timeout }),
            }
        }
    })
}
