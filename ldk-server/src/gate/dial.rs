//! Reaching a peer: directly, or through the proxy if its address is an onion address.

use std::io;
use std::time::Duration;

use ldk_node::lightning::ln::msgs::SocketAddress;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_socks::tcp::Socks5Stream;

use crate::config::HostPort;

/// How long a direct connection may take, with finding out the address.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one through the proxy may take. Less than a caller of ConnectPeer waits, so that it
/// hears the reason.
const PROXY_TIMEOUT: Duration = Duration::from_secs(25);

/// Tor keeps what comes with different passwords on different circuits. This and the password mean
/// nothing else to it.
const USER: &str = "ldk-server";

/// How a peer is reached.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    Direct,
    Proxy(HostPort),
}

/// Why a peer was not reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// There is no host of this name.
    #[error("the host cannot be resolved")]
    Unresolvable,
    /// Nobody is there, or nobody answers.
    #[error("it does not answer")]
    NoAnswer,
    /// The proxy is not there.
    #[error("the proxy at tor.proxy_address, {proxy}, cannot be reached: {error}")]
    Proxy {
        /// Where it should be.
        proxy: HostPort,
        /// What the system says.
        error: io::Error,
    },
    /// The proxy did not get there.
    #[error("the proxy at tor.proxy_address, {proxy}, did not get there: {error}")]
    Refused {
        /// Where the proxy is.
        proxy: HostPort,
        /// What it says.
        error: tokio_socks::Error,
    },
    /// The proxy did not get there in time.
    #[error(
        "the proxy at tor.proxy_address, {proxy}, did not get there within {} s",
        PROXY_TIMEOUT.as_secs()
    )]
    Timeout {
        /// Where the proxy is.
        proxy: HostPort,
    },
    /// The gate is closed.
    #[error("the server is stopping")]
    Stopping,
}

/// A connection to this address.
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
        // No DNS server is asked for those.
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
        .map_err(|error| DialError::Proxy { proxy: proxy.clone(), error })?;
    let target = onion.to_string();
    let host = target.split(':').next().unwrap_or_default();
    let stream =
        Socks5Stream::connect_with_password_and_socket(stream, target.as_str(), USER, host).await;
    let refused = |error| DialError::Refused { proxy: proxy.clone(), error };
    Ok(stream.map_err(refused)?.into_inner())
}
