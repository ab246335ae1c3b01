//! Connects to a peer, directly or, at an onion address, through the proxy.

use std::io;
use std::time::Duration;

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_socks::tcp::Socks5Stream;

use crate::config::HostPort;

/// How long a direct connection may take, with the lookup of the host.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection through the proxy may take. Less than a caller of ConnectPeer waits, so that
/// the caller gets the reason.
const PROXY_TIMEOUT: Duration = Duration::from_secs(25);

/// Tor uses different circuits for different passwords. User and password have no other meaning.
const USER: &str = "ldk-server";

/// How a peer is reached.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    Direct,
    Proxy(HostPort),
}

/// Why the connection to a peer failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The host does not exist.
    #[error("the host cannot be resolved")]
    Unresolvable,
    /// The peer refuses the connection or does not answer.
    #[error("it does not answer")]
    NoAnswer,
    /// The proxy refuses the connection or does not answer.
    #[error("the proxy at tor.proxy_address, {proxy}, cannot be reached: {source}")]
    Proxy {
        /// The address of the proxy.
        proxy: HostPort,
        /// The cause.
        source: io::Error,
    },
    /// The proxy could not connect to the peer.
    #[error("the proxy at tor.proxy_address, {proxy}, did not get there: {source}")]
    Refused {
        /// The address of the proxy.
        proxy: HostPort,
        /// The answer of the proxy.
        source: tokio_socks::Error,
    },
    /// The proxy did not connect to the peer in time.
    #[error(
        "the proxy at tor.proxy_address, {proxy}, did not get there within {} s",
        PROXY_TIMEOUT.as_secs()
    )]
    Timeout {
        /// The address of the proxy.
        proxy: HostPort,
    },
    /// The gate is closed.
    #[error("the server is stopping")]
    Stopping,
}

/// Connects to this address.
pub(super) async fn dial(
    transport: &Transport,
    address: &SocketAddress,
) -> Result<TcpStream, DialError> {
    match transport {
        Transport::Direct => {
            timeout(DIRECT_TIMEOUT, directly(address)).await.map_err(|_| DialError::NoAnswer)?
        },
        Transport::Proxy(proxy) => {
            let late = |_| DialError::Timeout { proxy: proxy.clone() };
            timeout(PROXY_TIMEOUT, through(proxy, address)).await.map_err(late)?
        },
    }
}

/// Tries all addresses of a host, one after the other.
async fn directly(address: &SocketAddress) -> Result<TcpStream, DialError> {
    if matches!(address, SocketAddress::OnionV2(_) | SocketAddress::OnionV3 { .. }) {
        // Onion names must not reach a DNS server.
        return Err(DialError::Unresolvable);
    }
    let found = lookup_host(address.to_string()).await.map_err(|_| DialError::Unresolvable)?;
    let mut failure = DialError::Unresolvable;
    for address in found {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(|_| DialError::NoAnswer)?;
                return Ok(stream);
            },
            Err(_) => failure = DialError::NoAnswer,
        }
    }
    Err(failure)
}

async fn through(proxy: &HostPort, onion: &SocketAddress) -> Result<TcpStream, DialError> {
    let stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await;
    let stream = stream
        .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        .map_err(|source| DialError::Proxy { proxy: proxy.clone(), source })?;
    let target = onion.to_string();
    let host = target.split(':').next().unwrap_or_default();
    let stream =
        Socks5Stream::connect_with_password_and_socket(stream, target.as_str(), USER, host).await;
    let refused = |source| DialError::Refused { proxy: proxy.clone(), source };
    Ok(stream.map_err(refused)?.into_inner())
}
