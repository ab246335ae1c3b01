//! One TLS connection to the server.

use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::connect_failure::ConnectFailure;
use crate::error::Error;

/// Where to connect to, and how to know that it is the right server.
#[derive(Clone)]
pub(crate) struct Target {
    address: Authority,
    host: String,
    port: u16,
    server_name: ServerName<'static>,
    tls: TlsConnector,
}

impl Target {
    pub(crate) fn new(address: &Authority, tls: ClientConfig) -> Result<Self, Error> {
        let unusable = |reason: &str| {
            Error::Configuration(format!("the address \"{address}\" cannot be used: {reason}"))
        };
        let host = address.host();
        // An IPv6 address is bracketed in a URI and nowhere else.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let server_name =
            ServerName::try_from(host.to_owned()).map_err(|error| unusable(&error.to_string()))?;
        Ok(Self {
            address: address.clone(),
            host: host.to_owned(),
            port: address.port_u16().ok_or_else(|| unusable("it has no port"))?,
            server_name,
            tls: TlsConnector::from(Arc::new(tls)),
        })
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>, ConnectFailure> {
        let unreachable =
            |source| ConnectFailure::Unreachable { address: self.address.clone(), source };
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        // A small request must not wait for the acknowledgement of the one before it.
        tcp.set_nodelay(true).map_err(unreachable)?;
        self.tls
            .connect(self.server_name.clone(), tcp)
            .await
            .map_err(|source| ConnectFailure::of_handshake(self.address.clone(), source))
    }
}

/// Makes connections to one target. The URI it is called with is always that of the target.
pub(crate) fn connector(
    target: Target,
    timeout: Duration,
) -> impl Service<
    Uri,
    Response = TokioIo<TlsStream<TcpStream>>,
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
                Err(_) => {
                    Err(ConnectFailure::TimedOut { address: target.address.clone(), timeout })
                },
            }
        }
    })
}
